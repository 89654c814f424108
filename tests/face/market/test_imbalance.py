"""The imbalance: from Elia where that is switched on, and from a sensor."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
import voluptuous as vol

from custom_components.netflex.market.options import MARKET_SCHEMA, market_options
from custom_components.netflex.model.market import ImbalanceQuality

from .conftest import NOW, Follow

SENSOR = "sensor.imbalance"


def test_nobody_is_asked_before_it_is_switched_on() -> None:
    assert market_options({}).elia_url is None
    assert MARKET_SCHEMA({"imbalance": {"elia": True}})["imbalance"]["elia_url"]


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "http://a b", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(vol.Invalid):
        MARKET_SCHEMA({"imbalance": {"elia_url": url}})


def say(hass: HomeAssistant, state: str = "190.5", **attributes: Any) -> None:
    hass.states.async_set(
        SENSOR, state, {"unit_of_measurement": "EUR/MWh"} | attributes
    )


FORECAST = [
    {
        "start": "2026-11-28T10:00:00Z",
        "end": "2026-11-28T10:30:00Z",
        "price": 180,
        "volume": 90,
    },
    {
        "start": "2026-11-28T10:30:00Z",
        "end": "2026-11-28T11:00:00Z",
        "price": 40,
        "volume": -150,
    },
]


async def test_a_sensor_predicts_price_and_volume(
    hass: HomeAssistant, follow: Follow
) -> None:
    say(hass, forecast=FORECAST)
    site = await follow({"imbalance": {"forecast_entity": SENSOR}})
    market = site.economy.market
    predicted = market.predicted(NOW)
    assert predicted is not None
    assert (predicted.price, predicted.volume) == (180.0, 90.0)
    assert predicted.quality is ImbalanceQuality.FORECAST
    assert predicted.period_seconds == 1800.0
    later = market.predicted(NOW + timedelta(minutes=30))
    assert later is not None
    assert later.volume == -150.0
    assert market.predicted(NOW + timedelta(hours=2)) is None


@pytest.mark.parametrize(("minutes", "start"), [(15, 0), (30, 0), (60, 0), (5, None)])
async def test_its_own_value_is_that_of_the_settlement_period(
    hass: HomeAssistant, follow: Follow, minutes: int, start: int | None
) -> None:
    say(hass, forecast=FORECAST)
    options = {
        "settlement_minutes": minutes,
        "imbalance": {"forecast_entity": SENSOR},
    }
    if start is None:
        with pytest.raises(vol.Invalid):
            market_options(options)
        return
    site = await follow(options)
    imbalance = site.economy.market.imbalance
    assert imbalance is not None
    assert imbalance.start.minute == start
    assert imbalance.period_seconds == minutes * 60
    assert (imbalance.price, imbalance.volume) == (190.5, 90.0)
    assert imbalance.covers(NOW)


async def test_a_sensor_that_is_gone_predicts_nothing_and_is_named(
    hass: HomeAssistant, follow: Follow
) -> None:
    site = await follow({"imbalance": {"forecast_entity": SENSOR}})
    assert site.economy.market.forecast is None
    assert "not available" in site.economy.problems["imbalance_forecast"]


async def test_the_grids_frequency_counts_for_seconds(
    hass: HomeAssistant, follow: Follow
) -> None:
    hass.states.async_set("sensor.frequency", "49.93", {"unit_of_measurement": "Hz"})
    site = await follow({"frequency_entity": "sensor.frequency"})
    frequency = site.economy.frequency
    assert frequency is not None
    assert frequency.value == 49.93
    assert frequency.fresh(frequency.received + 5)
    assert not frequency.fresh(frequency.received + 5.1)
    for state in ("unavailable", "unknown", "nan", "high"):
        hass.states.async_set("sensor.frequency", state)
        await hass.async_block_till_done()
        assert site.economy.frequency is None


async def test_a_report_of_the_frequency_has_nothing_else_read_again(
    hass: HomeAssistant, follow: Follow, freezer: FrozenDateTimeFactory
) -> None:
    hass.states.async_set("sensor.price", "0.20", {"unit_of_measurement": "EUR/kWh"})
    hass.states.async_set("sensor.frequency", "49.93", {"unit_of_measurement": "Hz"})
    site = await follow(
        {
            "frequency_entity": "sensor.frequency",
            "import": {"price_entity": "sensor.price"},
        }
    )
    before = site.economy
    assert before.market.import_price is not None
    freezer.tick(1)
    for value in ("49.93", "49.95"):
        hass.states.async_set("sensor.frequency", value, {"unit_of_measurement": "Hz"})
        await hass.async_block_till_done()
    assert site.economy.frequency is not None
    assert site.economy.frequency.value == 49.95
    assert site.economy.market is before.market
    assert site.economy.entity_windows is before.entity_windows
    # What comes otherwise is taken over with the newest frequency.
    hass.states.async_set("sensor.price", "0.30", {"unit_of_measurement": "EUR/kWh"})
    await hass.async_block_till_done()
    assert site.economy.market != before.market
    assert site.economy.frequency.value == 49.95
