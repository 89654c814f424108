"""What the devices need from outside: Modbus units and existing entities.

The structural protocols are fulfilled by Home Assistant's shared Modbus
connections, by the connections of `dedicated.py`, and by test doubles.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Transport(StrEnum):
    """How Modbus frames travel."""

    TCP = "tcp"
    """Modbus TCP (MBAP header)."""
    RTU_OVER_TCP = "rtu_over_tcp"
    """Serial frames through a gateway that passes bytes on."""
    SERIAL = "serial"
    """A serial port of this machine, 8 data bits, no parity, 1 stop bit."""


class Connection(StrEnum):
    """Whose connection a link is, and how strictly answers are taken."""

    SHARED = "shared"
    """Home Assistant's own, shared with every other integration."""
    DEDICATED = "dedicated"
    """One of our own; the device must bear another client."""
    TOLERANT = "tolerant"
    """One of our own that takes answers of gateways that bend the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParams:
    """Where a device is reached. Equal parameters share one connection.

    For `Transport.SERIAL`, `host` is the port's path and `baudrate` applies.
    """

    host: str
    port: int = 502
    transport: Transport = Transport.TCP
    baudrate: int = 9600
    connection: Connection = Connection.SHARED

    def __str__(self) -> str:
        """Return the address as a user writes it."""
        if self.transport is Transport.SERIAL:
            return self.host
        return f"{self.host}:{self.port}"


class ModbusUnit(Protocol):
    """One Modbus unit on a connection; it connects by itself per request.

    The subset of `modbus_connection.ModbusUnit` that is used here. Requests raise
    the exceptions of `modbus_connection`, `TimeoutError` or `OSError`.
    """

    @property
    def connected(self) -> bool:
        """Whether the connection below is up."""

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Function 3."""

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Function 4."""

    async def read_coils(self, address: int, count: int) -> list[bool]:
        """Function 1."""

    async def read_discrete_inputs(self, address: int, count: int) -> list[bool]:
        """Function 2."""

    async def write_register(self, address: int, value: int) -> None:
        """Function 6."""

    async def write_registers(self, address: int, values: list[int]) -> None:
        """Function 16."""

    async def write_coil(self, address: int, value: bool) -> None:
        """Function 5."""

    async def write_coils(self, address: int, values: list[bool]) -> None:
        """Function 15."""

    def require_timeout(self, seconds: float | None) -> None:
        """Ask for a timeout of at least so many s per request."""

    def require_connect_delay(self, seconds: float | None) -> None:
        """Ask for a pause of at least so many s after the link opens."""

    async def disconnect(self) -> None:
        """Drop the connection; the next request opens a new one."""


@runtime_checkable
class PulsingUnit(Protocol):
    """A unit that can also send pulses, which Modbus' own function 5 does not know."""

    async def pulse_coil(self, address: int, tenths: int) -> None:
        """Function 5 with a time in 0.1 s where ON or OFF stands."""


class UnitFactory(Protocol):
    """Hands out units; a plain class (hashable by identity, weakly referable).

    `unit` is called once per link and unit id while at least one device uses
    the link, `release` once when the last device on a link has stopped. All
    calls come from one event loop, the one on which the devices run.
    """

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        """Return a unit; does not wait for the device.

        Whatever it raises says, in a user's words, why the link cannot work as
        described (in use with other settings).
        """

    async def release(self, link: LinkParams) -> None:
        """Give back everything held on a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityValue:
    """What an entity says. `last_reported` is monotonic s.

    `value` is a float where the state is a number, a bool for on and off, else
    the text; None while unknown. `unit` is the entity's own unit.
    """

    value: float | str | bool | None
    available: bool = True
    unit: str | None = None
    last_reported: float | None = None
    minimum: float | None = None
    """Of a number, in its own unit."""
    maximum: float | None = None
    step: float | None = None


class EntityPort(Protocol):
    """Existing entities, by their entity id."""

    def read(self, entity: str) -> EntityValue | None:
        """Return what it says now, None where there is no such entity."""

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        """Call back with the entity id on every report; returns the end of it."""

    async def set_number(self, entity: str, value: float) -> None:
        """Set a number in its own unit. That it returns proves nothing."""

    async def set_option(self, entity: str, option: str) -> None:
        """Choose an option of a select. That it returns proves nothing."""

    async def set_switch(self, entity: str, on: bool) -> None:
        """Switch on or off. That it returns proves nothing."""


class WriteBudget(Protocol):
    """Counts writes to memory that wears, per device and control.

    An implementation that survives restarts belongs to the caller; without one a
    device counts in memory.
    """

    async def spend(
        self, device_id: str, control: str, limit: int, *, urgent: bool
    ) -> bool:
        """Count one write of today and return whether it may be done.

        `limit` is the day's budget from the profile. Urgent writes (a stop, a fuse
        cut, a tightening order) are counted and always allowed, at once.
        """

    def left(self, device_id: str, control: str, limit: int) -> int:
        """Return the ordinary writes that are left; below 0 the reserve is used."""
