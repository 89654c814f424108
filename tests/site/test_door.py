"""The door between two loops: nothing waits for the other side."""

import asyncio
import threading
import time

import pytest

from custom_components.netflex.site import door
from custom_components.netflex.site.door import BackDoor, LoopThread


async def test_work_runs_on_a_thread_of_its_own() -> None:
    thread = LoopThread("netflex test")
    await thread.start()

    async def who() -> str:
        return threading.current_thread().name

    assert await thread.run(who()) == "netflex test"
    await thread.stop()
    assert not thread.running


async def test_S09_the_loop_goes_on_while_this_one_is_blocked() -> None:
    thread = LoopThread("netflex test")
    await thread.start()
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.005)

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(tick())

    task = await thread.run(begin())
    before = len(ticks)
    time.sleep(0.3)  # noqa: ASYNC251  the block is what is tested
    assert len(ticks) - before > 20
    thread.call(task.cancel)
    await thread.stop()


async def test_what_comes_after_the_end_is_dropped() -> None:
    thread = LoopThread("netflex test")
    await thread.start()
    await thread.stop()
    thread.call(pytest.fail)

    async def never() -> None:
        pytest.fail("it ran")

    with pytest.raises(RuntimeError, match="does not run"):
        await thread.run(never())


async def test_what_is_left_on_the_loop_is_cancelled() -> None:
    thread = LoopThread("netflex test")
    await thread.start()
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def begin() -> None:
        tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    await thread.run(begin())
    await thread.stop()
    assert ended.is_set()


async def test_nothing_passes_a_closed_back_door() -> None:
    back = BackDoor()
    seen: list[int] = []
    worker = threading.Thread(target=back.call, args=(seen.append, 1))
    worker.start()
    worker.join()
    await asyncio.sleep(0.01)
    assert seen == [1]
    worker = threading.Thread(target=back.call, args=(seen.append, 2))
    worker.start()
    worker.join()
    back.close()
    back.call(seen.append, 3)
    await asyncio.sleep(0.01)
    assert seen == [1]


async def test_a_loop_that_a_fault_has_ended_drops_calls_and_can_be_stopped() -> None:
    thread = LoopThread("netflex test")
    await thread.start()
    thread.call(lambda: asyncio.get_running_loop().stop())
    assert thread._thread is not None
    thread._thread.join(20)
    thread.call(pytest.fail)
    await thread.stop()
    assert not thread.running


async def test_one_that_never_ran_has_nothing_to_stop() -> None:
    thread = LoopThread("netflex test")
    await thread.stop()
    assert not thread.running


async def test_a_loop_that_hangs_is_left_behind_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "STOP_TIMEOUT", 0.01)
    thread, go_on = LoopThread("netflex test"), threading.Event()
    await thread.start()
    thread.call(go_on.wait, 20)
    await thread.stop()
    assert "netflex test did not stop within 0.01 s" in caplog.text
    go_on.set()


def test_what_comes_after_the_end_of_the_remembered_loop_is_dropped() -> None:
    async def make() -> BackDoor:
        return BackDoor()

    back = asyncio.run(make())
    back.call(pytest.fail)
