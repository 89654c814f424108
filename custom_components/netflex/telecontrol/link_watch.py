"""Watches the operator's link: how long it has been lost, and what follows (S05)."""

import asyncio
from collections.abc import Callable

from ..model.phrase import Phrase
from .link_loss import HostClock, LinkLossAction, LinkLossPolicy, LinkMark
from .settings import ProblemKey, Timing
from .stop_feedback import ProblemHook


class LinkWatch:
    """Knows the age of a lost link and applies the policy when it is due.

    `on_mark` has a mark stored, `on_due` puts the policy in force (True) or ends it.
    """

    def __init__(
        self,
        policy: LinkLossPolicy,
        timing: Timing,
        clock: HostClock,
        *,
        on_mark: Callable[[LinkMark], None],
        on_due: Callable[[bool], None],
        on_problem: ProblemHook,
    ) -> None:
        """Start without a link and without a loss."""
        self._policy = policy
        self._timing = timing
        self._clock = clock
        self._on_mark = on_mark
        self._on_due = on_due
        self._on_problem = on_problem
        self._lost_at: float | None = None
        self._connected = False
        self._due = False
        self._alarmed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lost_for(self) -> float | None:
        """Seconds since the link was lost, None while it is up or never was."""
        if self._lost_at is None:
            return None
        return max(0.0, self._clock.boot_time() - self._lost_at)

    def restore(self, mark: LinkMark | None) -> None:
        """Continue the age of a loss from before the start; None: never connected."""
        if mark is None:
            return
        age = mark.age_now(self._clock)
        self._lost_at = self._clock.boot_time() - age
        if mark.connected or mark.boot_id != self._clock.boot_id():
            # From here on the age counts in this boot's time only.
            self._on_mark(LinkMark.now(self._clock, connected=False, age=age))
        self._check()

    def started(self) -> None:
        """Learn that the operator has started data transfer."""
        self._connected = True
        self._lost_at = None
        self._on_mark(LinkMark.now(self._clock, connected=True))
        self._check()

    def lost(self) -> None:
        """Learn that the operator's link is down."""
        self._connected = False
        self._lost_at = self._clock.boot_time()
        self._on_mark(LinkMark.now(self._clock, connected=False))
        self._check()

    def set_policy(self, policy: LinkLossPolicy, timing: Timing) -> None:
        """Take another policy, for a loss that goes on too."""
        changed = policy != self._policy
        self._policy, self._timing = policy, timing
        if changed and self._due:
            self._set_due(False)
        self._check()

    def close(self) -> None:
        """End the supervision."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """Act on what is due and wait for what is next."""
        self.close()
        lost_for = self.lost_for
        if lost_for is None:
            self._set_due(False)
            self._set_alarm(None)
            if self._connected and self._policy.action is not LinkLossAction.HOLD:
                self._wait(self._timing.alive_mark, self._mark_alive)
            return
        waits = [self._timing.link_recheck]
        if self._policy.action is not LinkLossAction.HOLD and not self._due:
            if lost_for >= self._policy.delay:
                self._set_due(True)
            else:
                waits.append(self._policy.delay - lost_for)
        if not self._alarmed:
            if lost_for >= self._timing.link_alarm:
                self._set_alarm(lost_for)
            else:
                waits.append(self._timing.link_alarm - lost_for)
        self._wait(min(waits), self._check)

    def _mark_alive(self) -> None:
        """Bound the uncertainty about when a killed host lost its link."""
        self._on_mark(LinkMark.now(self._clock, connected=True))
        self._check()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _set_due(self, due: bool) -> None:
        if due is not self._due:
            self._due = due
            self._on_due(due)

    def _set_alarm(self, lost_for: float | None) -> None:
        if (lost_for is not None) is self._alarmed:
            return
        self._alarmed = lost_for is not None
        self._on_problem(
            ProblemKey.LINK_LOST,
            None
            if lost_for is None
            else Phrase("link_down", "The grid operator's link is down"),
        )
