"""Plain MQTT: one retained topic for each value, for whoever reads a broker.

`<base>/<key with slashes>` holds `{"value", "unit", "timestamp"}`; `<base>/status` holds
`{"online"}`. A load is held back by `<key>/set` and every set is answered once below
`<key>/result`. The topics are documented in the README.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .commands import correlation_of
from .messages import Data, Outgoing, Setting, Told
from .values import Attribute, Constraint, Pace, Point, Tree, ValueType

ENABLED: Final = "remote_enabled"
"""Name of the state that a consumer may set."""

_TYPES: Final = {
    bool: ValueType.BOOLEAN,
    int: ValueType.NUMBER,
    float: ValueType.NUMBER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """Topics below a base, without a slash at its end."""

    base: str

    tells_all_anew = True

    @property
    def will(self) -> Outgoing:
        """Return that nobody is there."""
        return self._status(online=False)

    @property
    def subscription(self) -> str:
        """Return the topics of settings."""
        return f"{self.base}/asset/+/{ENABLED}/set"

    def online(self, tree: Tree, known: Mapping[str, Told]) -> list[Outgoing]:
        """Return that somebody is there; values follow by themselves."""
        return [self._status(online=True)]

    def told(self, values: Sequence[Told]) -> list[Outgoing]:
        """Return the state of each value, retained."""
        return [
            Outgoing(
                topic=f"{self.base}/{item.attribute.path}",
                data=_state(item.attribute, item.value, item.at),
                retain=True,
            )
            for item in values
        ]

    def changed(self, before: Tree, after: Tree) -> list[Outgoing]:
        """Return what clears the topics of what is gone."""
        return [
            Outgoing(topic=f"{self.base}/{path}", data=None, retain=True)
            for path in before
            if path not in after
        ]

    def did_set(self, setting: Setting) -> list[Outgoing]:
        """Return that a set was taken over."""
        data = _state(setting.attribute, setting.value, setting.at)
        return [self._result(setting.attribute.path, setting.correlation, True, data)]

    def refused(self, path: str, data: Data | None, reason: str) -> list[Outgoing]:
        """Return that a set changed nothing, and why."""
        correlation = None if data is None else correlation_of(data)
        return [self._result(path, correlation, False, {"reason": reason})]

    def stored(self, messages: Iterable[Outgoing], at: float) -> list[Outgoing]:
        """Return the messages as they are: each carries its own time."""
        return list(messages)

    def path_of(self, topic: str) -> str | None:
        """Return the path in a topic of a setting."""
        own = topic.removeprefix(f"{self.base}/")
        path = own.removesuffix("/set")
        return None if path in {own, topic} or own == topic else path

    def _status(self, *, online: bool) -> Outgoing:
        return Outgoing(
            topic=f"{self.base}/status", data={"online": online}, retain=True
        )

    def _result(
        self,
        path: str,
        correlation: str | int | None,
        accepted: bool,
        data: Mapping[str, Any],
    ) -> Outgoing:
        answer: dict[str, Any] = {"accepted": accepted, **data}
        if correlation is not None:
            answer["correlationID"] = correlation
        return Outgoing(topic=f"{self.base}/{path}/result", data=answer)


def _state(attribute: Attribute, value: object, at: float) -> dict[str, Any]:
    return {"value": value, "unit": attribute.unit, "timestamp": round(at, 3)}


def plain_tree(
    points: Mapping[str, Point], gauge: Pace, counter: Pace, known: Tree
) -> Tree:
    """Return one attribute for each point that has ever had a value.

    A key `asset.<id>.power` lies at `asset/<id>/power`; its first two words are the
    node. `asset.<id>.remote_enabled` is what may be set. Gauges and counters have paces
    of their own, everything else is told when it changes.
    """
    tree = {}
    for key, point in points.items():
        path = key.replace(".", "/", 2)
        attribute = known.get(path)
        if attribute is None and point.value is not None:
            attribute = _attribute(key, point, gauge, counter)
        if attribute is not None:
            tree[path] = attribute
    return tree


def _attribute(key: str, point: Point, gauge: Pace, counter: Pace) -> Attribute:
    words = key.split(".", 2)
    kind, name = words[0], words[-1]
    middle = words[1] if len(words) > 2 else ""
    settable = kind == "asset" and name == ENABLED
    number = isinstance(point.value, int | float) and not isinstance(point.value, bool)
    pace = (counter if point.counter else gauge) if number else Pace()
    return Attribute(
        node=kind,
        object=middle,
        name=name,
        point=key,
        type=_TYPES.get(type(point.value), ValueType.STRING),
        constraint=Constraint.PARAMETER if settable else Constraint.STATUS,
        pace=pace,
        unit=point.unit,
        commands=middle if settable else None,
    )
