"""What a price sensor has said of the last day is still known after it forgets it."""

from datetime import datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.market.options import PriceOptions
from custom_components.netflex.market.prices import PriceInput

EVENING = datetime.fromisoformat("2026-11-28T22:30:00+00:00")


def tell(hass: HomeAssistant, first: datetime, *values: float) -> None:
    """Have the sensor forecast prices by the hour."""
    rows = [
        {
            "start": (first + timedelta(hours=n)).isoformat(),
            "end": (first + timedelta(hours=n + 1)).isoformat(),
            "value": value,
        }
        for n, value in enumerate(values)
    ]
    hass.states.async_set(
        "sensor.price", "0.1", {"unit_of_measurement": "EUR/kWh", "raw_today": rows}
    )


async def test_yesterday_is_known_until_a_day_has_passed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(EVENING)
    known = PriceInput(hass, MockConfigEntry(domain=DOMAIN), lambda: None, export=False)
    known.async_set(PriceOptions(entity="sensor.price"))
    evening, midnight = EVENING.replace(minute=0), EVENING.replace(minute=0, hour=0)
    midnight += timedelta(days=1)

    def starts() -> list[datetime]:
        series, problem = known.read()
        assert problem is None
        assert series is not None
        return [slot.start for slot in series.slots]

    tell(hass, evening, 0.1, 0.2)
    assert starts() == [evening, evening + timedelta(hours=1)]
    freezer.move_to(midnight + timedelta(minutes=5))
    tell(hass, midnight, 0.3, 0.4)
    assert starts() == [evening + timedelta(hours=n) for n in range(4)]
    # Other options are other prices.
    known.async_set(PriceOptions(entity="sensor.price", stale_after=7200.0))
    assert starts() == [midnight, midnight + timedelta(hours=1)]
    known.async_stop()
