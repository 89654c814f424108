"""What of a telegram goes into a reading: signs, the grid type, delta currents."""

from dataclasses import replace

import pytest

from custom_components.netflex.metering.p1 import parse_telegram
from custom_components.netflex.metering.p1_framer import TelegramFramer
from custom_components.netflex.metering.p1_objects import Telegram
from custom_components.netflex.metering.p1_reading import (
    GridRecognition,
    apparent_grid_type,
    to_reading,
)
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.reading import (
    BreakerState,
    MeterReading,
    line_import_current,
)

from .recordings import DELTA, SINGLE_PHASE, STREAM, THREE_PHASE, changed, recorded


def _read(data: bytes) -> MeterReading:
    return to_reading(parse_telegram(data), meter_id="meter", received=7.0)


def _delta(l1: float | None, l2: float | None, l3: float | None) -> Telegram:
    telegram = parse_telegram(recorded(DELTA))
    return replace(telegram, line_current=LineValues(l1=l1, l2=l2, l3=l3))


def test_injection_is_negative() -> None:
    reading = _read(recorded("be_emucs13_1ph_injection_gas"))
    assert reading.power == -611.0
    assert (reading.meter_id, reading.received) == ("meter", 7.0)
    assert reading.grid_type is GridType.SINGLE_PHASE
    assert reading.current_resolution == 1.0
    assert reading.energy_import == 1924771.0 + 2549919.0
    assert reading.energy_export == 1968710.0 + 692984.0


def test_power_per_line_is_signed_and_gives_the_current_its_direction() -> None:
    reading = _read(recorded("be_emucs17_3ph_two_gas_channels"))
    assert reading.line_power == LineValues(l1=-491.0, l2=177.0, l3=109.0)
    assert line_import_current(reading) == LineValues(l1=-2.18, l2=0.93, l3=0.6)
    assert [meter.value for meter in reading.sub_meters] == [734.607, 0.0]


def test_currents_without_power_per_line_stay_unsigned() -> None:
    reading = _read(recorded("be_emucs13_1ph_injection_gas"))
    assert line_import_current(reading) == LineValues(l1=2.0)


def test_delta_leaves_out_what_is_not_measured() -> None:
    reading = _read(recorded(DELTA))
    assert reading.grid_type is GridType.DELTA
    assert reading.line_voltage == LineValues(l1=227.8, l3=231.5)
    assert reading.line_power == LineValues(l1=230.0, l3=-48.0)
    assert reading.line_current == LineValues(l1=1.6, l2=1.66, l3=1.41)
    assert line_import_current(reading) == reading.line_current


@pytest.mark.parametrize(
    ("printed", "taken"),
    [
        ((1.6, 0.0, 1.41), 3.01),
        ((0.5, 0.0, 0.4), 0.0),
        ((1.6, None, 1.41), 3.01),
        ((0.5, None, 0.4), 0.9),
        ((1.6, 0.02, 1.41), 0.02),
        ((None, None, None), None),
    ],
)
def test_second_current_of_a_delta_grid_has_an_upper_bound(
    printed: tuple[float | None, float | None, float | None], taken: float | None
) -> None:
    reading = to_reading(_delta(*printed), meter_id="meter", received=0.0)
    assert reading.line_current.l2 == (
        None if taken is None else pytest.approx(taken, abs=1e-9)
    )


def test_whole_amperes_hide_a_small_second_current() -> None:
    telegram = replace(_delta(1.0, 0.0, 1.0), current_resolution=1.0)
    reading = to_reading(telegram, meter_id="meter", received=0.0)
    assert reading.line_current.l2 == 2.0


def test_a_second_current_that_has_been_seen_is_believed_when_it_is_zero() -> None:
    recognition = GridRecognition().after(_delta(1.6, 1.66, 1.41))
    telegram = _delta(16.0, 0.0, 16.0)
    reading = to_reading(
        telegram,
        meter_id="meter",
        received=0.0,
        recognition=recognition.after(telegram),
    )
    assert reading.line_current.l2 == 0.0


def test_recorded_delta_currents_obey_kirchhoff() -> None:
    for telegram in TelegramFramer().feed(recorded(STREAM)):
        current = to_reading(telegram, meter_id="meter", received=0.0).line_current
        assert current.l1 is not None
        assert current.l2 is not None
        assert current.l3 is not None
        assert abs(current.l1 - current.l3) <= current.l2 + 0.02
        assert current.l2 <= current.l1 + current.l3 + 0.02


@pytest.mark.parametrize(
    ("name", "grid_type"),
    [
        (SINGLE_PHASE, GridType.SINGLE_PHASE),
        (THREE_PHASE, GridType.STAR),
        (DELTA, GridType.DELTA),
        ("be_emucs13_3x230_delta_gas", GridType.DELTA),
        ("be_emucs21_3ph_gas_water_ean_relays", GridType.STAR),
        ("be_emucs17_partial_13month_history", None),
        ("edge_unpadded_crc", None),
    ],
)
def test_grid_type_of_one_telegram(name: str, grid_type: GridType | None) -> None:
    assert apparent_grid_type(parse_telegram(recorded(name))) is grid_type


def test_a_named_grid_type_outranks_the_voltages() -> None:
    star = changed(
        recorded("be_emucs21_3ph_gas_water_ean_relays"),
        (b"1-0:52.7.0(230.0*V)", b"1-0:52.7.0(000.0*V)"),
    )
    assert apparent_grid_type(parse_telegram(star)) is GridType.STAR


def test_single_phase_meter_is_one_whatever_grid_it_names() -> None:
    data = changed(
        recorded(SINGLE_PHASE),
        (b"0-0:96.1.4(50215)", b"0-0:96.1.4(50221)\r\n1-0:94.32.1(230)"),
    )
    assert apparent_grid_type(parse_telegram(data)) is GridType.SINGLE_PHASE


def test_grid_type_changes_only_after_several_telegrams_that_agree() -> None:
    star = parse_telegram(recorded(THREE_PHASE))
    second_lost = replace(star, line_voltage=LineValues(l1=230.0, l2=2.0, l3=231.0))
    recognition = GridRecognition().after(star)
    assert recognition.grid_type is GridType.STAR
    assert not recognition.proven
    for _ in range(5):
        recognition = recognition.after(star)
    assert recognition.proven
    for _ in range(4):
        recognition = recognition.after(second_lost)
        assert recognition.grid_type is GridType.STAR
    assert recognition.after(star).after(second_lost).grid_type is GridType.STAR
    assert recognition.after(second_lost).grid_type is GridType.DELTA


def test_telegram_without_lines_says_nothing_about_the_grid() -> None:
    partial = parse_telegram(recorded("be_emucs17_partial_13month_history"))
    recognition = GridRecognition().after(parse_telegram(recorded(DELTA)))
    assert recognition.after(partial).grid_type is GridType.DELTA
    reading = to_reading(partial, meter_id="meter", received=0.0)
    assert reading.power is None
    assert reading.energy_import is None
    assert len(reading.peak_history) == 13


def test_thresholds_and_breaker_reach_the_reading() -> None:
    reading = _read(recorded("derived_breaker_disconnected_limiter_on"))
    assert reading.breaker is BreakerState.READY
    assert (reading.power_threshold, reading.fuse_threshold) == (4600.0, 25.0)
    assert _read(recorded(THREE_PHASE)).power_threshold is None


def test_totals_of_the_meter_outrank_the_tariffs() -> None:
    reading = _read(recorded("hu_eon_dsmr5"))
    assert reading.energy_import == 173640.0
    assert reading.power == -2601.0
    assert reading.frequency == 50.0
    reactive = _read(recorded("at_sagemcom_t210dr_plain"))
    assert reactive.reactive_power == -166.0
