"""Setpoints into registers: rounding, sequences, keep-alive, read-back.

The newest setpoint wins: every call takes a ticket, and a write whose ticket is no
longer the newest steps back when its turn on the link comes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
import logging
from typing import NoReturn

from ..model.asset import Asset, StopPath
from ..model.failure import reason_of
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .contest import Contest
from .device import SUPERSEDED, Applied, DeviceError
from .fitting import SLACK, Fitting
from .following import Following
from .link import LinkError
from .phases import PhaseChange
from .ports import WriteBudget
from .profile import Control, Persistence, Step, When
from .recognition import NotIdentified
from .scheduler import Preempted, Priority
from .session import Session
from .spending import Spending
from .values import number_of, step_words

_NOT_FOLLOWED = Phrase("device_unfollowed", "the device does not follow")
_LOGGER = logging.getLogger(__name__)

REACTIVE = "reactive"
"""The name of the control of reactive power; var, into the device positive."""

_EMERGENCY_TRIES = 2
_LOOK_AGAIN = 0.1
"""s between two looks at a read-back."""
_REWRITE_AFTER = 60.0
"""s after which an unchanged setpoint is written again to memory that does not
wear, in case the device lost it without saying so."""
_SHARE_OF_VALIDITY = 1 / 3
_SHORTEST_KEEP_ALIVE = 0.5
_AFTER_A_FAILURE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A setpoint as the device gets it. `value` None: released."""

    value: float | None
    emergency: bool
    ticket: int

    @property
    def stop(self) -> bool:
        """Whether it stops the device."""
        return self.value == 0

    def same_as(self, other: Wanted) -> bool:
        """Whether the device is told the same, whoever asked for it when."""
        return (self.value, self.emergency) == (other.value, other.emergency)


class Superseded(Exception):
    """A newer setpoint took the place of this write."""


class Writer:
    """Drives one control of one device."""

    def __init__(
        self,
        session: Session,
        control_name: str,
        asset: Asset,
        budget: WriteBudget,
        time_to_live: float,
        on_change: Callable[[], None],
    ) -> None:
        """Drive the control of that name, whichever alternative the device has."""
        self.wanted: Wanted | None = None
        """What was asked for last."""
        self.written: Wanted | None = None
        """What the device took last, None while that is uncertain."""
        self.written_at: float | None = None
        self.on_wire_at: float | None = None
        """When the first request of the last write was put on the wire: from then on
        the device may count."""
        self.validity: float | None = None
        """s for which the device holds a setpoint, learned from it."""
        self.problem: str | None = None
        self._session = session
        self._name = control_name
        self._bounds = control_name != REACTIVE
        """Whether less of it is what a stop or a tighter limit asks for."""
        self.spending = Spending(
            asset.id, budget, behind_relay=StopPath.RELAY in asset.stop_paths
        )
        self._time_to_live = time_to_live
        self.on_change = on_change
        self._fitting = Fitting(session, asset)
        self._following = Following(session, self._fitting)
        self._phases = PhaseChange(session)
        self._sent: dict[str, float] = {}
        """Values of points that we wrote last, by point."""
        self._told: Wanted | None = None
        """What was written last, even if it is uncertain whether it still holds."""
        self.contest = Contest()
        self._clock = session.clock
        self._ticket = 0
        self._running = 0
        self._begun: float | None = None
        self._reaffirmed_at = 0.0
        self._armed_at: int | None = None
        self.silent = False
        """Nothing is refreshed, on purpose."""
        self.wake = asyncio.Event()
        """Set when something was written or learned."""

    @property
    def control(self) -> Control | None:
        """The control that is driven, None where the device has none."""
        return self._session.profile.control(self._name)

    @property
    def phase_choices(self) -> tuple[int, ...]:
        """The numbers of phases that the device can be told to use."""
        switch = self._phases.switch
        return () if switch is None else switch.choices

    # -- apply -------------------------------------------------------------------

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Write a setpoint and verify it, as `Device.apply` promises."""
        self._ticket += 1
        ticket = self._ticket
        self.reaffirm()
        priority = Priority.EMERGENCY if setpoint.emergency else Priority.SETPOINT
        self._running += 1
        try:
            await self._ready(priority)
            self._check(ticket)
            if (control := self.control) is None:
                raise DeviceError(
                    "no_control",
                    Phrase(
                        "nothing_to_drive",
                        "this device offers nothing that can be driven",
                    ),
                )
            wanted = Wanted(
                value=self._fitting.fit(control, setpoint.value),
                emergency=setpoint.emergency,
                ticket=ticket,
            )
            if not (setpoint.emergency or wanted.stop):
                await self._change_phases(control, setpoint.phases, ticket)
            if (done := self._already(control, wanted)) is not None:
                return done
            if not setpoint.emergency:
                await self._pace(control, ticket)
            return await self._put(control, wanted, priority)
        except Superseded:
            raise DeviceError("superseded", SUPERSEDED) from None
        finally:
            self._running -= 1

    def reaffirm(self) -> None:
        """Note that somebody still stands by what was asked for last."""
        self._reaffirmed_at = self._clock()

    async def _change_phases(
        self, control: Control, phases: int | None, ticket: int
    ) -> None:
        """Change the number of phases where that is asked for: at 0 A, then rest."""
        change = self._phases
        switch = change.switch
        if switch is not None and phases is not None:
            if change.due(phases, self._clock()):
                stop = Wanted(value=0.0, emergency=False, ticket=ticket)
                await self._pace(control, ticket)
                await self._put(control, stop, Priority.SETPOINT)
                if await self._is_idle(ticket):
                    for step in switch.write:
                        try:
                            await self._step(step, phases, ticket, Priority.SETPOINT)
                        except LinkError as err:
                            change.gave_up(self._clock())
                            self._raise(replace(control, errors=switch.errors), err)
                    change.switched(phases, self._clock())
                else:
                    change.gave_up(self._clock())
                    self.problem = Phrase(
                        "phases_stay",
                        "its phases stay: the car goes on drawing current",
                    )
        while (left := change.settling(self._clock())) > 0:
            await asyncio.sleep(left)
            self._check(ticket)

    async def _is_idle(self, ticket: int) -> bool:
        switch = self._phases.switch
        assert switch is not None
        deadline = self._clock() + switch.patience
        while True:
            try:
                await self._session.read_now(switch.idle, Priority.SETPOINT)
            except LinkError, Preempted:
                return False
            self._check(ticket)
            if self._phases.idle():
                return True
            if self._clock() >= deadline:
                return False
            await asyncio.sleep(_LOOK_AGAIN)
            self._check(ticket)

    async def _ready(self, priority: Priority) -> None:
        try:
            await self._session.ensure_ready(priority)
        except LinkError as err:
            self._raise(None, err)
        except NotIdentified as err:
            raise DeviceError(
                "wrong_device" if err.key == "wrong_device" else "not_identified",
                err.text,
            ) from err
        except Preempted as err:
            raise DeviceError(
                "link", Phrase("busy_with_stop", "the link is busy with a stop")
            ) from err

    def _check(self, ticket: int) -> None:
        if ticket != self._ticket:
            raise Superseded

    def _already(self, control: Control, wanted: Wanted) -> Applied | None:
        """Whether the device has this setpoint already, known for sure."""
        written, at = self.written, self.written_at
        if (
            wanted.emergency
            or written is None
            or at is None
            or self._running > 1
            or written.emergency
            or self._armed_at != self._session.times_lost
            or not self._same(control, written.value, wanted.value)
        ):
            return None
        if self.follows() is False:
            return None
        after = control.fallback.after if control.fallback else None
        if control.persistence is Persistence.EEPROM and after is not None:
            # It ends by itself, late enough that writing it again wears little.
            if self._clock() - at > after / 2:
                return None
        if (
            control.persistence is Persistence.RAM
            and control.keepalive is None
            and self._clock() - at > _REWRITE_AFTER
        ):
            return None
        self.wanted = replace(written, ticket=wanted.ticket)
        self.written = self.wanted
        return Applied(written_at=at, confirmed=True, readback=self.readback())

    def _same(self, control: Control, one: float | None, other: float | None) -> bool:
        if one is None or other is None or 0 in (one, other):
            return one == other
        return abs(one - other) <= max(control.deadband, SLACK)

    async def _pace(self, control: Control, ticket: int) -> None:
        if self.written_at is None:
            return
        pause = self.written_at + control.min_interval - self._clock()
        if pause > 0:
            await asyncio.sleep(pause)
            self._check(ticket)

    async def _spend(self, control: Control, wanted: Wanted) -> None:
        """Count a write to memory that wears, or refuse it (S11)."""
        before = self.written.value if self.written else None
        value = wanted.value
        try:
            await self.spending.spend(
                control,
                stop=wanted.emergency or (wanted.stop and self._bounds),
                tightens=self._bounds
                and value is not None
                and (before is None or abs(value) < abs(before)),
            )
        except DeviceError:
            self._check(wanted.ticket)
            raise

    async def _put(
        self, control: Control, wanted: Wanted, priority: Priority
    ) -> Applied:
        await self._spend(control, wanted)
        self._check(wanted.ticket)
        self.wanted = wanted
        self.written = None
        tries = _EMERGENCY_TRIES if wanted.emergency else 1
        for attempt in range(1, tries + 1):
            try:
                await self._sequence(control, wanted, priority)
                break
            except LinkError as err:
                self._check(wanted.ticket)
                if attempt == tries:
                    self._raise(control, err)
        self._done(wanted)
        await self._learn(control, priority)
        return await self._confirm(control, wanted, priority)

    def _done(self, wanted: Wanted) -> None:
        if self._told is None or not wanted.same_as(self._told):
            # Not at a refreshing: what it has kept since is still compared.
            self.contest.told()
        self._told = wanted
        self.written = wanted
        self.written_at = self._clock()
        self.on_wire_at = self.written_at if self._begun is None else self._begun
        self.problem = None
        if wanted.value is None:
            # Control was given back: the next setpoint has to take it again.
            self._armed_at = None
        self.wake.set()
        self._session.poke()

    def _raise(self, control: Control | None, err: LinkError) -> NoReturn:
        text = err.text
        if control is not None and err.code is not None:
            text = control.errors.get(err.code, text)
        self.problem = text
        self.on_change()
        placeholders = {} if err.code is None else {"code": str(err.code)}
        raise DeviceError(err.kind.value, text, placeholders) from err

    # -- the wire ----------------------------------------------------------------

    def _steps(self, control: Control, wanted: Wanted) -> tuple[Step, ...]:
        if wanted.value is None:
            return control.release_steps
        if wanted.emergency and wanted.stop and control.emergency:
            return control.emergency
        if wanted.stop and control.stop:
            return control.stop
        return control.write

    async def _sequence(
        self, control: Control, wanted: Wanted, priority: Priority
    ) -> None:
        steps = self._steps(control, wanted)
        if steps and control.arm and self._armed_at != self._session.times_lost:
            steps = (*control.arm, *steps)
        value = self._fitting.in_register(control, wanted.value)
        self._begun = None
        for step in steps:
            if _applies(step, value) and not (
                self._has_already(step) and not wanted.emergency
            ):
                await self._step(step, value, wanted.ticket, priority)
        if steps:
            self._armed_at = self._session.times_lost

    async def _step(
        self, step: Step, value: float, ticket: int, priority: Priority
    ) -> None:
        try:
            words = step_words(step, value, self._session.scales)
        except ValueError as err:
            raise DeviceError(
                "config",
                Phrase(
                    "not_writable",
                    "{value} cannot be written: {reason}",
                    value=f"{value:g}",
                    reason=reason_of(err),
                ),
            ) from err
        register = step.register
        assert register.at is not None
        if step.only_changes is not None and step.value is not None:
            self._sent[step.only_changes] = step.value
        link = await self._session.link(register.unit)
        try:
            await link.write(
                register.area,
                register.at,
                words,
                step.function,
                priority,
                guard=lambda: self._begin(ticket),
                pulse=step.pulse is not None,
            )
        except LinkError as err:
            if not (step.optional and err.code is not None):
                raise
        if step.wait:
            await asyncio.sleep(step.wait)
            self._check(ticket)

    def _begin(self, ticket: int) -> None:
        """Step back for a newer setpoint, or note when the first request goes out."""
        self._check(ticket)
        if self._begun is None:
            self._begun = self._clock()

    def _has_already(self, step: Step) -> bool:
        """Whether the device has what a step would write.

        What it said may be older than our last write, so that must agree as well.
        """
        if (point := step.only_changes) is None or step.value is None:
            return False
        value = self._session.values.get(point)
        said = float(value) if isinstance(value, bool) else number_of(value)
        return said == step.value == self._sent.get(point, said)

    # -- read-back ---------------------------------------------------------------

    def readback(self) -> float | None:
        """Return what the device says it applies, in the setpoint's unit."""
        written = self.written or self.wanted
        return self._following.readback(
            self.control, None if written is None else written.value
        )

    def follows(self) -> bool | None:
        """Whether the newest read-back agrees with what was written."""
        if self.written is None:
            return None
        return self._following.follows(self.control, self.written.value)

    def look(self) -> None:
        """Compare what was polled just now with what was written."""
        drifted = self.written is not None and self._following.drifted(
            self.control, self.written.value
        )
        self.contest.look(False if drifted else self.follows(), self._clock())

    async def _confirm(
        self, control: Control, wanted: Wanted, priority: Priority
    ) -> Applied:
        written_at = self.written_at
        assert written_at is not None
        readback = control.readback
        if readback is None or wanted.value is None:
            self.on_change()
            return Applied(written_at=written_at, confirmed=True)
        # Behind the other devices' stops, before everything else.
        rank = Priority.PROOF if priority is Priority.EMERGENCY else Priority.SETPOINT
        keys = [
            key
            for key in (
                readback.point,
                readback.also,
                readback.stopped,
                *(step.only_changes for step in control.steps),
            )
            if key is not None
        ]
        deadline = written_at + readback.within
        agrees: bool | None = None
        while True:
            try:
                await self._session.read_now(keys, rank)
                agrees = self.follows()
            except LinkError, Preempted:
                agrees = None
            self._check(wanted.ticket)
            if agrees or self._clock() >= deadline:
                break
            await asyncio.sleep(_LOOK_AGAIN)
            self._check(wanted.ticket)
        if not agrees:
            self.problem = readback.mismatch or _NOT_FOLLOWED
        self.on_change()
        return Applied(
            written_at=written_at, confirmed=agrees is True, readback=self.readback()
        )

    # -- keep-alive --------------------------------------------------------------

    async def _learn(self, control: Control, priority: Priority) -> None:
        """Learn how long the device holds a setpoint, right after a write."""
        keepalive = control.keepalive
        if keepalive is None or keepalive.validity_point is None:
            return
        if self.validity is not None:
            return
        rank = max(priority, Priority.KEEP_ALIVE)
        try:
            values = await self._session.read_now([keepalive.validity_point], rank)
        except LinkError, Preempted:
            return
        left = number_of(values.get(keepalive.validity_point))
        if left is not None and left > 0:
            self.validity = left
            self.wake.set()

    @property
    def short_validity(self) -> bool:
        """Whether the device's validity is so short that the user should know."""
        control = self.control
        return (
            control is not None
            and control.keepalive is not None
            and self.validity is not None
            and self.validity < control.keepalive.warn_below
        )

    @property
    def period(self) -> float | None:
        """S between two keep-alives, None where the device needs none."""
        control = self.control
        if control is None or control.keepalive is None:
            return None
        period = control.keepalive.every
        if self.validity is not None:
            period = min(period, self.validity * _SHARE_OF_VALIDITY)
        return max(period, _SHORTEST_KEEP_ALIVE)

    @property
    def orphaned(self) -> bool:
        """Whether nobody has stood by the setpoint for too long.

        A stop is held on, and so is what its own fallback would exceed (S10);
        anything else is no longer refreshed, so that it goes to that fallback.
        """
        control = self.control
        if control is None or not (control.keepalive or control.heartbeat):
            return False
        return (
            self.wanted is not None
            and not self.wanted.stop
            and not self.wanted.emergency
            and self.wanted.value is not None
            and self._clock() - self._reaffirmed_at > self._time_to_live
            and not self._falls_back_to_more(control, self.wanted.value)
        )

    def _falls_back_to_more(self, control: Control, value: float) -> bool:
        """Whether the device is known to do more by itself than it was told."""
        fallback = control.fallback
        if fallback is None:
            return False
        known = fallback.value
        if fallback.point is not None:
            known = number_of(self._session.values.get(fallback.point))
        return known is not None and abs(known) > abs(value) + SLACK

    def distrust(self) -> None:
        """Have the next setpoint written, whatever was written before."""
        self.written = None
        self.wake.set()

    async def refresh(self) -> None:
        """Write again what was asked for last, unless a write is under way."""
        control, wanted = self.control, self.wanted
        if (
            control is None
            or wanted is None
            or self._running
            or not self._session.identified
        ):
            # A write under way refreshes by itself; another device that answers at
            # this address is not written to.
            await asyncio.sleep(_LOOK_AGAIN)
            return
        try:
            await self._sequence(control, wanted, Priority.KEEP_ALIVE)
        except Superseded, Preempted:
            return
        except (LinkError, DeviceError) as err:
            self.problem = Phrase(
                "keep_alive_failed", "keep-alive failed: {why}", why=reason_of(err)
            )
            self.on_change()
            await asyncio.sleep(_AFTER_A_FAILURE)
            return
        if wanted.ticket == self._ticket:
            self._done(wanted)


def _applies(step: Step, value: float) -> bool:
    if step.when is When.ALWAYS:
        return True
    if step.when is When.ZERO:
        return value == 0
    return value > 0 if step.when is When.POSITIVE else value < 0
