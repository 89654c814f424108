"""Settings that come in: taken, or refused for a reason that is named."""

import json
from typing import Any

import pytest

from custom_components.netflex.northbound import cbor
from custom_components.netflex.northbound.codec import MOST_OCTETS
from custom_components.netflex.northbound.commands import (
    FUTURE,
    Incoming,
    Problem,
    Refusal,
    read_set,
    seconds,
)
from custom_components.netflex.northbound.direct_control import direct_control_tree
from custom_components.netflex.northbound.messages import Setting

from .homes import CONTROL, HOME

NOW = 1_768_478_400.0
TREE, _ = direct_control_tree(HOME)


def read(
    payload: bytes | dict[str, Any],
    path: str | None = CONTROL,
    *,
    since: float = NOW - 3600,
    allowed: bool = True,
    retained: bool = False,
) -> Setting | Refusal:
    octets = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_set(
        Incoming(topic=f"@set/x/{path}", path=path, payload=octets, retained=retained),
        TREE,
        {CONTROL: since},
        NOW,
        allowed=allowed,
    )


def problem(*args: Any, **options: Any) -> Problem:
    found = read(*args, **options)
    assert isinstance(found, Refusal), found
    assert found.text
    return found.problem


@pytest.mark.parametrize(("value", "expected"), [(True, True), (1, True), (0, False)])
def test_booleans_come_as_true_and_false_or_1_and_0(
    value: object, expected: bool
) -> None:
    found = read({"timestamp": NOW, "value": value})
    assert isinstance(found, Setting)
    assert found.value is expected
    assert found.attribute.commands == "boiler"


def test_case_15_a_set_older_than_the_value_is_ignored_and_both_units_of_time() -> None:
    old = {"timestamp": NOW - 10, "value": 0}
    assert problem(old, since=NOW - 5) is Problem.OLDER
    assert problem({**old, "timestamp": (NOW - 10) * 1000}, since=NOW - 5) is (
        Problem.OLDER
    )
    for timestamp in (NOW - 1, (NOW - 1) * 1000, int(NOW - 1), int((NOW - 1) * 1000)):
        found = read({"timestamp": timestamp, "value": 0}, since=NOW - 5)
        assert isinstance(found, Setting), found
        assert found.at == pytest.approx(NOW - 1)
    # Two of the same moment are taken in the order in which they come.
    assert isinstance(read({"timestamp": NOW, "value": 0}, since=NOW), Setting)


def test_the_id_that_a_service_awaits_is_kept() -> None:
    found = read({"timestamp": NOW, "value": 0, "correlationID": "7d-1"})
    assert isinstance(found, Setting)
    assert found.correlation == "7d-1"
    for given, kept in ((7, 7), ([1], None), (None, None)):
        found = read({"timestamp": NOW, "value": 0, "correlationID": given})
        assert isinstance(found, Setting)
        assert found.correlation == kept
    assert isinstance(read(cbor.encode({"timestamp": NOW, "value": False})), Setting)


def test_a_set_without_a_time_is_of_now_unless_the_broker_kept_it() -> None:
    found = read({"value": 0})
    assert isinstance(found, Setting)
    assert found.at == NOW
    assert problem({"value": 0}, retained=True) is Problem.WITHOUT_TIME


@pytest.mark.parametrize(
    "value", [2, -1, "true", "1", None, [], {}, 0.5, float("nan"), 10**400]
)
def test_a_value_of_another_type_is_refused(value: object) -> None:
    assert problem({"timestamp": NOW, "value": value}) is Problem.WRONG_TYPE


@pytest.mark.parametrize(
    "timestamp", ["now", True, None, 0, -5, float("nan"), float("inf"), 10**400, []]
)
def test_what_is_no_time_is_refused(timestamp: object) -> None:
    payload = {"timestamp": timestamp, "value": 0}
    if timestamp is None:
        assert isinstance(read(payload), Setting)
    else:
        assert problem(payload) is Problem.WRONG_TYPE


def test_the_future_is_refused_and_a_clock_that_is_a_little_ahead_is_not() -> None:
    assert problem({"timestamp": NOW + FUTURE + 1, "value": 0}) is Problem.FUTURE
    assert isinstance(read({"timestamp": NOW + FUTURE - 1, "value": 0}), Setting)
    # Milliseconds taken for seconds a thousand times over, as some endpoints do.
    assert problem({"timestamp": NOW * 1e6, "value": 0}) is Problem.WRONG_TYPE


def test_what_cannot_be_set_is_refused() -> None:
    good = {"timestamp": NOW, "value": 0}
    assert problem(good, "gateway/relay1State/datapoint") is Problem.NOT_SETTABLE
    assert problem(good, "gateway/relay9Control/parameter") is Problem.UNKNOWN_ATTRIBUTE
    assert problem(good, None) is Problem.UNKNOWN_ATTRIBUTE
    assert problem(good, allowed=False) is Problem.NOT_ALLOWED


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Problem.MALFORMED),
        (b"{", Problem.MALFORMED),
        (b"\xa1\x65valu", Problem.MALFORMED),
        (b"\x01", Problem.MALFORMED),
        (b'{"timestamp": 1768478400}', Problem.MALFORMED),
        (b'{"value": "' + b"a" * MOST_OCTETS + b'"}', Problem.TOO_LARGE),
    ],
)
def test_what_cannot_be_read_is_refused(payload: bytes, expected: Problem) -> None:
    assert problem(payload) is expected


def test_a_time_in_seconds_or_milliseconds() -> None:
    assert seconds(1_768_478_400) == seconds(1_768_478_400_000) == 1_768_478_400.0
    assert seconds("1768478400") is None
