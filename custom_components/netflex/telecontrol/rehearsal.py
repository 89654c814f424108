"""The certification rehearsal: the operator's whole list, over a real socket (S07)."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
import logging
import time
from typing import Final

from ..model.orders import POWER_LIMIT_ORDERS, STOP_ORDERS, OrderName
from . import rehearsal_order_steps as orders, rehearsal_wire_steps as wire
from .rehearsal_client import RehearsalClient
from .rehearsal_plant import Plant, RehearsalMode
from .rehearsal_record import RehearsalResult
from .rehearsal_run import Pace, ProgressHook, Run, StepHook
from .settings import TelecontrolSettings

_LOGGER = logging.getLogger(__name__)

type Chapter = Callable[[Run], Awaitable[None]]


def _chapters() -> tuple[tuple[str, Chapter], ...]:
    limits = [name for name in OrderName if name in POWER_LIMIT_ORDERS]
    return (
        ("Link", wire.link),
        ("Points and interrogation", wire.points),
        ("Clock", wire.clock),
        ("Reason code 99", orders.reasons),
        *(
            (f"Limit {name.upper()}", partial(orders.limit, name=name))
            for name in limits
        ),
        *(
            (f"Emergency stop of {direction}", partial(orders.stop, name=name))
            for name, direction in STOP_ORDERS.items()
        ),
        ("Both emergency stops", orders.both_stops),
        ("Test command", orders.test_order),
        ("Reactive power", orders.reactive),
        ("What must be refused", wire.refusals),
        ("Loss of the connection", wire.loss),
    )


CHAPTERS: Final = _chapters()


class Rehearsal:
    """Goes through the list once, against the station at an address.

    `plant` None: only the station's answers are judged. `ended_because` says why the
    station ended it, in a user's words, where it knows.
    """

    def __init__(
        self,
        address: tuple[str, int],
        settings: TelecontrolSettings,
        mode: RehearsalMode,
        plant: Plant | None,
        *,
        pace: Pace | None = None,
        on_progress: ProgressHook = lambda _progress: None,
        on_step: StepHook = lambda _step: None,
        ended_because: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Prepare a rehearsal; nothing happens before `run`."""
        self._client = RehearsalClient(address, settings)
        self._mode = mode
        self._ended_because = ended_because
        self._run = Run(
            self._client,
            settings,
            mode,
            plant,
            pace=Pace() if pace is None else pace,
            on_progress=on_progress,
            on_step=on_step,
        )

    async def run(self) -> RehearsalResult:
        """Go through the list; what ends it early is in the result."""
        run, early = self._run, None
        left = [title for title, _chapter in CHAPTERS]
        started, begun = run.utc(), time.monotonic()
        try:
            for done, (title, chapter) in enumerate(CHAPTERS):
                run.begin(done, len(CHAPTERS), title)
                left.pop(0)
                early = await self._go(title, chapter)
                if early is not None:
                    break
        finally:
            await self._client.drop()
        _LOGGER.info("The rehearsal took %.1f s", time.monotonic() - begun)
        return RehearsalResult(
            mode=self._mode,
            started=started,
            ended=run.utc(),
            steps=tuple(run.steps),
            traces=tuple(run.traces),
            points=tuple(run.points),
            ended_early=early,
            left_out=tuple(left),
        )

    async def _go(self, title: str, chapter: Chapter) -> str | None:
        """Go through one chapter; return why the rehearsal cannot go on."""
        try:
            await chapter(self._run)
        except TimeoutError:
            self._run.add(
                f"{title}: an answer is missing",
                expected="Every request is answered",
                seen="No answer in time",
                passed=False,
            )
            return None if self._client.started else self._why("no answer came")
        except OSError as err:
            # The station closes the connection a moment before it can say why.
            await asyncio.sleep(0.05)
            return self._why(str(err))
        return None

    def _why(self, otherwise: str) -> str:
        return self._ended_because() or f"The connection ended: {otherwise}"
