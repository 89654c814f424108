"""Who waits for records, on whatever loop, and what becomes of them."""

import asyncio

from custom_components.netflex.telecontrol.journal_waits import Waits


async def test_who_waits_on_a_loop_that_has_ended_keeps_nobody_else_waiting() -> None:
    waits = Waits()
    gone = asyncio.new_event_loop()

    async def wait() -> asyncio.Future[bool]:
        return waits.add(1)

    thread = asyncio.to_thread(gone.run_until_complete, wait())
    left = await thread
    gone.close()
    here, later = waits.add(1), waits.add(2)
    waits.settle(1, True)
    assert await here
    assert not left.done()
    assert not later.done()
