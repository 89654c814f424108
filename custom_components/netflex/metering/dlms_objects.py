"""What a pushed DLMS meter says: its values by OBIS code, and how often they come.

Meters describe what they push in three ways: a list of all objects in front of their
values (Landis+Gyr E450), code and value in turn, or a structure for each object. The
unit and the power of ten stand beside a value, or are nowhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from .dlms_axdr import ARRAY, ENUM, INT8, OCTETS, STRUCTURE, Datum

_CODE_LENGTH: Final = 6
_DESCRIBED: Final = 4
"""Class, code, attribute and index of an object in a list of objects."""
_STATE_CLASS: Final = 70
"""Disconnect control: the attribute is its state, not the contact."""
_STATE: Final = 3
_VALUE: Final = 2


class PushGroup(StrEnum):
    """The three groups in which an E450 pushes its values."""

    TECHNICAL = "technical"
    """Power, current and voltage."""
    ENERGY = "energy"
    """Energy of all tariffs together."""
    BILLING = "billing"
    """Energy by tariff."""


EXPECTED_PERIODS: Final[Mapping[PushGroup, float]] = MappingProxyType(
    {
        PushGroup.TECHNICAL: 5.0,
        PushGroup.ENERGY: 300.0,
        PushGroup.BILLING: 30 * 86400.0,
    }
)
"""s between two pushes of a group, as E450 meters were set up in GOFLEX (D8.3, table 3).
An operator may have set his own: what comes more often is no fault."""


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """The code of an object; the channel B and the billing period F say nothing here."""

    medium: int
    quantity: int
    kind: int
    tariff: int

    @classmethod
    def of(cls, code: bytes) -> Self:
        """Return the code in six octets."""
        return cls(code[0], code[2], code[3], code[4])

    def __str__(self) -> str:
        """Return it as it is written: 1-0:1.7.0."""
        return f"{self.medium}-0:{self.quantity}.{self.kind}.{self.tariff}"

    @property
    def group(self) -> PushGroup | None:
        """In which group it is pushed, None for what is no measurement."""
        if self.medium != 1:
            return None
        if self.kind == _MOMENTARY:
            return PushGroup.TECHNICAL
        if self.kind != _REGISTER:
            return None
        return PushGroup.BILLING if self.tariff else PushGroup.ENERGY


_MOMENTARY: Final = 7
_REGISTER: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedValue:
    """A value as it was pushed: a number in its unit, or octets, or text."""

    datum: Datum
    scaler: int | None = None
    """Power of ten, None where the meter does not say."""
    unit: int | None = None
    """As the Green Book numbers them: 27 W, 30 Wh, 33 A, 35 V ..."""


def objects_of(data: Datum) -> dict[Obis, PushedValue]:
    """Return the objects that were pushed; what is not understood is left out."""
    if (described := _described(data)) is not None:
        return described
    return dict(_walk(data))


def _described(data: Datum) -> dict[Obis, PushedValue] | None:
    """Return the objects behind a list of them, None where there is no such list."""
    items = data.items
    if data.tag != STRUCTURE or not items or items[0].tag != ARRAY:
        return None
    listed = [
        description
        for item in items[0].items
        if (description := _description(item)) is not None
    ]
    if not len(listed) == len(items[0].items) == len(items):
        return None
    found: dict[Obis, PushedValue] = {}
    for (kind, code, attribute), item in zip(listed, items, strict=True):
        wanted = _STATE if kind == _STATE_CLASS else _VALUE
        if attribute == wanted and item.tag not in {ARRAY, STRUCTURE}:
            found[code] = PushedValue(datum=item)
    return found


def _description(item: Datum) -> tuple[float, Obis, float] | None:
    if item.tag != STRUCTURE or len(item.items) != _DESCRIBED:
        return None
    kind, code, attribute = item.items[:3]
    if (
        (found := _code(code)) is None
        or kind.number is None
        or attribute.number is None
    ):
        return None
    return kind.number, found, attribute.number


def _code(datum: Datum) -> Obis | None:
    """Return a value as a code, None where it is none."""
    octets = datum.value
    if datum.tag != OCTETS or not isinstance(octets, bytes):
        return None
    return Obis.of(octets) if len(octets) == _CODE_LENGTH else None


def _walk(data: Datum) -> Iterator[tuple[Obis, PushedValue]]:
    """Find codes followed by values, and by power and unit, at any depth.

    What describes an object has no value: its attribute must not be taken for one.
    """
    items = data.items if _description(data) is None else ()
    place = 0
    while place < len(items):
        code = _code(items[place])
        following = items[place + 1] if place + 1 < len(items) else None
        if code is None or following is None or following.tag in {ARRAY, STRUCTURE}:
            yield from _walk(items[place])
            place += 1
            continue
        place += 2
        scaler, unit = _scaler_and_unit(items[place]) if place < len(items) else _NONE
        place += unit is not None
        yield code, PushedValue(datum=following, scaler=scaler, unit=unit)


_NONE: Final = (None, None)


def _scaler_and_unit(datum: Datum) -> tuple[int | None, int | None]:
    if datum.tag != STRUCTURE or [item.tag for item in datum.items] != [INT8, ENUM]:
        return _NONE
    scaler, unit = (item.value for item in datum.items)
    if isinstance(scaler, int) and isinstance(unit, int):
        return scaler, unit
    return _NONE
