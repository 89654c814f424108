"""S1 streams whose content is known: encoded octet by octet from the standard's table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import cos, pi, sqrt
from pathlib import Path

EXAMPLE = bytes.fromhex(
    (Path(__file__).parent / "telegrams" / "s1_emucs_h13_example_frame.hex").read_text()
)
METER = "1SAG3100012345"
SINGLE, STAR, DELTA = 0b01010, 0b11111, 0b01011
"""Info octets: per period, samples valid; poly-phase, four wires and neutral of a star."""
PER_SECOND = 0b00010
"""The bit that is not set when sampling is per second."""
VALID = 0b01000


def fcs(octets: bytes) -> int:
    """Return CRC-16/X-25, bit by bit."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = (value >> 1) ^ (0x8408 if value & 1 else 0)
    return value ^ 0xFFFF


def frame(
    digits: Sequence[int] = (0, 0, 0, 0, 0, 0, 0),
    *,
    sequence: int = 0,
    info: int = STAR,
    rate: int = 52,
    frequency: int = 50_000,
    meter: str = METER,
) -> bytes:
    """Return a frame; digits of u1, i1, u2, i2, u3, i3, in, frequency in mHz."""
    u1, i1, u2, i2, u3, i3, neutral = digits
    content = b"".join(
        (
            bytes.fromhex("802bff03"),
            meter.encode("ascii").ljust(14, b"\0"),
            bytes((info, rate)),
            frequency.to_bytes(2, "big"),
            bytes((sequence % 256,)),
            u1.to_bytes(2, "big", signed=True),
            i1.to_bytes(3, "big", signed=True),
            u2.to_bytes(2, "big", signed=True),
            i2.to_bytes(3, "big", signed=True),
            u3.to_bytes(2, "big", signed=True),
            i3.to_bytes(3, "big", signed=True),
            neutral.to_bytes(3, "big", signed=True),
        )
    )
    return b"\x7e" + content + fcs(content).to_bytes(2, "little") + b"\x7e"


@dataclass(frozen=True)
class Tone:
    """A harmonic: order, RMS, and the angle in degrees by which it lags at zero."""

    order: int
    rms: float
    lag: float = 0.0


@dataclass(frozen=True)
class Channel:
    """A voltage or current: harmonics, a constant, and a factor by time in s."""

    tones: tuple[Tone, ...] = ()
    offset: float = 0.0
    factor: Callable[[float], float] = field(default=lambda _: 1.0)

    def at(self, time: float, frequency: float) -> float:
        return self.factor(time) * (
            self.offset
            + sum(
                sqrt(2)
                * tone.rms
                * cos(2 * pi * tone.order * frequency * time - tone.lag * pi / 180)
                for tone in self.tones
            )
        )


def sine(rms: float, lag: float = 0.0, **more: Callable[[float], float]) -> Channel:
    return Channel((Tone(1, rms, lag),), **more)


ZERO = Channel()
STEPS = (0.025, 0.001, 0.025, 0.001, 0.025, 0.001, 0.001)


def stream(
    channels: Sequence[Channel],
    seconds: float,
    *,
    info: int = STAR,
    rate: int = 52,
    frequency: float = 50.0,
    first: int = 0,
) -> list[bytes]:
    """Return the frames of some seconds; `rate` is the frame's own number."""
    per_second = rate * frequency if info & PER_SECOND else rate * 100
    frames = []
    for number in range(round(seconds * per_second)):
        time = number / per_second
        digits = [
            round(channel.at(time, frequency) / step)
            for channel, step in zip(channels, STEPS, strict=True)
        ]
        frames.append(
            frame(
                digits,
                sequence=first + number,
                info=info,
                rate=rate,
                frequency=round(frequency * 1000),
            )
        )
    return frames


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    """Cut octets into pieces of one size."""
    return (data[start : start + size] for start in range(0, len(data), size))


def star(current: float = 10.0, lag: float = 0.0) -> list[Channel]:
    """Return three balanced phases of 230 V with the same load."""
    return [
        sine(230.0, 0),
        sine(current, lag),
        sine(230.0, 120),
        sine(current, 120 + lag),
        sine(230.0, 240),
        sine(current, 240 + lag),
        ZERO,
    ]
