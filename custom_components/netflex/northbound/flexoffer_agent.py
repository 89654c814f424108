"""The agent of one house: keeps its offers, and brings them through their lives.

An aggregator that is away harms nothing: what it has assigned goes on for a named time,
then every device is back at its default, and offers that nobody answers run out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
import logging
import random
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .flexoffer import FlexOffer, OfferError, OfferState, Schedule
from .flexoffer_execution import Execution, OfferFigures
from .flexoffer_manager import FlexOfferManager, ManagerError, Operation
from .flexoffer_messages import Answer

_LOGGER = logging.getLogger(__name__)

BEAT: Final = 60.0
"""s between two heartbeats."""
LONGEST_WAIT: Final = 900.0
"""s between two tries while the manager fails."""
JITTER: Final = 0.1
KEPT: Final = 200
"""Ended offers and reports that wait for a manager at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """What is to be shown: `connected` once the newest heartbeat was answered."""

    connected: bool = False
    problem: str | None = None
    last_beat: datetime | None = None
    refused: str | None = None
    """Why the newest schedule was not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHooks:
    """What the agent tells its house.

    `assigned` with an offer whose schedule holds from now on, `ended` with one whose
    schedule does not hold any more. `operation` returns what the house does now.
    """

    assigned: Callable[[FlexOffer], None]
    ended: Callable[[FlexOffer], None]
    operation: Callable[[], Operation]
    changed: Callable[[], None] = lambda: None


_NO_FIGURES: Final = OfferFigures()


class FlexOfferAgent:
    """Owned by one event loop; `step` is one heartbeat, `run` is all of them."""

    def __init__(
        self,
        manager: FlexOfferManager,
        hooks: AgentHooks,
        *,
        lost_after: float = 900.0,
        beat: float = BEAT,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; `lost_after` s without an answer end what was assigned (S14).

        `beat` s are between two heartbeats.
        """
        self._manager = manager
        self._hooks = hooks
        self._lost_after = lost_after
        self._beat = beat
        self._utcnow = utcnow
        self._offers: dict[str, FlexOffer] = {}
        self._executions: dict[str, Execution] = {}
        self._reports: list[tuple[FlexOffer, Execution]] = []
        self._told: list[FlexOffer] = []
        self._refused: dict[str, Schedule] = {}
        """What was refused of each offer: managers repeat what they have said."""
        self.figures = OfferFigures()
        """What offers have brought so far."""
        self._answered: datetime | None = None
        self.status = AgentStatus()

    # -------------------------------------------------------------------------- offers

    @property
    def offers(self) -> tuple[FlexOffer, ...]:
        """The offers that have not ended, oldest first."""
        return tuple(self._offers.values())

    def has_offer(self, asset_id: str) -> bool:
        """Whether something of an asset is on offer or being carried out."""
        return any(offer.asset_id == asset_id for offer in self._offers.values())

    def add(self, offer: FlexOffer) -> None:
        """Take over a new offer; the next step tells the manager."""
        self._offers[offer.id] = offer
        self._hooks.changed()

    def restore(
        self, offers: Iterable[FlexOffer], figures: OfferFigures = _NO_FIGURES
    ) -> None:
        """Go on with offers and figures that were kept over a restart."""
        self.figures = figures
        now = self._utcnow()
        self._answered = now
        for offer in offers:
            self._offers[offer.id] = offer
            if offer.state is OfferState.ASSIGNED:
                self._executions[offer.id] = Execution(offer)
                self._hooks.assigned(offer)

    def cancel(self, asset_id: str, reason: str) -> None:
        """Take back what is offered of an asset, for a reason in a user's words."""
        for offer in list(self._offers.values()):
            if offer.asset_id == asset_id:
                self._end(offer.to(OfferState.CANCELED, reason))

    def executions(self) -> tuple[Execution, ...]:
        """Return what is being carried out, or will be."""
        return tuple(self._executions.values())

    def take_power(self, now: datetime, powers: Mapping[str, float | None]) -> None:
        """Take over what assets draw, W by asset; absent is unknown."""
        for offer_id, execution in self._executions.items():
            execution.take(now, powers.get(self._offers[offer_id].asset_id))

    # --------------------------------------------------------------------------- beats

    async def run(self) -> None:
        """Beat until cancelled; ever more rarely while the manager fails."""
        wait = self._beat
        while True:
            try:
                await self.step()
                wait = self._beat
            except ManagerError as err:
                self._failed(err)
                wait = min(LONGEST_WAIT, max(self._beat, wait * 2))
                if err.retry_after is not None:
                    wait = max(self._beat, min(err.retry_after, LONGEST_WAIT))
            except Exception as err:
                # Whatever it was must not end the heartbeats: offers still run out.
                if self.status.problem is None:
                    _LOGGER.exception("A heartbeat of the FlexOffers failed")
                self._failed(
                    ManagerError(
                        Phrase(
                            "own_fault_named",
                            "an error of the integration itself: {error}",
                            error=f"{type(err).__name__}: {err}",
                        )
                    )
                )
                wait = LONGEST_WAIT
            await asyncio.sleep(wait * random.uniform(1, 1 + JITTER))

    async def step(self) -> None:
        """Bring all offers up to date and talk to the manager once.

        Raises:
            ManagerError: It cannot be used now. What time has done is done all the same.
        """
        now = self._utcnow()
        self._age(now)
        answers = await self._manager.beat(self._hooks.operation())
        self._answered = self._utcnow()
        for answer in answers:
            self._take(answer)
        for offer in list(self._offers.values()):
            if offer.state is OfferState.INITIAL:
                await self._offer(offer)
        while self._told:
            await self._say(self._manager.tell(self._told[0]))
            del self._told[0]
        while self._reports:
            offer, execution = self._reports[0]
            await self._say(self._manager.measured(offer, execution.results()))
            del self._reports[0]
        if not self.status.connected:
            _LOGGER.info("The FlexOffer manager answers")
        self.status = replace(
            self.status, connected=True, problem=None, last_beat=self._answered
        )
        self._hooks.changed()

    async def _offer(self, offer: FlexOffer) -> None:
        """Tell the manager of an offer; one that it cannot use has ended."""
        try:
            await self._manager.offer(offer)
        except ManagerError as err:
            if not err.final:
                raise
            self._end(offer.to(OfferState.INVALID, reason_of(err)))
        else:
            self._offers[offer.id] = offer.to(OfferState.OFFERED)
            self._count(offered=1)

    async def _say(self, saying: Awaitable[None]) -> None:
        """Say something once; what the manager does not want is dropped."""
        try:
            await saying
        except ManagerError as err:
            if not err.final:
                raise
            _LOGGER.debug("The FlexOffer manager does not want a report: %s", err)

    def _failed(self, err: ManagerError) -> None:
        if self.status.problem is None:
            _LOGGER.warning("The FlexOffer manager cannot be used: %s", err)
        self.status = replace(self.status, connected=False, problem=reason_of(err))
        self._age(self._utcnow())
        self._hooks.changed()

    def _age(self, now: datetime) -> None:
        """Do what time does: deadlines, ends, and a manager that is lost."""
        if self._answered is None:
            self._answered = now
        lost = (now - self._answered).total_seconds() >= self._lost_after
        for offer in list(self._offers.values()):
            aged = offer.at(now)
            if lost and aged.state is OfferState.ASSIGNED:
                aged = aged.to(
                    OfferState.INVALID,
                    Phrase(
                        "offer_manager_lost",
                        "the manager has been silent for {time}",
                        time=f"{self._lost_after:.0f} s",
                    ),
                )
            if aged is not offer:
                self._end(aged)

    def _take(self, answer: Answer) -> None:
        """Take over what the manager says of one offer."""
        if (offer := self._offers.get(answer.offer_id)) is None:
            return
        if answer.schedule is not None:
            known = offer.schedule
            if known is not None and answer.schedule.number <= known.number:
                return
            if self._refused.get(offer.id) == answer.schedule:
                return
            try:
                self._assign(offer.assigned(answer.schedule, self._utcnow()))
            except OfferError as err:
                _LOGGER.warning("A schedule of offer %s is refused: %s", offer.id, err)
                self.status = replace(self.status, refused=err.phrase)
                self._refused[offer.id] = answer.schedule
                self._count(refused=1)
                self._told.append(replace(offer, reason=err.phrase))
            return
        if answer.state is None or answer.state is offer.state:
            return
        try:
            offer = offer.to(answer.state, answer.reason)
        except OfferError as err:
            _LOGGER.debug("What the manager says of %s is ignored: %s", offer.id, err)
            return
        if offer.ended:
            self._end(offer)
        else:
            self._offers[offer.id] = offer

    def _assign(self, offer: FlexOffer) -> None:
        if (execution := self._executions.get(offer.id)) is not None:
            execution.update(offer)
            self._offers[offer.id] = offer
        else:
            self._executions[offer.id] = Execution(offer)
            self._offers[offer.id] = offer
            self._count(assigned=1)
        self._hooks.assigned(offer)

    def _count(self, offered: int = 0, assigned: int = 0, refused: int = 0) -> None:
        figures = self.figures
        self.figures = replace(
            figures,
            offered=figures.offered + offered,
            assigned=figures.assigned + assigned,
            refused=figures.refused + refused,
        )

    def _end(self, offer: FlexOffer) -> None:
        """Let go of an offer; what was measured of it is reported."""
        before = self._offers.pop(offer.id)
        self._refused.pop(offer.id, None)
        if offer.state is OfferState.EXECUTED:
            self.figures = replace(self.figures, executed=self.figures.executed + 1)
        execution = self._executions.pop(offer.id, None)
        if execution is not None:
            self.figures = self.figures.ended(offer.asset_id, execution.results())
            self._reports.append((offer, execution))
            del self._reports[:-KEPT]
        if before.state is not OfferState.INITIAL:
            self._told.append(offer)
            del self._told[:-KEPT]
        self._hooks.ended(offer)
