"""Which commands loads follow: counted by load and season, vetoes seen (S14)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.netflex.model.asset import AssetState
from custom_components.netflex.model.flexibility import (
    Flexibility,
    Followed,
    Season,
    season_of,
)
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.site.flexibility import DELAY, FlexibilityLedger
from custom_components.netflex.stored import SiteMemory, read_site_memory
from tests.control.sites import load

from .test_remote import command

JANUARY = datetime(2026, 1, 15, tzinfo=UTC)
JULY = datetime(2026, 7, 15, tzinfo=UTC)


class Watch:
    """A ledger and a load that says what a test wants."""

    def __init__(self) -> None:
        self.notes: list[Mapping[str, Any]] = []
        self.saved = 0
        self.ledger = FlexibilityLedger(
            lambda _kind, data: self.notes.append(data), self._save
        )
        self.now = 0.0
        self.utc = JANUARY

    def _save(self) -> None:
        self.saved += 1

    def look(
        self, seconds: float, *, held: bool, user: bool | None = None, **state: Any
    ) -> None:
        self.now += seconds
        self.ledger.take(
            self.now,
            self.utc,
            assets={"boiler": load(minimum_on=30.0)},
            states={"boiler": AssetState(asset_id="boiler", available=True, **state)},
            remote={"boiler": (command(),)} if held else {},
            user={"boiler": UserLimits(switch=user)},
        )

    def count(self, season: Season = Season.WINTER) -> Followed:
        return self.ledger.view(self.utc)["boiler"].seasons[season]


def test_a_load_that_goes_off_and_stays_off_has_followed() -> None:
    watch = Watch()
    watch.look(0, held=True, enabled=True)
    watch.look(20, held=True, enabled=False)
    watch.look(600, held=True, enabled=False)
    watch.look(1, held=False, enabled=False)
    assert watch.count() == Followed(commands=1, followed=1)
    assert watch.saved == 1


def test_a_power_that_goes_away_is_as_good_as_a_switch() -> None:
    watch = Watch()
    watch.look(0, held=True, enabled=True, power=2000.0)
    watch.look(20, held=True, enabled=True, power=3.0)
    watch.look(600, held=False, power=3.0)
    assert watch.count() == Followed(commands=1, followed=1)


@pytest.mark.parametrize("late", [False, True])
def test_too_late_or_on_again_is_not_followed(late: bool) -> None:
    watch = Watch()
    watch.look(0, held=True, enabled=True)
    if late:
        watch.look(DELAY + 30.0, held=True, enabled=True)
        watch.look(1, held=True, enabled=False)
    else:
        watch.look(1, held=True, enabled=False)
        watch.look(1, held=True, enabled=True)
    watch.look(1, held=False, enabled=True)
    assert watch.count() == Followed(commands=1)


def test_what_proves_nothing_is_not_counted() -> None:
    watch = Watch()
    watch.look(0, held=True, enabled=False)
    watch.look(600, held=False, enabled=True)
    watch.look(1, held=True, enabled=True)
    watch.look(10, held=False, enabled=True)
    assert watch.ledger.counts == {}


def test_a_veto_is_seen_recorded_once_and_counted() -> None:
    watch = Watch()
    watch.look(0, held=True, enabled=True)
    for _ in range(3):
        watch.look(60, held=True, enabled=True, local_on=True)
    assert watch.ledger.view(watch.utc)["boiler"].veto == (
        "Its on/auto switch stands at on"
    )
    assert [note["reason"] for note in watch.notes] == [
        "Its on/auto switch stands at on"
    ]
    watch.look(1, held=False, enabled=True, local_on=True)
    assert watch.count() == Followed(commands=1, vetoed=1)
    assert watch.ledger.view(watch.utc)["boiler"].veto is None


def test_each_season_is_counted_by_itself_and_kept_over_a_restart() -> None:
    watch = Watch()
    for utc in (JANUARY, JULY, JULY):
        watch.utc = utc
        watch.look(1, held=True, enabled=True)
        watch.look(1, held=True, enabled=False)
        watch.look(1, held=False, enabled=False)
    stored = SiteMemory(flexibility=watch.ledger.counts).to_dict()
    after = Watch()
    after.ledger.restore(read_site_memory(stored).flexibility)
    after.utc = JULY
    assert after.count(Season.WINTER) == Followed(commands=1, followed=1)
    assert after.ledger.view(JULY)["boiler"].now == Followed(commands=2, followed=2)


@pytest.mark.parametrize(
    ("commands", "followed", "expected"),
    [
        (0, 0, None),
        (10, 10, Flexibility.HIGH),
        (10, 9, Flexibility.MIDDLE),
        (10, 5, Flexibility.MIDDLE),
        (10, 4, Flexibility.LOW),
        (10, 0, Flexibility.NONE),
    ],
)
def test_classes(commands: int, followed: int, expected: Flexibility | None) -> None:
    assert Followed(commands=commands, followed=followed).flexibility is expected


def test_seasons() -> None:
    seasons = [
        season_of(datetime(2026, month, 1, tzinfo=UTC)) for month in range(1, 13)
    ]
    assert [seasons[11], *seasons[:11]] == [
        season for season in Season for _ in range(3)
    ]
