"""The blueprints, each made into a real automation of a site."""

from collections.abc import Callable
from pathlib import Path
import shutil
from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    LocalStops,
    Order,
    OrderEvent,
    OrderName,
    OrderSource,
)

from .fakes import NOW, FakeSite

BLUEPRINTS = (
    Path(__file__).parents[2]
    / "custom_components"
    / "netflex"
    / "blueprints"
    / "automation"
)


@pytest.fixture
def automate(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> Any:
    """Run a site and one blueprint with its inputs; return the site."""

    async def make(name: str, **inputs: Any) -> FakeSite:
        folder = Path(hass.config.path("blueprints", "automation", "netflex"))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(BLUEPRINTS / name, folder / name)
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        automation = {
            "alias": name,
            "use_blueprint": {
                "path": f"netflex/{name}",
                "input": {"site": entry.entry_id, **inputs},
            },
        }
        assert await async_setup_component(
            hass, "automation", {"automation": automation}
        )
        await hass.async_block_till_done()
        assert len(hass.states.async_all("automation")) == 1
        return faked()

    return make


@pytest.fixture(autouse=True)
def own_configuration(hass: HomeAssistant, tmp_path: Path) -> None:
    """Keep the blueprints of a test to itself."""
    hass.config.config_dir = str(tmp_path)


async def order(
    hass: HomeAssistant, site: FakeSite, name: OrderName, value: float
) -> None:
    """Have an order arrive and be in force."""
    given = Order(value=value, source=OrderSource.OPERATOR, at=NOW)
    site.show(orders=site.view.orders.with_order(name, given))
    site.order(OrderEvent(name=name, value=value, source=OrderSource.OPERATOR, at=NOW))
    await hass.async_block_till_done()


def temperatures(calls: list[ServiceCall]) -> list[float]:
    return [call.data["temperature"] for call in calls]


async def test_a_stop_is_told_at_its_beginning_and_end(
    hass: HomeAssistant, automate: Any
) -> None:
    calls = async_mock_service(hass, "persistent_notification", "create")
    site = await automate("notify_on_stop.yaml")
    site.show(local_stops=LocalStops(consumption=frozenset({"button"})))
    await hass.async_block_till_done()
    site.show(local_stops=LocalStops())
    await hass.async_block_till_done()
    assert [call.data["title"] for call in calls] == [
        "Emergency stop",
        "Emergency stop over",
    ]
    assert calls[0].data["message"] == "All consumption of the site is being stopped."


async def test_heating_is_set_back_during_a_limit_and_ahead_before_one(
    hass: HomeAssistant, automate: Any
) -> None:
    calls = async_mock_service(hass, "climate", "set_temperature")
    hass.states.async_set("input_boolean.ahead", "off")
    site = await automate(
        "heat_around_limits.yaml",
        thermostat="climate.house",
        ahead_switch="input_boolean.ahead",
    )
    site.show(orders=NO_ORDERS)
    hass.states.async_set("input_boolean.ahead", "on")
    await hass.async_block_till_done()
    assert temperatures(calls) == [21]
    await order(hass, site, OrderName.MAXSETP, 40.0)
    assert temperatures(calls) == [21, 18]
    hass.states.async_set("input_boolean.ahead", "off")
    await hass.async_block_till_done()
    await order(hass, site, OrderName.MAXSETP, 100.0)
    assert temperatures(calls) == [21, 18, 18, 20]


async def test_the_boiler_takes_the_sun_that_may_not_be_injected(
    hass: HomeAssistant, automate: Any
) -> None:
    site = await automate("shift_boiler.yaml", boiler="switch.boiler")
    # In place of the services that the site's own switches brought.
    on = async_mock_service(hass, "switch", "turn_on")
    off = async_mock_service(hass, "switch", "turn_off")
    site.show(orders=GridOrders())
    await order(hass, site, OrderName.MINSETP, 0.0)
    assert (len(on), len(off)) == (1, 0)
    await order(hass, site, OrderName.MAXSETP, 10.0)
    assert (len(on), len(off)) == (1, 1)
    await order(hass, site, OrderName.MAXSETP, 100.0)
    assert (len(on), len(off)) == (2, 1)
    site.show(local_stops=LocalStops(consumption=frozenset({"button"})))
    await hass.async_block_till_done()
    assert (len(on), len(off)) == (2, 2)
    site.show(local_stops=LocalStops())
    await order(hass, site, OrderName.MINSETP, 100.0)
    assert len(off) == 3


@pytest.mark.parametrize(
    "path", sorted(BLUEPRINTS.glob("*.yaml")), ids=lambda p: p.stem
)
def test_a_blueprint_says_where_it_comes_from(path: Path) -> None:
    blueprint = load_yaml(path)["blueprint"]
    assert blueprint["source_url"].endswith(path.name)
    assert blueprint["description"]
    assert blueprint["homeassistant"]["min_version"] == "2026.10.0"
