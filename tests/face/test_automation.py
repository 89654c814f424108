"""Triggers and conditions in real automations."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import ConditionError
from homeassistant.helpers import condition, config_validation as cv
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
import voluptuous as vol

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import (
    NO_ORDERS,
    GridOrders,
    LocalStops,
    Order,
    OrderEvent,
    OrderName,
    OrderSource,
)
from custom_components.netflex.model.plan import (
    SITE,
    Cause,
    Compliance,
    ComplianceState,
    Limit,
    Plan,
    Quantity,
    Source,
)
from custom_components.netflex.trigger import TRIGGERS

from .fakes import NOW, FakeSite
from .translations import assert_exception_is_translated

LIMIT = Limit(
    scope=SITE,
    quantity=Quantity.IMPORT,
    value=10_000.0,
    source=Source.GRID_OPERATOR,
    cause=Cause(source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 50 %"),
)


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


async def automate(
    hass: HomeAssistant, entry: MockConfigEntry, trigger: str, **options: Any
) -> list[ServiceCall]:
    """Have one trigger call an action; return its calls as they come."""
    calls = async_mock_service(hass, "test", "record")
    data = {key: f"{{{{ trigger.{key} | default('-') }}}}" for key in _VARIABLES}
    automation = {
        "alias": trigger,
        "triggers": {
            "trigger": f"netflex.{trigger}",
            "options": {"config_entry_id": entry.entry_id, **options},
        },
        "actions": {"action": "test.record", "data": data},
    }
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    return calls


_VARIABLES = ("order", "value", "accepted", "direction", "change", "measured")


def order(name: OrderName, value: Any, **more: Any) -> OrderEvent:
    return OrderEvent(
        name=name, value=value, source=OrderSource.OPERATOR, at=NOW, **more
    )


def compliance(state: ComplianceState) -> Plan:
    item = Compliance(
        name="maxsetp", limit=LIMIT, ordered_at=NOW, state=state, measured=12_000.0
    )
    return Plan(at=1.0, compliance=(item,))


async def test_every_accepted_order_triggers(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(hass, entry, "order_received")
    faked().order(order(OrderName.MAXSETP, 40.0))
    faked().order(order(OrderName.MINSETP, 400.0, accepted=False, reason="range"))
    faked().order(order(OrderName.REDENP, 3))
    await hass.async_block_till_done()
    assert [call.data["order"] for call in calls] == ["maxsetp", "redenp"]
    assert calls[0].data["value"] == 40.0


async def test_chosen_orders_trigger_refused_ones_too(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(
        hass, entry, "order_received", orders=["minsetp"], accepted_only=False
    )
    faked().order(order(OrderName.MAXSETP, 40.0))
    faked().order(order(OrderName.MINSETP, 400.0, accepted=False, reason="range"))
    await hass.async_block_till_done()
    assert [call.data["accepted"] for call in calls] == [False]


async def test_a_stop_triggers_once_whoever_gives_it(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(hass, entry, "stop_changed", direction="production")
    site = faked()
    local = LocalStops().with_holder(Direction.PRODUCTION, "button", held=True)
    site.show(local_stops=local)
    ordered = Order(value=True, source=OrderSource.OPERATOR, at=NOW)
    site.show(orders=GridOrders(emergency_stop_production=ordered))
    site.show(local_stops=LocalStops())
    site.show(local_stops=LocalStops(consumption=frozenset({"button"})))
    site.show(orders=NO_ORDERS)
    await hass.async_block_till_done()
    assert [call.data["change"] for call in calls] == ["started", "ended"]


async def test_only_the_wanted_change_of_a_stop_triggers(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(hass, entry, "stop_changed", change="ended")
    faked().show(local_stops=LocalStops(consumption=frozenset({"button"})))
    faked().show(local_stops=LocalStops())
    await hass.async_block_till_done()
    assert [call.data["change"] for call in calls] == ["ended"]


async def test_the_link_triggers_when_it_is_lost_and_back(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(hass, entry, "link_changed")
    site = faked()
    site.show(link=replace(site.view.link, connected=False))
    site.show(link=replace(site.view.link, events_waiting=3))
    site.show(link=replace(site.view.link, connected=True))
    await hass.async_block_till_done()
    assert [call.data["change"] for call in calls] == ["lost", "connected"]


async def test_a_limit_that_is_not_kept_triggers_and_when_it_is_again(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    calls = await automate(hass, entry, "compliance_changed")
    site, link = faked(), faked().view.link
    for number, state in enumerate(
        (
            ComplianceState.INSIDE,
            ComplianceState.VIOLATED,
            ComplianceState.INFEASIBLE,
            ComplianceState.INSIDE,
            ComplianceState.VIOLATED,
            ComplianceState.UNKNOWN,
        )
    ):
        # The link's counter has each view published at once.
        site.show(plan=compliance(state), link=replace(link, events_waiting=number + 1))
    await hass.async_block_till_done()
    changes = [call.data["change"] for call in calls]
    assert changes == ["not_kept", "kept_again", "not_kept"]
    assert calls[0].data["measured"] == 12_000.0


async def test_triggers_outlive_a_reload_of_the_site(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    calls = await automate(hass, entry, "order_received")
    await start(hass, entry)
    faked().order(order(OrderName.MAXSETP, 40.0))
    assert await hass.config_entries.async_reload(entry.entry_id)
    faked().order(order(OrderName.MAXSETP, 60.0))
    await hass.async_block_till_done()
    assert [call.data["value"] for call in calls] == [40.0, 60.0]


async def test_another_sites_orders_do_not_trigger(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    other = MockConfigEntry(domain="netflex", entry_id="another")
    calls = await automate(hass, other, "order_received")
    faked().order(order(OrderName.MAXSETP, 40.0))
    await hass.async_block_till_done()
    assert calls == []


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_trigger_without_a_site_is_refused(
    hass: HomeAssistant, trigger: str
) -> None:
    with pytest.raises(vol.Invalid):
        await TRIGGERS[trigger].async_validate_config(hass, {"options": {}})


async def holds(
    hass: HomeAssistant, entry: MockConfigEntry, name: str, **options: Any
) -> bool | None:
    """Check one condition as an automation does."""
    config = cv.CONDITION_SCHEMA(
        {
            "condition": f"netflex.{name}",
            "options": {"config_entry_id": entry.entry_id, **options},
        }
    )
    validated = await condition.async_validate_condition_config(hass, config)
    checker = await condition.async_from_config(hass, validated)
    try:
        return checker.async_check(variables=None)
    finally:
        checker.async_unload()


async def test_conditions_tell_what_holds(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    site = faked()
    assert await holds(hass, entry, "is_connected")
    assert await holds(hass, entry, "is_limited")
    assert await holds(hass, entry, "is_limited", limit="maxsetp")
    assert not await holds(hass, entry, "is_limited", limit="minsetp")
    site.show(orders=NO_ORDERS, link=replace(site.view.link, connected=False))
    assert not await holds(hass, entry, "is_connected")
    assert not await holds(hass, entry, "is_limited")
    all_of_it = Order(value=100.0, source=OrderSource.OPERATOR, at=NOW)
    site.show(orders=GridOrders(maxsetp=all_of_it))
    assert not await holds(hass, entry, "is_limited")
    site.show(local_stops=LocalStops(consumption=frozenset({"button"})))
    assert await holds(hass, entry, "is_stopped")
    assert await holds(hass, entry, "is_stopped", direction="consumption")
    assert not await holds(hass, entry, "is_stopped", direction="production")


async def test_a_condition_on_a_site_that_does_not_run_is_an_error_not_a_no(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> None:
    await start(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    with pytest.raises(ConditionError, match="does not run") as unknown:
        await holds(hass, entry, "is_connected")
    # What the editor of automations shows when the condition is tested there.
    assert_exception_is_translated(unknown.value)
    assert unknown.value.translation_key == "site_not_loaded"
    await hass.config_entries.async_remove(entry.entry_id)
    with pytest.raises(ConditionError) as unknown:
        await holds(hass, entry, "is_connected")
    assert_exception_is_translated(unknown.value)
    assert unknown.value.translation_key == "site_not_found"
