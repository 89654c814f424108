"""A Landis+Gyr E450 that pushes over its consumer interface, on a TCP socket.

It pushes three groups, each with its own period and list of objects, as the meters of
GOFLEX did (D8.3, table 3): HDLC with blocks, or M-Bus; plain, enciphered, or signed too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from ..metering.dlms_apdu import DlmsKeys
from ..metering.dlms_link import Framing
from ..metering.dlms_objects import EXPECTED_PERIODS, PushGroup
from .dlms_encoding import (
    Register,
    enciphered,
    hdlc_frames,
    listed,
    mbus_frames,
    notification,
    paired,
    time_of,
)
from .physics import ConnectionState
from .user_port import UserPort

_SETUPS: Final = {
    PushGroup.TECHNICAL: bytes.fromhex("0008190900FF"),
    PushGroup.ENERGY: bytes.fromhex("0009190900FF"),
    PushGroup.BILLING: bytes.fromhex("000A190900FF"),
}
_W, _VAR, _WH, _VARH, _A, _V = 27, 29, 30, 32, 33, 35
_TITLE: Final = b"LGZ\x67\x73\x78\x1f\xd0"


class Layout(StrEnum):
    """How a push says what it brings."""

    LISTED = "listed"
    PAIRED = "paired"


@dataclass(slots=True, kw_only=True)
class DlmsCounters:
    """Wh and varh: import and export by tariff, reactive energy by quadrant."""

    imported: list[int] = field(default_factory=lambda: [8_768_040, 3_280_910])
    exported: list[int] = field(default_factory=lambda: [18_054, 0])
    reactive: list[int] = field(default_factory=lambda: [30_098, 0, 7, 9_801_363])


def registers_of(
    group: PushGroup, state: ConnectionState, counters: DlmsCounters
) -> list[Register]:
    """Return what a group brings; currents in hundredths, voltages whole."""

    def register(
        quantity: int, kind: int, tariff: int, number: float, unit: int, scaler: int = 0
    ) -> Register:
        channel = 0 if group is PushGroup.TECHNICAL else 1
        code = bytes([1, channel, quantity, kind, tariff, 255])
        return Register(code, max(round(number), 0), scaler, unit)

    if group is PushGroup.BILLING:
        return [
            register(quantity, 8, tariff, energy, _WH)
            for quantity, counted in ((1, counters.imported), (2, counters.exported))
            for tariff, energy in enumerate(counted, start=1)
        ]
    if group is PushGroup.ENERGY:
        return [
            register(1, 8, 0, sum(counters.imported), _WH),
            register(2, 8, 0, sum(counters.exported), _WH),
            *(
                register(quantity, 8, 0, energy, _VARH)
                for quantity, energy in enumerate(counters.reactive, start=5)
            ),
        ]
    power, reactive = state.total_power, sum(state.reactive_power)
    return [
        register(1, 7, 0, power, _W),
        register(2, 7, 0, -power, _W),
        register(3, 7, 0, reactive, _VAR),
        register(4, 7, 0, -reactive, _VAR),
        *(
            register(31 + 20 * line, 7, 0, 100 * current, _A, -2)
            for line, current in enumerate(state.current)
        ),
        *(
            register(32 + 20 * line, 7, 0, voltage, _V)
            for line, voltage in enumerate(state.voltage)
        ),
    ]


@dataclass(slots=True, kw_only=True)
class DlmsWire(UserPort):
    """The meter's consumer interface on a TCP socket, with its faults.

    `silent` keeps connections open and sends nothing; `damage` spoils one octet of that
    many of the next frames. `periods` are s between two pushes of a group.
    """

    state: Callable[[], ConnectionState]
    utc: Callable[[], datetime]
    framing: Framing = Framing.HDLC
    layout: Layout = Layout.LISTED
    keys: DlmsKeys | None = None
    serial: bytes = b"44337811"
    periods: Mapping[PushGroup, float] = field(
        default_factory=lambda: dict(EXPECTED_PERIODS)
    )
    damage: int = 0
    sent: int = 0
    counters: DlmsCounters = field(default_factory=DlmsCounters)
    _due: dict[PushGroup, float] = field(default_factory=dict)

    def push(self, group: PushGroup) -> bytes:
        """Return the frames of one push, with the faults that they are to have."""
        at = self.utc().replace(microsecond=0)
        registers = [
            Register(bytes.fromhex("0000600100FF"), octets=self.serial, kind=1),
            Register(bytes.fromhex("0000010000FF"), octets=time_of(at), kind=8),
            *registers_of(group, self.state(), self.counters),
        ]
        listing = self.layout is Layout.LISTED
        data = listed(_SETUPS[group], registers) if listing else paired(registers)
        self.sent += 1
        message = notification(data, invocation=self.sent, at=at)
        if self.keys is not None:
            message = enciphered(
                message,
                key=self.keys.encryption,
                authentication=self.keys.authentication,
                title=_TITLE,
                counter=self.sent,
            )
        hdlc = self.framing is Framing.HDLC
        frames = hdlc_frames(message) if hdlc else mbus_frames(message)
        return b"".join(self._spoilt(frame) for frame in frames)

    def tick(self, now: float) -> bytes:
        """Send the groups that are due at monotonic `now` in s, and return them."""
        data = b""
        for group, period in self.periods.items():
            if now < self._due.setdefault(group, now):
                continue
            self._due[group] = now + period
            data += self.push(group)
        if data and not self.silent:
            self._broadcast(data)
        return data

    def _spoilt(self, frame: bytes) -> bytes:
        if self.damage <= 0:
            return frame
        self.damage -= 1
        middle = len(frame) // 2
        return frame[:middle] + bytes([frame[middle] ^ 0x04]) + frame[middle + 1 :]
