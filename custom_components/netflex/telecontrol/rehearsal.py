"""The certification rehearsal: the operator's whole list, over a real socket (S07)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
import logging
import time
from typing import Final

from ..model.asset import Direction
from ..model.orders import STOP_ORDERS, OrderName
from . import rehearsal_order_steps as orders, rehearsal_wire_steps as wire
from .rehearsal_client import RehearsalClient
from .rehearsal_plant import LIMITED, Plant, RehearsalMode
from .rehearsal_record import RehearsalResult
from .rehearsal_run import Pace, ProgressHook, Run, StepHook
from .settings import TelecontrolSettings

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One part of the list: its title, what it shows in plain words, its steps."""

    title: str
    shows: str
    steps: Callable[[Run], Awaitable[None]]


def _limit(name: OrderName, what: str) -> Chapter:
    return Chapter(
        title=f"{what} ({name.upper()})",
        shows=(
            f"The operator limits {LIMITED[name]} to 100, 50 and 0 % and takes it back. "
            f"{_DENOMINATORS[name]}"
        ),
        steps=partial(orders.limit, name=name),
    )


def _stop(name: OrderName) -> Chapter:
    direction = STOP_ORDERS[name]
    return Chapter(
        title=f"Emergency stop of {direction}",
        shows=(
            f"Everything that {_VERBS[direction]} is stopped through every path there "
            "is. It is reported back once every output is written, after 5 s at the "
            "latest, and only the operator releases it."
        ),
        steps=partial(orders.stop, name=name),
    )


_VERBS: Final = {Direction.PRODUCTION: "produces", Direction.CONSUMPTION: "consumes"}
_CONTRACT: Final = "100 % is the contract's capacity, not “no limit”."
_INSTALLED: Final = "100 % is the installed power of all assets in that direction."
_DENOMINATORS: Final = {
    OrderName.MINSETP: _CONTRACT,
    OrderName.MAXSETP: _CONTRACT,
    OrderName.MAXSETAP: _INSTALLED,
    OrderName.MINSETAP: _INSTALLED,
}

CHAPTERS: Final = (
    Chapter(
        title="Link",
        shows="Connecting, starting, testing and stopping data transfer.",
        steps=wire.link,
    ),
    Chapter(
        title="Points and interrogation",
        shows=(
            "The station answers a general interrogation (100/20) with every point of "
            "the point table and nothing else."
        ),
        steps=wire.points,
    ),
    Chapter(
        title="Clock",
        shows="The operator sets and tests the station's clock.",
        steps=wire.clock,
    ),
    Chapter(
        title="Reason code 99",
        shows=(
            "Both reasons are set to 99, test. Everything that follows is carried out "
            "like any order and kept out of the figures."
        ),
        steps=orders.reasons,
    ),
    _limit(OrderName.MINSETP, "Limit of injection"),
    _limit(OrderName.MAXSETP, "Limit of consumption"),
    _limit(OrderName.MAXSETAP, "Limit of the assets' production"),
    _limit(OrderName.MINSETAP, "Limit of the assets' consumption"),
    *(_stop(name) for name in STOP_ORDERS),
    Chapter(
        title="Both emergency stops",
        shows="Both stops hold side by side; releasing one leaves the other.",
        steps=orders.both_stops,
    ),
    Chapter(
        title="Test command",
        shows="The Netflex test command is reported back and does nothing else.",
        steps=orders.test_order,
    ),
    Chapter(
        title="Reactive power",
        shows=(
            "The band MINSETQ to MAXSETQ is kept and reported in local, and applies in "
            "remote."
        ),
        steps=orders.reactive,
    ),
    Chapter(
        title="What must be refused",
        shows="Commands that make no sense are refused and change nothing.",
        steps=wire.refusals,
    ),
    Chapter(
        title="Loss of the connection",
        shows="The connection is cut under an order and comes back.",
        steps=wire.loss,
    ),
)
"""The commissioning list, in its order."""


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
        chapters: tuple[Chapter, ...] = CHAPTERS,
        on_progress: ProgressHook = lambda _progress: None,
        on_step: StepHook = lambda _step: None,
        ended_because: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Prepare a rehearsal; nothing happens before `run`."""
        self._client = RehearsalClient(address, settings)
        self._mode = mode
        self._chapters = chapters
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
        left = [chapter.title for chapter in self._chapters]
        started, begun = run.utc(), time.monotonic()
        try:
            for done, chapter in enumerate(self._chapters):
                run.begin(done, len(self._chapters), chapter.title)
                left.pop(0)
                early = await self._go(chapter)
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

    async def _go(self, chapter: Chapter) -> str | None:
        """Go through one chapter; return why the rehearsal cannot go on."""
        try:
            await chapter.steps(self._run)
        except TimeoutError:
            self._run.add(
                "An answer is missing",
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
