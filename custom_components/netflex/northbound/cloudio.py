"""cloud.iO's topics and messages, in its version 0.2 and in 0.1 (GOFLEX).

Times are epoch s as a float in every attribute, which is what published endpoints send;
only the envelope of `@delayed` carries ms, as they do. Payloads of 0.1 differ in the
path of topics, in `@online`, and in what they do not know: `@didSet`, `@transaction`
and `@delayed`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .messages import Data, Outgoing, Setting, Told
from .values import Attribute, Constraint, Tree, Value

FORMAT_VERSION: Final = 2
SUPPORTED: Final = ("JSON", "CBOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudIo:
    """An endpoint of cloud.iO by its name, which is its certificate's CN too."""

    endpoint: str
    old: bool = False
    """Version 0.1."""
    transactions: bool = False
    """Values of one moment go out as one message (0.2 only)."""

    tells_all_anew = False

    @property
    def will(self) -> Outgoing:
        """Return `@offline`."""
        return Outgoing(topic=f"@offline/{self.endpoint}", data=None)

    @property
    def subscription(self) -> str:
        """Return the topics of `@set`."""
        return f"@set/{self.endpoint}/#"

    def online(self, tree: Tree, known: Mapping[str, Told]) -> list[Outgoing]:
        """Return `@online` with the whole tree, retained."""
        nodes = {
            label: self._node(node, known) for label, node in nodes_of(tree).items()
        }
        data: dict[str, Any] = {"nodes": nodes}
        if not self.old:
            data = {
                "version": "v0.2",
                "messageFormatVersion": FORMAT_VERSION,
                "supportedFormats": list(SUPPORTED),
                **data,
            }
        return [Outgoing(topic=f"@online/{self.endpoint}", data=data, retain=True)]

    def told(self, values: Sequence[Told]) -> list[Outgoing]:
        """Return `@update` of each value, or one `@transaction`.

        What nobody knows has no message: its last value stands with its time.
        """
        known = [item for item in values if item.value is not None]
        if self.transactions and not self.old and len(known) > 1:
            attributes = {
                f"{self.endpoint}/{item.attribute.path}": _attribute(
                    item.attribute, item.value, item.at
                )
                for item in known
            }
            topic = f"@transaction/{self.endpoint}"
            return [Outgoing(topic=topic, data={"attributes": attributes})]
        return [
            Outgoing(
                topic=self._topic("@update", item.attribute),
                data=_attribute(item.attribute, item.value, item.at),
            )
            for item in known
        ]

    def changed(self, before: Tree, after: Tree) -> list[Outgoing]:
        """Return `@nodeRemoved` and `@nodeAdded`; a node that changes does both."""
        middle = "nodes/" if self.old else ""
        old, new = nodes_of(before), nodes_of(after)
        removed = [label for label in old if old[label] != new.get(label)]
        added = {label: new[label] for label in new if new[label] != old.get(label)}
        return [
            Outgoing(topic=f"@nodeRemoved/{self.endpoint}/{middle}{label}", data=None)
            for label in removed
        ] + [
            Outgoing(
                topic=f"@nodeAdded/{self.endpoint}/{middle}{label}",
                data=self._node(node, {}),
            )
            for label, node in added.items()
        ]

    def did_set(self, setting: Setting) -> list[Outgoing]:
        """Return `@didSet`: the attribute as it is now, and the id that services await."""
        if self.old:
            return []
        data = _attribute(setting.attribute, setting.value, setting.at)
        if setting.correlation is not None:
            data["correlationID"] = setting.correlation
        return [Outgoing(topic=self._topic("@didSet", setting.attribute), data=data)]

    def refused(self, path: str, data: Data | None, reason: str) -> list[Outgoing]:
        """Return nothing: cloud.iO has no message for it."""
        return []

    def stored(self, messages: Iterable[Outgoing], at: float) -> list[Outgoing]:
        """Return one `@delayed`; 0.1 gets every message by itself, with its time."""
        if self.old:
            return list(messages)
        content = [{"topic": item.topic, "data": item.data} for item in messages]
        data = {"timestamp": round(at * 1000), "messages": content}
        return [Outgoing(topic=f"@delayed/{self.endpoint}", data=data)]

    def path_of(self, topic: str) -> str | None:
        """Return the path of the attribute in a topic of `@set`, of either version."""
        levels = topic.split("/")
        if levels[:2] != ["@set", self.endpoint]:
            return None
        match levels[2:]:
            case ["nodes", node, "objects", label, "attributes", name]:
                return f"{node}/{label}/{name}"
            case [node, label, name]:
                return f"{node}/{label}/{name}"
        return None

    def _topic(self, action: str, attribute: Attribute) -> str:
        if not self.old:
            return f"{action}/{self.endpoint}/{attribute.path}"
        return (
            f"{action}/{self.endpoint}/nodes/{attribute.node}/objects/"
            f"{attribute.object}/attributes/{attribute.name}"
        )

    def _node(self, node: Tree, known: Mapping[str, Told]) -> dict[str, Any]:
        objects: dict[str, Any] = {}
        for path, attribute in node.items():
            told = known.get(path)
            place = objects.setdefault(
                attribute.object, {"objects": {}, "attributes": {}}
            )
            place["attributes"][attribute.name] = _attribute(
                attribute,
                None if told is None else told.value,
                None if told is None else told.at,
            )
        return {"implements": [], "objects": objects}


def nodes_of(tree: Tree) -> dict[str, dict[str, Attribute]]:
    """Return the tree by its nodes."""
    nodes: dict[str, dict[str, Attribute]] = {}
    for path, attribute in tree.items():
        nodes.setdefault(attribute.node, {})[path] = attribute
    return nodes


def _attribute(
    attribute: Attribute, value: Value | None, at: float | None
) -> dict[str, Any]:
    """Return an attribute's JSON; a value that nobody knows is left out."""
    data: dict[str, Any] = {
        "type": attribute.type.value,
        "constraint": attribute.constraint.value,
    }
    if value is None:
        return data
    if at is not None and attribute.constraint is not Constraint.STATIC:
        data["timestamp"] = round(at, 3)
    data["value"] = value
    return data
