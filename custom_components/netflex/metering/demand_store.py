"""What is remembered of the demand, as it is kept over a restart."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ..model.reading import MonthPeak
from .demand import DemandMemory

VERSION: Final = 1


class UnknownDemandVersionError(ValueError):
    """A stored memory has a version that this program does not know."""


def to_dict(memories: Mapping[str, DemandMemory]) -> dict[str, Any]:
    """Return the memories of several meters by their id, ready for JSON."""
    return {
        "version": VERSION,
        "meters": {
            meter_id: {
                "time": memory.time,
                "counter": memory.counter,
                "quarter_start": memory.quarter_start,
                "whole": memory.whole,
                "register": memory.register,
                "power": memory.power,
                "finished": memory.finished,
                "month": None if memory.month is None else list(memory.month),
                "peak": None if memory.peak is None else _peak_to_dict(memory.peak),
                "months": [_peak_to_dict(peak) for peak in memory.months],
            }
            for meter_id, memory in memories.items()
        },
    }


def from_dict(stored: Mapping[str, Any]) -> dict[str, DemandMemory]:
    """Return the memories that were stored.

    Raises:
        UnknownDemandVersionError: Another program wrote them.
        ValueError: They are damaged.
    """
    if (version := stored.get("version")) != VERSION:
        raise UnknownDemandVersionError(f"demand of version {version!r} is not known")
    try:
        return {
            str(meter_id): _memory(kept) for meter_id, kept in stored["meters"].items()
        }
    except (AttributeError, KeyError, TypeError) as err:
        raise ValueError(f"damaged demand: {err!r}") from err


def _memory(kept: Mapping[str, Any]) -> DemandMemory:
    month, peak = kept["month"], kept["peak"]
    return DemandMemory(
        time=_number(kept["time"]),
        counter=float(kept["counter"]),
        quarter_start=float(kept["quarter_start"]),
        whole=bool(kept["whole"]),
        register=_number(kept["register"]),
        power=_number(kept["power"]),
        finished=_number(kept["finished"]),
        month=None if month is None else (int(month[0]), int(month[1])),
        peak=None if peak is None else _peak(peak),
        months=tuple(_peak(item) for item in kept["months"]),
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _peak_to_dict(peak: MonthPeak) -> dict[str, Any]:
    return {
        "power": peak.power,
        "at": None if peak.at is None else peak.at.isoformat(),
        "month_end": None if peak.month_end is None else peak.month_end.isoformat(),
    }


def _peak(kept: Mapping[str, Any]) -> MonthPeak:
    return MonthPeak(
        power=float(kept["power"]),
        at=_time(kept["at"]),
        month_end=_time(kept["month_end"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
