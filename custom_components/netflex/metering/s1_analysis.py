"""From the octets of an S1 port to everything that they say; runs in an executor.

One object follows one port. It blocks for as long as the samples take (some 0.4 % of
their duration), keeps what a window of 10 periods needs, and never raises on octets.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..model.connection import GridType, LineValues
from ..model.power_quality import Overload, PowerEvent, PowerQuality
from ..model.reading import MeterReading
from .overload import OverloadLimits, OverloadWatch
from .periods import PeriodCutter, PeriodValues
from .power_quality import WindowValues, to_quality, window_length, window_values
from .recorder import Recorder
from .s1 import S1Framer
from .s1_format import EMUCS_H_1_3, S1Block, S1Counts, S1Format, S1Profile
from .step_events import DEFAULT_STEPS, StepLimits, StepWatch
from .voltage_events import EN_50160, VoltageLimits, VoltageWatch
from .waveform import NOMINAL_SIGNS, Wiring

INTERVAL: Final = 1.0
"""s between readings."""
_GRACE: Final = 0.1
"""s: half a window, by which a reading may come before its second is over."""
_BRIDGED: Final = 4
"""Samples missing in a row, 1.5 ms, that a straight line stands in for: else a hundredth
of damaged frames would leave no whole window to measure."""
_SEQUENCE: Final = 256
_SLOW: Final = 0.05
"""Part by which the clock of the stream follows the arrival of each piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Settings:
    """What is measured, and how the channels are read.

    A `grid_type` outranks what the meter says about itself; `signs` are those of I1, I2,
    I3 and IN. Without `overload` no current is watched, without `steps` no load.
    `keep` is how many s of waveform are kept for recordings.
    """

    grid_type: GridType | None = None
    signs: tuple[int, int, int, int] = NOMINAL_SIGNS
    overload: OverloadLimits | None = None
    voltage: VoltageLimits = EN_50160
    steps: StepLimits | None = DEFAULT_STEPS
    keep: float = 10.0
    profile: S1Profile = EMUCS_H_1_3


DEFAULT_SETTINGS: Final = S1Settings()


@dataclass(slots=True, kw_only=True)
class S1Result:
    """What one piece of the stream has brought, each in order."""

    qualities: list[PowerQuality] = field(default_factory=list)
    events: list[PowerEvent] = field(default_factory=list)
    overloads: list[Overload] = field(default_factory=list)


def to_reading(quality: PowerQuality) -> MeterReading:
    """Return a second of power quality as a reading of the meter.

    In a delta grid the second voltage is left out, as P1 leaves it out.
    """
    lines = {line.line: line for line in quality.lines}
    powers = {line: value.power for line, value in lines.items()}
    delta = quality.grid_type is GridType.DELTA
    voltages = {line: value.voltage for line, value in lines.items()}
    measured = LineValues.of(voltages)
    return MeterReading(
        meter_id=quality.meter_id,
        received=quality.received,
        grid_type=quality.grid_type,
        power=quality.power,
        reactive_power=quality.reactive_power,
        line_power=LineValues.of(
            {line: power for line, power in powers.items() if power is not None}
        ),
        line_current=LineValues.of(
            {line: value.current for line, value in lines.items()}
        ),
        line_voltage=replace(measured, l2=None) if delta else measured,
        current_resolution=0.001,
        frequency=quality.frequency,
    )


class _StreamClock:
    """Time by counting samples, in s, and how it lies on the monotonic clock."""

    def __init__(self) -> None:
        self.time = 0.0
        self.offset: float | None = None

    def skip(self, missing: int, rate: float, received: float | None) -> int:
        """Jump over missing frames; return how many more than their numbers tell.

        `received` is the monotonic time of the first frame behind them.
        """
        gap = missing / rate
        wraps = 0
        if received is not None and self.offset is not None:
            late = received - self.offset - self.time - gap
            # Arrival wavers, so most of a turn of the sequence has to be missing.
            wraps = max(int(late * rate / _SEQUENCE + 0.25), 0)
        self.time += gap + wraps * _SEQUENCE / rate
        return wraps * _SEQUENCE

    def resume(self, received: float | None) -> None:
        """Go on with another connection, whose first frame has come at `received`."""
        if received is not None and self.offset is not None:
            self.time = max(self.time, received - self.offset)

    def arrived(self, received: float | None) -> None:
        """Note that the newest sample has arrived."""
        if received is None:
            self.offset = 0.0
        elif self.offset is None:
            self.offset = received - self.time
        else:
            self.offset += _SLOW * (received - self.time - self.offset)


class _Tools:
    """What follows the samples of one format."""

    def __init__(self, kind: S1Format, settings: S1Settings) -> None:
        self.format = kind
        self.wiring = Wiring(
            grid_type=settings.grid_type or kind.grid_type,
            signs=settings.signs,
            neutral_measured=kind.neutral_measured,
        )
        self.cutter = PeriodCutter(self.wiring)
        self.voltage = VoltageWatch(self.wiring, settings.voltage)
        self.steps: StepWatch | None = None
        if settings.steps is not None:
            self.steps = StepWatch(self.wiring, settings.steps)
        self.overload: OverloadWatch | None = None
        if settings.overload is not None:
            self.overload = OverloadWatch(self.wiring, settings.overload)
        self.forget()

    def forget(self) -> None:
        """Begin anew behind a gap."""
        # The newest sample, by which the next piece is joined to it.
        self.edge: NDArray[np.float64] | None = None
        self.window = np.empty((0, 2 * len(self.wiring.lines) + 1))
        self.cutter.forget()
        if self.steps is not None:
            self.steps.forget()
        if self.overload is not None:
            self.overload.forget()

    def join(self, lines: NDArray[np.float64], missing: int) -> NDArray[np.float64]:
        """Return samples with those that are missing in front of them filled in."""
        edge, self.edge = self.edge, lines[-1]
        if edge is None or not missing:
            return lines
        parts = np.arange(1, missing + 1)[:, None] / (missing + 1)
        return np.concatenate((edge + parts * (lines[0] - edge), lines))


class S1Analysis:
    """Follows one port; not to be used from two threads at once."""

    def __init__(self, meter_id: str, settings: S1Settings = DEFAULT_SETTINGS) -> None:
        """Begin without samples; `meter_id` names the meter in what comes out.

        Raises:
            ValueError: More waveform is to be kept than can be.
        """
        self.recorder = Recorder(settings.keep)
        self.format: S1Format | None = None
        """What the meter says about itself, once it has."""
        self._meter_id = meter_id
        self._settings = settings
        self._framer = S1Framer(settings.profile)
        self._unseen = 0
        self._resuming = False
        self._clock = _StreamClock()
        self._tools: _Tools | None = None
        self._windows: list[WindowValues] = []
        self._filled = 0
        self._due: float | None = None

    @property
    def counts(self) -> S1Counts:
        """What has become of the newest connection's frames."""
        return self._framer.counts + S1Counts(lost=self._unseen)

    @property
    def offset(self) -> float:
        """Monotonic s at zero of the clock that recordings are cut by."""
        return self._clock.offset or 0.0

    def reopen(self) -> S1Counts:
        """Begin with a new connection; return the counts of the one before."""
        self._framer.close()
        counts = self.counts
        self._framer = S1Framer(self._settings.profile)
        self._unseen = 0
        self._resuming = self._tools is not None
        return counts

    def take(self, data: bytes, received: float | None) -> S1Result:
        """Take octets, the last of which came at `received` (monotonic s).

        Without it the clock is that of the samples alone: a recording is read.
        """
        result = S1Result()
        blocks = self._framer.feed(data)
        behind = sum(len(block) for block in blocks)
        for block in blocks:
            rate = block.format.sample_rate(block.mean_frequency)
            first = None if received is None else received - behind / rate
            behind -= len(block)
            self._take_block(block, rate, first, received, result)
        return result

    def _take_block(
        self,
        block: S1Block,
        rate: float,
        first: float | None,
        received: float | None,
        result: S1Result,
    ) -> None:
        """Follow one block; `first` is when its first sample came."""
        clock = self._clock
        tools = self._tools
        if tools is None or tools.format != block.format:
            self.format = block.format
            tools = self._tools = _Tools(block.format, self._settings)
            self._windows.clear()
        if self._resuming:
            clock.resume(first)
            self._resuming = False
            tools.forget()
        elif block.missing:
            unseen = clock.skip(block.missing, rate, first)
            self._unseen += unseen
            if unseen or block.missing > _BRIDGED:
                tools.forget()
        clock.time += len(block) / rate
        clock.arrived(None if first is None else first + len(block) / rate)
        if not block.valid:
            tools.forget()
            return
        self.recorder.add(block, end=clock.time, rate=rate)
        samples = tools.wiring.lines_of(block.samples())
        lines = tools.join(samples, block.missing)
        self._filled += len(lines) - len(samples)
        # In whole mHz, as the meter gives it: what depends on it is kept by it.
        frequency = round(block.mean_frequency, 3)
        per_period = block.format.samples_per_period(frequency)
        periods = tools.cutter.cut(
            lines, samples_per_period=per_period, rate=rate, end=clock.time
        )
        if periods is not None:
            self._follow(tools, periods, result)
        window = tools.window
        tools.window = np.concatenate((window, lines)) if len(window) else lines
        self._take_windows(tools, per_period, frequency, rate, received, result)

    def _follow(self, tools: _Tools, periods: PeriodValues, result: S1Result) -> None:
        offset = self.offset
        events: list[PowerEvent] = [*tools.voltage.follow(periods)]
        if tools.steps is not None:
            events += tools.steps.follow(periods)
        result.events += [replace(event, at=event.at + offset) for event in events]
        if tools.overload is not None:
            result.overloads += [
                replace(found, at=found.at + offset, since=found.since + offset)
                for found in tools.overload.follow(periods)
            ]

    def _take_windows(
        self,
        tools: _Tools,
        per_period: float,
        frequency: float,
        rate: float,
        received: float | None,
        result: S1Result,
    ) -> None:
        length = window_length(per_period)
        while len(tools.window) >= length:
            self._windows.append(
                window_values(
                    tools.window[:length],
                    tools.wiring,
                    samples_per_period=per_period,
                    frequency=frequency,
                )
            )
            tools.window = tools.window[length:]
            end = self._clock.time - len(tools.window) / rate
            if self._due is None:
                self._due = end - length / rate + INTERVAL
            if end < self._due - _GRACE:
                continue
            # Readings keep to a grid of whole seconds, whatever a window lasts.
            self._due += INTERVAL * max(1, int((end - self._due) / INTERVAL) + 1)
            result.qualities.append(
                to_quality(
                    self._windows,
                    tools.wiring,
                    meter_id=self._meter_id,
                    received=end + self.offset if received is None else received,
                    filled=self._filled,
                )
            )
            self._windows.clear()
            self._filled = 0
