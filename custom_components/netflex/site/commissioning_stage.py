"""Where the checks of a commissioning act: they tell through the decision, and look.

Whatever is told is one more wish, or one more limit, of the user: stops, the fuse, the
grid operator and the device itself come first. As soon as something else needs the site,
looking ends the run.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ..control.explain import COMING_BACK
from ..devices.device import DeviceConfig
from ..model.asset import Nature
from ..model.orders import LinkState
from ..model.phrase import Phrase
from ..model.snapshot import NO_USER_LIMITS, Override, OverrideReason, UserLimits
from ..telecontrol.rehearsal_orders import binds
from .commissioning_record import Check
from .config import OutputConfig
from .journal_notes import Record
from .rehearsal_plant import Look, Looker

STOPPING: Final = frozenset({Check.SOFTWARE_STOP, Check.RELAY, Check.STOP_INPUT})
"""Checks that a connected operator would see as a stop."""
_TEST: Final = OverrideReason.COMMISSIONING
_BACK: Final = 0.8
"""Share of its earlier production with which an inverter is back."""
_AT_REST: Final = 500.0
"""W by which a power may move at a site at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningPace:
    """How long a run waits, in s."""

    look: float = 0.2
    """Between two looks at the site."""
    level: float = 6.0
    """For which values must be steady before and after a step."""
    ready: float = 120.0
    """Until an asset is where a step begins: a car that wakes, a slow raise."""
    poll: float = 15.0
    """Until a device that is asked slowly must have said what it does now."""
    answer: float = 60.0
    """Until a step is answered."""
    confirm: float = 10.0
    """Until a stop or a contact is confirmed."""
    press: float = 180.0
    """Until somebody has pressed a button, or released it."""


DEFAULT_PACE = CommissioningPace()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningPorts:
    """What the commissioning needs of its site."""

    look: Looker
    link: Callable[[], LinkState]
    done: Callable[[str], bool]
    """Whether a device has taken its newest setpoint."""
    devices: Callable[[], Mapping[str, DeviceConfig]]
    outputs: Callable[[], Mapping[str, OutputConfig]]
    busy: Callable[[], str | None]
    """What else is tried at the site now, in words."""
    decide: Callable[[], None]
    """Have a decision taken at once."""
    save: Callable[[], None]
    record: Record
    monotonic: Callable[[], float]
    utcnow: Callable[[], datetime]
    on_change: Callable[[], None]


class EndedError(Exception):
    """Something else needs the site; `text` says what."""

    def __init__(self, text: str) -> None:
        """Keep the text as it is: a phrase stays one."""
        super().__init__(text)
        self.text = text


class Stage:
    """What one run tells, and how it looks at the site."""

    def __init__(self, ports: CommissioningPorts) -> None:
        """Begin with nothing told."""
        self.ports = ports
        self.pace = DEFAULT_PACE
        self.check: Check | None = None
        """What is tried now; None: nothing, it only looks."""
        self.expected: frozenset[str] = frozenset()
        """Holders of local stops that are waited for, and may hold meanwhile."""
        self.ask: Callable[[str | None], None] = lambda _prompt: None
        """Shows what somebody on the site is to do now; None: nothing any more."""
        self._told: dict[str, Override] = {}

    @property
    def now(self) -> float:
        """Monotonic s."""
        return self.ports.monotonic()

    def look(self) -> Look:
        """Return what is known now."""
        return self.ports.look(None)

    def overlay(self, user: Mapping[str, UserLimits]) -> dict[str, UserLimits]:
        """Return what users ask for, with what is told in place of their overrides."""
        return {
            **user,
            **{
                subject: replace(user.get(subject, NO_USER_LIMITS), override=override)
                for subject, override in self._told.items()
            },
        }

    def tell(self, subject: str, override: Override | None) -> None:
        """Have the decision want something of a subject; None: nothing any more."""
        if override is None:
            self._told.pop(subject, None)
        else:
            self._told[subject] = override
        self.ports.decide()

    def hold_others(self, *subjects: str) -> None:
        """Keep every other asset as it is, so that nobody answers what is tried.

        Batteries rest; who has an override of the user's own keeps that.
        """
        look = self.look()
        told = {} if look.plan is None else look.plan.setpoints
        for key, asset in look.model.assets.items():
            user = look.snapshot.user.get(key, NO_USER_LIMITS)
            value = told[key].value if key in told else None
            if key in subjects or user.override is not None or value is None:
                continue
            if asset.nature is Nature.BATTERY:
                self._told[key] = Override(target_power=0.0, reason=_TEST)
            elif asset.nature is Nature.CHARGER:
                self._told[key] = Override(current=value, reason=_TEST)
            elif asset.nature is Nature.LOAD:
                self._told[key] = Override(switch=bool(value), reason=_TEST)

    def put_back(self) -> None:
        """Take back everything that was told."""
        self.expected = frozenset()
        if self._told:
            self._told.clear()
            self.ports.decide()

    def forbidden(self, checks: Iterable[Check]) -> str | None:
        """Return why checks may not begin, or go on, now; None where they may."""
        look = self.look()
        snapshot, plan = look.snapshot, look.plan
        if look.shadow:
            return Phrase("not_now_shadow", "the site is in shadow: nothing is written")
        if snapshot.islanded:
            return Phrase("not_now_islanded", "the house is away from the grid")
        if binds(snapshot.orders):
            return Phrase("not_now_order", "an order of the grid operator is in force")
        held = {*snapshot.local_stops.production, *snapshot.local_stops.consumption}
        if others := sorted(held - self.expected):
            return Phrase(
                "not_now_local_stop",
                "a local stop is held by {holders}",
                holders=", ".join(others),
            )
        if not STOPPING.isdisjoint(checks) and self.ports.link().connected:
            return Phrase(
                "not_now_operator",
                "the grid operator is connected and would see it as a stop",
            )
        if (busy := self.ports.busy()) is not None:
            return busy
        if plan is None or not plan.metered:
            return Phrase("not_now_meter", "nobody measures the connection point")
        return None

    async def look_again(self) -> None:
        """Wait until the next look; EndedError where the run must end."""
        await asyncio.sleep(self.pace.look)
        checks = () if self.check is None else (self.check,)
        if (why := self.forbidden(checks)) is not None:
            raise EndedError(why)

    async def recover(self, before: Look) -> None:
        """Wait, for `ready` s at most, until what was stopped flows as `before`.

        Loads and generation come back slowly after a stop, batteries follow them, and
        what is judged meanwhile says nothing of the site: it must be at rest.
        """
        begun = self.now
        trail: list[tuple[float, Mapping[str, float]]] = []

        def rests() -> bool:
            look, since = self.look(), self.now - 2 * self.pace.level
            trail.append((self.now, _powers(look)))
            newest = [powers for at, powers in trail if at >= since]
            return begun <= since and _as_before(before, look) and _steady(newest)

        await self.until(rests, self.pace.ready)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; False where it did not come true in time."""
        end = self.now + seconds
        while not condition():
            if self.now >= end:
                return False
            await self.look_again()
        return True


def _as_before(before: Look, now: Look) -> bool:
    """Whether nothing waits for its turn, and inverters produce about as before."""
    told = {} if now.plan is None else now.plan.setpoints
    if any(
        cause.key == COMING_BACK
        for setpoint in told.values()
        for cause in setpoint.causes
    ):
        return False
    return all(
        _produced(now, key) >= _BACK * _produced(before, key)
        for key, asset in now.model.assets.items()
        if asset.nature is Nature.INVERTER
    )


def _powers(look: Look) -> dict[str, float]:
    """Return all W that somebody says: of assets by id, of the meter without one."""
    reading = look.snapshot.reading
    found = {key: state.power for key, state in look.snapshot.states.items()}
    found[""] = None if reading is None else reading.power
    return {key: power for key, power in found.items() if power is not None}


def _steady(trail: Sequence[Mapping[str, float]]) -> bool:
    """Whether nothing moves by more than a household does."""
    for key in trail[-1]:
        values = [powers[key] for powers in trail if key in powers]
        if max(values) - min(values) > _AT_REST:
            return False
    return True


def _produced(look: Look, asset_id: str) -> float:
    """Return the W that an inverter says it produces; 0 where it says nothing."""
    state = look.snapshot.states.get(asset_id)
    return 0.0 if state is None or state.power is None else max(0.0, -state.power)
