"""A device over entities that another integration brings.

A switch or a number is driven, sensors tell the rest. Success is what the driven
entity says afterwards, never that the call returned.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import floor
import time
from types import MappingProxyType

from ..model.asset import Asset, AssetState, ChargerState, HeatPumpState, Nature
from ..model.failure import reason_of
from ..model.phrase import Phrase
from ..model.plan import Setpoint, SetpointKind
from .contest import Contest
from .device import SUPERSEDED, Applied, DeviceError, ProbeError, ProbeResult
from .levers import HEAT_PUMP
from .modbus_device import Tasks
from .natures import NATURES, Driven, asset_state
from .ports import EntityPort, EntityValue
from .profile_parts import MEASURES
from .registers import Value
from .words import entity_away, entity_gone, nature_of, other_unit

SWITCH = "switch"
NUMBER = "number"
ENABLE = "enable"
"""A switch besides a number: off pauses or disconnects the device."""

_CALL_LIMIT = 3.0
"""s that one call may take before it is given up."""
_WITHIN = 5.0
"""s within which the entity must say what it was told."""
_TRIES = 2
_REFRESH = 5.0
_SLACK = 1e-6

_SENSORS = (
    "power",
    "reactive_power",
    "current_l1",
    "current_l2",
    "current_l3",
    "soc",
    "state",
    "energy_consumed",
    "energy_produced",
    "max_charge_power",
    "max_discharge_power",
    "temperature",
)
_FAHRENHEIT = "°F"
LOCAL_ON = "local_on"
"""The on/auto switch of a load: on means that somebody there wants it on."""
CONTACT = "contact"
"""The auxiliary contact of what a switch moves: on while it is closed."""
ROLES = (SWITCH, NUMBER, ENABLE, LOCAL_ON, CONTACT, HEAT_PUMP, *_SENSORS)

_CHARGER_WORDS: Mapping[str, ChargerState] = MappingProxyType(
    {
        "charging": ChargerState.CHARGING,
        "connected": ChargerState.CONNECTED,
        "plugged_in": ChargerState.CONNECTED,
        "awaiting_start": ChargerState.CONNECTED,
        "awaiting_authorization": ChargerState.CONNECTED,
        "ready_to_charge": ChargerState.CONNECTED,
        "paused": ChargerState.CONNECTED,
        "completed": ChargerState.CONNECTED,
        "idle": ChargerState.IDLE,
        "available": ChargerState.IDLE,
        "disconnected": ChargerState.IDLE,
        "error": ChargerState.FAULT,
        "fault": ChargerState.FAULT,
        "faulted": ChargerState.FAULT,
    }
)
"""What charger integrations commonly call the states, lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the driven entities were told: a switch, a number, or both."""

    on: bool | None = None
    number: float | None = None
    """In the number's own unit."""
    heat_pump: HeatPumpState | None = None
    at: float
    shortfall: str | None = None
    """Why this is less than what was asked."""
    confirmed: bool = False


def _check_roles(asset: Asset, roles: Mapping[str, str]) -> None:
    kind = NATURES[asset.nature].kind
    if unknown := sorted(set(roles) - set(ROLES)):
        raise DeviceError(
            "config",
            Phrase("no_role", "there is no role {role}", role=", ".join(unknown)),
        )
    needed = SWITCH if kind is SetpointKind.SWITCH else NUMBER
    if needed not in roles and not (
        kind is SetpointKind.PRODUCTION and ENABLE in roles
    ):
        raise DeviceError(
            "config",
            Phrase(
                "needs_entity",
                "a {nature} needs a {entity} to be driven",
                nature=nature_of(asset.nature),
                entity=needed,
            ),
        )


class EntityDevice:
    """A load, charger, inverter, battery or relay behind entities. Fulfils `Device`."""

    def __init__(
        self,
        *,
        asset: Asset,
        roles: Mapping[str, str],
        entities: EntityPort,
        clock: Callable[[], float] = time.monotonic,
        within: float = _WITHIN,
    ) -> None:
        """Bind an asset to entities by role. Raises DeviceError (`config`)."""
        _check_roles(asset, roles)
        self._asset = asset
        self._roles = dict(roles)
        self._entities = entities
        self._clock = clock
        self._within = within
        self._kind = NATURES[asset.nature].kind
        self._tasks = Tasks()
        self._unwatch: Callable[[], None] | None = None
        self._on_state: Callable[[AssetState], None] | None = None
        self._state = AssetState(asset_id=asset.id, available=False)
        self._reported = asyncio.Event()
        self._ticket = 0
        self._told: _Told | None = None
        self._looked_at: _Told | None = None
        self._contest = Contest()

    @property
    def device_id(self) -> str:
        """The asset's id."""
        return self._asset.id

    @property
    def state(self) -> AssetState:
        """What the entities said last."""
        return self._state

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to listen."""
        self._on_state = on_state
        self._unwatch = self._entities.watch(
            frozenset(self._roles.values()), self._heard
        )
        self._tasks.start(f"{self._asset.id} entities", self._refresh())

    async def stop(self) -> None:
        """Stop listening and leave the device in what it was told last."""
        self._on_state = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        await self._tasks.stop()

    async def _refresh(self) -> None:
        # An entity that says nothing new is still there; its state must not age.
        while True:
            self._changed()
            await asyncio.sleep(_REFRESH)

    def _heard(self, entity: str) -> None:
        self._reported.set()
        self._changed()

    # -- apply -------------------------------------------------------------------

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Drive the entities and wait for what they say."""
        if setpoint.kind is not self._kind:
            raise DeviceError(
                "config",
                Phrase(
                    "takes",
                    "a {nature} takes {kind}",
                    nature=nature_of(self._asset.nature),
                    kind=str(self._kind),
                ),
            )
        self._ticket += 1
        ticket = self._ticket
        told = self._translate(setpoint)
        before = self._told
        if (
            not setpoint.emergency
            and before is not None
            and (before.on, before.number, before.heat_pump)
            == (told.on, told.number, told.heat_pump)
            and self._agrees(told)
        ):
            return self._applied(before, confirmed=True)
        self._told = told
        tries = _TRIES if setpoint.emergency else 1
        confirmed = False
        for _ in range(tries):
            await self._drive(told)
            self._check(ticket)
            confirmed = await self._wait(told, ticket, self._within / tries)
            if confirmed:
                break
        confirmed = confirmed and told.shortfall is None
        self._told = replace(told, confirmed=confirmed)
        self._changed()
        return self._applied(told, confirmed=confirmed)

    def _applied(self, told: _Told, *, confirmed: bool) -> Applied:
        return Applied(
            written_at=told.at, confirmed=confirmed, readback=self._readback()
        )

    def _check(self, ticket: int) -> None:
        if ticket != self._ticket:
            raise DeviceError("superseded", SUPERSEDED)

    def _translate(self, setpoint: Setpoint) -> _Told:
        at, value = self._clock(), setpoint.value
        if self._kind is SetpointKind.SWITCH:
            return _Told(
                on=None if value is None else value > 0,
                heat_pump=setpoint.heat_pump if HEAT_PUMP in self._roles else None,
                at=at,
            )
        number = self._read(NUMBER)
        on = None
        if ENABLE in self._roles:
            on = value is None or value != 0
        if NUMBER not in self._roles:
            return _Told(on=on, at=at)
        if number is None or not number.available:
            if on is False:
                # The switch alone stops it.
                return _Told(on=False, at=at)
            raise DeviceError("unavailable", entity_away(self._roles[NUMBER]))
        wanted, shortfall = self._number(number, value, on)
        return _Told(on=on, number=wanted, at=at, shortfall=shortfall)

    def _number(
        self, number: EntityValue, value: float | None, on: bool | None
    ) -> tuple[float | None, str | None]:
        """Return what the number is set to, and why that is not what was asked."""
        factor = self._factor(number)
        if value is None:
            # A battery has no limit to be lifted: it is left without a target.
            return (0.0 if self._kind is SetpointKind.POWER else number.maximum), None
        wanted = value / factor
        if number.step:
            steps = floor(abs(wanted) / number.step + _SLACK) * number.step
            wanted = steps if wanted > 0 else -steps
        if number.maximum is not None:
            wanted = min(wanted, number.maximum)
        if number.minimum is None or wanted >= number.minimum:
            return wanted, None
        if on is False:
            return None, None
        lowest = f"{number.minimum:g} {number.unit or ''}".strip()
        return number.minimum, Phrase(
            "lowest_value",
            "its lowest value is {lowest}: it cannot be stopped",
            lowest=lowest,
        )

    def _factor(self, number: EntityValue) -> float:
        """Return what one of the number's own unit is in A or W."""
        wanted = "A" if self._kind is SetpointKind.CURRENT else "W"
        unit = number.unit or wanted
        if unit == "%" and self._kind is SetpointKind.PRODUCTION:
            if not self._asset.rated_production:
                raise DeviceError(
                    "config",
                    Phrase("no_rated_production", "its rated production is not known"),
                )
            return self._asset.rated_production / 100
        measure, factor = MEASURES.get(unit, (None, 1.0))
        if measure != wanted:
            raise DeviceError("config", other_unit(self._roles[NUMBER], unit, wanted))
        return factor

    def unit_problem(self) -> str | None:
        """Return why the number cannot be driven, None where it can."""
        number = self._read(NUMBER)
        if number is None:
            return None
        try:
            self._factor(number)
        except DeviceError as err:
            return err.text
        return None

    async def _drive(self, told: _Told) -> None:
        role = SWITCH if SWITCH in self._roles else ENABLE
        calls: list[Awaitable[None]] = []
        if told.on is not None:
            entity = self._read(role)
            if entity is None or not entity.available:
                raise DeviceError("unavailable", entity_away(self._roles[role]))
            if told.heat_pump is None:
                calls.append(self._entities.set_switch(self._roles[role], told.on))
            else:
                calls.append(
                    self._entities.set_option(self._roles[HEAT_PUMP], told.heat_pump)
                )
        if told.number is not None:
            calls.append(self._entities.set_number(self._roles[NUMBER], told.number))
        try:
            async with asyncio.timeout(_CALL_LIMIT):
                await asyncio.gather(*calls)
        except TimeoutError:
            raise DeviceError(
                "timeout", Phrase("call_too_slow", "the call did not end in time")
            ) from None
        except Exception as err:
            # Whatever another integration raises says that it did not work.
            raise DeviceError(
                "refused",
                Phrase(
                    "call_failed", "the call failed: {reason}", reason=reason_of(err)
                ),
            ) from err

    async def _wait(self, told: _Told, ticket: int, limit: float) -> bool:
        deadline = self._clock() + limit
        while not self._agrees(told):
            self._check(ticket)
            if (left := deadline - self._clock()) <= 0:
                return False
            self._reported.clear()
            try:
                async with asyncio.timeout(left):
                    await self._reported.wait()
            except TimeoutError:
                continue
        self._check(ticket)
        return True

    # -- state -------------------------------------------------------------------

    def _read(self, role: str) -> EntityValue | None:
        entity = self._roles.get(role)
        return None if entity is None else self._entities.read(entity)

    def _is_on(self) -> bool | None:
        value = self._read(SWITCH if SWITCH in self._roles else ENABLE)
        if value is None or not value.available or not isinstance(value.value, bool):
            return None
        return value.value

    def _truth(self, role: str) -> bool | None:
        entity = self._read(role)
        if entity is None or not entity.available:
            return None
        return entity.value if isinstance(entity.value, bool) else None

    def _agrees(self, told: _Told) -> bool:
        if told.on is not None and self._is_on() is not told.on:
            return False
        if told.heat_pump is not None and self._value(HEAT_PUMP) != told.heat_pump:
            return False
        if told.number is None:
            return True
        number = self._read(NUMBER)
        if number is None or not isinstance(number.value, int | float):
            return False
        tolerance = (number.step or 0.0) / 2 + _SLACK
        return number.available and abs(number.value - told.number) <= tolerance

    def _readback(self) -> float | None:
        """Return what the driven entity says, in the setpoint's unit."""
        if self._kind is SetpointKind.SWITCH:
            on = self._is_on()
            return None if on is None else float(on)
        if ENABLE in self._roles and self._is_on() is False:
            return 0.0
        number = self._read(NUMBER)
        if number is None or isinstance(number.value, bool | str):
            return None
        if number.value is None or not number.available:
            return None
        try:
            return number.value * self._factor(number)
        except DeviceError:
            return None

    def _value(self, role: str) -> Value | None:
        """Return a sensor's value in our units."""
        entity = self._read(role)
        if entity is None or not entity.available or entity.value is None:
            return None
        if role == "state":
            word = str(entity.value).lower()
            return _CHARGER_WORDS.get(word, word)
        if role == HEAT_PUMP:
            return str(entity.value)
        if isinstance(entity.value, bool | str):
            return None
        if role == "temperature" and entity.unit == _FAHRENHEIT:
            return (entity.value - 32.0) / 1.8
        _, factor = MEASURES.get(entity.unit or "", (None, 1.0))
        return entity.value * factor

    def _missing(self) -> str | None:
        for role in (SWITCH, NUMBER, ENABLE):
            if role not in self._roles:
                continue
            value = self._read(role)
            if value is None:
                return entity_gone(self._roles[role])
            if not value.available:
                return entity_away(self._roles[role])
        return None

    def _changed(self) -> None:
        now, told = self._clock(), self._told
        missing = self._missing()
        follows: bool | None = None
        if told is not None and missing is None:
            agrees = self._agrees(told)
            settled = told.confirmed or now - told.at > self._within
            follows = True if agrees else (False if settled else None)
            if told.shortfall is not None:
                follows = False
        if told is not None and told != self._looked_at:
            self._looked_at = told
            self._contest.told()
        self._contest.look(follows, now)
        problem = missing or (told.shortfall if told is not None else None)
        if follows is False and told is not None and problem is None:
            problem = (
                Phrase("changed_after", "someone else changed it after it had followed")
                if told.confirmed
                else Phrase("not_done", "it does not do what it was told")
            )
        values: dict[str, Value | None] = {
            role: self._value(role) for role in _SENSORS if role in self._roles
        }
        values["enabled"] = self._is_on()
        values["local_on"] = self._truth(LOCAL_ON)
        values["heat_pump"] = self._value(HEAT_PUMP)
        power = self._read("power")
        details: dict[str, float | str | bool | None] = {}
        if power is not None and power.last_reported is not None:
            details["power_age"] = round(now - power.last_reported, 1)
        if CONTACT in self._roles:
            details[CONTACT] = self._truth(CONTACT)
        self._state = asset_state(
            self._asset,
            values,
            available=missing is None,
            at=now if missing is None else self._state.at,
            driven=Driven(
                readback=self._readback(),
                follows=follows,
                contested=self._contest.contested(now),
                unfollowed=self._contest.unfollowed(now),
            ),
            problem=problem,
            details=details,
        )
        if self._on_state is not None:
            self._on_state(self._state)


def probe_entities(
    asset: Asset, roles: Mapping[str, str], entities: EntityPort
) -> ProbeResult:
    """Check that entities can be driven and read. Raises ProbeError."""
    try:
        device = EntityDevice(asset=asset, roles=roles, entities=entities)
    except DeviceError as err:
        raise ProbeError("config", err.text) from err
    values: dict[str, float | str | bool | None] = {}
    for role, entity in roles.items():
        value = entities.read(entity)
        if value is None:
            raise ProbeError("config", entity_gone(entity))
        if not value.available:
            raise ProbeError("no_answer", entity_away(entity))
        if role in {SWITCH, ENABLE} and not isinstance(value.value, bool):
            raise ProbeError(
                "config",
                Phrase("not_a_switch", "{entity} is not a switch", entity=entity),
            )
        values[role] = value.value
    problem = device.unit_problem()
    if problem is not None:
        raise ProbeError("config", problem)
    return ProbeResult(nature=Nature(asset.nature), values=MappingProxyType(values))
