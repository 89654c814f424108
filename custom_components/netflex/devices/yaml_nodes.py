"""Strict reading of YAML: every error names file, line and key.

PyYAML's nodes keep their position; a reader walks them, and a mapping that was
read to its end refuses every key that nobody asked for.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import NoReturn, Self
from zlib import crc32

import yaml

from ..model.phrase import Phrase


class ProfileError(Exception):
    """A profile file that cannot be used: `file:line: key: what is wrong`."""

    def __init__(self, file: str, line: int, key: str, text: str) -> None:
        """Keep the place (line counted from 1) and what is wrong there."""
        super().__init__(f"{file}:{line}: {key + ': ' if key else ''}{text}")
        self.file = file
        self.line = line
        self.key = key
        self.text = text


def parse(text: str, file: str) -> yaml.Node:
    """Parse one YAML document, without constructing anything."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        raise ProfileError(file, line, "", err.problem or "not YAML") from err
    except yaml.YAMLError as err:
        raise ProfileError(file, 1, "", f"not YAML: {err}") from err
    if node is None:
        raise ProfileError(file, 1, "", "the file is empty")
    _refuse_loops(node, file, set(), set())
    return node


def _refuse_loops(
    node: yaml.Node, file: str, above: set[yaml.Node], done: set[yaml.Node]
) -> None:
    """Raise ProfileError for an alias of something that it lies in itself."""
    if node in above:
        line = node.start_mark.line + 1
        raise ProfileError(file, line, "", "it contains itself by an alias")
    if node in done or not isinstance(node, yaml.CollectionNode):
        return
    above.add(node)
    for part in node.value:
        for inner in part if isinstance(node, yaml.MappingNode) else (part,):
            _refuse_loops(inner, file, above, done)
    above.remove(node)
    done.add(node)


def scalar_of(node: yaml.ScalarNode) -> object:
    """Return a scalar as YAML understands it (hexadecimal integers included)."""
    return yaml.constructor.SafeConstructor().construct_object(node)


class Reader:
    """One node with its place."""

    def __init__(self, file: str, node: yaml.Node, path: str = "") -> None:
        """Read a node; `path` is its key from the top, with dots."""
        self.file = file
        self.node = node
        self.path = path

    def fail(self, text: str) -> NoReturn:
        """Raise the error of this place."""
        raise ProfileError(self.file, self.node.start_mark.line + 1, self.path, text)

    def _scalar(self, wanted: str) -> object:
        if not isinstance(self.node, yaml.ScalarNode):
            self.fail(f"must be {wanted}")
        try:
            return scalar_of(self.node)
        except ValueError as err:
            self.fail(f"must be {wanted}: {err}")
        except yaml.MarkedYAMLError as err:
            # A tag of another program's files, such as !secret.
            self.fail(f"must be {wanted}: {err.problem}")

    def text(self) -> str:
        """Return a text as it is written; a number is taken as its digits."""
        if not isinstance(self.node, yaml.ScalarNode) or not self.node.value:
            self.fail("must be a text")
        return str(self.node.value)

    def hint(self) -> Phrase:
        """Return a text for users, as a phrase whose key is told by the text.

        Those of shipped profiles have words in other languages; those of a user's own
        profile stay as they are.
        """
        text = self.text()
        key = f"{crc32(text.encode()):08x}"
        return Phrase(f"hint_{key}", text.replace("{", "{{").replace("}", "}}"))

    def integer(self, low: int | None = None, high: int | None = None) -> int:
        """Return a whole number within bounds."""
        value = self._scalar("a whole number")
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(f"must be a whole number, not {value!r}")
        if (low is not None and value < low) or (high is not None and value > high):
            self.fail(f"must be {low if low is not None else ''}..{high or ''}")
        return value

    def number(self) -> float:
        """Return a number."""
        value = self._scalar("a number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"must be a number, not {value!r}")
        return value

    def positive(self) -> float:
        """Return a number above zero."""
        if (value := self.number()) <= 0:
            self.fail("must be above zero")
        return value

    def boolean(self) -> bool:
        """Return true or false."""
        value = self._scalar("true or false")
        if not isinstance(value, bool):
            self.fail(f"must be true or false, not {value!r}")
        return value

    def plain(self) -> float | str | bool:
        """Return a number, a text or true/false."""
        value = self._scalar("a number, a text, true or false")
        if not isinstance(value, int | float | str):
            self.fail("must be a number, a text, true or false")
        return value

    def choice[E: StrEnum](self, kind: type[E]) -> E:
        """Return one of an enumeration's values."""
        value = self.text()
        try:
            return kind(value)
        except ValueError:
            self.fail(f"must be one of {', '.join(kind)}, not {value}")

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self.node, yaml.MappingNode)

    def items(self) -> list[Reader]:
        """Return the entries of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail("must be a list")
        return [
            Reader(self.file, node, f"{self.path}[{index}]")
            for index, node in enumerate(self.node.value)
        ]

    def one_or_more(self) -> list[Reader]:
        """Return the entries of a list, or this node as the only one."""
        return self.items() if self.is_list else [self]

    def section(self) -> Section:
        """Return the keys of a mapping."""
        return Section(self)


class Section:
    """The keys of one mapping; use as a context manager to refuse unknown ones."""

    def __init__(self, reader: Reader) -> None:
        """Index the keys; a key that stands twice is an error."""
        self.place = reader
        if not isinstance(reader.node, yaml.MappingNode):
            reader.fail("must have keys")
        self._entries: dict[str, Reader] = {}
        self._asked: set[str] = set()
        for key_node, node in reader.node.value:
            key = str(key_node.value)
            path = f"{reader.path}.{key}" if reader.path else key
            if key in self._entries:
                Reader(reader.file, key_node, path).fail("stands here twice")
            self._entries[key] = Reader(reader.file, node, path)
        self._keys: Mapping[str, yaml.Node] = {
            str(key_node.value): key_node for key_node, _ in reader.node.value
        }

    def __enter__(self) -> Self:
        """Begin to read."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Refuse what nobody asked for."""
        if kind is not None:
            return
        for key, reader in self._entries.items():
            if key in self._asked:
                continue
            near = get_close_matches(key, self._asked, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            Reader(reader.file, self._keys[key], reader.path).fail(f"unknown key{hint}")

    def get(self, key: str) -> Reader | None:
        """Return a key's value, None where the key is not there."""
        self._asked.add(key)
        return self._entries.get(key)

    def need(self, key: str) -> Reader:
        """Return a key's value; its absence is an error."""
        if (reader := self.get(key)) is None:
            self.place.fail(f"needs the key {key}")
        return reader

    def entries(self) -> Iterator[tuple[str, Reader]]:
        """Yield all keys, each a name that the file itself chooses."""
        self._asked.update(self._entries)
        yield from self._entries.items()
