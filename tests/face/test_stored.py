"""What a site keeps over a restart, also from the version before."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import UnsupportedStorageVersionError
import pytest

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.control.memory import Memory
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import NO_LOCAL_STOPS, LocalStops
from custom_components.netflex.stored import SiteMemory, SiteStore, read_site_memory

KEY = f"{DOMAIN}.site"


def test_S06_each_holder_lets_go_by_itself() -> None:
    both = NO_LOCAL_STOPS
    for holder in ("button", "entity"):
        both = both.with_holder(Direction.PRODUCTION, holder, held=True)

    one = both.with_holder(Direction.PRODUCTION, "entity", held=False)

    assert one.holders(Direction.PRODUCTION) == {"button"}
    assert one.stopped(Direction.PRODUCTION)
    assert not one.stopped(Direction.CONSUMPTION)
    assert one.with_holder(Direction.PRODUCTION, "nobody", held=False) == one
    none = one.with_holder(Direction.PRODUCTION, "button", held=False)
    assert none == NO_LOCAL_STOPS


async def test_what_is_stored_is_read_again(hass: HomeAssistant) -> None:
    kept = SiteMemory(
        local_stops=LocalStops(production=frozenset({"entity", "binary_sensor.button"}))
    )
    await SiteStore(hass, "site").async_save(kept.to_dict())

    assert read_site_memory(await SiteStore(hass, "site").async_load()) == kept


@pytest.mark.parametrize(
    ("stored", "stops"),
    [
        (
            {"production": "entity", "consumption": None},
            LocalStops(production=frozenset({"entity"})),
        ),
        (None, NO_LOCAL_STOPS),
    ],
)
async def test_S06_a_stop_that_version_1_stored_still_holds(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    stored: dict[str, str | None] | None,
    stops: LocalStops,
) -> None:
    data = {} if stored is None else {"local_stops": stored, "memory": None}
    hass_storage[KEY] = {"version": 1, "minor_version": 1, "key": KEY, "data": data}

    assert read_site_memory(await SiteStore(hass, "site").async_load()) == SiteMemory(
        local_stops=stops
    )


async def test_a_newer_version_is_refused(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    hass_storage[KEY] = {"version": 3, "minor_version": 1, "key": KEY, "data": {}}

    with pytest.raises(UnsupportedStorageVersionError):
        await SiteStore(hass, "site").async_load()


def test_an_unknown_memory_of_the_decision_starts_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = read_site_memory({"local_stops": {}, "memory": {"version": 99}})

    assert read.memory is None
    assert "not used" in caplog.text
    assert read_site_memory(SiteMemory(memory=Memory()).to_dict()).memory == Memory()


@pytest.mark.parametrize(
    "damaged",
    [
        {"flexibility": {"load": {"noon": {}}}},
        {"demand": {"version": 99}},
    ],
)
def test_a_part_that_cannot_be_read_costs_no_other(
    damaged: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    read = read_site_memory({"local_stops": {"production": ["panel"]}, **damaged})

    assert read.local_stops.holders(Direction.PRODUCTION) == {"panel"}
    assert not read.flexibility
    assert not read.demand
    assert "not used" in caplog.text
