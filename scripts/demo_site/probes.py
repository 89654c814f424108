"""Reads the simulated devices' own registers, with a Modbus client of its own.

Nothing of the integration's device code is used: addresses come from the vendors'
documents, so a fault there is seen here.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
import struct
from typing import Any, Self

from pymodbus.client import AsyncModbusTcpClient

_ALFEN_SOCKET = 1200
_SUNSPEC_BASE = 40_000
_ACUVIM_POWER = 0x4000 + 34


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerRegisters:
    """Socket 1 of the charging station; A, s and W."""

    setpoint: float
    applied: float
    validity_left: int
    accounted: bool
    safe_current: float
    state: str
    current: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterRegisters:
    """Limit in % and whether it is in force; power in W, production positive."""

    limit: float
    limited: bool
    power: float

    @property
    def stopped(self) -> bool:
        """Whether the inverter itself holds a limit of zero."""
        return self.limited and self.limit == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryRegisters:
    """W, charging positive."""

    remote: bool
    setpoint: float
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnexeRegisters:
    """What the annexe's devices were told and do: A, % and W, each into the device."""

    charger_limit: int
    inverter_limit: int
    battery_target: int
    charger: float
    inverter: float
    battery: float
    contactor: bool
    """Whether its coil is on, which lets the inverter feed."""
    cold_store_asked: bool
    cold_store_accepts: bool
    cold_store: float
    meter: float

    @property
    def consumption_stopped(self) -> bool:
        """Whether nothing there may draw power, and nothing does."""
        return (
            self.charger_limit == 0
            and self.battery_target <= 0
            and not self.cold_store_asked
            and self.charger == self.cold_store == 0
        )

    @property
    def production_stopped(self) -> bool:
        """Whether nothing there may feed power, and nothing does."""
        return (
            self.inverter_limit == 0
            and not self.contactor
            and self.battery_target >= 0
            and self.inverter == 0
            and self.battery >= 0
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRegisters:
    """Output 0 and the auxiliary contact of the contactor behind it."""

    coil: bool
    contactor_open: bool


class Probes:
    """Connections to every device's inspection socket."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """Take the ports by wire name."""
        self._clients = {
            name.removesuffix(".inspection"): AsyncModbusTcpClient(
                "127.0.0.1", port=port, timeout=2, retries=1, reconnect_delay=0
            )
            for name, port in ports.items()
            if name.endswith(".inspection")
        }
        self._models: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        """Connect to all of them."""
        for name, client in self._clients.items():
            if not await client.connect():
                raise ConnectionError(f"the simulated {name} does not answer")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        await asyncio.sleep(0)

    async def charger(self) -> ChargerRegisters:
        """Read registers 1200-1215 and 320-321 of unit 1."""
        words = await self._words("charger", _ALFEN_SOCKET, 16)
        current = await self._words("charger", 320, 2)
        return ChargerRegisters(
            setpoint=_float(words, 10),
            applied=_float(words, 6),
            validity_left=words[8] << 16 | words[9],
            accounted=words[14] == 1,
            safe_current=_float(words, 12),
            state=struct.pack(">5H", *words[1:6]).rstrip(b"\0").decode("ascii"),
            current=_float(current, 0),
        )

    async def inverter(self) -> InverterRegisters:
        """Walk the SunSpec models once, then read 123 and 103."""
        if not self._models:
            await self._walk()
        control = await self._words("inverter", self._models[123], 26)
        measured = await self._words("inverter", self._models[103], 52)
        return InverterRegisters(
            limit=control[5] * 10.0 ** _signed(control[23]),
            limited=control[9] == 1,
            power=_signed(measured[14]) * 10.0 ** _signed(measured[15]),
        )

    async def battery(self) -> BatteryRegisters:
        """Read power, setpoint and mode."""
        power = await self._words("battery", 2, 2)
        control = await self._words("battery", 100, 3)
        return BatteryRegisters(
            remote=control[2] == 1, setpoint=_long(control), power=_long(power)
        )

    async def relay(self) -> RelayRegisters:
        """Read coil 0 and input 0 of the relay module."""
        client = self._clients["relay"]
        coils = _good(await client.read_coils(0, count=1, device_id=1))
        inputs = _good(await client.read_discrete_inputs(0, count=1, device_id=1))
        return RelayRegisters(coil=coils.bits[0], contactor_open=inputs.bits[0])

    async def boiler_on(self) -> bool:
        """Read the coil of the water heater's switch."""
        client = self._clients["boiler"]
        answer = _good(await client.read_coils(0, count=1, device_id=1))
        return bool(answer.bits[0])

    async def site_power(self) -> float:
        """Read W at the connection point from the second meter, import positive."""
        return _float(await self._words("site_meter", _ACUVIM_POWER, 2), 0)

    async def _walk(self) -> None:
        at = _SUNSPEC_BASE + 2
        while True:
            model, length = await self._words("inverter", at, 2)
            if model == 0xFFFF:
                return
            self._models[model] = at
            at += length + 2

    async def annexe(self) -> AnnexeRegisters:
        """Read the annexe's controller, its cold store and its meter."""
        told = await self._words("annexe", 0, 3)
        answer = await self._clients["annexe"].read_input_registers(
            0, count=3, device_id=1
        )
        does = [float(_signed(word)) for word in _good(answer).registers]
        coils = _good(await self._clients["annexe"].read_coils(0, count=1, device_id=1))
        cold = await self._words("annexe", 0, 5, unit=2)
        return AnnexeRegisters(
            charger_limit=told[0],
            inverter_limit=told[1],
            battery_target=_signed(told[2]),
            charger=does[0],
            inverter=does[1],
            battery=does[2],
            contactor=bool(coils.bits[0]),
            cold_store_asked=cold[0] == 1,
            cold_store_accepts=cold[1] == 1,
            cold_store=float(cold[4]),
            meter=_float(await self._words("annexe", _ACUVIM_POWER, 2, unit=3), 0),
        )

    async def _words(
        self, device: str, address: int, count: int, *, unit: int = 1
    ) -> list[int]:
        answer = await self._clients[device].read_holding_registers(
            address, count=count, device_id=unit
        )
        registers: list[int] = _good(answer).registers
        return registers


def _good(answer: Any) -> Any:
    if answer.isError():
        raise ConnectionError(f"a simulated device refuses a read: {answer}")
    return answer


def _float(words: list[int], at: int) -> float:
    value: float = struct.unpack(">f", struct.pack(">2H", *words[at : at + 2]))[0]
    return value


def _long(words: list[int]) -> float:
    value: int = struct.unpack(">i", struct.pack(">2H", *words[:2]))[0]
    return float(value)


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
