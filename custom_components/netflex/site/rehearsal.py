"""Rehearses a site: opens the second station, goes through the list, keeps evidence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
import logging
from typing import Any, Final

from ..model.orders import OrderSource
from ..model.phrase import Phrase
from ..telecontrol.journal_format import NO_HASH, RecordKind
from ..telecontrol.rehearsal import CHAPTERS, Chapter, Rehearsal
from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import (
    Evidence,
    JournalRange,
    Outcome,
    RehearsalResult,
    Step,
)
from ..telecontrol.rehearsal_run import Pace, Progress
from ..telecontrol.rehearsal_station import RehearsalEnd, RehearsalState
from .rehearsal_facts import rehearsal_facts, rehearsal_warnings
from .rehearsal_plant import Looker, SitePlant
from .rehearsal_seat import RehearsalAccess, RehearsalRefusedError
from .rehearsal_status import RehearsalStatus
from .station_host import StationHost

_LOGGER = logging.getLogger(__name__)

JOURNAL_PATIENCE: Final = 2.0
"""s that the journal's records are waited for before its head is read."""

ENDS: Final[Mapping[RehearsalEnd, Phrase]] = {
    RehearsalEnd.CANCELLED: Phrase(
        "rehearsal_cancelled", "The rehearsal was cancelled"
    ),
    RehearsalEnd.TIMED_OUT: Phrase(
        "rehearsal_timed_out", "The rehearsal took longer than it may"
    ),
    RehearsalEnd.CLIENT_LOST: Phrase(
        "rehearsal_client_lost", "The rehearsal's own connection did not come back"
    ),
    RehearsalEnd.OPERATOR_CONNECTED: Phrase(
        "rehearsal_operator_connected",
        "The grid operator's RTU started data transfer: the rehearsal gave way at once",
    ),
    RehearsalEnd.OPERATOR_ORDER: Phrase(
        "rehearsal_operator_order",
        "Something happened to the operator's own orders: the rehearsal gave way at "
        "once",
    ),
    RehearsalEnd.STATION_CLOSED: Phrase(
        "rehearsal_station_closed",
        "The operator's station was closed or its settings were changed",
    ),
    RehearsalEnd.FAILED: Phrase(
        "rehearsal_failed", "The rehearsal had a fault of its own"
    ),
}


class SiteRehearsal:
    """The rehearsals of one site, one at a time, on the site's loop.

    `look` looks at the site, `on_change` is called with every change of `status`.
    """

    def __init__(
        self,
        name: str,
        host: StationHost,
        look: Looker,
        utcnow: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        """Prepare; nothing was rehearsed yet."""
        self._name = name
        self._host = host
        self._look = look
        self._utcnow = utcnow
        self._on_change = on_change
        self._task: asyncio.Task[Evidence] | None = None
        self._plant: SitePlant | None = None
        self._end: RehearsalEnd | None = None
        self.status: RehearsalStatus | None = None

    @property
    def running(self) -> bool:
        """Whether a rehearsal is on its way."""
        return self._task is not None

    async def run(
        self,
        *,
        real: bool,
        versions: Mapping[str, str],
        pace: Pace | None = None,
        chapters: tuple[Chapter, ...] = CHAPTERS,
    ) -> Evidence:
        """Rehearse the whole list once; `real`: the assets carry it out.

        Raises RehearsalRefusedError where it may not begin and OSError where the second
        station cannot listen. What ends it early is in the evidence.
        """
        if self._task is not None:
            raise RehearsalRefusedError(
                "rehearsal_running", "A rehearsal of this site is running already"
            )
        if real and self._look(None).shadow:
            raise RehearsalRefusedError(
                "site_in_shadow", "The site is in shadow: it carries out no orders"
            )
        self._task = asyncio.create_task(
            self._go(real, versions, pace, chapters),
            name="netflex rehearsal",
        )
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                await self.cancel()
                raise
            # The site ended it, not who waits for it.
            raise RehearsalRefusedError(
                "rehearsal_cancelled", ENDS[RehearsalEnd.CANCELLED]
            ) from None

    def restore(self, status: RehearsalStatus | None) -> None:
        """Show a rehearsal from before the start."""
        if self.status is None:
            self.status = status

    def set_report(self, path: str) -> None:
        """Show where the newest rehearsal's report lies."""
        if self.status is not None:
            self._show(replace(self.status, report=path))

    async def cancel(self) -> None:
        """End a rehearsal that runs; its orders end with it."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def on_state(self, state: RehearsalState) -> None:
        """Follow what the rehearsal orders."""
        if self._plant is not None:
            self._plant.ordered = state.orders
        if state.ended is not None:
            self._end = state.ended

    async def _go(
        self,
        real: bool,
        versions: Mapping[str, str],
        pace: Pace | None,
        chapters: tuple[Chapter, ...],
    ) -> Evidence:
        reason = RehearsalEnd.FAILED
        self._end = None
        try:
            before = await self._journal_head()
            access = await self._host.start_rehearsal(real=real)
            mode = RehearsalMode.REAL if real else RehearsalMode.SHADOW
            self._show(RehearsalStatus(mode=mode, started=self._utcnow()))
            result = await self._rehearse(access, mode, pace, chapters)
            reason = RehearsalEnd.FINISHED
            await self._host.end_rehearsal(reason)
            result = await self._with_end(result)
            evidence = await self._evidence(access, result, versions, before)
            self._finish(result)
        except asyncio.CancelledError:
            reason = RehearsalEnd.CANCELLED
            raise
        finally:
            await self._host.end_rehearsal(reason)
            self._plant = self._task = None
            self._fail(reason)
        return evidence

    async def _rehearse(
        self,
        access: RehearsalAccess,
        mode: RehearsalMode,
        pace: Pace | None,
        chapters: tuple[Chapter, ...],
    ) -> RehearsalResult:
        plant = SitePlant(self._look, self._utcnow, real=mode is RehearsalMode.REAL)
        self._plant = plant
        rehearsal = Rehearsal(
            access.address,
            access.settings,
            mode,
            plant,
            pace=pace,
            chapters=chapters,
            on_progress=self._progress,
            on_step=self._record,
            ended_because=lambda: None if self._end is None else ENDS.get(self._end),
        )
        return await rehearsal.run()

    async def _with_end(self, result: RehearsalResult) -> RehearsalResult:
        """Return the result with a look at what holds after the end."""
        passed = False
        for _try in range(100):
            orders = self._look(None).snapshot.orders.present()
            if not any(
                order.source is OrderSource.REHEARSAL for order in orders.values()
            ):
                passed = True
                break
            await asyncio.sleep(0.02)
        own = ", ".join(
            f"{name.upper()} {order.value}" for name, order in orders.items()
        )
        step = Step(
            chapter=Phrase("chapter_end", "End"),
            title=Phrase("title_end", "After the rehearsal"),
            expected=Phrase(
                "expect_end",
                "Nothing of it is left; the operator's own orders are in force",
            ),
            seen=(
                Phrase(
                    "seen_own_orders",
                    "In force: {orders}",
                    orders=own or Phrase("seen_no_orders", "no orders, as before"),
                )
                if passed
                else Phrase(
                    "seen_left_over", "Orders of the rehearsal are still in force"
                )
            ),
            passed=passed,
            at=self._utcnow(),
        )
        return replace(result, steps=(*result.steps, step), ended=self._utcnow())

    async def _evidence(
        self,
        access: RehearsalAccess,
        result: RehearsalResult,
        versions: Mapping[str, str],
        before: tuple[int, str],
    ) -> Evidence:
        journal = None
        if self._host.journal is not None:
            last, head = await self._journal_head()
            journal = JournalRange(
                first=before[0] + 1, last=last, hash_before=before[1], head_hash=head
            )
        look = self._look(None)
        return Evidence(
            site=self._name,
            result=result,
            facts=rehearsal_facts(self._name, access, look, result, versions),
            warnings=rehearsal_warnings(access, look, result),
            journal=journal,
        )

    async def _journal_head(self) -> tuple[int, str]:
        """Return the newest record's number and hash."""
        if (journal := self._host.journal) is None:
            return 0, NO_HASH
        await journal.settled(JOURNAL_PATIENCE)
        return journal.head.sequence, journal.head.hash

    def _record(self, step: Mapping[str, Any]) -> None:
        self._host.record(RecordKind.REHEARSAL, {"event": "step", **step})

    def _progress(self, progress: Progress) -> None:
        if self.status is not None:
            self._show(replace(self.status, progress=progress))

    def _finish(self, result: RehearsalResult) -> None:
        self._show(
            RehearsalStatus(
                mode=result.mode,
                started=result.started,
                outcome=result.outcome,
                ended=result.ended,
                ended_early=result.ended_early,
                passed=result.count(True),
                failed=result.count(False),
            )
        )

    def _fail(self, reason: RehearsalEnd) -> None:
        """Say of a rehearsal without a result why it has none."""
        status = self.status
        if status is None or status.outcome is not None:
            return
        self._show(
            replace(
                status,
                progress=None,
                outcome=Outcome.ENDED_EARLY,
                ended=self._utcnow(),
                ended_early=ENDS.get(reason),
            )
        )

    def _show(self, status: RehearsalStatus) -> None:
        self.status = status
        self._on_change()
