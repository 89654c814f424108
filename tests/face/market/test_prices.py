"""Prices from sensors, actions and a user's own figure, and when they no longer count."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import voluptuous as vol

from custom_components.netflex.market.feed import SiteMarket
from custom_components.netflex.market.options import MARKET_SCHEMA
from custom_components.netflex.model.market import PriceSeries

from .conftest import NOW, Follow, ToldSite

PRICE = "sensor.price"
LOCAL = [
    {
        "start": f"2026-11-28T{hour:02d}:00:00+01:00",
        "end": f"2026-11-28T{hour + 1:02d}:00:00+01:00",
        "value": 0.01 * hour,
    }
    for hour in range(23)
]


def at(series: PriceSeries | None, utc: datetime = NOW) -> float | None:
    """Return the price of a moment in currency per MWh."""
    slot = None if series is None else series.at(utc)
    return None if slot is None else round(slot.value, 6)


def say(hass: HomeAssistant, state: str = "0.11", **attributes: Any) -> None:
    unit = {"unit_of_measurement": "EUR/kWh"}
    hass.states.async_set(PRICE, state, unit | attributes)


async def test_a_sensor_with_a_forecast(hass: HomeAssistant, follow: Follow) -> None:
    say(hass, raw_today=LOCAL)
    site = await follow({"import": {"price_entity": PRICE}})
    assert at(site.economy.market.import_price) == 110.0
    assert at(site.economy.market.import_price, NOW + timedelta(hours=3)) == 140.0
    assert site.economy.market.export_price is None
    assert not site.economy.problems


async def test_import_and_export_have_their_own_tariffs(
    hass: HomeAssistant, follow: Follow
) -> None:
    say(hass, raw_today=LOCAL)
    site = await follow(
        {
            "import": {"price_entity": PRICE, "multiplier": 1.06, "addition": 0.12},
            "export": {"price_entity": PRICE, "multiplier": 0.9, "addition": -0.015},
        }
    )
    assert at(site.economy.market.import_price) == pytest.approx(236.6)
    assert at(site.economy.market.export_price) == pytest.approx(84.0)


async def test_a_sensor_without_a_forecast_has_its_present_value(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    say(hass)
    site = await follow({"import": {"price_entity": PRICE, "stale_hours": 2}})
    assert at(site.economy.market.import_price) == 110.0
    say(hass, "0.2")
    await hass.async_block_till_done()
    assert at(site.economy.market.import_price) == 200.0
    late = NOW + timedelta(hours=2, seconds=1)
    assert at(site.economy.market.import_price, late) is None


async def test_a_price_that_is_repeated_stays_fresh(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    say(hass)
    site = await follow({"import": {"price_entity": PRICE, "stale_hours": 1}})
    for _ in range(3):
        await later(timedelta(minutes=50))
        say(hass)
        await hass.async_block_till_done()
    assert at(site.economy.market.import_price, NOW + timedelta(hours=3)) == 110.0


async def test_the_present_value_fills_a_gap_of_the_forecast_and_no_more(
    hass: HomeAssistant, follow: Follow
) -> None:
    say(hass, "0.5", raw_today=[LOCAL[9], LOCAL[13]])
    site = await follow({"import": {"price_entity": PRICE}})
    prices = site.economy.market.import_price
    assert at(prices) == 500.0
    assert at(prices, NOW + timedelta(hours=1, minutes=50)) == 500.0
    assert at(prices, NOW + timedelta(hours=2)) == 130.0
    assert at(prices, NOW + timedelta(hours=4)) is None


@pytest.mark.parametrize(
    ("state", "attributes", "problem"),
    [
        ("unavailable", {}, "is not available"),
        ("unknown", {}, "says no price"),
        ("cheap", {}, "says no price"),
        ("nan", {}, "says no price"),
        ("0.1", {"unit_of_measurement": "kWh"}, "no unit of a price"),
        ("0.1", {"unit_of_measurement": None}, "no unit of a price"),
    ],
)
async def test_a_sensor_that_says_no_price_is_named(
    hass: HomeAssistant,
    follow: Follow,
    state: str,
    attributes: dict[str, Any],
    problem: str,
) -> None:
    say(hass, state, **attributes)
    site = await follow({"import": {"price_entity": PRICE}})
    assert site.economy.market.import_price is None
    assert problem in site.economy.problems["import_price"]


async def test_a_sensor_that_is_not_there_yet_is_followed_when_it_comes(
    hass: HomeAssistant, follow: Follow
) -> None:
    site = await follow({"import": {"price_entity": PRICE}})
    assert site.economy.market.import_price is None
    assert "not available" in site.economy.problems["import_price"]
    say(hass)
    await hass.async_block_till_done()
    assert at(site.economy.market.import_price) == 110.0
    assert not site.economy.problems


async def test_a_sensor_that_is_lost_and_back_is_logged_once_each(
    hass: HomeAssistant, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [r.message for r in caplog.records if r.name.endswith("availability")]

    caplog.set_level("INFO")
    site = await follow({"import": {"price_entity": PRICE}})
    assert told() == []
    for state, problem in (("0.1", None), ("unavailable", "not available")):
        for number in range(3):
            say(hass, state, number=number)
            await hass.async_block_till_done()
        assert problem is None or problem in site.economy.problems["import_price"]
    lost = f"{PRICE} does not answer: {PRICE} is not available"
    assert told() == [lost]
    for number in range(3):
        say(hass, "0.1", number=number)
        await hass.async_block_till_done()
    assert told() == [lost, f"{PRICE} answers again"]


async def test_a_renamed_sensor_is_followed(
    hass: HomeAssistant, follow: Follow
) -> None:
    registry = er.async_get(hass)
    item = registry.async_get_or_create(
        "sensor", "other", "1", suggested_object_id="price"
    )
    say(hass)
    site = await follow({"import": {"price_entity": item.id}})
    assert at(site.economy.market.import_price) == 110.0
    registry.async_update_entity(PRICE, new_entity_id="sensor.spot")
    await hass.async_block_till_done()
    hass.states.async_remove(PRICE)
    hass.states.async_set("sensor.spot", "0.3", {"unit_of_measurement": "EUR/kWh"})
    await hass.async_block_till_done()
    assert at(site.economy.market.import_price) == 300.0


async def test_a_fixed_price_never_grows_old(follow: Follow) -> None:
    site = await follow(
        {"import": {"fixed": 0.25, "addition": 0.05}, "export": {"fixed": 0.04}}
    )
    for utc in (NOW, NOW + timedelta(days=900)):
        assert at(site.economy.market.import_price, utc) == 300.0
        assert at(site.economy.market.export_price, utc) == 40.0


def test_a_price_has_one_source() -> None:
    with pytest.raises(vol.Invalid):
        MARKET_SCHEMA({"import": {"fixed": 0.2, "price_entity": PRICE}})


# ------------------------------------------------------------------------ from an action


def answers(
    hass: HomeAssistant, domain: str, action: str, answer: Callable[[ServiceCall], Any]
) -> list[dict[str, Any]]:
    """Have an action answer as its integration does, and keep what it is asked."""
    asked: list[dict[str, Any]] = []

    async def handle(call: ServiceCall) -> ServiceResponse:
        asked.append(dict(call.data))
        result: ServiceResponse = answer(call)
        return result

    hass.services.async_register(
        domain, action, handle, supports_response=SupportsResponse.ONLY
    )
    return asked


def nordpool_day(call: ServiceCall) -> ServiceResponse:
    day = call.data["date"]
    start = datetime.fromisoformat(f"{day}T00:00:00+01:00").astimezone(UTC)
    return {
        "BE": [
            {
                "start": (start + timedelta(minutes=15 * n)).isoformat(),
                "end": (start + timedelta(minutes=15 * n + 15)).isoformat(),
                "price": float(n),
            }
            for n in range(96)
        ]
    }


def provider(hass: HomeAssistant, domain: str) -> str:
    other = MockConfigEntry(domain=domain, entry_id=f"01{domain}")
    other.add_to_hass(hass)
    return other.entry_id


async def test_nord_pool_answers_day_by_day(
    hass: HomeAssistant, follow: Follow
) -> None:
    asked = answers(hass, "nordpool", "get_prices_for_date", nordpool_day)
    site = await follow(
        {"import": {"price_service": provider(hass, "nordpool"), "stale_hours": 48}}
    )
    assert asked == [
        {"config_entry": "01nordpool", "date": "2026-11-28"},
        {"config_entry": "01nordpool", "date": "2026-11-29"},
    ]
    assert at(site.economy.market.import_price) == 44.0
    assert at(site.economy.market.import_price, NOW + timedelta(days=1)) == 44.0
    assert not site.economy.problems


async def test_tomorrow_may_not_be_known_yet(
    hass: HomeAssistant, follow: Follow
) -> None:
    def today_only(call: ServiceCall) -> ServiceResponse:
        if call.data["date"] != "2026-11-28":
            raise ServiceValidationError("nothing yet")
        return nordpool_day(call)

    answers(hass, "nordpool", "get_prices_for_date", today_only)
    site = await follow(
        {"import": {"price_service": provider(hass, "nordpool"), "stale_hours": 48}}
    )
    assert at(site.economy.market.import_price) == 44.0
    assert at(site.economy.market.import_price, NOW + timedelta(days=1)) is None
    assert not site.economy.problems


async def test_easy_energy_has_an_action_for_each_side(
    hass: HomeAssistant, follow: Follow
) -> None:
    def prices(value: float) -> Callable[[ServiceCall], ServiceResponse]:
        return lambda call: {
            "prices": [
                {
                    "timestamp": f"{call.data['start']} {hour:02d}:00:00+00:00",
                    "price": value,
                }
                for hour in range(24)
            ]
        }

    usage = answers(hass, "easyenergy", "get_energy_usage_prices", prices(0.2))
    back = answers(hass, "easyenergy", "get_energy_return_prices", prices(0.15))
    service = provider(hass, "easyenergy")
    site = await follow(
        {"import": {"price_service": service}, "export": {"price_service": service}}
    )
    assert at(site.economy.market.import_price) == 200.0
    assert at(site.economy.market.export_price) == 150.0
    assert usage[0]["incl_vat"] is False
    assert "incl_vat" not in back[0]


async def test_of_several_homes_one_is_named(
    hass: HomeAssistant, follow: Follow
) -> None:
    def homes(_call: ServiceCall) -> ServiceResponse:
        return {
            "prices": {
                name: [
                    {
                        "start_time": f"2026-11-28T{hour:02d}:00:00.000+01:00",
                        "price": price,
                    }
                    for hour in range(24)
                ]
                for name, price in (("Home", 0.2), ("Cottage", 0.3))
            }
        }

    answers(hass, "tibber", "get_prices", homes)
    service = provider(hass, "tibber")
    site = await follow({"import": {"price_service": service}})
    assert "Home" in site.economy.problems["import_price"]
    site = await follow({"import": {"price_service": service, "area": "Cottage"}})
    assert at(site.economy.market.import_price) == 300.0


async def test_what_was_answered_stays_until_it_is_stale(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    working = True

    def answer(call: ServiceCall) -> ServiceResponse:
        if not working:
            raise ServiceValidationError("no connection")
        return nordpool_day(call)

    asked = answers(hass, "nordpool", "get_prices_for_date", answer)
    site = await follow(
        {"import": {"price_service": provider(hass, "nordpool"), "stale_hours": 1}}
    )
    working = False
    await later(timedelta(minutes=31))
    assert len(asked) == 3
    assert "no connection" in site.economy.problems["import_price"]
    assert at(site.economy.market.import_price, NOW + timedelta(minutes=31)) == 46.0
    assert at(site.economy.market.import_price, NOW + timedelta(minutes=61)) is None
    working = True
    await later(timedelta(minutes=31))
    assert at(site.economy.market.import_price, NOW + timedelta(minutes=62)) == 48.0
    assert not site.economy.problems


async def test_a_price_integration_that_is_gone_is_named(follow: Follow) -> None:
    site = await follow({"import": {"price_service": "01GONE"}})
    assert "gone" in site.economy.problems["import_price"]


@pytest.mark.parametrize("fault", [KeyError("BE"), ServiceValidationError("no link")])
async def test_an_action_that_breaks_is_no_end_and_logged_once(
    hass: HomeAssistant,
    follow: Follow,
    later: Callable[[timedelta], Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    broken = True

    def answer(call: ServiceCall) -> ServiceResponse:
        if broken:
            raise fault
        return nordpool_day(call)

    caplog.set_level("INFO", "custom_components.netflex")
    asked = answers(hass, "nordpool", "get_prices_for_date", answer)
    site = await follow({"import": {"price_service": provider(hass, "nordpool")}})
    assert "import_price" in site.economy.problems
    for _ in range(4):
        await later(timedelta(minutes=31))
    assert len(asked) >= 5
    broken = False
    await later(timedelta(minutes=31))
    assert not site.economy.problems
    told = [text for text in caplog.messages if text.startswith("nordpool ")]
    assert len(told) == 2
    assert "gives no prices: " in told[0]
    assert "gives prices again" in told[1]


async def test_nothing_is_asked_after_the_end(
    hass: HomeAssistant,
    follow: Follow,
    market: SiteMarket,
    later: Callable[[timedelta], Awaitable[None]],
) -> None:
    asked = answers(hass, "nordpool", "get_prices_for_date", nordpool_day)
    site: ToldSite = await follow(
        {"import": {"price_service": provider(hass, "nordpool")}}
    )
    await market.async_stop()
    before, economy = len(asked), site.economy
    await later(timedelta(hours=2))
    say(hass)
    await hass.async_block_till_done()
    assert len(asked) == before
    assert site.economy is economy
