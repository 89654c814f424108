"""Commands of sources outside the house: taken, lost, ended, recorded (S14)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.netflex.model.plan import Cause, Source
from custom_components.netflex.model.remote import RemoteCommand
from custom_components.netflex.site.remote import RemoteCommands
from custom_components.netflex.telecontrol.journal_format import RecordKind

type Notes = list[Mapping[str, Any]]


def command(
    source: str = "hub", *, enabled: bool = False, **more: Any
) -> RemoteCommand:
    return RemoteCommand(
        source=source,
        enabled=enabled,
        at=datetime(2026, 1, 15, tzinfo=UTC),
        cause=Cause(source=Source.DISPATCH, key="remote_hold", text=f"{source} asks"),
        **{"lost_after": 300.0} | more,
    )


@pytest.fixture
def notes() -> Notes:
    return []


@pytest.fixture
def commands(notes: Notes) -> RemoteCommands:
    def record(kind: RecordKind, data: Mapping[str, Any]) -> None:
        assert kind is RecordKind.REMOTE
        notes.append(data)

    return RemoteCommands(record)


def test_the_newest_command_of_a_source_takes_the_place_of_the_one_before(
    commands: RemoteCommands, notes: Notes
) -> None:
    commands.give("boiler", command())
    commands.give("boiler", command("other"))
    assert [c.source for c in commands.in_force(0.0)["boiler"]] == ["hub", "other"]
    commands.give("boiler", command(enabled=True))
    assert [c.source for c in commands.in_force(0.0)["boiler"]] == ["other"]
    assert [note["value"] for note in notes] == [False, False, True]


def test_S14_losing_a_source_ends_its_commands_only_and_only_after_its_delay(
    commands: RemoteCommands, notes: Notes
) -> None:
    commands.give("boiler", command())
    commands.give("boiler", command("other"))
    commands.source_lost("hub", 100.0)
    assert len(commands.in_force(399.0)["boiler"]) == 2
    assert [c.source for c in commands.in_force(400.0)["boiler"]] == ["other"]
    assert notes[-1]["source"] == "hub"
    assert notes[-1]["value"] is True
    assert "lost" in notes[-1]["reason"]


def test_a_source_that_is_back_in_time_keeps_its_command(
    commands: RemoteCommands,
) -> None:
    commands.give("boiler", command())
    commands.source_lost("hub", 100.0)
    commands.source_back("hub")
    assert "boiler" in commands.in_force(10_000.0)


def test_a_command_ends_at_its_time_whether_its_source_is_there_or_not(
    commands: RemoteCommands, notes: Notes
) -> None:
    commands.give("boiler", command(until=50.0))
    assert "boiler" in commands.in_force(49.0)
    assert commands.in_force(50.0) == {}
    assert notes[-1]["reason"] == "its time is over"


def test_a_source_that_may_not_ask_any_more_has_nothing_in_force(
    commands: RemoteCommands, notes: Notes
) -> None:
    commands.give("boiler", command())
    commands.give("heater", command())
    commands.withdraw("hub", "control was switched off")
    assert commands.in_force(0.0) == {}
    assert [note["reason"] for note in notes[-2:]] == ["control was switched off"] * 2


def test_a_load_that_is_gone_leaves_nothing(commands: RemoteCommands) -> None:
    commands.give("boiler", command())
    commands.forget("boiler")
    assert commands.in_force(0.0) == {}


def test_who_repeats_himself_is_recorded_once(
    commands: RemoteCommands, notes: Notes
) -> None:
    commands.give("boiler", command(enabled=True))
    for until in (100.0, 200.0):
        commands.give("boiler", command(until=until))
    assert commands.in_force(150.0)["boiler"][0].until == 200.0
    for _ in range(2):
        commands.give("boiler", command(enabled=True))
    assert [note["value"] for note in notes] == [False, True]
