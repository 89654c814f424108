"""What the newest report on the data says, in a user's words."""

from collections.abc import Callable, Iterator
from typing import Final

from ..telemetry.quality import Fault, FaultKind, QualityReport
from .view import SiteProblem


def quality_problems(report: QualityReport | None) -> Iterator[SiteProblem]:
    """Yield one problem for each source with doubtful data, and one for the site."""
    if report is None:
        return
    faults: dict[str, list[Fault]] = {}
    for fault in report.faults:
        faults.setdefault(fault.source, []).append(fault)
    for source, found in faults.items():
        text = "; ".join(map(fault_text, found))
        if source:
            yield SiteProblem(key="data_doubtful", subject=source, text=text)
        else:
            yield SiteProblem(key="data_not_collected", subject="site", text=text)


def fault_text(fault: Fault) -> str:
    """Return what is wrong, without the name of the device."""
    return _TEXTS[fault.kind](fault)


def _what(fault: Fault) -> str:
    """Return a series in words: "line_voltage.L1" is the line voltage L1."""
    if fault.series is None:
        return "data"
    return fault.series.replace("_", " ").replace(".", " ")


_TEXTS: Final[dict[FaultKind, Callable[[Fault], str]]] = {
    FaultKind.NOT_RUNNING: lambda fault: (
        f"For {fault.amount / 60:.0f} min nobody looked: Home Assistant or this site "
        "did not run"
    ),
    FaultKind.MISSING: lambda fault: (
        f"{fault.amount * 100:.0f} % of its {_what(fault)} did not come"
    ),
    FaultKind.IMPLAUSIBLE: lambda fault: (
        f"{fault.amount * 100:.1f} % of its values of {_what(fault)} cannot be"
    ),
    FaultKind.STUCK: lambda fault: (
        f"its {_what(fault)} stood still for {fault.amount / 3600:.1f} h"
    ),
    FaultKind.ENERGY: lambda fault: (
        f"its counters and its power differ by {abs(fault.amount) / 1000:.2f} kWh"
    ),
    FaultKind.CLOCK: lambda fault: (
        f"its clock is {abs(fault.amount):.0f} s "
        f"{'ahead of' if fault.amount > 0 else 'behind'} ours"
    ),
}
