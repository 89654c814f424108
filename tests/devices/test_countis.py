"""The map of a Countis E27 (Socomec, MODBUS tables of Countis), entered by hand."""

import pytest

from custom_components.netflex.devices.countis import (
    BLOCKS,
    Measured,
    measured_by,
    registers,
)
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.reading import MeterReading

READING = MeterReading(
    meter_id="meter",
    received=0.0,
    power=1150.0,
    reactive_power=-480.0,
    line_power=LineValues(l1=2300.0, l2=460.0, l3=-1610.0),
    line_current=LineValues(l1=10.1, l2=2.123, l3=7.0),
    line_voltage=LineValues(l1=230.0, l2=231.5, l3=229.0),
    frequency=49.987,
    energy_import=12_345_678.0,
    energy_export=987_654.0,
)


def u32(image: object, address: int) -> int:
    high, low = image[address], image[address + 1]  # type: ignore[index]
    return int(high) << 16 | int(low)


def s32(image: object, address: int) -> int:
    value = u32(image, address)
    return value - (1 << 32) if value & 0x80000000 else value


def test_every_register_of_the_map_exists_and_nothing_else() -> None:
    image = registers(measured_by(READING, GridType.STAR))
    expected = {
        *range(50000, 50080),
        *range(50512, 50574),
        *range(50768, 50784),
        *range(50944, 50960),
    }
    assert set(image) == expected
    assert sum(count for _, count in BLOCKS) == len(expected)
    assert all(0 <= word <= 0xFFFF for word in image.values())


def test_it_says_who_it_is() -> None:
    image = registers(Measured())
    assert [image[50000 + i] for i in range(4)] == [0x53, 0x4F, 0x43, 0x4F]
    assert image[50004] == 100

    def text(address: int) -> str:
        raw = b"".join(image[address + i].to_bytes(2) for i in range(8))
        return raw.rstrip(b"\0").decode()

    assert text(50042) == "SOCOMEC"
    assert text(50050) == "Countis"
    assert text(50058) == "Countis E27"


@pytest.mark.parametrize(
    ("address", "value"),
    [
        (50514, 39_967),  # U12: sqrt(230.0^2 + 231.5^2 + 230.0 x 231.5) V / 100
        (50520, 23_000),  # V1
        (50522, 23_150),  # V2
        (50524, 22_900),  # V3
        (50526, 49_987),  # F
        (50528, 10_100),  # I1, A / 1000
        (50530, 2_123),  # I2
        (50532, 7_000),  # I3: unsigned though it exports
        (50536, 115),  # P in 10 W
        (50538, -48),  # Q in 10 var
        (50540, 125),  # S in 10 VA: sqrt(1150^2 + 480^2)
        (50542, 923),  # PF / 1000
        (50544, 230),  # P1 in 10 W
        (50546, 46),  # P2
        (50548, -161),  # P3: export is negative
        (50556, 232),  # S1: 230 V x 10.1 A
        (50562, 990),  # PF1
        (50566, -1000),  # PF3: it may not exceed 1
        (50568, 6_408),  # mean current
        (50572, 23_017),  # mean voltage
        (50770, 12_346),  # Ea+ in kWh
        (50776, 988),  # Ea- in kWh
        (50946, 1_234_568),  # Ea+ in 10 Wh
        (50952, 98_765),  # Ea- in 10 Wh
    ],
)
def test_golden_values(address: int, value: int) -> None:
    image = registers(measured_by(READING, GridType.STAR))
    assert s32(image, address) == value


@pytest.mark.parametrize("address", [50534, 50550, 50552, 50554])
def test_what_a_smart_meter_does_not_measure_is_unknown(address: int) -> None:
    image = registers(measured_by(READING, GridType.STAR))
    assert u32(image, address) == 0xFFFFFFFF


def test_nothing_known_is_nowhere_zero() -> None:
    image = registers(Measured())
    for address in (50514, 50520, 50526, 50528, 50536, 50544, 50770, 50946):
        assert u32(image, address) == 0xFFFFFFFF


def test_a_meter_without_currents_has_them_from_power_and_voltage() -> None:
    reading = MeterReading(
        meter_id="meter",
        received=0.0,
        line_power=LineValues(l1=-1150.0, l2=0.0, l3=2300.0),
        line_voltage=LineValues(l1=230.0, l2=230.0, l3=240.0),
    )
    measured = measured_by(reading, GridType.STAR)
    assert measured.currents.l1 == -5.0
    assert measured.currents.l2 == 0.0
    assert measured.currents.l3 == pytest.approx(9.583, abs=0.001)
    assert measured.power == 1150.0


def test_a_single_phase_meter_names_its_only_line() -> None:
    reading = MeterReading(meter_id="meter", received=0.0, power=2300.0)
    image = registers(measured_by(reading, GridType.SINGLE_PHASE))
    assert u32(image, 50528) == 10_000
    assert u32(image, 50530) == 0xFFFFFFFF
    assert s32(image, 50544) == 230


def test_a_delta_grid_has_voltages_between_lines_only() -> None:
    reading = MeterReading(
        meter_id="meter",
        received=0.0,
        power=4000.0,
        line_current=LineValues(l1=12.0, l2=11.0, l3=10.0),
        line_voltage=LineValues(l1=229.0, l2=230.0, l3=231.0),
    )
    image = registers(measured_by(reading, GridType.DELTA))
    assert u32(image, 50514) == 22_900
    assert u32(image, 50520) == 0xFFFFFFFF
    assert u32(image, 50528) == 12_000
    assert s32(image, 50536) == 400


def test_a_value_that_does_not_fit_is_unknown() -> None:
    image = registers(Measured(energy_import=1e15))
    assert u32(image, 50946) == 0xFFFFFFFF
