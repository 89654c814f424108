"""What meters that sample the waveform bring beside their readings.

Power quality, events on the lines, fast overload signals for the decision, and
recordings of the waveform.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from ..metering.recorder import Recording
from ..metering.s1_reader import S1Listeners, S1Source
from ..metering.s1_signs import SignCheck
from ..model.connection import Line
from ..model.phrase import Phrase
from ..model.power_quality import (
    Inrush,
    Overload,
    PowerEvent,
    PowerQuality,
    StepEvent,
    VoltageEventKind,
)
from ..model.reading import MeterReading, MeterRole
from .meter_quality import PHASE_ORDER, Finding
from .view import NO_COUNTS, PowerCounts, PowerView

REPEAT: Final = 0.2
"""s between two decisions on an overload that lasts and does not grow."""
GROWTH: Final = 0.5
"""A by which it has to grow to be decided on at once again."""
TOGETHER: Final = 1.5
"""s that a reading of P1 and a second of S1 may lie apart to be compared."""
CURRENT_REVERSED: Final = "current_reversed"
FRAMES_LOST: Final = "frames_lost"
WINDOW: Final = 60
"""s over which lost frames are counted."""
MOST_LOST: Final = 0.05
"""Part of the frames that may be lost before it is said."""
_SETTLED: Final = 20
"""s of the stream before anything is said of it."""


@dataclass(slots=True)
class _PowerMeter:
    source: S1Source
    role: MeterRole
    quality: PowerQuality | None = None
    counts: PowerCounts = NO_COUNTS
    overloads: dict[Line, Overload] = field(default_factory=dict)
    decided: dict[Line, Overload] = field(default_factory=dict)
    signs: SignCheck = field(default_factory=SignCheck)
    frames: deque[tuple[int, int]] = field(
        default_factory=lambda: deque(maxlen=WINDOW + 1)
    )
    """Good frames and all others since the start, second by second."""
    reversed_for: int = 0
    """s in a row that the phases follow each other the other way round."""


class PowerMeters:
    """Follows the S1 ports of a site; everything happens on its loop."""

    def __init__(self) -> None:
        """Follow nothing yet."""
        self._meters: dict[str, _PowerMeter] = {}
        self._asked = False
        self.on_overload: Callable[[], None] = _nothing
        """Called when a fast signal should be decided on at once."""
        self.on_event: Callable[[str, PowerEvent], None] = _no_event
        """Called with the meter's id and each event on its lines."""

    def follow(self, source: S1Source, role: MeterRole) -> None:
        """Follow a source before it is started."""
        meter = _PowerMeter(source, role)
        self._meters[source.meter_id] = meter
        source.listen(
            S1Listeners(
                on_quality=lambda quality: self._take_quality(meter, quality),
                on_event=lambda event: self._take_event(meter, event),
                on_overload=lambda overload: self._take_overload(meter, overload),
            )
        )

    def change_role(self, meter_id: str, role: MeterRole) -> None:
        """Take over what a meter measures now."""
        if (meter := self._meters.get(meter_id)) is not None:
            meter.role = role

    def forget(self, meter_id: str) -> None:
        """Follow a meter no longer."""
        self._meters.pop(meter_id, None)

    def view(self, meter_id: str) -> PowerView | None:
        """Return what is to be shown of a meter, None where it samples no waveform."""
        if (meter := self._meters.get(meter_id)) is None:
            return None
        return PowerView(
            quality=meter.quality,
            counts=meter.counts,
            overloaded={
                line: round(overload.current, 1)
                for line, overload in meter.overloads.items()
            },
        )

    def overloads(self) -> tuple[Overload, ...]:
        """Return the newest signal of each line of the connection point."""
        found: dict[Line, Overload] = {}
        for meter in self._meters.values():
            if meter.role is not MeterRole.CONNECTION_POINT:
                continue
            for line, overload in meter.overloads.items():
                if line not in found or overload.current > found[line].current:
                    found[line] = overload
        return tuple(found.values())

    async def record(
        self, meter_id: str, seconds: float, *, before: float = 0.0
    ) -> Recording | None:
        """Return a recording of a meter's waveform, None where it samples none.

        Raises:
            ValueError: More is asked for than is kept.
            NoDataError: Nothing has come in that time.
        """
        if (meter := self._meters.get(meter_id)) is None:
            return None
        return await meter.source.record(seconds, before=before)

    # ------------------------------------------------------------------ what S1 brings

    def _take_quality(self, meter: _PowerMeter, quality: PowerQuality) -> None:
        meter.quality = quality
        meter.reversed_for = meter.reversed_for + 1 if quality.reversed_order else 0
        status = meter.source.status
        lost = status.details["lost"]
        missing = status.damaged + (int(lost) if lost else 0)
        if meter.frames and meter.frames[-1] > (status.good, missing):
            # The source has begun to count anew.
            meter.frames.clear()
        meter.frames.append((status.good, missing))

    def _take_event(self, meter: _PowerMeter, event: PowerEvent) -> None:
        meter.counts = _counted(meter.counts, event)
        self.on_event(meter.source.meter_id, event)

    def _take_overload(self, meter: _PowerMeter, overload: Overload) -> None:
        line = overload.line
        if not overload.active:
            meter.overloads.pop(line, None)
            meter.decided.pop(line, None)
        else:
            meter.overloads[line] = overload
            last = meter.decided.get(line)
            if (
                last is not None
                and overload.at - last.at < REPEAT
                and overload.current - last.current < GROWTH
            ):
                return
        if meter.role is MeterRole.CONNECTION_POINT and not self._asked:
            # Once for all lines of a block, behind the last of them.
            self._asked = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asked = False
        for meter in self._meters.values():
            meter.decided = dict(meter.overloads)
        self.on_overload()

    # --------------------------------------------------------------- beside a P1 meter

    def compare(self, reading: MeterReading) -> None:
        """Compare a reading of the connection point with what S1 shows of it."""
        if reading.meter_id in self._meters:
            return
        for meter in self._meters.values():
            quality = meter.quality
            if (
                meter.role is MeterRole.CONNECTION_POINT
                and quality is not None
                and abs(reading.received - quality.received) <= TOGETHER
            ):
                meter.signs = meter.signs.after(quality, reading)

    def findings(self, meter_id: str) -> tuple[Finding, ...]:
        """Return what a comparison says against a meter's wiring."""
        if (meter := self._meters.get(meter_id)) is None:
            return ()
        return tuple(
            Finding(key=key, text=text)
            for key, text in (
                (CURRENT_REVERSED, _reversed_current(meter)),
                (FRAMES_LOST, _lost_frames(meter)),
                (PHASE_ORDER, _reversed_order(meter)),
            )
            if text is not None
        )


def _reversed_current(meter: _PowerMeter) -> str | None:
    turned = [
        line.value for line, turn in zip(Line, meter.signs.turn, strict=True) if turn
    ]
    if not turned:
        return None
    return Phrase(
        "current_reversed",
        "The current of {lines} runs the other way round than the P1 port says",
        lines=", ".join(turned),
    )


def _lost_frames(meter: _PowerMeter) -> str | None:
    if len(meter.frames) <= _SETTLED:
        return None
    first, last = meter.frames[0], meter.frames[-1]
    good, missing = last[0] - first[0], last[1] - first[1]
    if missing <= MOST_LOST * (good + missing):
        return None
    share = 100 * missing / (good + missing)
    return Phrase(
        "frames_lost",
        "{share} of the frames of the last minute were damaged or lost",
        share=f"{share:.0f} %",
    )


def _reversed_order(meter: _PowerMeter) -> str | None:
    if meter.reversed_for < _SETTLED:
        return None
    return Phrase("phase_order_132", "Its voltages follow each other in the order 132")


def _counted(counts: PowerCounts, event: PowerEvent) -> PowerCounts:
    """Return the counts after an event; those of the voltage count when they end."""
    match event:
        case StepEvent():
            return replace(counts, steps=counts.steps + 1)
        case Inrush():
            return replace(counts, inrushes=counts.inrushes + 1)
    if event.duration is None:
        return counts
    match event.kind:
        case VoltageEventKind.SAG:
            return replace(counts, sags=counts.sags + 1)
        case VoltageEventKind.SWELL:
            return replace(counts, swells=counts.swells + 1)
    return replace(counts, interruptions=counts.interruptions + 1)


def _nothing() -> None:
    """Listen to nothing, until the site does."""


def _no_event(_meter_id: str, _event: PowerEvent) -> None:
    """Listen to nothing, until the site does."""
