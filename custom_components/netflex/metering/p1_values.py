"""The value formats of P1 telegrams, from bytes (DSMR P1 5.0.2, 6.4 to 6.6)."""

from datetime import datetime, timedelta, timezone
import re

from ..model.reading import BreakerState, SubMeterKind

SUMMER = timezone(timedelta(hours=2), "CEST")
WINTER = timezone(timedelta(hours=1), "CET")

# The exponent that turns a printed number into our unit. Appending it to the digits
# keeps every decimal exact, which a multiplication would not. A unit that is not
# printed is the one that e-MUCS-P1 names for the object.
POWER = {b"kW": b"e3", b"W": b"", b"": b"e3"}
ENERGY = {b"kWh": b"e3", b"Wh": b"", b"": b"e3"}
REACTIVE = {b"kvar": b"e3", b"var": b"", b"": b"e3"}
VOLTAGE = {b"V": b"", b"": b""}
CURRENT = {b"A": b"", b"": b""}
FREQUENCY = {b"Hz": b"", b"": b""}
COUNT = {b"": b""}
DURATION = {b"s": b""}

# Unit of a counter behind the meter by what is printed: ours, and the exponent. Some
# meters print a superscript three, which is not ASCII.
_COUNTER_UNITS = {
    b"m3": ("m3", b""),
    b"m\xb3": ("m3", b""),
    b"dm3": ("m3", b"e-3"),
    b"GJ": ("GJ", b""),
    b"MJ": ("GJ", b"e-3"),
    b"kWh": ("Wh", b"e3"),
    b"Wh": ("Wh", b""),
}

# More digits than any format has would make a float infinite or an int costly.
_NUMBER = re.compile(rb"(-?\d{1,12}(?:\.\d{1,6})?)(?:\*([^()*]{1,8}))?")

_STATES = {
    b"0": BreakerState.DISCONNECTED,
    b"1": BreakerState.CONNECTED,
    b"2": BreakerState.READY,
}

_KINDS = {
    2: SubMeterKind.ELECTRICITY,
    3: SubMeterKind.GAS,
    4: SubMeterKind.HEAT,
    6: SubMeterKind.WATER,
    7: SubMeterKind.WATER,
    10: SubMeterKind.HEAT,
    11: SubMeterKind.HEAT,
    12: SubMeterKind.HEAT,
    13: SubMeterKind.HEAT,
    21: SubMeterKind.WATER,
    22: SubMeterKind.WATER,
}


def timestamp(text: bytes) -> datetime | None:
    """Return the time of a stamp YYMMDDhhmmssX, None where it is not a time.

    X is the meter's own word on daylight saving time, so both hours of the autumn
    change are told apart. Meters print month 25 for "never", or the Unix epoch: a
    year from 69 on is of the last century, when there were no such meters.
    """
    digits = text[:12]
    if len(text) != 13 or not digits.isdigit() or digits >= b"69":
        return None
    flag = text[12:]
    if flag not in {b"S", b"W"}:
        return None
    try:
        return datetime.fromisoformat(
            f"20{digits[:6].decode()}T{digits[6:].decode()}"
        ).replace(tzinfo=SUMMER if flag == b"S" else WINTER)
    except ValueError:
        return None


def quantity(text: bytes, units: dict[bytes, bytes]) -> float | None:
    """Return a number in our unit, None where it is no number in one of the units."""
    if (match := _NUMBER.fullmatch(text)) is None:
        return None
    exponent = units.get(match[2] or b"")
    return None if exponent is None else float(match[1] + exponent)


def counter(text: bytes) -> tuple[float, str | None] | None:
    """Return the value of a meter behind the meter with its unit, None if unreadable.

    The unit is None where none is printed.
    """
    if (match := _NUMBER.fullmatch(text)) is None:
        return None
    if match[2] is None:
        return float(match[1]), None
    if (known := _COUNTER_UNITS.get(match[2])) is None:
        return float(match[1]), match[2].decode("latin-1")
    unit, exponent = known
    return float(match[1] + exponent), unit


def count(text: bytes) -> int | None:
    """Return a whole number, None where it is none."""
    return int(text) if text.isdigit() and len(text) <= 12 else None


def state(text: bytes) -> BreakerState | None:
    """Return the state of a breaker, a valve or a relay."""
    return _STATES.get(text)


def kind_of(device_type: int) -> SubMeterKind:
    """Return what an M-Bus device type counts."""
    return _KINDS.get(device_type, SubMeterKind.OTHER)


def octets(text: bytes) -> str | None:
    """Return an octet string (two hexadecimal digits a character) as text.

    Meters also print identifiers that are no characters at all, or that are not
    hexadecimal: they stay as printed. None where it is empty.
    """
    if not text:
        return None
    try:
        decoded = bytes.fromhex(text.decode("ascii")).rstrip(b"\0")
    except ValueError:
        return text.decode("latin-1")
    if decoded.isascii() and decoded.decode("ascii").isprintable():
        return decoded.decode("ascii") or None
    return text.decode("latin-1")


def message(text: bytes) -> str | None:
    """Return a text message, which may have any characters; None where it is empty."""
    try:
        return (
            bytes.fromhex(text.decode("ascii")).rstrip(b"\0").decode("latin-1") or None
        )
    except ValueError:
        return text.decode("latin-1")


def access_point(text: bytes) -> str | None:
    """Return the EAN of an access point, None where none was entered (all zeros)."""
    digits = text.decode("latin-1") if len(text) == 18 else octets(text)
    return None if digits is None or not digits.strip("0") else digits
