"""Dispatch sources: Axle's entities, any three entities, calendars, the action."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant
import pytest

from custom_components.netflex.entry_dispatch import DispatchSource, SourceKind
from custom_components.netflex.market.feed import SiteMarket
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.site.economy import Baseline

from .conftest import NOW, Follow

AXLE = DispatchSource(
    id="axle",
    name="Axle",
    kind=SourceKind.AXLE,
    direction="sensor.axle_energy_import_export",
    start="sensor.axle_energy_start",
    end="sensor.axle_energy_end",
    batteries=frozenset({"battery"}),
    priority=3,
    allow_deviation=True,
    baseline=Baseline.BEFORE_START,
)
OTHER = DispatchSource(
    id="other",
    name="Aggregator",
    kind=SourceKind.ENTITIES,
    direction="sensor.direction",
    start="input_datetime.start",
    end="input_datetime.end",
    power="sensor.asked",
)


def event(hass: HomeAssistant, direction: str = "export", minutes: int = 60) -> None:
    """Have Axle's sensors show an event that has begun."""
    assert AXLE.direction and AXLE.start and AXLE.end
    hass.states.async_set(AXLE.direction, direction)
    hass.states.async_set(AXLE.start, NOW.isoformat())
    hass.states.async_set(AXLE.end, (NOW + timedelta(minutes=minutes)).isoformat())


def ask(hass: HomeAssistant, direction: str, power: str, unit: str = "kW") -> None:
    """Have a source of three entities and a power ask for something."""
    hass.states.async_set("sensor.direction", direction)
    hass.states.async_set("input_datetime.start", "2026-11-28 11:00:00")
    hass.states.async_set("input_datetime.end", "2026-11-28 12:30:00")
    hass.states.async_set("sensor.asked", power, {"unit_of_measurement": unit})


async def test_axle_discharges_on_export(hass: HomeAssistant, follow: Follow) -> None:
    event(hass)
    site = await follow({}, AXLE)
    assert site.economy.dispatches == (
        DispatchCommand(
            source="axle",
            action=DispatchAction.DISCHARGE_MAX,
            start=NOW,
            end=NOW + timedelta(hours=1),
            assets=frozenset({"battery"}),
            allow_deviation=True,
            priority=3,
        ),
    )
    assert site.economy.names == {"axle": "Axle"}
    assert site.economy.baselines == {"axle": Baseline.BEFORE_START}


async def test_axle_charges_on_import_and_without_an_event_asks_nothing(
    hass: HomeAssistant, follow: Follow
) -> None:
    event(hass, "import")
    site = await follow({}, AXLE)
    (command,) = site.economy.dispatches
    assert command.action is DispatchAction.CHARGE_MAX
    event(hass, "unknown")
    await hass.async_block_till_done()
    assert site.economy.dispatches == ()
    assert not site.economy.problems


async def test_a_lost_source_takes_only_its_own_command_along(
    hass: HomeAssistant, follow: Follow
) -> None:
    event(hass)
    ask(hass, "charge", "4.5")
    site = await follow({}, AXLE, OTHER)
    assert {item.source for item in site.economy.dispatches} == {"axle", "other"}
    assert AXLE.start
    hass.states.async_set(AXLE.start, "unavailable")
    await hass.async_block_till_done()
    assert [item.source for item in site.economy.dispatches] == ["other"]
    assert "not available" in site.economy.problems["axle"]
    event(hass)
    await hass.async_block_till_done()
    assert {item.source for item in site.economy.dispatches} == {"axle", "other"}
    assert not site.economy.problems


@pytest.mark.parametrize(
    ("direction", "power", "unit", "asked"),
    [
        ("charge", "4.5", "kW", 4500.0),
        ("import", "4500", "W", 4500.0),
        ("Discharge", "4.5", "kW", -4500.0),
        ("export", "-4.5", "kW", -4500.0),
        ("charge", "0", "kW", 0.0),
    ],
)
async def test_a_power_is_asked_for_in_its_direction(
    hass: HomeAssistant,
    follow: Follow,
    direction: str,
    power: str,
    unit: str,
    asked: float,
) -> None:
    ask(hass, direction, power, unit)
    site = await follow({}, OTHER)
    (command,) = site.economy.dispatches
    assert command.action is DispatchAction.POWER
    assert command.power == asked
    assert command.start == datetime.fromisoformat("2026-11-28T11:00:00+01:00")
    assert command.end == datetime.fromisoformat("2026-11-28T12:30:00+01:00")


async def test_avoiding_needs_no_power(hass: HomeAssistant, follow: Follow) -> None:
    ask(hass, "avoid import", "4.5")
    site = await follow({}, OTHER)
    (command,) = site.economy.dispatches
    assert command.action is DispatchAction.AVOID_IMPORT
    assert command.power is None


@pytest.mark.parametrize(
    ("direction", "power", "unit"),
    [
        ("sideways", "4.5", "kW"),
        ("charge", "unavailable", "kW"),
        ("charge", "unknown", "kW"),
        ("charge", "much", "kW"),
        ("charge", "nan", "kW"),
        ("charge", "4.5", "kWh"),
    ],
)
async def test_what_is_not_understood_is_no_command_and_no_maximum(
    hass: HomeAssistant, follow: Follow, direction: str, power: str, unit: str
) -> None:
    ask(hass, direction, power, unit)
    site = await follow({}, OTHER)
    assert site.economy.dispatches == ()
    assert site.economy.problems["other"].startswith("Aggregator: ")


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        ("unknown", "2026-11-28 12:30:00", False),
        ("2026-11-28 12:30:00", "2026-11-28 11:00:00", False),
        ("soon", "2026-11-28 12:30:00", True),
    ],
)
async def test_times_that_are_none_are_no_command(
    hass: HomeAssistant, follow: Follow, start: str, end: str, named: bool
) -> None:
    ask(hass, "charge", "4.5")
    hass.states.async_set("input_datetime.start", start)
    hass.states.async_set("input_datetime.end", end)
    site = await follow({}, OTHER)
    assert site.economy.dispatches == ()
    assert bool(site.economy.problems) is named


# --------------------------------------------------------------------------- the action


def manual(source: str = "manual", minutes: int = 30) -> DispatchCommand:
    return DispatchCommand(
        source=source,
        action=DispatchAction.CHARGE_MAX,
        start=NOW,
        end=NOW + timedelta(minutes=minutes),
    )


async def test_a_command_of_the_action_is_replaced_cancelled_and_ends(
    hass: HomeAssistant,
    follow: Follow,
    market: SiteMarket,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    site = await follow()
    market.async_dispatch(manual())
    market.async_dispatch(manual("other"))
    market.async_dispatch(manual(minutes=60))
    assert [item.source for item in site.economy.dispatches] == ["other", "manual"]
    assert market.async_cancel("other") == 1
    assert market.async_cancel("other") == 0
    assert site.economy.dispatches == (manual(minutes=60),)
    await later(timedelta(hours=1, seconds=1))
    market.async_dispatch(manual("third", 90))
    assert [item.source for item in site.economy.dispatches] == ["third"]
    assert market.async_cancel(None) == 1
