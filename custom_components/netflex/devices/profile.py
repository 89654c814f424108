"""The profile of a device family: what its registers mean and how it is driven.

These are the values that `profile_loader.py` makes of a file in `profiles/`;
`profiles/README.md` documents the file format key by key. A profile here is
bound: the user's parameters are filled in, optional parts are there or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from ..model.asset import Nature
from .registers import Encoding, RegisterType, Value


class Status(StrEnum):
    """How well a profile is founded."""

    DOCUMENTED = "documented"
    """The vendor's own document."""
    COMMUNITY = "community"
    """Independent programs agree, no vendor document."""
    UNVERIFIED = "unverified"


class Area(StrEnum):
    """The four address spaces."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def bits(self) -> bool:
        """Whether it holds bits instead of registers."""
        return self in {Area.COIL, Area.DISCRETE}


class Poll(StrEnum):
    """How often a point is read."""

    FAST = "fast"
    SLOW = "slow"
    STATIC = "static"
    """Once after every (re)connection's identification."""


class Persistence(StrEnum):
    """Where a device keeps what is written."""

    RAM = "ram"
    EEPROM = "eeprom"
    """Memory that wears: written only when it changes, within a daily budget."""


class Match(StrEnum):
    """When a read-back agrees with the setpoint."""

    EQUAL = "equal"
    AT_MOST = "at_most"
    """A device that applies less than it may is within its limit."""


class When(StrEnum):
    """For which setpoints a step is done."""

    ALWAYS = "always"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecPlace:
    """A point's place in a SunSpec model, counted from the model's ID register."""

    models: tuple[int, ...]
    offset: int
    type: RegisterType
    count: int
    scale_offset: int | None = None
    min_length: int = 0
    """The model must be at least so long (its L) to have the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where a value is. `at` is the address on the wire, None until scanned."""

    unit: str
    area: Area
    at: int | None
    type: RegisterType
    count: int
    encoding: Encoding
    sunspec: tuple[SunSpecPlace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """From a register's number to W, A, V, Wh, s, % and back.

    value = (raw * scale * 10^scale_point + offset) * factor * ratio, negated where
    `negate`. `factor` brings the register's own unit (kW, mA) to ours.
    """

    scale: float = 1.0
    scale_point: str | None = None
    offset: float = 0.0
    factor: float = 1.0
    negate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Something that is read."""

    key: str
    register: Register
    scaling: Scaling = Scaling()
    measure: str | None = None
    """W, var, VA, A, V, Wh, varh, VAh, s, %, Hz, °C, or None for codes and texts."""
    nan: tuple[str | int, ...] = ()
    mask: int | None = None
    """Bits that count, shifted down to the lowest of them."""
    map: Mapping[str, Value] | None = None
    equals: float | None = None
    """The value is whether the raw number is this one."""
    between: tuple[float, float] | None = None
    """Outside of it the value is not believed and unknown."""
    poll: Poll = Poll.FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Conditions of which the right device fulfils one, read only."""

    point: Point
    match: str | None = None
    """Regular expression that a text must match from its beginning."""
    one_of: tuple[Value, ...] = ()
    between: tuple[float, float] | None = None
    or_absent: bool = False
    text: str | None = None
    """What to tell the user when it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Another layout of the same map, tried when identification fails."""

    id: str
    shift: int
    """Added to every address."""
    encoding: Encoding
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write. `value` None writes the setpoint."""

    register: Register
    scaling: Scaling = Scaling()
    function: int | None = None
    """5, 6, 15 or 16; None: 5 for a coil, 6 for one register, 16 for more."""
    value: float | None = None
    magnitude: bool = False
    """Write the setpoint without its sign."""
    when: When = When.ALWAYS
    wait: float = 0.0
    """s before the next step."""
    optional: bool = False
    """A refusal of the device does no harm."""
    pulse: float | None = None
    """s: a coil's own self-resetting pulse; the value field of function 5 carries it
    in 0.1 s."""
    only_changes: str | None = None
    """Left out while this point says `value` already; an emergency stop writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One end of a range: a number, or a point's value times a factor."""

    value: float | None = None
    point: str | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """Writing the setpoint again, so that the device does not fall back."""

    every: float
    validity_point: str | None = None
    """Says the s that are left; read after a write to learn the validity."""
    warn_below: float = 0.0
    """s of validity below which the user is warned."""


class Beat(StrEnum):
    """How a heartbeat register changes."""

    COUNTER = "counter"
    TOGGLE = "toggle"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A register of its own that must keep changing once we control the device."""

    every: float
    register: Register
    function: int | None
    values: Sequence[int]
    """Written in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """How the device says what it applies."""

    point: str
    tolerance: float
    within: float
    match: Match = Match.EQUAL
    also: str | None = None
    """A point that must be true (or not zero) besides."""
    stopped: str | None = None
    """A point that is false (or zero) while it stands still; it decides instead of
    `point` for a setpoint of 0."""
    written: str | None = None
    """A point that repeats what was written, whatever is applied: another value in
    it is somebody else's."""
    mismatch: str | None = None
    """What to tell the user when it does not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What the device does when we fall silent, in the setpoint's unit."""

    value: float | None = None
    point: str | None = None
    after: float | None = None
    """s after the last write."""
    left: str | None = None
    """The point that says the s until then."""


class Release(StrEnum):
    """What a setpoint without a value does."""

    NOTHING = "nothing"
    """End the keep-alive: the device goes its own way."""
    MAXIMUM = "maximum"
    """Write the upper end of the range."""
    STEPS = "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Something that is driven.

    Values in A, W or 1/0; with `percent_of` the register is a percentage of the
    first of these points that is known (`rated`: the asset's rated production).
    """

    name: str
    write: tuple[Step, ...]
    percent_of: tuple[str, ...] = ()
    low: Bound | None = None
    high: Bound | None = None
    min_active: float = 0.0
    step: float = 0.0
    deadband: float = 0.0
    min_interval: float = 0.0
    persistence: Persistence = Persistence.RAM
    daily_writes: int = 50
    arm: tuple[Step, ...] = ()
    stop: tuple[Step, ...] = ()
    emergency: tuple[Step, ...] = ()
    release: Release = Release.NOTHING
    release_steps: tuple[Step, ...] = ()
    keepalive: KeepAlive | None = None
    heartbeat: Heartbeat | None = None
    readback: ReadBack | None = None
    fallback: Fallback | None = None
    errors: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps that may ever be done."""
        return (
            *self.arm,
            *self.write,
            *self.stop,
            *self.emergency,
            *self.release_steps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSwitch:
    """Changing between charging with one phase and with three, never under load."""

    write: tuple[Step, ...]
    """`value` None writes the number of phases."""
    choices: tuple[int, ...]
    idle: tuple[str, ...]
    """Points of the currents that must have fallen before the switch."""
    below: float
    """A"""
    patience: float
    """s to wait for them."""
    settle: float
    """s without current after the switch."""
    cooldown: float
    """s between two switches."""
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """A device that answers with old values says so here."""

    point: str
    maximum: float
    """s"""
    covers: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read that the profile itself asks for."""

    unit: str
    area: Area
    at: int
    count: int
    poll: Poll


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What the device bears on its link; times in s."""

    port: int = 502
    timeout: float = 3.0
    connect_timeout: float = 5.0
    connect_delay: float = 0.0
    spacing: float = 0.0
    max_clients: int | None = None
    """Connections that it accepts at a time, where that is known."""
    idle_close: float | None = None
    max_read: int = 125
    max_gap: int = 8
    per_register_reads: bool = False
    nudge: float | None = None
    """s between two connections that are opened only to be closed."""
    forbidden: tuple[tuple[int, int], ...] = ()
    """Addresses (first, last) that no read may touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpec:
    """Where a SunSpec map begins."""

    unit: str
    bases: tuple[int, ...] = (40000, 0, 50000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Points that say who it is; the serial is compared on every slow poll."""

    serial: str | None = None
    model: str | None = None
    firmware: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One device family, bound to one device's parameters."""

    id: str
    kind: Nature
    vendor: str
    models: tuple[str, ...]
    status: Status
    sources: tuple[str, ...]
    revision: str
    requires: tuple[str, ...] = ()
    stays_stopped: bool = False
    when_silent: str | None = None
    """What the device does when we are gone, in a user's words."""
    link: LinkSettings = LinkSettings()
    units: Mapping[str, int]
    variants: tuple[Variant, ...] = ()
    checks: tuple[Check, ...] = ()
    identity: Identity = Identity()
    fast: float = 5.0
    slow: float = 30.0
    blocks: tuple[Block, ...] = ()
    points: Mapping[str, Point]
    freshness: Freshness | None = None
    sunspec: SunSpec | None = None
    controls: Mapping[str, tuple[Control, ...]]
    """By name; the first whose registers the device has is used."""
    phase_switch: PhaseSwitch | None = None

    def control(self, name: str) -> Control | None:
        """Return the control to use, None where the device has none."""
        alternatives = self.controls.get(name)
        return alternatives[0] if alternatives else None
