"""What is kept of dispatch over a restart."""

from datetime import UTC, datetime, timedelta

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.market.feed import MarketConfig, SiteMarket
from custom_components.netflex.market.options import market_options
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand

from .conftest import Follow, ToldSite


@pytest.fixture(autouse=True)
def _clock() -> None:
    """Let the clock run: stored times are times of the real type."""


def manual(source: str, minutes: float) -> DispatchCommand:
    now = datetime.now(UTC)
    return DispatchCommand(
        source=source,
        action=DispatchAction.CHARGE_MAX,
        start=now - timedelta(hours=1),
        end=now + timedelta(minutes=minutes),
        assets=frozenset({"battery"}),
    )


@pytest.mark.usefixtures("hass_storage")
async def test_a_command_of_the_action_outlives_a_restart_until_it_is_over(
    hass: HomeAssistant, entry: MockConfigEntry, follow: Follow, market: SiteMarket
) -> None:
    first = await follow()
    goes_on = manual("goes on", 30)
    market.async_dispatch(goes_on)
    market._manual.append(manual("over", -10))
    first.dispatch._history = {goes_on.start: 1250.0}
    await market.async_stop()
    site = ToldSite()
    again = SiteMarket(hass, entry, site)  # type: ignore[arg-type]
    await again.async_start(MarketConfig(options=market_options({})))
    assert site.economy.dispatches == (goes_on,)
    assert site.dispatch.to_dict() == {goes_on.start.isoformat(): 1250.0}
    await again.async_stop()


@pytest.mark.usefixtures("hass_storage")
async def test_what_was_stored_in_another_form_is_not_used(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    site = ToldSite()
    market = SiteMarket(hass, entry, site)  # type: ignore[arg-type]
    await market._store.async_save({"commands": [{"source": 1}], "days_before": {}})
    await market.async_start(MarketConfig(options=market_options({})))
    assert site.economy.dispatches == ()
    assert "is not used" in caplog.text
    await market.async_stop()
