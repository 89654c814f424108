"""The line in front of an endpoint; its clock is the loop's, which waits for nothing."""

import asyncio

import pytest

from custom_components.netflex.devices.scheduler import (
    Preempted,
    Priority,
    RequestTimeout,
    Scheduler,
)
from tests.virtual_time import now, virtual_time


def limit() -> float:
    return 1.0


class Bench:
    """Requests that end when the test says so."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(now)
        self.order: list[str] = []
        self.running = 0
        self.most_running = 0

    async def request(self, name: str, duration: float = 0.005) -> str:
        self.order.append(name)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(duration)
        finally:
            self.running -= 1
        return name

    def submit(
        self, priority: Priority, name: str, duration: float = 0.005, **kwargs: object
    ) -> asyncio.Task[str]:
        return asyncio.create_task(
            self.scheduler.run(
                priority,
                lambda: self.request(name, duration),
                limit=limit,
                **kwargs,  # type: ignore[arg-type]
            )
        )


@virtual_time
async def test_priorities_in_order_and_one_request_in_flight() -> None:
    bench = Bench()
    tasks = [bench.submit(Priority.FAST, "first")]
    await asyncio.sleep(0)
    tasks += [bench.submit(priority, priority.name) for priority in reversed(Priority)]
    tasks += [bench.submit(Priority.SETPOINT, "second setpoint")]
    await asyncio.gather(*tasks)
    assert bench.order == [
        "first",
        "EMERGENCY",
        "PROOF",
        "KEEP_ALIVE",
        "SETPOINT",
        "second setpoint",
        "FAST",
        "SLOW",
        "STATIC",
    ]
    assert bench.most_running == 1


@virtual_time
async def test_a_stop_behind_six_slow_reads_goes_next() -> None:
    bench = Bench()
    reads = [bench.submit(Priority.FAST, f"read {i}", 0.04) for i in range(6)]
    await asyncio.sleep(0.01)
    await bench.submit(Priority.EMERGENCY, "stop", 0)
    assert bench.order[:2] == ["read 0", "stop"]
    await asyncio.gather(*reads)


@virtual_time
async def test_a_stop_gives_up_a_read_that_hangs() -> None:
    bench = Bench()
    read = bench.submit(Priority.FAST, "read", 0.9, may_give_up=True)
    await asyncio.sleep(0.01)
    begun = now()
    await bench.submit(Priority.EMERGENCY, "stop", 0)
    assert now() - begun == pytest.approx(0.25)
    with pytest.raises(Preempted):
        await read


@virtual_time
async def test_a_stop_does_not_interrupt_a_write() -> None:
    bench = Bench()
    write = bench.submit(Priority.SETPOINT, "write", 0.4)
    await asyncio.sleep(0.01)
    begun = now()
    await bench.submit(Priority.EMERGENCY, "stop", 0)
    assert now() - begun == pytest.approx(0.39)
    assert await write == "write"


@virtual_time
async def test_the_wall_time_of_a_request_that_swallows_its_cancellation() -> None:
    scheduler = Scheduler(now)
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    begun = now()
    with pytest.raises(RequestTimeout):
        await scheduler.run(Priority.FAST, stubborn, limit=lambda: 0.05)
    assert now() - begun == pytest.approx(0.05)
    assert await scheduler.run(Priority.FAST, _one, limit=limit) == 1
    released.set()
    await scheduler.close()


async def _one() -> int:
    return 1


@virtual_time
async def test_a_guard_lets_an_outdated_write_step_back_at_its_turn() -> None:
    bench = Bench()
    first = bench.submit(Priority.FAST, "first", 0.02)
    newest = 1

    def guard() -> None:
        if newest != 1:
            raise LookupError

    await asyncio.sleep(0)
    old = bench.submit(Priority.SETPOINT, "old", guard=guard)
    await asyncio.sleep(0)
    newest = 2
    new = bench.submit(Priority.SETPOINT, "new")
    await asyncio.gather(first, new)
    with pytest.raises(LookupError):
        await old
    assert bench.order == ["first", "new"]


@virtual_time
async def test_a_cancelled_waiter_does_not_stop_the_line() -> None:
    bench = Bench()
    first = bench.submit(Priority.FAST, "first", 0.02)
    await asyncio.sleep(0)
    leaving = [bench.submit(Priority.FAST, f"leaving {i}") for i in range(3)]
    last = bench.submit(Priority.SLOW, "last")
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    assert await asyncio.wait_for(last, 1) == "last"
    await first
    assert bench.order == ["first", "last"]
    assert bench.scheduler.waiting == 0


@virtual_time
async def test_spacing_is_kept_and_a_stop_does_not_wait_for_it() -> None:
    bench = Bench()
    await bench.submit(Priority.FAST, "one", 0)
    begun = now()
    await bench.submit(Priority.FAST, "two", 0, spacing=0.04)
    assert now() - begun == pytest.approx(0.04)
    waits = bench.submit(Priority.FAST, "three", 0, spacing=0.2)
    await asyncio.sleep(0.01)
    begun = now()
    await bench.submit(Priority.EMERGENCY, "stop", 0, spacing=0.2)
    assert now() == begun
    await waits
    assert now() - begun == pytest.approx(0.2)
    assert bench.order == ["one", "two", "stop", "three"]


@virtual_time
async def test_a_slow_poll_is_not_starved_by_fast_ones() -> None:
    clock = 0.0
    scheduler = Scheduler(lambda: clock)
    order: list[str] = []

    async def note(name: str) -> None:
        order.append(name)

    gate = asyncio.Event()
    blocker = asyncio.create_task(scheduler.run(Priority.FAST, gate.wait, limit=limit))
    await asyncio.sleep(0)
    slow = asyncio.create_task(
        scheduler.run(Priority.SLOW, lambda: note("slow"), limit=limit)
    )
    await asyncio.sleep(0)
    clock = 11.0
    fast = asyncio.create_task(
        scheduler.run(Priority.FAST, lambda: note("fast"), limit=limit)
    )
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocker, slow, fast)
    assert order == ["slow", "fast"]


@virtual_time
async def test_a_stop_that_comes_while_the_turn_is_passed_on_is_not_overlooked() -> (
    None
):
    bench = Bench()
    first = bench.submit(Priority.FAST, "first", 0)
    await asyncio.sleep(0)
    second = bench.submit(Priority.FAST, "second", 0.9, spacing=0.2)
    third = bench.submit(Priority.FAST, "third", 0.9, may_give_up=True)
    stop: list[asyncio.Task[str]] = []
    first.add_done_callback(
        lambda _: stop.append(bench.submit(Priority.EMERGENCY, "stop", 0))
    )
    await first
    begun = now()
    await asyncio.sleep(0)
    await stop[0]
    assert now() == begun
    for task in (second, third):
        task.cancel()
    await asyncio.gather(second, third, return_exceptions=True)


@virtual_time
async def test_a_request_that_must_not_be_cancelled_ends_by_itself() -> None:
    bench = Bench()
    connecting = True
    task = bench.submit(Priority.FAST, "read", 0.03, leave=lambda: connecting)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.running == 1, "it goes on"
    async with asyncio.timeout(5):
        while bench.running:
            await asyncio.sleep(0.01)


@virtual_time
async def test_a_stop_gives_up_a_read_once_its_connection_is_there() -> None:
    bench = Bench()
    connecting = True
    read = bench.submit(
        Priority.FAST, "read", 30.0, may_give_up=True, leave=lambda: connecting
    )
    await asyncio.sleep(0)
    stop = bench.submit(Priority.EMERGENCY, "stop", 0.0)
    async with asyncio.timeout(5):
        await asyncio.wait({read}, timeout=0.4)
        assert not read.done()
        connecting = False
        await stop
    with pytest.raises(Preempted):
        await read


@virtual_time
async def test_a_request_that_must_not_be_cancelled_says_itself_how_it_ended() -> None:
    """Not RequestTimeout, which would leave its own failure to nobody."""
    over = asyncio.Event()

    async def connect() -> None:
        await over.wait()
        raise ConnectionRefusedError

    task = asyncio.create_task(
        Scheduler(now).run(
            Priority.SETPOINT, connect, limit=lambda: 0.01, leave=lambda: True
        )
    )
    await asyncio.wait({task}, timeout=0.05)
    assert not task.done()
    over.set()
    with pytest.raises(ConnectionRefusedError):
        await task
