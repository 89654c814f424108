"""The S1 port of a Belgian digital meter: its waveform, frame by frame, on a TCP socket.

Frames follow e-MUCS H Ed. 1.3: one of 45 octets per sample instant, in step with the
grid, with CRC-16/X-25. Whoever connects gets the stream at its real rate; nobody is
answered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import GridType
from .physics import ConnectionState
from .user_port import UserPort

SAMPLES_PER_PERIOD: Final = 52
FRAME: Final = 45
"""Octets of a frame."""
_HEADER: Final = bytes.fromhex("7e802bff03")
_FLAG: Final = 0x7E
_MOST_AT_ONCE: Final = 1300
"""Frames, half a second: what is older was on the line while nobody looked."""
_COVERED: Final = (1, 42)
_STEPS: Final = np.array([0.025, 0.001, 0.025, 0.001, 0.025, 0.001, 0.001])
_PLACES: Final = ((24, 2), (26, 3), (29, 2), (31, 3), (34, 2), (36, 3), (39, 3))
"""Of U1, I1, U2, I2, U3, I3 and IN: first octet and octets."""
_INFO: Final = {
    GridType.SINGLE_PHASE: 0b01010,
    GridType.DELTA: 0b01011,
    GridType.STAR: 0b11111,
}
"""Sampled per period, samples valid; poly-phase, four wires and neutral measured."""
_TURN: Final = 2 * pi / 3

type Waveform = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From angles of the grid in radians (n) to V and A of the seven channels (n, 7)."""


def _table() -> NDArray[np.uint16]:
    values = np.arange(256)
    for _ in range(8):
        values = (values >> 1) ^ np.where(values & 1, 0x8408, 0)
    return values.astype(np.uint16)


_TABLE: Final = _table()


def encode(
    samples: NDArray[np.float64],
    *,
    grid_type: GridType,
    frequency: float,
    first: int,
    meter_id: str,
) -> bytes:
    """Return samples (n, 7) in V and A as frames; `first` is the sequence number.

    `frequency` is in Hz.
    """
    count = len(samples)
    frames = np.zeros((count, FRAME), dtype=np.uint8)
    frames[:, :5] = np.frombuffer(_HEADER, dtype=np.uint8)
    name = meter_id.encode("ascii")[:14].ljust(14, b"\0")
    frames[:, 5:19] = np.frombuffer(name, dtype=np.uint8)
    frames[:, 19] = _INFO[grid_type]
    frames[:, 20] = SAMPLES_PER_PERIOD
    frames[:, 21:23] = list(round(frequency * 1000).to_bytes(2, "big"))
    frames[:, 23] = (first + np.arange(count)) % 256
    digits = np.rint(samples / _STEPS).astype(np.int64)
    for column, (place, octets) in enumerate(_PLACES):
        for octet in range(octets):
            shift = 8 * (octets - 1 - octet)
            frames[:, place + octet] = (digits[:, column] >> shift) & 0xFF
    checksum = np.full(count, 0xFFFF, dtype=np.uint16)
    for column in range(*_COVERED):
        checksum = (checksum >> 8) ^ _TABLE[(checksum ^ frames[:, column]) & 0xFF]
    checksum ^= 0xFFFF
    frames[:, 42] = checksum & 0xFF
    frames[:, 43] = checksum >> 8
    frames[:, 44] = _FLAG
    return frames.tobytes()


def waveform_of(connection: ConnectionState, grid_type: GridType) -> Waveform:
    """Return the sines that carry what flows through a connection point."""
    powers = [
        complex(active, reactive)
        for active, reactive in zip(
            connection.power, connection.reactive_power, strict=True
        )
    ]

    def values(angles: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros((len(angles), 7))
        for line, lag in _lags(grid_type):
            voltage = connection.voltage[line]
            turn = np.exp(1j * (angles - lag))
            out[:, 2 * line] = sqrt(2) * voltage * turn.real
            if voltage:
                current = (powers[line] / voltage).conjugate()
                out[:, 2 * line + 1] = sqrt(2) * (current * turn).real
        if grid_type is GridType.STAR:
            out[:, 6] = out[:, 1] + out[:, 3] + out[:, 5]
        return out

    return values


def _lags(grid_type: GridType) -> Sequence[tuple[int, float]]:
    """Return the measured voltages by channel with the angle that each lags by.

    In a delta grid they are U12 and U32, which is 60 degrees ahead.
    """
    if grid_type is GridType.SINGLE_PHASE:
        return ((0, 0.0),)
    if grid_type is GridType.DELTA:
        return ((0, 0.0), (2, -_TURN / 2))
    return ((0, 0.0), (1, _TURN), (2, 2 * _TURN))


@dataclass(slots=True, kw_only=True)
class S1Wire(UserPort):
    """The meter's S1 port on a TCP socket, with its faults.

    `waveform` says what is on the lines now. `silent` keeps connections open and sends
    nothing; `damage` spoils one octet of that many of the next frames, `lose` leaves
    that many out.
    """

    waveform: Callable[[], Waveform]
    grid_type: GridType = GridType.STAR
    frequency: Callable[[], float] = lambda: 50.0
    meter_id: str = "1SAG3200156990"
    damage: int = 0
    lose: int = 0
    sent: int = 0
    """Frames, since start."""
    _sequence: int = 0
    _due: float = 0.0
    _at: float | None = None

    def frames(self, count: int) -> bytes:
        """Return the next frames, with the faults that they are to have."""
        frequency = self.frequency()
        numbers = self._sequence + np.arange(count, dtype=np.float64)
        data = encode(
            self.waveform()(numbers * (2 * pi / SAMPLES_PER_PERIOD)),
            grid_type=self.grid_type,
            frequency=frequency,
            first=self._sequence,
            meter_id=self.meter_id,
        )
        # Whole turns of the sequence and whole periods, so that angles stay small.
        self._sequence = (self._sequence + count) % (256 * SAMPLES_PER_PERIOD)
        self.sent += count
        if self.damage > 0:
            spoilt = min(self.damage, count)
            self.damage -= spoilt
            octets = np.frombuffer(data, dtype=np.uint8).copy()
            octets[30 : 30 + spoilt * FRAME : FRAME] ^= 0x10
            data = octets.tobytes()
        if self.lose > 0:
            lost = min(self.lose, count)
            self.lose -= lost
            data = data[lost * FRAME :]
        return data

    def tick(self, now: float) -> bytes:
        """Send what has become due by monotonic `now` in s, and return it."""
        elapsed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._due += elapsed * self.frequency() * SAMPLES_PER_PERIOD
        count = min(int(self._due), _MOST_AT_ONCE)
        self._due -= int(self._due)
        if count <= 0 or self.silent or not self._writers:
            return b""
        data = self.frames(count)
        self._broadcast(data, _MOST_AT_ONCE * FRAME)
        return data
