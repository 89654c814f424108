"""Every recorded telegram against what it says."""

from datetime import UTC, datetime

import pytest

from custom_components.netflex.metering.p1 import TelegramError, parse_telegram
from custom_components.netflex.metering.p1_crc import crc16
from custom_components.netflex.metering.p1_framer import TelegramFramer
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.reading import BreakerState, SubMeterKind

from .recordings import (
    NAMES,
    THREE_PHASE,
    as_printed,
    changed,
    encrypted_frame,
    expected,
    recorded,
)


@pytest.mark.parametrize("name", NAMES)
def test_recording_gives_its_values_and_counts(name: str) -> None:
    framer = TelegramFramer()
    telegrams = [as_printed(telegram) for telegram in framer.feed(recorded(name))]
    framer.close()
    wanted = expected(name)
    places = wanted.get("places", range(len(telegrams)))
    assert [telegrams[place] for place in places] == wanted["telegrams"]
    assert (framer.good, framer.damaged) == (wanted["good"], wanted["damaged"])
    assert len(telegrams) == wanted["good"]
    assert framer.encrypted == 0


def test_encrypted_frame_is_recognised_and_not_called_damaged() -> None:
    framer = TelegramFramer()
    assert framer.feed(encrypted_frame() * 3 + recorded(THREE_PHASE))
    assert (framer.encrypted, framer.good, framer.damaged) == (3, 1, 0)
    assert framer.dropped == 3 * len(encrypted_frame())


def _crc_bit_by_bit(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


def test_crc_16_arc() -> None:
    # The check value that the catalogue of CRCs gives for CRC-16/ARC.
    assert crc16(b"123456789") == 0xBB3D
    data = recorded(THREE_PHASE)
    for length in (0, 1, 2, 3, 100, 101, len(data)):
        assert crc16(data[:length]) == _crc_bit_by_bit(data[:length])


def test_breaker_is_not_taken_from_a_relay_of_a_channel() -> None:
    telegram = parse_telegram(recorded("be_emucs21_3ph_gas_water_ean_relays"))
    assert telegram.breaker is BreakerState.CONNECTED
    assert [channel.relay for channel in telegram.channels] == (
        [BreakerState.DISCONNECTED] * 4
    )
    assert [meter.channel for meter in telegram.sub_meters] == [1, 2]
    assert telegram.grid_type is GridType.STAR


def test_thresholds_of_all_nines_are_not_active_whatever_their_width() -> None:
    for power in (b"999.9*kW", b"99.999*kW", b"999*kW", b"999.9"):
        data = changed(recorded(THREE_PHASE), (b"999.9*kW", power))
        assert parse_telegram(data).power_threshold is None
        assert parse_telegram(data).unknown == ()
    data = changed(recorded(THREE_PHASE), (b"(999*A)", b"(040*A)"))
    assert parse_telegram(data).fuse_threshold == 40.0


def test_both_hours_of_the_autumn_change_are_told_apart() -> None:
    first = parse_telegram(recorded("derived_dst_autumn_first_0230_S")).time
    second = parse_telegram(recorded("derived_dst_autumn_second_0230_W")).time
    assert first == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert second == datetime(2024, 10, 27, 1, 30, tzinfo=UTC)


def test_both_sides_of_the_spring_change() -> None:
    stamp = b"0-0:1.0.0(240112231800W)"
    before = changed(recorded(THREE_PHASE), (stamp, b"0-0:1.0.0(250330015959W)"))
    after = changed(recorded(THREE_PHASE), (stamp, b"0-0:1.0.0(250330030000S)"))
    times = parse_telegram(before).time, parse_telegram(after).time
    assert times[0] is not None
    assert times[1] is not None
    assert (times[1] - times[0]).total_seconds() == 1


@pytest.mark.parametrize(
    "stamp",
    [
        b"632525252525W",
        b"700101010000W",
        b"240230000000W",
        b"240112231800",
        b"240112231800X",
        b"240112236000W",
        b"",
    ],
)
def test_what_is_no_date_is_absent(stamp: bytes) -> None:
    data = changed(recorded(THREE_PHASE), (b"(240112231800W)", b"(" + stamp + b")"))
    assert parse_telegram(data).time is None


def test_history_is_sorted_by_month_and_not_by_line() -> None:
    history = parse_telegram(recorded("be_emucs17_3ph_spec_example_gas_water"))
    months = [peak.month_end for peak in history.peak_history]
    assert [month and month.month for month in months] == [3, 4, 5]


def test_what_a_channel_counts_says_its_type_and_not_its_code() -> None:
    data = changed(recorded(THREE_PHASE), (b"24.1.0(003)", b"24.1.0(007)"))
    assert parse_telegram(data).channels[0].kind is SubMeterKind.WATER
    data = changed(
        recorded(THREE_PHASE),
        (b"24.1.0(003)", b"24.1.0(002)"),
        (b"(00338.711*m3)", b"(00338.711*kWh)"),
    )
    (meter,) = parse_telegram(data).channels
    assert (meter.kind, meter.value, meter.unit) == (
        SubMeterKind.ELECTRICITY,
        338711.0,
        "Wh",
    )
    data = changed(recorded(THREE_PHASE), (b"24.1.0(003)", b"24.1.0(099)"))
    assert parse_telegram(data).channels[0].kind is SubMeterKind.OTHER


def test_cubic_metres_in_latin_1_are_read() -> None:
    data = changed(recorded(THREE_PHASE), (b"338.711*m3", b"338.711*m\xb3"))
    assert parse_telegram(data).channels[0].unit == "m3"
    assert parse_telegram(data).channels[0].value == 338.711


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(00.132)", "power_import", 132.0),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(132*W)", "power_import", 132.0),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0()", "power_import", None),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(nan*kW)", "power_import", None),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(1e9*kW)", "power_import", None),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(0.1*GJ)", "power_import", None),
        (b"1-0:1.7.0(00.132*kW)", b"1-0:1.7.0(" + b"9" * 400 + b")",
         "power_import", None),
        (b"0-0:96.14.0(0002)", b"0-0:96.14.0(" + b"1" * 5000 + b")", "tariff", None),
        (b"0-0:96.3.10(1)", b"0-0:96.3.10(7)", "breaker", None),
        (b"1-0:1.6.0(240107190000W)(02.485*kW)", b"1-0:1.6.0(240107190000W)(x)",
         "month_peak", None),
        (b"0-0:98.1.0(3)", b"0-0:98.1.0(x)", "peak_history", ()),
        (b"0-0:96.13.0()", b"0-0:96.13.0(4F4B)", "message", "OK"),
        (b"0-0:96.13.0()", b"0-0:96.13.0(xyz)", "message", "xyz"),
        (b"0-0:96.1.4(50217)", b"0-0:96.1.2(353431343430303132333435363738393030)",
         "ean", "541440012345678900"),
        (b"0-0:96.1.4(50217)", b"1-0:94.32.1(230)", "grid_type", GridType.DELTA),
    ],
)  # fmt: skip
def test_one_object_never_costs_the_others(
    old: bytes, new: bytes, field: str, value: object
) -> None:
    telegram = parse_telegram(changed(recorded(THREE_PHASE), (old, new)))
    assert getattr(telegram, field) == value
    assert telegram.line_current.l2 == 0.49
    assert telegram.channels[0].value == 338.711
    if value in (None, ()) and b"()" not in new:
        code, _, text = new.partition(b"(")
        assert any(
            raw.code == code.decode() and raw.text.startswith(f"({text.decode()[:4]}")
            for raw in telegram.unknown
        )


def test_unknown_objects_stay_as_printed() -> None:
    line = b"1-0:77.99.1(12*x)(\xe9)(a)\r\n1-0:1.7.0("
    data = changed(recorded(THREE_PHASE), (b"1-0:1.7.0(", line))
    (raw,) = parse_telegram(data).unknown
    assert (raw.code, raw.text) == ("1-0:77.99.1", "(12*x)(é)(a)")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "slash"),
        (b"garbage", "slash"),
        (b"/FLU5\r\n", "no CRC"),
        (b"/FLU5\r\n!\r\n", "no CRC"),
        (b"/FLU5\r\n!0000\r\n", "CRC is"),
    ],
)
def test_what_is_no_telegram_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(TelegramError, match=reason):
        parse_telegram(data)
