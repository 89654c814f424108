"""What markets owe is said once they have owed it for a while."""

from custom_components.netflex.site.economy import NO_ECONOMY, Economy
from custom_components.netflex.site.economy_problems import SAID_AFTER, EconomyProblems

MISSING = Economy(
    names={"axle": "Axle"},
    problems={"axle": "Axle: its start is not available", "elia": "500"},
)


def test_what_is_missing_for_a_moment_is_not_said() -> None:
    found = EconomyProblems()
    found.look(MISSING, 0.0)
    found.look(MISSING, SAID_AFTER - 1)
    assert found.problems == ()
    found.look(NO_ECONOMY, SAID_AFTER)
    found.look(MISSING, SAID_AFTER + 1)
    assert found.problems == ()


def test_what_is_missing_for_long_is_said_by_what_it_is() -> None:
    found = EconomyProblems()
    found.look(MISSING, 0.0)
    found.look(MISSING, SAID_AFTER)
    assert [(item.key, item.subject) for item in found.problems] == [
        ("dispatch_source_unusable", "axle"),
        ("market_source_unusable", "elia"),
    ]
    found.look(NO_ECONOMY, SAID_AFTER + 1)
    assert found.problems == ()
