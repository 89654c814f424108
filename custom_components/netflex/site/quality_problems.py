"""What the newest report on the data says, in a user's words."""

from collections.abc import Callable, Iterator
from typing import Final

from ..model.phrase import Phrase, listed
from ..telemetry.quality import Fault, FaultKind, QualityReport
from .view import SiteProblem


def quality_problems(report: QualityReport | None) -> Iterator[SiteProblem]:
    """Yield one problem for each source with doubtful data, and one for the site."""
    if report is None:
        return
    faults: dict[str, list[Phrase]] = {}
    for fault in report.faults:
        faults.setdefault(fault.source, []).append(fault_text(fault))
    for source, found in faults.items():
        text = listed(*found)
        if source:
            yield SiteProblem(key="data_doubtful", subject=source, text=text)
        else:
            yield SiteProblem(key="data_not_collected", subject="site", text=text)


def fault_text(fault: Fault) -> Phrase:
    """Return what is wrong, without the name of the device."""
    return _TEXTS[fault.kind](fault)


_SERIES: Final = {
    name: Phrase(f"series_{name}", english)
    for name, english in {
        "power": "power",
        "frequency": "frequency",
        "energy_import": "counter of import",
        "energy_export": "counter of injection",
        "energy_consumed": "counter of consumption",
        "energy_produced": "counter of production",
        "state_of_charge": "state of charge",
        "temperature": "temperature",
    }.items()
}
_ALL: Final = Phrase("series_all", "data")


def _what(fault: Fault) -> Phrase | str:
    """Return a series in words: "line_voltage.L1" is the voltage of L1."""
    if fault.series is None:
        return _ALL
    name, _, line = fault.series.partition(".")
    if name == "line_voltage":
        return Phrase("voltage_of_line", "voltage of {line}", line=line)
    if name == "line_current":
        return Phrase("current_of_line", "current of {line}", line=line)
    return _SERIES.get(fault.series, fault.series)


def _clock(fault: Fault) -> Phrase:
    seconds = f"{abs(fault.amount):.0f} s"
    if fault.amount > 0:
        return Phrase("data_clock_ahead", "its clock is {left} fast", left=seconds)
    return Phrase("data_clock_behind", "its clock is {left} slow", left=seconds)


_TEXTS: Final[dict[FaultKind, Callable[[Fault], Phrase]]] = {
    FaultKind.NOT_RUNNING: lambda fault: Phrase(
        "data_not_running",
        "for {time} nobody looked, since Home Assistant or this site did not run",
        time=f"{fault.amount / 60:.0f} min",
    ),
    FaultKind.MISSING: lambda fault: Phrase(
        "data_missing",
        "{share} of its values did not come: {series}",
        share=f"{fault.amount * 100:.0f} %",
        series=_what(fault),
    ),
    FaultKind.IMPLAUSIBLE: lambda fault: Phrase(
        "data_implausible",
        "{share} of its values cannot be: {series}",
        share=f"{fault.amount * 100:.1f} %",
        series=_what(fault),
    ),
    FaultKind.STUCK: lambda fault: Phrase(
        "data_stuck",
        "a value stood still for {time}: {series}",
        time=f"{fault.amount / 3600:.1f} h",
        series=_what(fault),
    ),
    FaultKind.ENERGY: lambda fault: Phrase(
        "data_energy",
        "its counters and its power differ by {energy}",
        energy=f"{abs(fault.amount) / 1000:.2f} kWh",
    ),
    FaultKind.CLOCK: _clock,
}
