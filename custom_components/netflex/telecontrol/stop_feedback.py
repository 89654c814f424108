"""Feedback of emergency stops: latched, and every stop output written (S02)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ..model.asset import Direction
from ..model.phrase import Phrase
from .settings import ProblemKey

PROBLEM_KEYS: Final = {
    Direction.PRODUCTION: ProblemKey.STOP_PRODUCTION,
    Direction.CONSUMPTION: ProblemKey.STOP_CONSUMPTION,
}

_OUTPUTS = Phrase("the_outputs", "the outputs")

type ProblemHook = Callable[[str, str | None], None]


class Holder(StrEnum):
    """Who holds a stop; each needs its own release."""

    OPERATOR = "operator"
    LOCAL = "local"


@dataclass(slots=True)
class _Stop:
    """The stop of one direction. `missing` None: nothing was heard yet."""

    holders: set[Holder] = field(default_factory=set)
    shown: bool = False
    missing: tuple[str, ...] | None = None
    deadline: asyncio.TimerHandle | None = None
    expired: bool = False
    commands: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class StopFeedback:
    """Decides when the effective stop, the operator's or a local one, is reported.

    `on_local_change` is called when that changes without a command of the operator.
    """

    def __init__(
        self,
        deadline: float,
        on_local_change: Callable[[Direction], None],
        on_problem: ProblemHook,
    ) -> None:
        """Start without any stop; `deadline` s is the longest wait for outputs."""
        self.deadline = deadline
        self._on_local_change = on_local_change
        self._on_problem = on_problem
        self._stops = {direction: _Stop() for direction in Direction}

    def shown(self, direction: Direction) -> bool:
        """Tell whether the stop of a direction is reported as on."""
        return self._stops[direction].shown

    def latch(self, direction: Direction, holder: Holder) -> None:
        """Begin to wait for the outputs; to be called before they are written.

        A stop that is ordered again while it is on stays reported.
        """
        stop = self._stops[direction]
        stop.holders.add(holder)
        stop.missing = None
        self._end_supervision(direction)
        stop.deadline = asyncio.get_running_loop().call_later(
            self.deadline, self._expire, direction
        )

    def restore(self, direction: Direction) -> None:
        """Take over a stop from before the start: it was never off for anyone."""
        self._stops[direction].shown = True
        self.latch(direction, Holder.OPERATOR)

    def hold_locally(self, direction: Direction) -> None:
        """Add a local stop; nothing is waited for where the stop is on already."""
        if self._stops[direction].holders:
            self._stops[direction].holders.add(Holder.LOCAL)
        else:
            self.latch(direction, Holder.LOCAL)

    def release(self, direction: Direction, holder: Holder) -> None:
        """Take one holder away; with the last one the stop is reported as off."""
        stop = self._stops[direction]
        if holder not in stop.holders:
            return
        stop.holders.discard(holder)
        if stop.holders:
            return
        self._end_supervision(direction)
        shown, stop.shown = stop.shown, False
        self._wake(direction)
        if shown and holder is Holder.LOCAL:
            self._on_local_change(direction)

    def written(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Take what the outputs confirm: nothing is missing once all are written."""
        stop = self._stops[direction]
        stop.missing = missing
        if not stop.holders:
            return
        if not missing:
            self._end_supervision(direction)
            self._show(direction)
        elif stop.expired:
            self._alarm(direction)

    def begin_command(self, direction: Direction) -> None:
        """Note that an operator's command reports the stop itself."""
        self._stops[direction].commands += 1

    def end_command(self, direction: Direction) -> None:
        """Note that the command has reported, or will not."""
        self._stops[direction].commands -= 1

    async def wait_shown(self, direction: Direction, timeout: float | None) -> bool:
        """Wait until the stop is shown; False after `timeout` s or its release."""
        stop = self._stops[direction]
        if stop.holders and not stop.shown:
            try:
                async with asyncio.timeout(timeout):
                    await stop.changed.wait()
            except TimeoutError:
                return False
        return stop.shown

    def close(self) -> None:
        """End all supervision."""
        for direction in Direction:
            self._end_supervision(direction)

    def _show(self, direction: Direction) -> None:
        stop = self._stops[direction]
        if stop.shown:
            return
        stop.shown = True
        self._wake(direction)
        if not stop.commands:
            self._on_local_change(direction)

    def _wake(self, direction: Direction) -> None:
        stop = self._stops[direction]
        stop.changed.set()
        stop.changed = asyncio.Event()

    def _end_supervision(self, direction: Direction) -> None:
        stop = self._stops[direction]
        if stop.deadline is not None:
            stop.deadline.cancel()
            stop.deadline = None
        if stop.expired:
            stop.expired = False
            self._on_problem(PROBLEM_KEYS[direction], None)

    def _expire(self, direction: Direction) -> None:
        stop = self._stops[direction]
        stop.deadline = None
        stop.expired = True
        self._alarm(direction)
        self._show(direction)

    def _alarm(self, direction: Direction) -> None:
        missing = self._stops[direction].missing
        self._on_problem(
            PROBLEM_KEYS[direction],
            Phrase(
                f"stop_not_confirmed_{direction}",
                f"The emergency stop of {direction} is in force, but after {{time}} "
                "this has not confirmed it: {what}",
                time=f"{self.deadline:g} s",
                what=", ".join(missing) if missing else _OUTPUTS,
            ),
        )
