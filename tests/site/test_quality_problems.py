"""What a day's report on the data says in a user's words."""

import pytest

from custom_components.netflex.site.quality_problems import quality_problems
from custom_components.netflex.telemetry.quality import Fault, FaultKind, QualityReport


def said(*faults: Fault) -> list[tuple[str, str, str]]:
    report = QualityReport(start=0, end=86_400, observed=1.0, sources=(), faults=faults)
    return [
        (item.key, item.subject, str(item.text)) for item in quality_problems(report)
    ]


@pytest.mark.parametrize(
    ("kind", "amount", "series", "words"),
    [
        (FaultKind.MISSING, 0.29, None, "29 % of its values did not come: data"),
        (
            FaultKind.MISSING,
            0.1,
            "line_current.L2",
            "10 % of its values did not come: current of L2",
        ),
        (
            FaultKind.IMPLAUSIBLE,
            0.005,
            "line_voltage.L1",
            "0.5 % of its values cannot be: voltage of L1",
        ),
        (
            FaultKind.STUCK,
            5_400.0,
            "power",
            "a value stood still for 1.5 h: power",
        ),
        (FaultKind.ENERGY, -1_250.0, None, "its counters and its power differ by 1.25"),
        (FaultKind.CLOCK, 42.0, None, "its clock is 42 s fast"),
        (FaultKind.CLOCK, -42.0, None, "its clock is 42 s slow"),
    ],
)
def test_what_is_wrong_is_said_with_its_measure(
    kind: FaultKind, amount: float, series: str | None, words: str
) -> None:
    fault = Fault(source="meter", name="P1", kind=kind, amount=amount, series=series)
    ((key, subject, text),) = said(fault)
    assert (key, subject) == ("data_doubtful", "meter")
    assert text.startswith(words)


def test_faults_of_one_source_are_one_problem_and_of_the_site_another() -> None:
    missing = Fault(source="meter", name="P1", kind=FaultKind.MISSING, amount=0.5)
    slow = Fault(source="meter", name="P1", kind=FaultKind.CLOCK, amount=-10.0)
    away = Fault(source="", name="", kind=FaultKind.NOT_RUNNING, amount=7_200.0)
    assert said(missing, away, slow) == [
        (
            "data_doubtful",
            "meter",
            "50 % of its values did not come: data; its clock is 10 s slow",
        ),
        (
            "data_not_collected",
            "site",
            "for 120 min nobody looked, since Home Assistant or this site did not run",
        ),
    ]


def test_without_a_report_nothing_is_said() -> None:
    assert list(quality_problems(None)) == []
