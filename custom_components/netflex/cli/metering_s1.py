"""Reads an S1 port or a recording of one: a JSON line a second, and the events.

The last line sums up: good frames, damaged ones, and lost ones (missing by their sequence
numbers, of which nothing came).
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ..metering.s1_analysis import S1Analysis
from ..metering.s1_reader import S1Listeners, S1Source
from ..model.power_quality import Inrush, PowerEvent, PowerQuality, StepEvent
from ..model.reading import MeterReading
from .meter_lines import LinePrinter, follow_source

_METER_ID: Final = "s1"
_PIECE: Final = 65536
_DECIMALS: Final = 5


def read_file(path: Path, count: int | None = None) -> int:
    """Print what a recording of the port's octets holds; return the exit status."""
    printer = LinePrinter(count)
    analysis = S1Analysis(_METER_ID)
    with path.open("rb") as recording:
        while data := recording.read(_PIECE):
            # Without an arrival the clock is that of the samples.
            result = analysis.take(data, None)
            if printer.done.is_set():
                continue
            for event in result.events:
                printer.line(_event(event))
            for quality in result.qualities:
                if not printer.done.is_set():
                    printer.reading(_quality(quality))
    described = analysis.format
    counts = analysis.reopen()
    printer.summary(
        {
            **asdict(counts),
            "sampling_rate": None if described is None else described.rate,
            "sampling_per_period": None if described is None else described.per_period,
        }
    )
    return 0 if counts.good else 1


async def read_port(url: str, seconds: float | None, count: int | None) -> int:
    """Print what a port brings until told to stop; return the exit status."""
    printer = LinePrinter(count)
    listeners = S1Listeners(
        on_quality=lambda quality: printer.reading(_quality(quality)),
        on_event=lambda event: printer.line(_event(event)),
    )
    source = S1Source(url, meter_id=_METER_ID, listeners=listeners)
    status = await follow_source(source, printer, _drop, seconds)
    printer.summary({"good": status.good, "damaged": status.damaged, **status.details})
    return 0 if status.good else 1


def _drop(_: MeterReading) -> None:
    """Take no reading: its power quality is printed and says more."""


def _quality(quality: PowerQuality) -> dict[str, Any]:
    line = asdict(quality)
    del line["meter_id"], line["received"]
    rounded: dict[str, Any] = _rounded(line)
    return rounded


def _event(event: PowerEvent) -> dict[str, Any]:
    content: dict[str, Any] = _rounded(asdict(event))
    match event:
        case StepEvent():
            return {"event": "step", **content}
        case Inrush():
            return {"event": "inrush", **content}
    return {"event": content.pop("kind"), **content}


def _rounded(value: Any) -> Any:
    """Round what is a measured value; digits beyond say nothing."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
