"""How late the loop runs what is due."""

import asyncio
import logging
import time

import pytest

from custom_components.netflex.site.loop_lag import EPISODE, SERIOUS, WINDOW, LoopLag


def test_nothing_measured_is_not_zero() -> None:
    lag = LoopLag(lambda _late: None)
    assert lag.worst is None
    lag.take(1.0, 0.0)
    assert lag.worst == 0.0


def test_the_worst_of_the_last_minute_is_kept_and_forgotten() -> None:
    lag = LoopLag(lambda _late: None)
    lag.take(0.0, 0.8)
    lag.take(WINDOW, 0.1)
    assert lag.worst == 0.8
    lag.take(WINDOW + 1, 0.2)
    assert lag.worst == 0.2


def test_three_serious_ones_in_five_minutes_endanger_reactions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reported: list[float] = []
    lag = LoopLag(reported.append)
    lag.take(0.0, SERIOUS)
    lag.take(10.0, SERIOUS - 0.01)
    lag.take(20.0, 2.0)
    assert not lag.endangers(20.0)
    with caplog.at_level(logging.WARNING):
        lag.take(100.0, 3.0)
        lag.take(101.0, 3.0)
    assert lag.endangers(101.0)
    assert reported == [SERIOUS, 2.0, 3.0, 3.0]
    assert len(caplog.records) == 1, "said once, not every time"
    assert not lag.endangers(100.0 + EPISODE + 2)


def test_after_a_calm_time_it_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    lag = LoopLag(lambda _late: None)
    with caplog.at_level(logging.WARNING):
        for start in (0.0, 2 * EPISODE):
            assert not lag.endangers(start)
            for second in range(3):
                lag.take(start + second, 2.0)
    assert len(caplog.records) == 2


@pytest.mark.slow
async def test_a_blocked_loop_is_measured_and_nothing_is_left_behind() -> None:
    lag = LoopLag(lambda _late: None)
    lag.start()
    try:
        await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251
        deadline = time.monotonic() + 10
        while lag.worst is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert lag.worst is not None
        assert lag.worst >= 0.09
    finally:
        lag.stop()
    lag.stop()
