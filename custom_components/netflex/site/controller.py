"""The site's own task: from what is known to what every asset is told."""

import asyncio
from collections.abc import Callable
import logging

from ..control.decide import decide
from ..control.memory import Memory
from ..control.tuning import Tuning
from ..model.plan import Plan
from ..model.snapshot import Clock, SiteModel, Snapshot

_LOGGER = logging.getLogger(__name__)

DECIDE_INTERVAL = 1.0
"""s between decisions while nothing happens."""
LARGE = 1000
"""Assets above which a decision is taken off the loop."""


class Controller:
    """Decides when something has changed, and once a second otherwise.

    It never awaits a device: it hands the plan to `carry_out`, which only fills
    mailboxes. A fault in one decision is logged and does not end the task.
    """

    def __init__(
        self,
        *,
        model: Callable[[], SiteModel],
        snapshot: Callable[[], Snapshot],
        clock: Callable[[], Clock],
        carry_out: Callable[[Plan], None],
        memory: Memory,
        tuning: Tuning,
        note: Callable[[SiteModel, Snapshot, Clock], None] | None = None,
    ) -> None:
        """Prepare a controller; nothing is decided before `start`.

        `note` is told what every decision was taken with.
        """
        self._note = note
        self._model = model
        self._snapshot = snapshot
        self._clock = clock
        self._carry_out = carry_out
        self._tuning = tuning
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.memory = memory
        self.plan: Plan | None = None
        self.fault: str | None = None
        """Why the newest decision failed, in words for a report; None: it did not."""

    def start(self) -> None:
        """Decide once, then start the task; a large site decides in its task."""
        self._wake.set()
        if not self._large():
            self.decide()
            self._wake.clear()
        self._task = asyncio.create_task(self._run(), name="netflex controller")

    async def stop(self) -> None:
        """End the task; what was told last stands."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Have a decision taken as soon as the loop is free."""
        self._wake.set()

    def preview(self, snapshot: Snapshot) -> tuple[Plan, Memory]:
        """Return what would be decided for a snapshot; nothing is carried out."""
        return decide(self._model(), snapshot, self.memory, self._clock(), self._tuning)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(DECIDE_INTERVAL):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self._large():
                await self._decide_off_the_loop()
            else:
                self._decide_here()

    def _large(self) -> bool:
        return len(self._model().assets) > LARGE

    def decide(self) -> None:
        """Take one decision and have it carried out, before anything else happens.

        A large site takes it off the loop as soon as the running one is done: the
        time that it takes on the loop would keep everything else waiting.
        """
        if self._large():
            self.wake()
        else:
            self._decide_here()

    def _known(self) -> tuple[SiteModel, Snapshot, Memory, Clock, Tuning]:
        model, snapshot, clock = self._model(), self._snapshot(), self._clock()
        if self._note is not None:
            self._note(model, snapshot, clock)
        return model, snapshot, self.memory, clock, self._tuning

    def _decide_here(self) -> None:
        try:
            taken = decide(*self._known())
        except Exception as err:  # noqa: BLE001  logged: the last plan stands
            self._failed(err)
        else:
            self._take(*taken)

    async def _decide_off_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            taken = await loop.run_in_executor(None, decide, *self._known())
        except Exception as err:  # noqa: BLE001  logged: the last plan stands
            self._failed(err)
        else:
            self._take(*taken)

    def _failed(self, err: Exception) -> None:
        if self.fault is None:
            _LOGGER.error("The decision failed; the last plan stands", exc_info=err)
        self.fault = f"{type(err).__name__}: {err}"

    def _take(self, plan: Plan, memory: Memory) -> None:
        self.memory = memory
        self.fault = None
        self.plan = plan
        self._carry_out(plan)
