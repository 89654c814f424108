"""Settings and their constraints."""

import pytest

from custom_components.netflex.iec104 import (
    LinkParameters,
    ParameterError,
    StationConfig,
)


def test_defaults_are_the_standards():
    link = LinkParameters()
    assert (link.t0, link.t1, link.t2, link.t3, link.k, link.w) == (
        30,
        15,
        10,
        20,
        12,
        8,
    )
    assert StationConfig().port == 2404
    assert StationConfig().common_address == 100


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"t0": 0}, "t0"),
        ({"t1": 256}, "t1"),
        ({"t3": 0.5}, "t3"),
        ({"t2": 15}, "t2"),
        ({"t1": 5, "t2": 5}, "t2"),
        ({"k": 0}, "k"),
        ({"k": 32768}, "k"),
        ({"w": 0}, "w"),
        ({"w": 9}, "w"),
        ({"k": 2, "w": 2}, "w"),
        ({"t1": float("nan")}, "t1"),
    ],
)
def test_link_parameters_out_of_range(fields: dict[str, float], named: str):
    with pytest.raises(ParameterError) as caught:
        LinkParameters(**fields)
    assert caught.value.field == named


@pytest.mark.parametrize(
    "fields",
    [{"k": 1, "w": 1}, {"k": 3, "w": 2}, {"k": 32767, "w": 21844}, {"t3": 255}],
)
def test_link_parameters_at_their_limits(fields: dict[str, float]):
    assert LinkParameters(**fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"port": 65536}, "port"),
        ({"common_address": 0}, "common_address"),
        ({"common_address": 65535}, "common_address"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_events": 999}, "max_events"),
        ({"select_timeout": 0}, "select_timeout"),
        ({"max_command_delay": -1}, "max_command_delay"),
        ({"wrong_type_cause": 45}, "wrong_type_cause"),
        ({"allowed_clients": frozenset({"rtu.local"})}, "allowed_clients"),
    ],
)
def test_station_settings_out_of_range(fields: dict[str, object], named: str):
    with pytest.raises(ParameterError) as caught:
        StationConfig(**fields)
    assert caught.value.field == named


def test_clients_are_compared_as_addresses():
    config = StationConfig(allowed_clients=frozenset({"192.0.2.7", "2001:DB8::1"}))
    assert config.allows("192.0.2.7")
    assert config.allows("::ffff:192.0.2.7")
    assert config.allows("2001:db8:0::1%eth1")
    assert not config.allows("192.0.2.8")
    assert not config.allows("nonsense")
    assert not StationConfig(allowed_clients=frozenset()).allows("127.0.0.1")
    assert StationConfig().allows("192.0.2.8")
