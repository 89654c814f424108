"""A device over Modbus, driven by its profile."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
import logging
import time

from ..model.asset import Asset, AssetState
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .device import Applied, DeviceError
from .exchange_table import ACCEPTED, CAUSE
from .keepalive import Refresher
from .link import LinkError, endpoint_of
from .natures import NATURES, STATE_KEYS, Driven, asset_state
from .nudge import nudge
from .ports import LinkParams, UnitFactory, WriteBudget
from .profile import Control, Profile
from .reactive import ReactivePower
from .scheduler import Preempted, Priority
from .session import SLOW_POLLS, Session
from .silence import SilenceFacts, tightens
from .sunspec import SCALE_SUFFIX
from .values import number_of, text_of
from .words import nature_of
from .writer import REACTIVE, Writer

_LOGGER = logging.getLogger(__name__)

TIME_TO_LIVE = 30.0
"""s without a new `apply` after which only a stop is kept alive."""


class Tasks:
    """The background tasks of one device: owned, ended, awaited."""

    def __init__(self) -> None:
        """Start with none."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run something until `stop`."""
        self._tasks.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """End all and wait for them."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                _LOGGER.error("A device's task had failed", exc_info=result)


class ModbusDevice:
    """Any asset with a profile. Fulfils `Device`."""

    def __init__(
        self,
        *,
        asset: Asset,
        profile: Profile,
        link: LinkParams,
        units: UnitFactory,
        budget: WriteBudget,
        serial: str | None = None,
        time_to_live: float = TIME_TO_LIVE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind an asset to a profile and a link; nothing is opened yet."""
        self._asset = asset
        self._spec = NATURES[asset.nature]
        self._link = link
        self._clock = clock
        self._session = Session(
            name=asset.name,
            profile=profile,
            endpoint=endpoint_of(link, units, clock),
            units=units,
            serial=serial,
            on_change=self._changed,
            clock=clock,
        )
        self._writer = Writer(
            self._session,
            self._spec.control,
            asset,
            budget,
            time_to_live,
            self._changed,
        )
        self._reactive: ReactivePower | None = None
        if REACTIVE in profile.controls:
            self._reactive = ReactivePower(
                Writer(
                    self._session, REACTIVE, asset, budget, time_to_live, self._changed
                ),
                self._session,
                asset,
            )
        self._tasks = Tasks()
        self._refused = False
        """It has said that it does not take the setpoint, and has not followed since."""
        self._on_state: Callable[[AssetState], None] | None = None
        self._state = AssetState(asset_id=asset.id, available=False)

    @property
    def device_id(self) -> str:
        """The asset's id."""
        return self._asset.id

    @property
    def state(self) -> AssetState:
        """What the device said last."""
        return self._state

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to poll and to keep alive."""
        self._on_state = on_state
        name = self._asset.id
        self._tasks.start(f"{name} polling", self._session.run())
        if (every := self._session.profile.link.nudge) is not None:
            self._tasks.start(f"{name} nudge", nudge(self._link, every))
        writers = {self._spec.control: self._writer}
        if self._reactive is not None:
            writers[REACTIVE] = self._reactive.writer
        for key, writer in writers.items():
            controls = self._session.profile.controls[key]
            refresher = Refresher(writer, self._session)
            if any(control.keepalive for control in controls):
                self._tasks.start(f"{name} {key} keep-alive", refresher.keep_alive())
            if any(control.heartbeat for control in controls):
                self._tasks.start(f"{name} {key} heartbeat", refresher.beat())

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Write a setpoint now and verify it."""
        if setpoint.kind is not self._spec.kind:
            raise DeviceError(
                "config",
                Phrase(
                    "takes_another",
                    "a {nature} takes {kind}, not {given}",
                    nature=nature_of(self._asset.nature),
                    kind=str(self._spec.kind),
                    given=str(setpoint.kind),
                ),
            )
        if self.silent and not self._heard_through_silence(setpoint):
            self._writer.reaffirm()
            return Applied(
                written_at=self._writer.written_at or self._clock(),
                confirmed=False,
                readback=self._writer.readback(),
            )
        applied = await self._writer.apply(setpoint)
        if not applied.confirmed and self._is_refused():
            self._refused = True
            await self._read_cause()
            self._changed()
            raise DeviceError("refused", self._refusal())
        if self._reactive is not None:
            if setpoint.emergency:
                self._reactive.writer.reaffirm()
            else:
                await self._reactive.apply(setpoint)
                self._changed()
        return applied

    async def stop(self) -> None:
        """End all tasks and leave the device in what it was told last."""
        self._on_state = None
        await self._tasks.stop()
        await self._session.close()

    def set_behind_relay(self, behind: bool) -> None:
        """Leave it to an emergency output where its memory is spent, or not."""
        self._writer.spending.behind_relay = behind

    # -- silence -----------------------------------------------------------------

    @property
    def silence_facts(self) -> SilenceFacts | None:
        """What is expected of it when it is left alone; None: it needs no refreshing."""
        control = self._writer.control
        if control is None or not (
            control.keepalive or control.heartbeat or control.fallback
        ):
            return None
        after = self._writer.validity
        if after is None and control.fallback is not None:
            after = control.fallback.after
        return SilenceFacts(after=after, fallback=self._fallback(control))

    @property
    def silent(self) -> bool:
        """Whether it is left alone on purpose."""
        return self._writer.silent

    def fall_silent(self) -> None:
        """Refresh and write nothing any more; reading goes on."""
        self._writer.silent = True

    def speak(self) -> None:
        """Refresh again; the next setpoint is written in any case."""
        self._writer.silent = False
        self._writer.distrust()

    def _heard_through_silence(self, setpoint: Setpoint) -> bool:
        """Whether a setpoint ends the silence: a stop, or less than before (S10)."""
        wanted = self._writer.wanted
        if setpoint.emergency or tightens(
            setpoint.value, None if wanted is None else wanted.value
        ):
            self.speak()
            return True
        return False

    # -- state -------------------------------------------------------------------

    def _changed(self) -> None:
        session, writer, reactive = self._session, self._writer, self._reactive
        writer.look()
        if writer.follows() is True:
            self._refused = False
        self._state = asset_state(
            self._asset,
            session.values,
            available=session.available,
            at=session.at,
            driven=Driven(
                readback=writer.readback(),
                fallback=self._fallback(writer.control),
                fallback_in=self._fallback_in(writer.control),
                follows=writer.follows(),
                refuses=self._refused,
                writes_left=writer.spending.left(writer.control),
                contested=not writer.silent and writer.contest.contested(self._clock()),
                unfollowed=(
                    not writer.silent and writer.contest.unfollowed(self._clock())
                ),
                phase_choices=writer.phase_choices,
                takes_reactive=reactive is not None and reactive.possible,
                max_reactive=None if reactive is None else reactive.most,
                reactive_setpoint=None if reactive is None else reactive.told,
            ),
            problem=self._problem(),
            details=self._details(),
        )
        if self._on_state is not None:
            self._on_state(self._state)

    def _is_refused(self) -> bool:
        return self._session.values.get(ACCEPTED) is False

    async def _read_cause(self) -> None:
        """Read why it refuses now, not why it did at the last poll."""
        if CAUSE in self._session.profile.points:
            with suppress(LinkError, Preempted):
                await self._session.read_now([CAUSE], Priority.SETPOINT)

    def _refusal(self) -> str:
        cause = self._session.values.get(CAUSE)
        if cause is None:
            return Phrase("refuses", "it refuses what it is asked")
        return Phrase(
            "refuses_cause",
            "it refuses what it is asked: its cause is {cause}",
            cause=text_of(cause),
        )

    def _problem(self) -> str | None:
        session, writer = self._session, self._writer
        if session.problem is not None:
            return session.problem
        if self._refused:
            return self._refusal()
        if writer.orphaned:
            return Phrase(
                "orphaned",
                "nobody stands by its setpoint any more: it is no longer refreshed "
                "and the device goes to its own fallback",
            )
        if writer.follows() is False:
            control = writer.control
            readback = control.readback if control else None
            text = readback.mismatch if readback else None
            return text or Phrase(
                "device_not_following", "the device does not follow its setpoint"
            )
        if writer.written is None and writer.problem is not None:
            return writer.problem
        if writer.short_validity:
            return Phrase(
                "short_validity",
                "the device holds a setpoint for {time} only: lengthen the validity "
                "time in its own settings",
                time=f"{writer.validity:g} s",
            )
        return None if self._reactive is None else self._reactive.problem

    def _details(self) -> dict[str, float | str | bool | None]:
        session = self._session
        details = {
            key: value
            for key, value in session.values.items()
            if key not in STATE_KEYS and not key.endswith(SCALE_SUFFIX)
        }
        if session.profile.when_silent is not None:
            details["when_silent"] = session.profile.when_silent
        if session.variant is not None:
            details["variant"] = session.variant
        details[SLOW_POLLS] = session.slow_polls
        if self._writer.validity is not None:
            details["validity"] = self._writer.validity
        return details

    def _fallback(self, control: Control | None) -> float | None:
        if control is None or control.fallback is None:
            return None
        if control.fallback.point is None:
            return control.fallback.value
        return number_of(self._session.values.get(control.fallback.point))

    def _fallback_in(self, control: Control | None) -> float | None:
        if control is None or control.fallback is None:
            return None
        if control.fallback.left is not None:
            return number_of(self._session.values.get(control.fallback.left))
        written_at = self._writer.written_at
        if control.fallback.after is None or written_at is None:
            return None
        return max(0.0, written_at + control.fallback.after - self._clock())
