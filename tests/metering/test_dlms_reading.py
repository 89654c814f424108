"""Values of several pushes brought together: units, signs and ages."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.netflex.metering.dlms_apdu import Push, parse_key
from custom_components.netflex.metering.dlms_axdr import Datum, Octets, read_data
from custom_components.netflex.metering.dlms_objects import (
    EXPECTED_PERIODS,
    Obis,
    PushGroup,
    objects_of,
)
from custom_components.netflex.metering.dlms_reading import (
    OBJECT_LIMIT,
    OLD,
    DlmsValues,
)
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.reading import BreakerState
from custom_components.netflex.simulation.dlms_encoding import Register, listed, paired

from .dlms_recordings import NOON, meter, pushes_of
from .s1_players import flow

SETUP = bytes.fromhex("0008190900FF")


def code(text: str) -> bytes:
    """Return six octets of 1-0:1.7.0."""
    return bytes(
        int(part) for part in text.replace("-", ".").replace(":", ".").split(".")
    )


def register(text: str, number: int, scaler: int = 0, unit: int = 27) -> Register:
    return Register(code(text + ".255"), number, scaler, unit)


def pushed(*registers: Register, with_units: bool = True) -> Push:
    data = paired(registers) if with_units else listed(SETUP, registers)
    return Push(time=NOON, data=read_data(Octets(data)), encrypted=False)


def reading_of(*registers: Register, with_units: bool = True) -> Any:
    values = DlmsValues("meter")
    values.take(pushed(*registers, with_units=with_units), 1.0)
    return values.reading(1.0)


def test_three_groups_make_one_reading() -> None:
    wire = meter(state=lambda: flow(10.0, -20.0, 4.0))
    values = DlmsValues("meter")
    for received, group in enumerate(
        (PushGroup.BILLING, PushGroup.ENERGY, PushGroup.TECHNICAL)
    ):
        (push,) = pushes_of(wire.push(group))[0]
        assert values.take(push, float(received)) == {group}
    reading = values.reading(2.0)
    assert reading.power == -1380.0
    assert reading.reactive_power == 0.0
    assert reading.line_current == LineValues(l1=10.0, l2=20.0, l3=4.0)
    assert reading.line_voltage == LineValues(l1=230.0, l2=230.0, l3=230.0)
    assert reading.grid_type is GridType.STAR
    assert reading.energy_import == 12_048_950.0
    assert reading.energy_import_tariffs == (8_768_040.0, 3_280_910.0)
    assert reading.energy_export_tariffs == (18_054.0, 0.0)
    assert reading.reactive_energy == (30_098.0, 0.0, 7.0, 9_801_363.0)
    assert (reading.meter_time, reading.serial) == (NOON, "44337811")
    assert reading.measured == {
        "energy_import": 1.0,
        "energy_export": 1.0,
        "reactive_energy": 1.0,
        "energy_import_tariffs": 0.0,
        "energy_export_tariffs": 0.0,
    }
    assert reading.age("energy_import", 5.0) == 4.0
    assert reading.age("power", 5.0) == 3.0
    assert values.newest == {
        PushGroup.BILLING: 0.0,
        PushGroup.ENERGY: 1.0,
        PushGroup.TECHNICAL: 2.0,
    }


def test_a_power_that_is_old_is_left_out_and_an_energy_stays() -> None:
    wire = meter()
    values = DlmsValues("meter")
    for group in (PushGroup.TECHNICAL, PushGroup.ENERGY):
        values.take(pushes_of(wire.push(group))[0][0], 0.0)
    assert values.reading(OLD).power == 6900.0
    late = values.reading(OLD + 0.1)
    assert (late.power, late.reactive_power) == (None, None)
    assert late.line_current == late.line_voltage == LineValues()
    assert late.energy_import == 12_048_950.0
    assert {"power", "line_current.L2", "line_voltage.L1"} <= late.outdated


@pytest.mark.parametrize(
    ("registers", "with_units", "name", "expected"),
    [
        ([register("1-0:1.7.0", 12, 2)], True, "power", 1200.0),
        ([register("1-0:2.7.0", 7)], True, "power", -7.0),
        ([register("1-0:16.7.0", 7)], True, "power", 7.0),
        # A unit that is not that of the quantity says that it is something else.
        ([register("1-0:1.7.0", 7, 0, 30)], True, "power", None),
        ([register("1-1:1.8.0", 9, 1, 30)], True, "energy_import", 90.0),
        ([register("1-0:31.7.0", 150)], False, "line_current", LineValues(l1=1.5)),
        (
            [register("1-0:31.7.0", 15, -1, 33)],
            True,
            "line_current",
            LineValues(l1=1.5),
        ),
        ([register("1-0:32.7.0", 236)], False, "line_voltage", LineValues(l1=236.0)),
        ([register("1-0:32.7.0", 2361)], False, "line_voltage", LineValues(l1=236.1)),
        ([register("1-0:14.7.0", 50)], False, "frequency", 50.0),
        ([register("1-0:14.7.0", 5001)], False, "frequency", 50.01),
        ([register("1-0:14.7.0", 499)], False, "frequency", 49.9),
        (
            [register("1-0:41.7.0", 5), register("1-0:62.7.0", 6)],
            True,
            "line_power",
            LineValues(l2=5.0, l3=-6.0),
        ),
        ([register("1-0:5.8.0", 1, 0, 32)], True, "energy_import", None),
    ],
)
def test_units_powers_and_signs(
    registers: list[Register], with_units: bool, name: str, expected: object
) -> None:
    reading = reading_of(*registers, with_units=with_units)
    assert getattr(reading, name) == expected


def test_currents_without_a_power_of_ten_are_never_less_than_the_power_needs() -> None:
    """Hundredths are usual; voltage times current is at least the power."""
    values = DlmsValues("meter")

    def take(power: int, current: int, scaler: int | None = None) -> Any:
        registers = [register("1-0:1.7.0", power), register("1-0:32.7.0", 230)]
        described = register("1-0:31.7.0", current, scaler or 0, 33)
        push = pushed(*registers, described, with_units=scaler is not None)
        values.take(push, 1.0)
        reading = values.reading(1.0)
        return reading.line_current.l1, reading.current_resolution

    assert take(2300, 1000) == (10.0, 0.01)
    # Nothing is learned from a small power, nor where the meter names the power of ten.
    assert take(200, 8) == (0.08, 0.01)
    assert take(2300, 100, -2) == (1.0, 0.01)
    assert take(2300, 1000) == (10.0, 0.01)
    assert take(2300, 100) == (10.0, 0.1)
    # What was learned is kept: too large a current is the safe side.
    assert take(10, 3) == (0.3, 0.1)
    assert take(2300, 10) == (10.0, 1.0)


@pytest.mark.parametrize(
    ("text", "tariff"), [(b"RATE2\0\0\0", 2), (b"0001", 1), (b"", None), (b"X", None)]
)
def test_the_tariff(text: bytes, tariff: int | None) -> None:
    register = Register(code("0-0:96.14.0.255"), octets=text, kind=1)
    assert reading_of(register, with_units=False).tariff == tariff


@pytest.mark.parametrize(
    ("attribute", "state", "breaker"),
    [
        (3, 0, BreakerState.DISCONNECTED),
        (3, 1, BreakerState.CONNECTED),
        (3, 2, BreakerState.READY),
        (3, 9, None),
        # The second attribute is the contact, not the state.
        (2, 1, None),
    ],
)
def test_the_breaker(attribute: int, state: int, breaker: BreakerState | None) -> None:
    row = "020412{:04x}0906{}0f{:02x}120000"
    rows = row.format(40, SETUP.hex(), 2) + row.format(70, "000060030aff", attribute)
    data = bytes.fromhex(f"02020102{rows}16{state:02x}")
    push = Push(time=None, data=read_data(Octets(data)), encrypted=False)
    values = DlmsValues("meter")
    values.take(push, 1.0)
    assert values.reading(1.0).breaker is breaker


def test_values_by_code_are_all_there() -> None:
    wire = meter()
    values = DlmsValues("meter")
    values.take(pushes_of(wire.push(PushGroup.ENERGY))[0][0], 0.0)
    shown = {str(obis): value for obis, value in values.values().items()}
    assert shown == {
        "0-0:1.0.0": "2026-11-22T12:00:00+00:00",
        "0-0:96.1.0": "44337811",
        "1-0:1.8.0": 12_048_950.0,
        "1-0:2.8.0": 18_054.0,
        "1-0:5.8.0": 30_098.0,
        "1-0:6.8.0": 0.0,
        "1-0:7.8.0": 7.0,
        "1-0:8.8.0": 9_801_363.0,
    }


def test_groups_and_their_periods() -> None:
    groups = {
        "1-0:1.7.0": PushGroup.TECHNICAL,
        "1-0:71.7.0": PushGroup.TECHNICAL,
        "1-1:1.8.0": PushGroup.ENERGY,
        "1-1:8.8.0": PushGroup.ENERGY,
        "1-1:2.8.2": PushGroup.BILLING,
        "1-0:1.6.0": None,
        "0-0:96.1.0": None,
    }
    for text, group in groups.items():
        assert Obis.of(code(text + ".255")).group is group
    assert EXPECTED_PERIODS == {
        PushGroup.TECHNICAL: 5.0,
        PushGroup.ENERGY: 300.0,
        PushGroup.BILLING: 2_592_000.0,
    }


def test_what_is_kept_of_a_meter_is_bounded() -> None:
    """Its own power is kept up to date, however many codes come beside it."""
    values = DlmsValues("meter")
    for number in range(2000):
        other = Register(bytes([1, 0, number >> 8, 7, number & 0xFF, 255]), number)
        values.take(pushed(register("1-0:1.7.0", number), other), float(number))
    assert len(values.values()) == OBJECT_LIMIT
    assert values.reading(1999.0).power == 1999.0


@pytest.mark.parametrize("data", [Datum(0, None), Datum(6, 1), Datum(2, ())])
def test_data_without_objects(data: Datum) -> None:
    assert objects_of(data) == {}


def test_a_list_that_does_not_fit_its_values_is_not_believed() -> None:
    push = pushed(register("1-0:1.7.0", 5), with_units=False)
    items = push.data.items
    short = replace(push, data=Datum(push.data.tag, items[:-1]))
    values = DlmsValues("meter")
    values.take(short, 1.0)
    assert values.reading(1.0).power is None


@pytest.mark.parametrize(
    "text",
    [
        "5FDE26FE7A1A36B6E1C0BA048FA9A023",
        " 5fde26fe 7a1a36b6 e1c0ba04 8fa9a023\n",
        "5F:DE:26:FE:7A:1A:36:B6:E1:C0:BA:04:8F:A9:A0:23",
        "0x5fde26fe7a1a36b6e1c0ba048fa9a023",
    ],
)
def test_keys_as_they_are_written(text: str) -> None:
    assert parse_key(text).hex() == "5fde26fe7a1a36b6e1c0ba048fa9a023"


@pytest.mark.parametrize("text", ["", "5F", "5FDE" * 9, "x" * 32])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal"):
        parse_key(text)
