"""What a value on the wire means, and back."""

import math
import struct

from hypothesis import assume, given, strategies as st
import pytest

from custom_components.netflex.iec104 import Quality
from custom_components.netflex.model.orders import POWER_LIMIT_ORDERS, OrderName, QMode
from custom_components.netflex.telecontrol.meaning import (
    OrderRefusedError,
    decode_order,
    encode_measurement,
    encode_order,
    relaxes,
)
from custom_components.netflex.telecontrol.point import Point, Sign, StaleQuality
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS

from .bench import with_points

FLOAT32 = st.floats(width=32)
LIMITS = sorted(POWER_LIMIT_ORDERS)


def _point(name: str, **changes: object) -> Point:
    return with_points(**{name: changes}).by_name[name]


@pytest.mark.parametrize("name", LIMITS)
@given(value=FLOAT32)
def test_a_limit_is_0_to_100_or_refused(name: str, value: float) -> None:
    point = DEFAULT_POINTS.by_name[name]
    try:
        limit = decode_order(point, value)
    except OrderRefusedError:
        assert not 0 <= value <= 100.5
        return
    assert isinstance(limit, float)
    assert 0 <= value <= 100.5
    assert limit == min(value, 100.0)
    assert math.copysign(1, limit) == 1


@pytest.mark.parametrize(
    ("value", "limit"),
    [(0.0, 0.0), (-0.0, 0.0), (100.0, 100.0), (100.5, 100.0), (1e-45, 1e-45)],
)
def test_the_bounds_of_a_limit(value: float, limit: float) -> None:
    assert decode_order(DEFAULT_POINTS.by_name["minsetp"], value) == limit


@pytest.mark.parametrize(
    "value", [-1e-45, -0.5, 100.51, 3.4e38, math.nan, math.inf, -math.inf]
)
def test_what_is_no_limit_says_why(value: float) -> None:
    with pytest.raises(OrderRefusedError) as caught:
        decode_order(DEFAULT_POINTS.by_name["minsetp"], value)
    assert str(caught.value)


def test_the_sign_option_decides_about_negative_limits() -> None:
    negative = _point("maxsetp", sign=Sign.NEGATIVE)
    assert decode_order(negative, -40.0) == 40.0
    assert decode_order(negative, 0.0) == 0.0
    with pytest.raises(OrderRefusedError):
        decode_order(negative, 40.0)
    absolute = _point("maxsetp", sign=Sign.ABSOLUTE)
    assert decode_order(absolute, -40.0) == decode_order(absolute, 40.0) == 40.0


def test_the_scale_turns_the_wire_into_percent() -> None:
    point = _point("maxsetp", scale=100.0)
    assert decode_order(point, 0.5) == 50.0
    with pytest.raises(OrderRefusedError):
        decode_order(point, 50.0)


@pytest.mark.parametrize("value", [-100.0, -100.5, 0.0, 100.5])
def test_the_reactive_band_has_both_signs(value: float) -> None:
    order = decode_order(DEFAULT_POINTS.by_name["minsetq"], value)
    assert order == max(-100.0, min(100.0, value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.0, 0),
        (1.0, 1),
        (99.0, 99),
        (41.6, 42),
        (98.6, 99),
        (-0.2, 0),
        (65535.0, 65535),
    ],
)
def test_reasons_are_whole_numbers_and_unknown_ones_are_kept(
    value: float, reason: int
) -> None:
    order = decode_order(DEFAULT_POINTS.by_name["redenp"], value)
    assert order == reason
    assert isinstance(order, int)


@pytest.mark.parametrize("value", [-1.0, 65536.0, math.nan])
def test_what_is_no_reason_is_refused(value: float) -> None:
    with pytest.raises(OrderRefusedError):
        decode_order(DEFAULT_POINTS.by_name["redenq"], value)


def test_polarity_and_double_point_map_are_options() -> None:
    stop = DEFAULT_POINTS.by_name["emergency_stop_production"]
    assert decode_order(stop, True) is True
    assert decode_order(_point("emergency_stop_production", invert=True), True) is False
    mode = DEFAULT_POINTS.by_name["q_mode"]
    assert decode_order(mode, 2) is QMode.REMOTE
    assert decode_order(mode, 1) is QMode.LOCAL
    assert decode_order(_point("q_mode", invert=True), 1) is QMode.REMOTE
    for reserved in (0, 3):
        with pytest.raises(OrderRefusedError):
            decode_order(mode, reserved)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("sign", [Sign.POSITIVE, Sign.NEGATIVE])
@given(raw=st.integers(0, 1000))
def test_feedback_is_what_was_sent(
    raw: int, scale: float, sign: Sign, invert: bool
) -> None:
    """Where command and feedback have the same options, the mirror is exact."""
    wire = raw / 10 / scale * (-1 if sign is Sign.NEGATIVE else 1)
    (wire,) = struct.unpack("<f", struct.pack("<f", wire))
    options = {"scale": scale, "sign": sign}
    table = with_points(maxsetp=options, maxsetp_feedback=options)
    try:
        order = decode_order(table.by_name["maxsetp"], wire)
    except OrderRefusedError:
        assume(False)
    assume(order < 100)
    value, quality = encode_order(table.by_name["maxsetp_feedback"], order)
    assert struct.pack("<f", value) == struct.pack("<f", wire + 0.0)
    assert quality == Quality.GOOD
    states = with_points(
        test={"invert": invert}, test_feedback={"invert": invert}
    ).by_name
    for state in (True, False):
        order = decode_order(states["test"], state)
        assert encode_order(states["test_feedback"], order)[0] is state


def test_never_received_is_the_initial_value_with_the_chosen_quality() -> None:
    feedback = DEFAULT_POINTS.by_name["minsetp_feedback"]
    assert encode_order(feedback, None) == (100.0, Quality.GOOD)
    chosen = _point("minsetp_feedback", quality=StaleQuality.NOT_TOPICAL)
    assert encode_order(chosen, None) == (100.0, Quality.NOT_TOPICAL)
    assert encode_order(chosen, 100.0) == (100.0, Quality.GOOD)


@pytest.mark.parametrize(
    ("changes", "watt", "wire", "quality"),
    [
        ({}, -4250.0, -4.25, Quality.GOOD),
        ({"sign": Sign.NEGATIVE}, -4250.0, 4.25, Quality.GOOD),
        ({"sign": Sign.ABSOLUTE}, -4250.0, 4.25, Quality.GOOD),
        ({"unit": "W"}, -4250.0, -4250.0, Quality.GOOD),
        ({"unit": "MW", "scale": 0.001}, 4250.0, 4.25, Quality.GOOD),
        ({"minimum": -4.0, "maximum": 4.0}, -4250.0, -4.0, Quality.OVERFLOW),
        ({"type_id": 11, "unit": "W"}, 4250.4, 4250, Quality.GOOD),
        ({"type_id": 11, "unit": "W"}, 1e6, 32767, Quality.OVERFLOW),
        ({"type_id": 9, "scale": 10.0}, 5000.0, 0.5, Quality.GOOD),
        ({"type_id": 9, "scale": 10.0}, -50000.0, -1.0, Quality.OVERFLOW),
        ({"sign": Sign.NEGATIVE}, 0.0, 0.0, Quality.GOOD),
        ({}, math.nan, 0.0, Quality.INVALID),
        ({}, math.inf, 0.0, Quality.INVALID),
        ({}, 1e300, 3.4028234663852886e38, Quality.OVERFLOW),
    ],
)
def test_measurements_on_the_wire(
    changes: dict[str, object], watt: float, wire: float, quality: Quality
) -> None:
    value, seen = encode_measurement(_point("p_solar", **changes), watt)
    assert value == pytest.approx(wire)
    assert math.copysign(1, value) == math.copysign(1, wire)
    assert seen == quality


@pytest.mark.parametrize(
    ("name", "before", "after", "loosens"),
    [
        ("emergency_stop_production", True, False, True),
        ("emergency_stop_production", False, True, False),
        ("emergency_stop_production", None, False, False),
        ("emergency_stop_production", True, None, True),
        ("maxsetp", 50.0, 51.0, True),
        ("maxsetp", 50.0, 49.0, False),
        ("maxsetp", 50.0, 50.0, False),
        ("maxsetp", None, 100.0, False),
        ("maxsetp", 100.0, None, True),
        ("minsetp", 50.0, 51.0, True),
        ("minsetq", -10.0, -20.0, True),
        ("minsetq", -20.0, -10.0, False),
        ("maxsetq", 10.0, 20.0, True),
        ("maxsetq", 20.0, 10.0, False),
        ("q_mode", QMode.REMOTE, QMode.LOCAL, True),
        ("q_mode", None, QMode.REMOTE, False),
        ("q_mode", QMode.LOCAL, None, False),
        ("test", True, False, False),
        ("redenp", 99, 0, False),
    ],
)
def test_what_loosens(name: str, before: object, after: object, loosens: bool) -> None:
    assert relaxes(OrderName(name), before, after) is loosens
