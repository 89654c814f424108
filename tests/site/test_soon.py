"""What is asked for often is done soon, and once."""

import asyncio
from pathlib import Path

import pytest

from custom_components.netflex.site.soon import Soon

from .bench import running


async def test_who_asks_in_the_meantime_is_answered_together() -> None:
    done: list[float] = []
    loop = asyncio.get_running_loop()
    soon = Soon(lambda: done.append(loop.time()), 0.02)
    begun = loop.time()
    for _ in range(5):
        soon.ask()
    assert done == []
    async with asyncio.timeout(10):
        while not done:
            await asyncio.sleep(0.005)
    assert len(done) == 1
    assert done[0] >= begun + 0.019
    soon.ask()
    soon.cancel()
    soon.cancel()
    await asyncio.sleep(0.05)
    assert len(done) == 1


@pytest.mark.usefixtures("socket_enabled")
async def test_many_answers_of_devices_are_one_decision(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        plan = bench.site.look
        await bench.until(lambda: (p := plan().plan) is not None and p.metered)
        decided = 0
        seat = bench.site._seats.get("boiler")
        assert seat is not None
        controller = bench.site._controller
        original = controller._take

        def take(*taken: object) -> None:
            nonlocal decided
            decided += 1
            original(*taken)  # type: ignore[arg-type]

        controller._take = take  # type: ignore[method-assign]
        for _ in range(50):
            bench.site._seats._changed(seat)
            await asyncio.sleep(0)
        # A meter's reading may come in between, fifty decisions never.
        assert decided <= 3
        before = decided
        await bench.until(lambda: decided > before)
