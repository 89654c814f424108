"""What points say: absent is not zero, and garbage is no value."""

from dataclasses import replace

import pytest

from custom_components.netflex.devices.profile import Area, Point, Register, Scaling
from custom_components.netflex.devices.registers import Encoding, RegisterType, Value
from custom_components.netflex.devices.values import point_value, scale_of, text_of

POINT = Point(
    key="frequency",
    register=Register(
        unit="main",
        area=Area.HOLDING,
        at=1,
        type=RegisterType.U16,
        count=1,
        encoding=Encoding(),
    ),
    scaling=Scaling(scale=0.01),
)


@pytest.mark.parametrize(
    ("word", "value"), [(4499, None), (4500, 45.0), (5500, 55.0), (5501, None)]
)
def test_a_value_out_of_what_can_be_is_absent(word: int, value: float | None) -> None:
    point = replace(POINT, between=(45.0, 55.0))
    assert point_value(point, [word], {}) == value


def test_a_value_whose_scale_is_not_known_is_absent() -> None:
    point = replace(POINT, scaling=Scaling(scale_point="frequency_sf"))
    assert point_value(point, [5000], {}) is None
    assert point_value(point, [5000], {"frequency_sf": -2}) == 50.0
    assert point_value(point, [5], {"frequency_sf": 1}) == 50.0


@pytest.mark.parametrize(
    ("value", "scale"),
    [(-2.0, -2), (0, 0), (None, None), (True, None), ("-2", None), (0.5, None), (99, None)],
)  # fmt: skip
def test_a_scale_is_a_believable_power_of_ten(
    value: Value | None, scale: int | None
) -> None:
    assert scale_of(value) == scale


@pytest.mark.parametrize(
    ("value", "text"), [(1234567.0, "1234567"), (6.5, "6.5"), ("A1", "A1"), (7, "7")]
)
def test_a_serial_number_is_written_without_decimals(value: Value, text: str) -> None:
    assert text_of(value) == text
