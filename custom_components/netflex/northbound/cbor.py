"""CBOR (RFC 8949) as far as cloud.iO's messages need it.

No CBOR package sits in Home Assistant's constraints. Written: maps with text keys,
lists, texts, booleans, null, integers and doubles. Read: those, byte strings, shorter
floats, tags (skipped) and indefinite lengths, within bounds of depth and of items.
"""

from collections.abc import Mapping
from math import ldexp
import struct
from typing import Any, Final

DEPTH: Final = 16
ITEMS: Final = 20_000

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
_INDEFINITE: Final = 31
_BREAK: Final = 0xFF


class CborError(ValueError):
    """Octets that are not the CBOR that is read here."""


def encode(value: Any) -> bytes:
    """Return a value as CBOR; TypeError for what has no place in a message."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _write(out: bytearray, value: Any) -> None:
    if value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        _head(out, *((0, value) if value >= 0 else (1, -1 - value)))
    elif isinstance(value, float):
        out += b"\xfb" + struct.pack(">d", value)
    elif isinstance(value, str):
        octets = value.encode()
        _head(out, _TEXT, len(octets))
        out += octets
    elif isinstance(value, Mapping):
        _head(out, _MAP, len(value))
        for key, item in value.items():
            _write(out, str(key))
            _write(out, item)
    elif isinstance(value, list | tuple):
        _head(out, _ARRAY, len(value))
        for item in value:
            _write(out, item)
    else:
        raise TypeError(f"{type(value).__name__} cannot be written as CBOR")


def _head(out: bytearray, major: int, argument: int) -> None:
    for limit, info, form in (
        (24, argument, ""),
        (1 << 8, 24, ">B"),
        (1 << 16, 25, ">H"),
        (1 << 32, 26, ">I"),
        (1 << 64, 27, ">Q"),
    ):
        if argument < limit:
            out.append(major << 5 | info)
            if form:
                out += struct.pack(form, argument)
            return
    raise TypeError(f"{argument} is too large for CBOR")


def decode(octets: bytes) -> Any:
    """Return the one value that octets hold; CborError where they do not."""
    reader = _Reader(octets)
    value = reader.value(0)
    if reader.at != len(octets):
        raise CborError("there is something behind the value")
    return value


class _Reader:
    """Reads from the front; every step is bounded by what there is."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._items = 0
        self.at = 0

    def value(self, depth: int) -> Any:
        """Return the next value."""
        self._items += 1
        if depth > DEPTH or self._items > ITEMS:
            raise CborError("it is nested too deeply or has too many items")
        (initial,) = self._take(1)
        major, info = initial >> 5, initial & 31
        if major == _SIMPLE:
            return self._simple(info)
        if info == _INDEFINITE:
            return self._indefinite(major, depth)
        argument = self._argument(info)
        if major in {0, 1}:
            return argument if major == 0 else -1 - argument
        if major in {_BYTES, _TEXT}:
            return _text(self._take(argument), major)
        if major == _ARRAY:
            return [self.value(depth + 1) for _ in range(self._countable(argument))]
        if major == _MAP:
            return self._pairs(self._countable(argument), depth)
        return self.value(depth + 1)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._octets):
            raise CborError("it ends too early")
        part = self._octets[self.at : end]
        self.at = end
        return part

    def _countable(self, count: int) -> int:
        """Refuse a count that cannot be: each item has an octet at least."""
        if count > len(self._octets) - self.at:
            raise CborError("it ends too early")
        return count

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise CborError("a length that is reserved")
        return int.from_bytes(self._take(1 << (info - 24)))

    def _pairs(self, count: int, depth: int) -> dict[str, Any]:
        return dict(self._pair(depth) for _ in range(count))

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self.value(depth + 1)
        if not isinstance(key, str):
            raise CborError("a key that is no text")
        return key, self.value(depth + 1)

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in {_BYTES, _TEXT}:
            return self._parts(major)
        if major == _ARRAY:
            items = []
            while not self._broken():
                items.append(self.value(depth + 1))
            return items
        if major == _MAP:
            pairs = {}
            while not self._broken():
                key, item = self._pair(depth)
                pairs[key] = item
            return pairs
        raise CborError("an indefinite length where none can be")

    def _parts(self, major: int) -> str | bytes:
        """Return a text or octets that come in parts of a known length."""
        octets = bytearray()
        while not self._broken():
            (initial,) = self._take(1)
            if initial >> 5 != major:
                raise CborError("a part of another kind")
            octets += self._take(self._argument(initial & 31))
        return _text(bytes(octets), major)

    def _broken(self) -> bool:
        if self._octets[self.at : self.at + 1] == bytes([_BREAK]):
            self.at += 1
            return True
        return False

    def _simple(self, info: int) -> Any:
        if info in {20, 21}:
            return info == 21
        if info in {22, 23}:
            return None
        if info == 25:
            return _half(int.from_bytes(self._take(2)))
        if info in {26, 27}:
            (number,) = struct.unpack(
                *((">f", self._take(4)) if info == 26 else (">d", self._take(8)))
            )
            return float(number)
        raise CborError("a simple value that is unknown")


def _text(octets: bytes, major: int) -> str | bytes:
    if major == _BYTES:
        return octets
    try:
        return octets.decode()
    except UnicodeDecodeError as err:
        raise CborError("a text that is not UTF-8") from err


def _half(bits: int) -> float:
    exponent, fraction = bits >> 10 & 31, bits & 1023
    if exponent == 31:
        value = float("nan") if fraction else float("inf")
    elif exponent == 0:
        value = ldexp(fraction, -24)
    else:
        value = ldexp(fraction + 1024, exponent - 25)
    return -value if bits & 0x8000 else value
