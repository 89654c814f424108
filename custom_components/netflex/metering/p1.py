"""P1 telegrams: parsed from bytes in one pass (DSMR P1 5.0.2, e-MUCS-P1 1.3 to 2.x).

Neither the order nor the number of the objects is fixed, newer meters print more of
them, and any group may be empty: whatever cannot be read stays in `unknown` and never
costs the telegram.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
import re
from typing import Any

from ..model.connection import NO_LINE_VALUES, GridType, LineValues
from ..model.reading import MonthPeak, SubMeter
from . import p1_values as values
from .p1_crc import crc16
from .p1_objects import PowerFailure, RawObject, Telegram

_CODE = re.compile(rb"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}")
_LONGEST_NUMBER = 16
_CHECKSUM = re.compile(rb"!([0-9A-Fa-f]{1,4})(?![0-9A-Fa-f])")

_NUMBERS = {
    b"1-0:1.8.0": ("energy_import_total", values.ENERGY),
    b"1-0:1.8.1": ("energy_import_1", values.ENERGY),
    b"1-0:1.8.2": ("energy_import_2", values.ENERGY),
    b"1-0:2.8.0": ("energy_export_total", values.ENERGY),
    b"1-0:2.8.1": ("energy_export_1", values.ENERGY),
    b"1-0:2.8.2": ("energy_export_2", values.ENERGY),
    b"1-0:1.4.0": ("quarter_demand", values.POWER),
    b"1-0:1.7.0": ("power_import", values.POWER),
    b"1-0:2.7.0": ("power_export", values.POWER),
    b"1-0:21.7.0": ("power_import_l1", values.POWER),
    b"1-0:41.7.0": ("power_import_l2", values.POWER),
    b"1-0:61.7.0": ("power_import_l3", values.POWER),
    b"1-0:22.7.0": ("power_export_l1", values.POWER),
    b"1-0:42.7.0": ("power_export_l2", values.POWER),
    b"1-0:62.7.0": ("power_export_l3", values.POWER),
    b"1-0:32.7.0": ("voltage_l1", values.VOLTAGE),
    b"1-0:52.7.0": ("voltage_l2", values.VOLTAGE),
    b"1-0:72.7.0": ("voltage_l3", values.VOLTAGE),
    b"1-0:31.7.0": ("current_l1", values.CURRENT),
    b"1-0:51.7.0": ("current_l2", values.CURRENT),
    b"1-0:71.7.0": ("current_l3", values.CURRENT),
    b"1-0:3.7.0": ("reactive_import", values.REACTIVE),
    b"1-0:4.7.0": ("reactive_export", values.REACTIVE),
    b"1-0:23.7.0": ("reactive_import_l1", values.REACTIVE),
    b"1-0:43.7.0": ("reactive_import_l2", values.REACTIVE),
    b"1-0:63.7.0": ("reactive_import_l3", values.REACTIVE),
    b"1-0:24.7.0": ("reactive_export_l1", values.REACTIVE),
    b"1-0:44.7.0": ("reactive_export_l2", values.REACTIVE),
    b"1-0:64.7.0": ("reactive_export_l3", values.REACTIVE),
    b"1-0:14.7.0": ("frequency", values.FREQUENCY),
    b"1-0:32.32.0": ("sags_l1", values.COUNT),
    b"1-0:52.32.0": ("sags_l2", values.COUNT),
    b"1-0:72.32.0": ("sags_l3", values.COUNT),
    b"1-0:32.36.0": ("swells_l1", values.COUNT),
    b"1-0:52.36.0": ("swells_l2", values.COUNT),
    b"1-0:72.36.0": ("swells_l3", values.COUNT),
}
_POWER_IMPORT = ("power_import_l1", "power_import_l2", "power_import_l3")
_POWER_EXPORT = ("power_export_l1", "power_export_l2", "power_export_l3")
_VOLTAGE = ("voltage_l1", "voltage_l2", "voltage_l3")
_CURRENT = ("current_l1", "current_l2", "current_l3")
_REACTIVE_IMPORT = ("reactive_import_l1", "reactive_import_l2", "reactive_import_l3")
_REACTIVE_EXPORT = ("reactive_export_l1", "reactive_export_l2", "reactive_export_l3")
_SAGS = ("sags_l1", "sags_l2", "sags_l3")
_SWELLS = ("swells_l1", "swells_l2", "swells_l3")
_PEAK = b"1-0:1.6.0"
_GRID_TYPES = {b"230": GridType.DELTA, b"400": GridType.STAR}


class TelegramError(ValueError):
    """The bytes are no whole telegram with a good CRC."""


def parse_telegram(data: bytes) -> Telegram:
    """Parse the bytes of one telegram, from its slash to its CRC.

    Bytes behind the CRC (line end, 0xFF) are ignored. Leading zeros of the CRC may be
    missing.

    Raises:
        TelegramError: It does not begin with a slash, has no CRC, or a wrong one.
    """
    if data[:1] != b"/":
        raise TelegramError("does not begin with a slash")
    if (checksum := _CHECKSUM.search(data)) is None:
        raise TelegramError("has no CRC")
    content = data[: checksum.start() + 1]
    if (computed := crc16(content)) != (printed := int(checksum[1], 16)):
        raise TelegramError(f"CRC is {computed:04X}, {printed:04X} is printed")
    return _parse(content)


def _parse(content: bytes) -> Telegram:
    ident, *lines = content.splitlines()
    numbers: dict[str, float] = {}
    draft = _Draft()
    resolution = 0.01
    for line in lines:
        code, opened, groups = line.partition(b"(")
        if not opened or groups[-1:] != b")":
            continue
        text = groups[:-1]
        if (known := _NUMBERS.get(code)) is not None:
            number, _, unit = text.partition(b"*")
            name, units = known
            # float() alone would also take nan, inf, exponents and underscores.
            if (
                (exponent := units.get(unit)) is not None
                and len(number) <= _LONGEST_NUMBER
                and number.replace(b".", b"", 1).isdigit()
            ):
                numbers[name] = float(number + exponent)
                if units is values.CURRENT:
                    resolution = _resolution(number)
                continue
        if not draft.take(code, text) and _CODE.fullmatch(code) is not None:
            draft.unknown.append(
                RawObject(code=code.decode(), text=f"({text.decode('latin-1')})")
            )
    number_of, other = numbers.get, draft.fields.get
    # Each field by its name: unpacking a mapping here would cost as much as all the
    # numbers together.
    return Telegram(
        ident=ident[1:].decode("latin-1"),
        version=other("version"),
        grid_type=other("grid_type"),
        serial=other("serial"),
        ean=other("ean"),
        time=other("time"),
        tariff=other("tariff"),
        energy_import=(number_of("energy_import_1"), number_of("energy_import_2")),
        energy_export=(number_of("energy_export_1"), number_of("energy_export_2")),
        energy_import_total=number_of("energy_import_total"),
        energy_export_total=number_of("energy_export_total"),
        quarter_demand=number_of("quarter_demand"),
        month_peak=other("month_peak"),
        peak_history=other("peak_history", ()),
        power_import=number_of("power_import"),
        power_export=number_of("power_export"),
        line_power_import=_lines(numbers, _POWER_IMPORT),
        line_power_export=_lines(numbers, _POWER_EXPORT),
        line_voltage=_lines(numbers, _VOLTAGE),
        line_current=_lines(numbers, _CURRENT),
        current_resolution=resolution,
        reactive_import=number_of("reactive_import"),
        reactive_export=number_of("reactive_export"),
        line_reactive_import=_lines(numbers, _REACTIVE_IMPORT),
        line_reactive_export=_lines(numbers, _REACTIVE_EXPORT),
        frequency=number_of("frequency"),
        breaker=other("breaker"),
        power_threshold=other("power_threshold"),
        fuse_threshold=other("fuse_threshold"),
        message=other("message"),
        message_code=other("message_code"),
        channels=tuple(
            SubMeter(channel=channel, **fields)
            for channel, fields in sorted(draft.channels.items())
        ),
        voltage_sags=_lines(numbers, _SAGS),
        voltage_swells=_lines(numbers, _SWELLS),
        short_failures=other("short_failures"),
        long_failures=other("long_failures"),
        failure_log=other("failure_log", ()),
        unknown=tuple(draft.unknown),
    )


def _resolution(number: bytes) -> float:
    """Return the step in A of a current as printed."""
    _, point, decimals = number.partition(b".")
    return float(b"1e-%d" % len(decimals)) if point else 1.0


def _lines(numbers: dict[str, float], names: tuple[str, str, str]) -> LineValues:
    """Return the values of three lines; meters that have any have the first."""
    l1, l2, l3 = names
    if l1 not in numbers:
        return NO_LINE_VALUES
    return LineValues(l1=numbers[l1], l2=numbers.get(l2), l3=numbers.get(l3))


class _Draft:
    """What has been read of a telegram beside its plain numbers."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.channels: dict[int, dict[str, Any]] = {}
        self.unknown: list[RawObject] = []

    def take(self, code: bytes, text: bytes) -> bool:
        """Read one object; return False where it is unknown or unreadable."""
        if (known := _OBJECTS.get(code)) is not None:
            name, read = known
            if (value := read(text)) is None and text:
                nothing = _MEANS_NOTHING.get(name)
                return nothing is not None and not _digits(text).strip(nothing)
            self.fields[name] = value
            return True
        medium, _, rest = code.partition(b":")
        if medium[:2] != b"0-" or not (channel := values.count(medium[2:])):
            return False
        if (read_channel := _CHANNEL_OBJECTS.get(rest)) is None or (
            changes := read_channel(text)
        ) is None:
            return False
        self.channels.setdefault(channel, {}).update(changes)
        return True


def _digits(text: bytes) -> bytes:
    """Return a printed value without its unit."""
    return text.partition(b"*")[0]


def _text(text: bytes) -> str | None:
    return text.decode("latin-1") or None


def _power_threshold(text: bytes) -> float | None:
    return _threshold(text, values.POWER)


def _fuse_threshold(text: bytes) -> float | None:
    return _threshold(text, values.CURRENT)


def _threshold(text: bytes, units: dict[bytes, bytes]) -> float | None:
    """Return a threshold; all nines, of whatever width, mean that it is not active."""
    return values.quantity(text, units) if _digits(text).strip(b"9.") else None


def _month_peak(text: bytes) -> MonthPeak | None:
    stamp, _, demand = text.partition(b")(")
    if (power := values.quantity(demand, values.POWER)) is None:
        return None
    return MonthPeak(power=power, at=values.timestamp(stamp))


# The rows are the same for a month, and they are half of the work of a telegram.
@lru_cache(maxsize=8)
def _peak_history(text: bytes) -> tuple[MonthPeak, ...] | None:
    """Read the rows that are there: the printed number of rows may be wrong."""
    groups = text.split(b")(")
    if not groups[0].isdigit() or groups[1:3] != [_PEAK, _PEAK]:
        return None
    rows = []
    for month, stamp, demand in zip(
        groups[3::3], groups[4::3], groups[5::3], strict=False
    ):
        month_end = values.timestamp(month)
        power = values.quantity(demand, values.POWER)
        if month_end is not None and power is not None:
            at = values.timestamp(stamp)
            peak = MonthPeak(power=power, at=at, month_end=month_end)
            rows.append((month_end, peak))
    return tuple(peak for _, peak in sorted(rows, key=itemgetter(0)))


def _failure_log(text: bytes) -> tuple[PowerFailure, ...] | None:
    groups = text.split(b")(")
    if not groups[0].isdigit():
        return None
    return tuple(
        PowerFailure(end=values.timestamp(stamp), seconds=seconds)
        for stamp, length in zip(groups[2::2], groups[3::2], strict=False)
        if (seconds := values.quantity(length, values.DURATION)) is not None
    )


def _channel_type(text: bytes) -> _Changes:
    if (device_type := values.count(text)) is None:
        return None
    return {"device_type": device_type, "kind": values.kind_of(device_type)}


def _channel_serial(text: bytes) -> _Changes:
    return {"serial": values.octets(text)}


def _channel_ean(text: bytes) -> _Changes:
    return {"ean": values.access_point(text)}


def _channel_valve(text: bytes) -> _Changes:
    valve = values.state(text)
    return None if valve is None else {"valve": valve}


def _channel_relay(text: bytes) -> _Changes:
    relay = values.state(text)
    return None if relay is None else {"relay": relay}


def _channel_value(text: bytes) -> _Changes:
    """Read a counter; a zero that has never been read over M-Bus is no value."""
    stamp, _, printed = text.partition(b")(")
    if (counter := values.counter(printed)) is None:
        return None
    at = values.timestamp(stamp)
    value, unit = counter
    if at is None and not value:
        return {}
    return {"value": value, "unit": unit, "at": at}


type _Changes = dict[str, Any] | None
"""Fields of a SubMeter that an object sets; None where it is unreadable."""

_OBJECTS: dict[bytes, tuple[str, Callable[[bytes], object]]] = {
    b"0-0:96.1.4": ("version", _text),
    b"1-3:0.2.8": ("version", _text),
    b"1-0:94.32.1": ("grid_type", _GRID_TYPES.get),
    b"0-0:96.1.1": ("serial", values.octets),
    b"0-0:96.1.2": ("ean", values.access_point),
    b"0-0:1.0.0": ("time", values.timestamp),
    b"0-0:96.14.0": ("tariff", values.count),
    _PEAK: ("month_peak", _month_peak),
    b"0-0:98.1.0": ("peak_history", _peak_history),
    b"0-0:96.3.10": ("breaker", values.state),
    b"0-0:17.0.0": ("power_threshold", _power_threshold),
    b"1-0:31.4.0": ("fuse_threshold", _fuse_threshold),
    b"0-0:96.13.0": ("message", values.message),
    b"0-0:96.13.1": ("message_code", values.message),
    b"0-0:96.7.21": ("short_failures", values.count),
    b"0-0:96.7.9": ("long_failures", values.count),
    b"1-0:99.97.0": ("failure_log", _failure_log),
}
_MEANS_NOTHING = {"power_threshold": b"9.", "fuse_threshold": b"9.", "ean": b"0"}
"""Fields in which a value of only these characters is read, and says: none."""

# Water and heat print 24.2.1, Belgian gas 24.2.3, Dutch gas 24.2.1: what is counted
# says 24.1.0 alone.
_CHANNEL_OBJECTS: dict[bytes, Callable[[bytes], _Changes]] = {
    b"24.1.0": _channel_type,
    b"96.1.0": _channel_serial,
    b"96.1.1": _channel_serial,
    b"96.1.2": _channel_ean,
    b"24.4.0": _channel_valve,
    b"96.3.10": _channel_relay,
    b"24.2.1": _channel_value,
    b"24.2.3": _channel_value,
}
