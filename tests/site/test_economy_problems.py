"""What markets owe is said once they have owed it for a while."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.programme import (
    Dispatch,
    Hold,
    ModeEntry,
    Programme,
    ProgrammeMode,
)
from custom_components.netflex.site.economy import NO_ECONOMY, Economy
from custom_components.netflex.site.economy_problems import SAID_AFTER, EconomyProblems

MISSING = Economy(
    names={"axle": "Axle"},
    problems={"axle": "Axle: its start is not available", "elia": "500"},
)


def test_what_is_missing_for_a_moment_is_not_said() -> None:
    found = EconomyProblems()
    found.look(MISSING, {}, 0.0)
    found.look(MISSING, {}, SAID_AFTER - 1)
    assert found.problems == ()
    found.look(NO_ECONOMY, {}, SAID_AFTER)
    found.look(MISSING, {}, SAID_AFTER + 1)
    assert found.problems == ()


def test_what_is_missing_for_long_is_said_by_what_it_is() -> None:
    found = EconomyProblems()
    found.look(MISSING, {}, 0.0)
    found.look(MISSING, {}, SAID_AFTER)
    assert [(item.key, item.subject) for item in found.problems] == [
        ("dispatch_source_unusable", "axle"),
        ("market_source_unusable", "elia"),
    ]
    found.look(NO_ECONOMY, {}, SAID_AFTER + 1)
    assert found.problems == ()


START = datetime(2026, 11, 28, 12, tzinfo=UTC)
COMMAND = DispatchCommand(
    source="axle",
    action=DispatchAction.CHARGE_MAX,
    start=START,
    end=START + timedelta(hours=1),
)


def listening(*sources: str) -> Programme:
    """Return a programme that listens to some sources; to all of them if none is named."""
    parameters = Dispatch(sources=frozenset(sources) or None)
    return Programme(
        entries=(
            ModeEntry(mode=ProgrammeMode.HOLD, parameters=Hold()),
            ModeEntry(mode=ProgrammeMode.DISPATCH, parameters=parameters),
        )
    )


def test_a_dispatch_that_no_programme_listens_to_is_said_at_once() -> None:
    found = EconomyProblems()
    other = replace(COMMAND, source="Trader", assets=frozenset({"small"}))
    economy = Economy(names={"axle": "Axle"}, dispatches=(COMMAND, COMMAND, other))
    found.look(economy, {}, 0.0)
    assert [(item.key, item.subject) for item in found.problems] == [
        ("dispatch_unheard", "Trader"),
        ("dispatch_unheard", "axle"),
    ]
    assert found.problems[1].text.startswith("Axle orders batteries")
    holding = Programme(entries=listening().entries[:1])
    found.look(economy, {"big": holding, "small": listening("axle")}, 1.0)
    assert [item.subject for item in found.problems] == ["Trader"]
    # What is for one battery is not heard by another one.
    found.look(economy, {"big": listening(), "small": holding}, 2.0)
    assert [item.subject for item in found.problems] == ["Trader"]
    found.look(economy, {"small": listening()}, 3.0)
    assert found.problems == ()
