"""Register contents and values: types, word order, sentinels, scaling.

Pure functions. Register lists are 16-bit unsigned integers as on the wire; coils
and discrete inputs are lists with one 0 or 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor, isfinite
import struct

from ..model.phrase import Phrase

type Value = float | str | bool


class RegisterType(StrEnum):
    """Types of values in registers."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"
    STR = "str"
    """Two characters per register, ended by a zero."""
    CHARS = "chars"
    """One character per register, ended by a zero."""
    BIT = "bit"
    """A coil or a discrete input."""


class Order(StrEnum):
    """Which end comes first: of registers in a value, of bytes in a register."""

    BIG = "big"
    LITTLE = "little"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a device lays out values that are longer than a register."""

    word: Order = Order.BIG
    byte: Order = Order.BIG


_FORMATS: Mapping[RegisterType, str] = {
    RegisterType.U16: ">H",
    RegisterType.S16: ">h",
    RegisterType.U32: ">I",
    RegisterType.S32: ">i",
    RegisterType.U64: ">Q",
    RegisterType.S64: ">q",
    RegisterType.F32: ">f",
    RegisterType.F64: ">d",
}

FLOATS = frozenset({RegisterType.F32, RegisterType.F64})
TEXTS = frozenset({RegisterType.STR, RegisterType.CHARS})
_SIGNED = frozenset({RegisterType.S16, RegisterType.S32, RegisterType.S64})

_STEP_SLACK = 1e-6
"""A hundredth of what any register resolves: 6.0 / 0.1 must give 60, not 59."""


def registers_of(kind: RegisterType) -> int | None:
    """Return how many registers a type takes, None where the profile says it."""
    if kind is RegisterType.BIT:
        return 1
    return None if kind in TEXTS else struct.calcsize(_FORMATS[kind]) // 2


def _bytes_of(words: Sequence[int], encoding: Encoding) -> bytes:
    ordered = words if encoding.word is Order.BIG else list(reversed(words))
    return b"".join(word.to_bytes(2, encoding.byte.value) for word in ordered)


def decode(
    words: Sequence[int], kind: RegisterType, encoding: Encoding
) -> float | str | bool:
    """Return what registers hold, before any scaling.

    Integers come as int, floats as float (NaN included), texts stripped.
    """
    if kind is RegisterType.BIT:
        return bool(words[0])
    if kind is RegisterType.STR:
        # Texts run in address order whatever the word order of numbers is.
        raw = b"".join(word.to_bytes(2, encoding.byte.value) for word in words)
        return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    if kind is RegisterType.CHARS:
        characters = "".join(map(chr, words))
        return characters.split("\0", 1)[0].strip()
    value: float = struct.unpack(_FORMATS[kind], _bytes_of(words, encoding))[0]
    return value


def encode(value: float, kind: RegisterType, encoding: Encoding) -> list[int]:
    """Return the registers of a value; fractions of integers go toward zero.

    Toward zero is the safe side of every limit and power. Raises ValueError where
    the value does not fit the type.
    """
    if kind is RegisterType.BIT:
        return [int(bool(value))]
    if kind in TEXTS:
        raise ValueError(Phrase("texts_not_written", "texts are not written"))
    if kind not in FLOATS:
        magnitude = floor(abs(value) + _STEP_SLACK)
        value = -magnitude if value < 0 else magnitude
    try:
        raw = struct.pack(_FORMATS[kind], value)
    except struct.error, OverflowError:
        raise ValueError(
            Phrase(
                "value_unfit",
                "{value} does not fit a register of type {kind}",
                value=f"{value:g}",
                kind=str(kind),
            )
        ) from None
    words = [
        int.from_bytes(raw[index : index + 2], encoding.byte.value)
        for index in range(0, len(raw), 2)
    ]
    return words if encoding.word is Order.BIG else words[::-1]


def sentinel_of(kind: RegisterType) -> int | None:
    """Return SunSpec's pattern for "not implemented" of an integer type."""
    if kind in FLOATS | TEXTS or kind is RegisterType.BIT:
        return None
    bits = 8 * struct.calcsize(_FORMATS[kind])
    return -(1 << (bits - 1)) if kind in _SIGNED else (1 << bits) - 1


def is_absent(
    words: Sequence[int],
    value: float | str | bool,
    kind: RegisterType,
    nan: Sequence[str | int],
) -> bool:
    """Whether registers hold a pattern that stands for "no value".

    `nan` entries: `type` (SunSpec's pattern), `ffff` (all ones), `zero`, or a raw
    number. A float that is not finite never is a value.
    """
    if isinstance(value, str):
        return not value
    if kind in FLOATS and not isfinite(value):
        return True
    for pattern in nan:
        if pattern == "ffff":
            if all(word == 0xFFFF for word in words):
                return True
        elif pattern == "zero":
            if value == 0:
                return True
        elif pattern == "type":
            if value == sentinel_of(kind):
                return True
        elif value == pattern:
            return True
    return False
