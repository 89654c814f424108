"""The checklist: what proofs, learned fallbacks and rehearsals make of each line."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from custom_components.netflex.model.connection import ConnectionPoint, GridType, Line
from custom_components.netflex.site.commissioning_checklist import (
    Installed,
    Item,
    Standing,
    checklist,
    proposals,
)
from custom_components.netflex.site.commissioning_record import (
    Check,
    Outcome,
    Response,
    Result,
    Turned,
)
from custom_components.netflex.site.rehearsal_status import RehearsalStatus
from custom_components.netflex.site.view import LearnedFallback
from custom_components.netflex.telecontrol.rehearsal_plant import RehearsalMode
from custom_components.netflex.telecontrol.rehearsal_record import (
    Outcome as RehearsalOutcome,
)

from .bench import assets

L1, L2, L3 = Line
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTALLED = Installed(
    connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=63.0),
    assets={"charger": assets()["charger"]},
    outputs={},
    inputs={},
    meters={},
    telecontrol=True,
    setup_of=lambda _subject: "as it is",
    stepped=frozenset({"charger"}),
)
SEEN = Response(told=1000.0, lines=(L2, L3, L1), lines_agree=False, order=(L2, L3, L1))
RESULT = Result(
    check=Check.RESPONSE,
    subject="charger",
    name="Charger",
    outcome=Outcome.PROVEN,
    text="It follows",
    at=AT,
    setup="as it is",
    response=SEEN,
)


def proposed(result: Result, installed: Installed = INSTALLED) -> list[str]:
    key = result.subject, result.check
    return [item.text for item in proposals(installed, {key: result})]


def item(key: str, **known: object) -> Item:
    arguments: dict[str, object] = {"results": {}, "fallbacks": {}, "rehearsal": None}
    found = checklist(INSTALLED, **(arguments | known))  # type: ignore[arg-type]
    (one,) = (each for each in found if each.key == key)
    return one


def test_lines_that_are_turned_are_proposed_until_they_are_entered() -> None:
    assert proposed(RESULT) == ["Charger: its phases are on L2 L3 L1"]
    entered = replace(assets()["charger"], lines=(L2, L3, L1))
    adopted = replace(INSTALLED, assets={"charger": entered})
    assert proposed(RESULT, adopted) == []


@pytest.mark.parametrize(
    ("turned", "texts"),
    [
        (Turned.READING, ["Charger: the sign of its power is the other way round"]),
        (Turned.SETPOINT, ["Charger: the sign of its setpoint is the other way round"]),
        (Turned.METER, []),
        (None, []),
    ],
)
def test_a_sign_that_is_turned_is_proposed_where_it_can_be_entered(
    turned: Turned | None, texts: list[str]
) -> None:
    response = replace(SEEN, order=None, turned=turned)
    assert proposed(replace(RESULT, response=response)) == texts


def test_a_proof_of_another_device_proposes_nothing() -> None:
    assert proposed(replace(RESULT, setup="as it was")) == []
    assert proposed(replace(RESULT, subject="nobody")) == []


@pytest.mark.parametrize(("value", "words"), [(6.0, "6"), (None, "something it does")])
def test_what_a_device_did_when_it_was_left_alone_is_proven(
    value: float | None, words: str
) -> None:
    learned = LearnedFallback(value=value, after=60.4, at=AT)
    line = item("fallback", fallbacks={"charger": learned})
    assert line.standing is Standing.PROVEN
    assert line.text.startswith(f"Left alone it fell back to {words}")
    assert line.text.endswith("after 60 s")
    assert line.at == AT


REHEARSED = RehearsalStatus(mode=RehearsalMode.SHADOW, started=AT)


@pytest.mark.parametrize(
    ("status", "standing", "text"),
    [
        (None, Standing.CONFIGURED, "Nobody has rehearsed yet"),
        (REHEARSED, Standing.CONFIGURED, "Nobody has rehearsed yet"),
        (
            replace(REHEARSED, outcome=RehearsalOutcome.PASSED, ended=AT, passed=80),
            Standing.PROVEN,
            "In shadow: 80 steps passed, 0 not",
        ),
        (
            replace(
                REHEARSED,
                mode=RehearsalMode.REAL,
                outcome=RehearsalOutcome.FAILED,
                ended=AT,
                passed=79,
                failed=1,
            ),
            Standing.FAILED,
            "With the real assets: 79 steps passed, 1 not",
        ),
        (
            replace(
                REHEARSED,
                outcome=RehearsalOutcome.ENDED_EARLY,
                ended=AT,
                passed=3,
                ended_early="The operator came",
            ),
            Standing.NOT_SHOWN,
            "In shadow: 3 steps passed, 0 not. The operator came",
        ),
    ],
)
def test_what_a_rehearsal_proves(
    status: RehearsalStatus | None, standing: Standing, text: str
) -> None:
    line = item("rehearsal", rehearsal=status)
    assert (line.standing, line.text) == (standing, text)
    proven = standing is not Standing.CONFIGURED
    assert line.at == (AT if proven else None)
