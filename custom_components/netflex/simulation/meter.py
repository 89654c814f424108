"""The P1 port of a Belgian digital meter on a TCP socket.

Telegrams follow DSMR 5.0.2 P1 and eMUCS-P1 (1.7 and 2.1): a telegram a second with
CRC-16/ARC, values rounded as the meter prints them, import and export netted over
the phases. Whoever connects gets the stream; nobody is answered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ..model.connection import GridType
from .physics import ConnectionState, Plant
from .user_port import UserPort

BRUSSELS = ZoneInfo("Europe/Brussels")

_DAY_TARIFF = 1
_NIGHT_TARIFF = 2
_QUARTER = 900


def crc16_arc(data: bytes) -> int:
    """Return CRC-16/ARC (polynomial 0xA001 reflected, start 0) of the octets."""
    crc = 0
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def timestamp(at: datetime) -> str:
    """Return a meter's time stamp, YYMMDDhhmmss and S (summer) or W (winter)."""
    local = at.astimezone(BRUSSELS)
    season = "S" if local.dst() else "W"
    return f"{local:%y%m%d%H%M%S}{season}"


def tariff(at: datetime) -> int:
    """Return 1 (day) on weekdays from 7 to 22 h in Brussels, else 2 (night)."""
    local = at.astimezone(BRUSSELS)
    day = local.weekday() < 5 and 7 <= local.hour < 22
    return _DAY_TARIFF if day else _NIGHT_TARIFF


@dataclass(slots=True)
class Registers:
    """What the meter counts: Wh per tariff, the running quarter and the peaks.

    `imported` and `exported` are Wh of tariff 1 and 2. `history` holds the peaks of
    past months as (month end, end of the quarter, W).
    """

    imported: list[float] = field(default_factory=lambda: [1_870_825.0, 3_603_478.0])
    exported: list[float] = field(default_factory=lambda: [2_898_216.0, 1_235_763.0])
    quarter_start: datetime | None = None
    quarter_energy: float = 0.0
    month_peak: tuple[datetime, float] | None = None
    history: list[tuple[datetime, datetime, float]] = field(default_factory=list)

    def count(self, imported: float, exported: float, at: datetime) -> None:
        """Add Wh since the last call, closing the quarter where it has ended."""
        start = quarter_of(at)
        if self.quarter_start is None:
            self._begin(start)
        if start != self.quarter_start:
            self._close_quarter(start)
        index = tariff(at) - 1
        self.imported[index] += imported
        self.exported[index] += exported
        self.quarter_energy += imported

    @property
    def quarter_demand(self) -> float:
        """W: energy imported so far in the running quarter over its whole length."""
        return self.quarter_energy * 3600 / _QUARTER

    def _begin(self, start: datetime) -> None:
        """Invent the past: three months and this month's peak so far."""
        self.quarter_start = start
        local = start.astimezone(BRUSSELS)
        month = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        self.month_peak = (month + timedelta(hours=18, minutes=15), 6_120.0)
        for peak in (7_420.0, 6_880.0, 7_910.0):
            end, month = month, (month - timedelta(days=1)).replace(day=1)
            self.history.insert(0, (end, month + timedelta(days=8, hours=18.25), peak))

    def _close_quarter(self, start: datetime) -> None:
        if self.month_peak is None or self.quarter_start is None:
            return
        before = self.quarter_start.astimezone(BRUSSELS)
        now = start.astimezone(BRUSSELS)
        if self.quarter_demand > self.month_peak[1]:
            self.month_peak = (start, self.quarter_demand)
        if (before.year, before.month) != (now.year, now.month):
            end = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            self.history = [*self.history[-12:], (end, *self.month_peak)]
            self.month_peak = (start, 0.0)
        self.quarter_start = start
        self.quarter_energy = 0.0


def quarter_of(at: datetime) -> datetime:
    """Return the start of the clock quarter that a time lies in."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterIdentity:
    """What a telegram says about the meter itself.

    `version` is the eMUCS-P1 version, 17 or 21.
    """

    version: int = 21
    serial: str = "1SAG3200156990"
    ident: str = "FLU5\\253967035_D"
    grid_type: GridType = GridType.STAR


def build_telegram(
    identity: MeterIdentity,
    registers: Registers,
    connection: ConnectionState,
    at: datetime,
) -> bytes:
    """Return one telegram with its CRC."""
    lines = [f"/{identity.ident}", "", *_data(identity, registers, connection, at)]
    body = "".join(f"{line}\r\n" for line in lines) + "!"
    raw = body.encode("ascii")
    return raw + f"{crc16_arc(raw):04X}\r\n".encode("ascii")


def _data(
    identity: MeterIdentity,
    registers: Registers,
    connection: ConnectionState,
    at: datetime,
) -> Iterator[str]:
    newer = identity.version >= 20
    yield f"0-0:96.1.4(502{identity.version})"
    if newer and identity.grid_type is not GridType.SINGLE_PHASE:
        grid = "230" if identity.grid_type is GridType.DELTA else "400"
        yield f"1-0:94.32.1({grid})"
    yield f"0-0:96.1.1({identity.serial.encode('ascii').hex().upper()})"
    if newer:
        yield "0-0:96.1.2()"
    yield f"0-0:1.0.0({timestamp(at)})"
    for code, counters in (("1.8", registers.imported), ("2.8", registers.exported)):
        for index, energy in enumerate(counters, start=1):
            yield f"1-0:{code}.{index}({energy / 1000:010.3f}*kWh)"
    yield f"0-0:96.14.0({tariff(at):04d})"
    yield from _peaks(registers)
    yield from _powers(identity, connection)
    yield "0-0:96.3.10(1)"
    yield "0-0:17.0.0(99.999*kW)" if newer else "0-0:17.0.0(999.9*kW)"
    yield "1-0:31.4.0(999.99*A)" if newer else "1-0:31.4.0(999*A)"
    if newer:
        for channel in range(1, 5):
            yield f"0-{channel}:96.3.10(0)"
    yield "0-0:96.13.0()"


def _peaks(registers: Registers) -> Iterator[str]:
    yield f"1-0:1.4.0({_kilowatt(registers.quarter_demand)})"
    if registers.month_peak is None:
        return
    when, peak = registers.month_peak
    yield f"1-0:1.6.0({timestamp(when)})({_kilowatt(peak)})"
    rows = "".join(
        f"({timestamp(end)})({timestamp(quarter)})({_kilowatt(value)})"
        for end, quarter, value in registers.history
    )
    yield f"0-0:98.1.0({len(registers.history)})(1-0:1.6.0)(1-0:1.6.0){rows}"


def _powers(identity: MeterIdentity, connection: ConnectionState) -> Iterator[str]:
    total = connection.total_power
    yield f"1-0:1.7.0({_kilowatt(total)})"
    yield f"1-0:2.7.0({_kilowatt(-total)})"
    count = 1 if identity.grid_type is GridType.SINGLE_PHASE else 3
    for first, sign in ((21, 1), (22, -1)):
        for index in range(count):
            power = sign * connection.power[index]
            yield f"1-0:{first + 20 * index}.7.0({_kilowatt(power)})"
    for index in range(count):
        yield f"1-0:{32 + 20 * index}.7.0({connection.voltage[index]:05.1f}*V)"
    for index in range(count):
        yield f"1-0:{31 + 20 * index}.7.0({connection.current[index]:06.2f}*A)"


def _kilowatt(power: float) -> str:
    """Print W as the meter does: kW without a sign, never below zero."""
    return f"{max(0.0, power) / 1000:06.3f}*kW"


@dataclass(slots=True, kw_only=True)
class P1Wire(UserPort):
    """The meter's user port on a TCP socket, with its faults.

    `silent` keeps connections open and sends nothing; `damage` spoils one
    character of that many of the next telegrams.
    """

    plant: Plant
    identity: MeterIdentity
    utc: Callable[[], datetime]
    damage: int = 0
    sent: int = 0
    registers: Registers = field(default_factory=Registers)
    _counted: tuple[float, float] = (0.0, 0.0)

    def send(self) -> bytes:
        """Count what has flowed, send one telegram to everybody and return it."""
        at = self.utc().replace(microsecond=0)
        energies = (self.plant.import_energy, self.plant.export_energy)
        self.registers.count(
            energies[0] - self._counted[0], energies[1] - self._counted[1], at
        )
        self._counted = energies
        telegram = build_telegram(
            self.identity, self.registers, self.plant.connection, at
        )
        if self.damage > 0:
            self.damage -= 1
            middle = len(telegram) // 2
            telegram = (
                telegram[:middle]
                + bytes([telegram[middle] ^ 0x80])
                + telegram[middle + 1 :]
            )
        if not self.silent:
            self.sent += 1
            self._broadcast(telegram)
        return telegram
