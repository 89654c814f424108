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
from ..model.phrase import Phrase
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


def _limit(name: OrderName, what: Phrase) -> Chapter:
    return Chapter(
        title=Phrase("chapter_limit", "{what} ({name})", what=what, name=name.upper()),
        shows=Phrase(
            "chapter_limit_shows",
            "The operator limits {what} to 100, 50 and 0 % and takes it back. {base}",
            what=LIMITED[name],
            base=_DENOMINATORS[name],
        ),
        steps=partial(orders.limit, name=name),
    )


def _stop(name: OrderName) -> Chapter:
    return Chapter(
        title=orders.STOPS[name],
        shows=_STOP_SHOWS[STOP_ORDERS[name]],
        steps=partial(orders.stop, name=name),
    )


_STOP_SHOWS: Final = {
    Direction.PRODUCTION: Phrase(
        "chapter_stop_production_shows",
        "Everything that produces is stopped through every path there is. It is "
        "reported back once every output is written, after 5 s at the latest, and only "
        "the operator releases it.",
    ),
    Direction.CONSUMPTION: Phrase(
        "chapter_stop_consumption_shows",
        "Everything that consumes is stopped through every path there is. It is "
        "reported back once every output is written, after 5 s at the latest, and only "
        "the operator releases it.",
    ),
}
_CONTRACT: Final = Phrase(
    "chapter_contract", "100 % is the contract's capacity, not “no limit”."
)
_INSTALLED: Final = Phrase(
    "chapter_installed",
    "100 % is the installed power of all assets in that direction.",
)
_DENOMINATORS: Final = {
    OrderName.MINSETP: _CONTRACT,
    OrderName.MAXSETP: _CONTRACT,
    OrderName.MAXSETAP: _INSTALLED,
    OrderName.MINSETAP: _INSTALLED,
}

CHAPTERS: Final = (
    Chapter(
        title=Phrase("chapter_link", "Link"),
        shows=Phrase(
            "chapter_link_shows",
            "Connecting, starting, testing and stopping data transfer.",
        ),
        steps=wire.link,
    ),
    Chapter(
        title=Phrase("chapter_points", "Points and interrogation"),
        shows=Phrase(
            "chapter_points_shows",
            "The station answers a general interrogation (100/20) with every point of "
            "the point table and nothing else.",
        ),
        steps=wire.points,
    ),
    Chapter(
        title=Phrase("chapter_clock", "Clock"),
        shows=Phrase(
            "chapter_clock_shows",
            "The operator sets and tests the station's clock.",
        ),
        steps=wire.clock,
    ),
    Chapter(
        title=Phrase("chapter_reasons", "Reason code 99"),
        shows=Phrase(
            "chapter_reasons_shows",
            "Both reasons are set to 99, test. Everything that follows is carried out "
            "like any order and kept out of the figures.",
        ),
        steps=orders.reasons,
    ),
    _limit(OrderName.MINSETP, Phrase("chapter_minsetp", "Limit of injection")),
    _limit(OrderName.MAXSETP, Phrase("chapter_maxsetp", "Limit of consumption")),
    _limit(
        OrderName.MAXSETAP,
        Phrase("chapter_maxsetap", "Limit of the assets' production"),
    ),
    _limit(
        OrderName.MINSETAP,
        Phrase("chapter_minsetap", "Limit of the assets' consumption"),
    ),
    *(_stop(name) for name in STOP_ORDERS),
    Chapter(
        title=Phrase("chapter_both", "Both emergency stops"),
        shows=Phrase(
            "chapter_both_shows",
            "Both stops hold side by side; releasing one leaves the other.",
        ),
        steps=orders.both_stops,
    ),
    Chapter(
        title=Phrase("chapter_test", "Test command"),
        shows=Phrase(
            "chapter_test_shows",
            "The Netflex test command is reported back and does nothing else.",
        ),
        steps=orders.test_order,
    ),
    Chapter(
        title=Phrase("chapter_reactive", "Reactive power"),
        shows=Phrase(
            "chapter_reactive_shows",
            "The band MINSETQ to MAXSETQ is kept and reported in local, and applies in "
            "remote.",
        ),
        steps=orders.reactive,
    ),
    Chapter(
        title=Phrase("chapter_refused", "What must be refused"),
        shows=Phrase(
            "chapter_refused_shows",
            "Commands that make no sense are refused and change nothing.",
        ),
        steps=wire.refusals,
    ),
    Chapter(
        title=Phrase("chapter_loss", "Loss of the connection"),
        shows=Phrase(
            "chapter_loss_shows",
            "The connection is cut under an order and comes back.",
        ),
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
                Phrase("title_missing", "An answer is missing"),
                expected=Phrase("expect_answers", "Every request is answered"),
                seen=Phrase("seen_late", "No answer in time"),
                passed=False,
            )
            return (
                None
                if self._client.started
                else self._why(Phrase("seen_no_answer_came", "no answer came"))
            )
        except OSError as err:
            # The station closes the connection a moment before it can say why.
            await asyncio.sleep(0.05)
            return self._why(str(err))
        return None

    def _why(self, otherwise: str) -> str:
        return self._ended_because() or Phrase(
            "connection_ended", "The connection ended: {why}", why=otherwise
        )
