"""A meter over sensors that another integration brings.

Each value has an age of its own: what has not been reported for too long is left out,
and without a fresh power there is no reading at all.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
import time
from types import MappingProxyType
from typing import Final

from ..model.asset import Nature
from ..model.connection import LineValues
from ..model.phrase import Phrase, listed
from ..model.reading import MeterReading
from .device import DeviceError, MeterStatus, ProbeError, ProbeResult
from .modbus_device import Tasks
from .ports import EntityPort, EntityValue
from .profile_parts import LOAD_NEGATIVE, MEASURES
from .words import entity_away, entity_gone, other_unit

MAX_AGE: Final = 15.0
"""s without a report after which a value is left out, where nothing else is set."""
COUNTER_MAX_AGE: Final = 900.0
"""s: a counter is a fact of the past, which stays true between its reports."""
FEWEST: Final = 3
"""Sensors that a meter needs at least."""

_REFRESH = 1.0
_SAME = 0.05
"""s that the time of one and the same report may seem to differ."""
_LINES = ("l1", "l2", "l3")
_LINE_FIELDS = {
    f"{quantity}_{line}": f"line_{quantity}.{line.upper()}"
    for quantity in ("power", "current", "voltage")
    for line in _LINES
}
_POWERS = ("power", "power_export", *(f"power_{line}" for line in _LINES))
_COUNTERS = ("energy_import", "energy_export")

METER_ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(_POWERS, "W"),
        **{f"current_{line}": "A" for line in _LINES},
        **{f"voltage_{line}": "V" for line in _LINES},
        "reactive_power": "var",
        "frequency": "Hz",
        **dict.fromkeys(_COUNTERS, "Wh"),
    }
)
"""What a sensor may be, with our unit of it. `power_export` is an injection of its own,
for meters that keep both directions apart."""


def check_roles(roles: Iterable[str]) -> None:
    """Check that sensors make a meter. Raises DeviceError (`config`)."""
    named = set(roles)
    if unknown := sorted(named - METER_ROLES.keys()):
        raise DeviceError(
            "config",
            Phrase("no_role", "there is no role {role}", role=", ".join(unknown)),
        )
    if len(named) < FEWEST:
        raise DeviceError(
            "config",
            Phrase(
                "few_sensors",
                "a meter needs {number} sensors or more",
                number=str(FEWEST),
            ),
        )
    if "power" not in named and not any(f"power_{line}" in named for line in _LINES):
        raise DeviceError(
            "config", Phrase("no_power_sensor", "a meter needs a sensor of its power")
        )


class EntityMeter:
    """A meter behind sensors. Fulfils `MeterDevice`.

    `max_age` s after its last report a value is left out. `negative` says that the
    sensors count injection positive.
    """

    def __init__(
        self,
        *,
        meter_id: str,
        roles: Mapping[str, str],
        entities: EntityPort,
        max_age: float = MAX_AGE,
        negative: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind a meter to sensors by role. Raises DeviceError (`config`)."""
        check_roles(roles)
        self.meter_id = meter_id
        self._roles = dict(roles)
        total = "power" in self._roles
        self._needed = tuple(
            role
            for role in _POWERS
            if role in self._roles and (not total or not role.startswith("power_l"))
        )
        """The sensors that make up the power, without which there is no reading."""
        self._entities = entities
        self._max_age = max_age
        self._sign = -1.0 if negative else 1.0
        self._clock = clock
        self._tasks = Tasks()
        self._unwatch: Callable[[], None] | None = None
        self._on_reading: Callable[[MeterReading], None] | None = None
        self._on_status: Callable[[MeterStatus], None] | None = None
        self._status = MeterStatus()
        self._scheduled: asyncio.Handle | None = None
        self._sent: Mapping[str, tuple[float, float]] = {}

    @property
    def status(self) -> MeterStatus:
        """How it is doing."""
        return self._status

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Begin to listen."""
        self._on_reading, self._on_status = on_reading, on_status
        self._unwatch = self._entities.watch(
            frozenset(self._roles.values()), self._heard
        )
        self._tasks.start(f"{self.meter_id} sensors", self._refresh())

    async def stop(self) -> None:
        """Stop listening."""
        self._on_reading = self._on_status = None
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        await self._tasks.stop()

    def _heard(self, _entity: str) -> None:
        # An integration writes all its sensors in one go: one reading of all of them.
        if self._scheduled is None and self._on_reading is not None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._look)

    async def _refresh(self) -> None:
        # Sensors age without saying so, and may come to exist after we began to watch.
        while True:
            self._look()
            await asyncio.sleep(_REFRESH)

    def _look(self) -> None:
        """Read all sensors; hand on what is new, and say what is missing."""
        self._scheduled = None
        now = self._clock()
        fresh: dict[str, tuple[float, float]] = {}
        problems: dict[str, str] = {}
        for role, entity in self._roles.items():
            found = _read(role, entity, self._entities.read(entity), now)
            if isinstance(found, str):
                problems[role] = found
                continue
            limit = COUNTER_MAX_AGE if role in _COUNTERS else self._max_age
            if now - found[1] > max(limit, self._max_age):
                problems[role] = _quiet(entity, now - found[1])
            else:
                fresh[role] = found
        missing = next(
            (problems[role] for role in self._needed if role in problems), None
        )
        is_new = missing is None and self._is_new(fresh)
        if is_new:
            self._sent = fresh
        before = self._status
        self._status = MeterStatus(
            connected=missing is None,
            last_good=now if is_new else before.last_good,
            good=before.good + is_new,
            problem=missing,
            problem_key=None if missing is None else "unavailable",
            details=MappingProxyType(
                {} if not problems else {"sensors": "; ".join(problems.values())}
            ),
        )
        if is_new and self._on_reading is not None:
            self._on_reading(self._reading(fresh, problems))
        if before.problem != missing and self._on_status is not None:
            self._on_status(self._status)

    def _is_new(self, fresh: Mapping[str, tuple[float, float]]) -> bool:
        if fresh.keys() != self._sent.keys():
            return True
        return any(
            value != self._sent[role][0] or at - self._sent[role][1] > _SAME
            for role, (value, at) in fresh.items()
        )

    def _reading(
        self, fresh: Mapping[str, tuple[float, float]], left_out: Iterable[str]
    ) -> MeterReading:
        def value(role: str, sign: float = 1.0) -> float | None:
            return sign * fresh[role][0] if role in fresh else None

        def lines(quantity: str, sign: float = 1.0) -> LineValues:
            return LineValues(
                l1=value(f"{quantity}_l1", sign),
                l2=value(f"{quantity}_l2", sign),
                l3=value(f"{quantity}_l3", sign),
            )

        line_power = lines("power", self._sign)
        power = value("power", self._sign)
        power = line_power.total() if power is None else power
        if power is not None and "power_export" in fresh:
            power -= fresh["power_export"][0]
        return MeterReading(
            meter_id=self.meter_id,
            # A sum is as old as its oldest part.
            received=min(fresh[role][1] for role in self._needed),
            power=power,
            reactive_power=value("reactive_power", self._sign),
            line_power=line_power,
            line_current=lines("current").map(abs),
            line_voltage=lines("voltage"),
            frequency=value("frequency"),
            energy_import=value("energy_import"),
            energy_export=value("energy_export"),
            measured=MappingProxyType(
                {_LINE_FIELDS.get(role, role): at for role, (_, at) in fresh.items()}
            ),
            outdated=frozenset(_LINE_FIELDS.get(role, role) for role in left_out),
        )


def _read(
    role: str, entity: str, found: EntityValue | None, now: float
) -> tuple[float, float] | str:
    """Return a sensor's value in our unit and its time, or why there is none."""
    if found is None:
        return entity_gone(entity)
    if not found.available:
        return entity_away(entity)
    if isinstance(found.value, bool | str) or found.value is None:
        return Phrase("not_a_number", "{entity} is not a number", entity=entity)
    wanted = METER_ROLES[role]
    measure, factor = MEASURES.get(found.unit or wanted, (found.unit, 1.0))
    if measure != wanted:
        return other_unit(entity, str(found.unit), wanted)
    at = now if found.last_reported is None else found.last_reported
    return found.value * factor, at


def _quiet(entity: str, age: float) -> Phrase:
    return Phrase(
        "entity_quiet",
        "{entity} has said nothing for {age}",
        entity=entity,
        age=f"{age:.0f} s",
    )


def probe_sensors(
    roles: Mapping[str, str],
    entities: EntityPort,
    *,
    max_age: float = MAX_AGE,
    clock: Callable[[], float] = time.monotonic,
) -> ProbeResult:
    """Check that sensors make a meter and are up to date. Raises ProbeError."""
    try:
        check_roles(roles)
    except DeviceError as err:
        raise ProbeError("config", err.text) from err
    values: dict[str, float | str | bool | None] = {}
    now = clock()
    for role, entity in roles.items():
        value = entities.read(entity)
        found = _read(role, entity, value, now)
        if isinstance(found, str):
            missing = value is not None and (not value.available or value.value is None)
            raise ProbeError("no_answer" if missing else "config", found)
        if role not in _COUNTERS and now - found[1] > max_age:
            raise ProbeError(
                "no_answer",
                listed(
                    _quiet(entity, now - found[1]),
                    Phrase(
                        "oldest_allowed",
                        "the oldest allowed is {age}",
                        age=f"{max_age:.0f} s",
                    ),
                ),
            )
        values[role] = found[0]
    return ProbeResult(nature=Nature.METER, values=MappingProxyType(values))


def entity_meter(
    meter_id: str,
    roles: Mapping[str, str],
    params: Mapping[str, int | float | str],
    entities: EntityPort,
    clock: Callable[[], float],
) -> EntityMeter:
    """Return a meter from its configuration. Raises DeviceError (`config`)."""
    return EntityMeter(
        meter_id=meter_id,
        roles=roles,
        entities=entities,
        max_age=float(params.get("max_age", MAX_AGE)),
        negative=params.get("direction") == LOAD_NEGATIVE,
        clock=clock,
    )
