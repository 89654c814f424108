"""The face of a device towards the site: states out, setpoints in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

from ..model.asset import Asset, AssetState, Nature
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from ..model.reading import MeterReading
from .ports import LinkParams
from .virtual_meter import VirtualMeterConfig

type ParamValue = int | float | str

_NO_PARAMS: Mapping[str, ParamValue] = MappingProxyType({})
_NO_ENTITIES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One device as configured.

    `asset` is None for meters. A device over Modbus has `profile` and `link`; a
    device over entities has `entities`, by role: `switch` or `number` (what is
    driven), `power` (W or kW), `current_l1`..`current_l3`, `energy`, `state`.
    `params` are the profile's own parameters (its `params:` section), and
    `serial` (what the device must answer, where it is known) and
    `time_to_live` (s without a new `apply` after which only a stop is kept alive;
    default 30). `virtual_meter` is set for a charger that balances itself and is driven
    through the meter that it reads; without a profile its `entities` only measure.
    """

    device_id: str
    name: str
    asset: Asset | None = None
    profile: str | None = None
    link: LinkParams | None = None
    params: Mapping[str, ParamValue] = field(default=_NO_PARAMS)
    entities: Mapping[str, str] = field(default=_NO_ENTITIES)
    virtual_meter: VirtualMeterConfig | None = None
    table: tuple[str, ...] = ()
    """Points of a controller's own, in place of a profile; see `exchange_table.py`."""


SUPERSEDED: Final = Phrase("superseded", "a newer setpoint took the place of this one")


class DeviceError(Exception):
    """A setpoint that could not be carried out, in a user's words.

    `key` is stable and translatable, with `placeholders`; `text` says the same in
    English. Keys: `timeout`, `link`, `refused`, `garbage` (from the wire),
    `superseded` (a newer setpoint took its place: nothing to do), `not_identified`,
    `wrong_device`, `no_control`, `write_budget`, `unavailable`, `config`.
    """

    def __init__(
        self, key: str, text: str, placeholders: Mapping[str, str] | None = None
    ) -> None:
        """Keep key, text and placeholders."""
        super().__init__(text)
        self.key = key
        self.text = text
        self.placeholders: Mapping[str, str] = dict(placeholders or {})


def driver_fault(fault: Exception) -> Phrase:
    """Return what a user reads of a fault that is no answer of a device."""
    return Phrase("driver_faulty", "its driver has a fault: {error}", error=repr(fault))


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A setpoint that was written.

    `written_at` is monotonic s of the last write's answer. `confirmed` tells
    whether the device's own read-back agreed within its profile's time; where it
    offers none, the device's acceptance of the write. `readback` is what it said,
    in the setpoint's unit (1 and 0 for a switch).
    """

    written_at: float
    confirmed: bool
    readback: float | None = None


class Device(Protocol):
    """A device that takes setpoints. It owns its tasks."""

    @property
    def device_id(self) -> str:
        """The asset's id."""

    @property
    def state(self) -> AssetState:
        """What the device said last."""

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to poll; never waits for the device.

        `on_state` is called on this loop whenever something was read or written
        and when the device is lost.
        """

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Write a setpoint now and verify it.

        May be called while an earlier call still runs: that one then ends with
        `superseded`, and none of its writes land after this one's. The same value
        again costs no traffic but keeps it alive: call it at least every
        `time_to_live` s. Raises DeviceError.
        """

    async def stop(self) -> None:
        """End all tasks and leave the device in what it was told last."""


@runtime_checkable
class RelayAware(Protocol):
    """A device to which it matters whether an emergency output can cut it off."""

    def set_behind_relay(self, behind: bool) -> None:
        """Take over that an emergency output can cut it off, or no longer can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStatus:
    """How a meter is doing.

    `last_good` is monotonic s of the newest good reading; whoever uses the readings
    decides from it when they are stale. `good` and `damaged` count since the start.
    """

    connected: bool = False
    last_good: float | None = None
    good: int = 0
    damaged: int = 0
    problem: str | None = None
    """Why there is no reading, in a user's words."""
    problem_key: str | None = None
    """The same as a stable key: cannot_connect, no_answer, busy, garbled, refused,
    wrong_device, not_enabled, unavailable."""
    details: Mapping[str, float | str | bool | None] = field(
        default_factory=lambda: MappingProxyType({})
    )


class MeterDevice(Protocol):
    """A meter that is read over Modbus or over entities."""

    meter_id: str
    """The id of its readings."""

    @property
    def status(self) -> MeterStatus:
        """How it is doing; always up to date."""

    async def start(
        self,
        on_reading: Callable[[MeterReading], None],
        on_status: Callable[[MeterStatus], None],
    ) -> None:
        """Begin to read; never waits for the meter.

        `on_status` is called when `connected` or `problem` changes.
        """

    async def stop(self) -> None:
        """End all tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Who answered a connection test."""

    nature: Nature
    serial: str | None = None
    model: str | None = None
    firmware: str | None = None
    values: Mapping[str, float | str | bool | None] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What it says now, by the profile's point names, in W, A, V, Wh, %."""


class ProbeError(Exception):
    """A connection test that failed.

    `key` is one of `cannot_connect` (nobody listens, or another master holds the
    connection), `no_answer`, `busy`, `garbled`, `refused`, `wrong_device`, `not_enabled` (the device
    answers but its own settings must be changed first), `config`.
    """

    def __init__(self, key: str, text: str) -> None:
        """Keep key and text."""
        super().__init__(text)
        self.key = key
        self.text = text
