"""Shadow in the forms: it and a grid operator exclude each other (S07)."""

from collections.abc import Awaitable, Callable
from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.entry_site import (
    in_shadow,
    site_config,
    station_settings,
)
from custom_components.netflex.model.orders import GridOrders, Order, OrderSource
from custom_components.netflex.repair_flows import AllowClientFlow, ForgetOptionFlow
from custom_components.netflex.repairs import async_create_fix_flow
from custom_components.netflex.site.view import SiteProblem

from . import sites
from .fakes import NOW, FakeSite

NOBODY = {"allowed_clients": [], "allow_any_client": False}
SHADOW = {"version": 1, "shadow": True}
FREE = GridOrders()


async def choose(hass: HomeAssistant, entry: MockConfigEntry, shadow: bool) -> Any:
    flows = hass.config_entries.options
    result: Any = await flows.async_init(entry.entry_id)
    result = await flows.async_configure(result["flow_id"], {"next_step_id": "shadow"})
    assert result["step_id"] == "shadow"
    return await flows.async_configure(result["flow_id"], {"shadow": shadow})


@pytest.fixture
def entry() -> MockConfigEntry:
    return sites.site_entry(data={"telecontrol": True, **NOBODY})


async def test_S07_shadow_is_chosen_and_left_again(
    hass: HomeAssistant,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
    entry: MockConfigEntry,
) -> None:
    await show(orders=FREE)
    result = await choose(hass, entry, True)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["shadow"] is True
    assert site_config(entry).shadow
    settings = station_settings(entry)
    assert settings is not None
    assert settings.bench
    assert not settings.admits_operator
    assert (await choose(hass, entry, False))["type"] is FlowResultType.CREATE_ENTRY
    assert "shadow" not in entry.options
    assert not in_shadow(entry)


@pytest.mark.parametrize(
    "clients",
    [
        {"allowed_clients": ["10.0.0.5"], "allow_any_client": False},
        {"allowed_clients": [], "allow_any_client": True},
    ],
)
async def test_S07_shadow_is_refused_while_a_client_is_allowed(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, clients: dict[str, Any]
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, **clients})
    result = await choose(hass, entry, True)
    assert result["errors"] == {"shadow": "shadow_with_client"}
    # Whoever writes it into the store by hand does not get it either.
    hass.config_entries.async_update_entry(entry, options=SHADOW)
    assert not in_shadow(entry)
    settings = station_settings(entry)
    assert settings is not None
    assert not settings.bench


async def test_S07_shadow_is_refused_while_orders_bind(
    hass: HomeAssistant,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
    entry: MockConfigEntry,
) -> None:
    order = Order(value=50.0, source=OrderSource.RESTORED, at=NOW)
    await show(orders=GridOrders(maxsetp=order))
    result = await choose(hass, entry, True)
    assert result["errors"] == {"shadow": "shadow_with_orders"}


async def test_S07_no_client_is_let_in_while_in_shadow(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, options=SHADOW)
    flow = AllowClientFlow(entry.entry_id, "10.0.0.5")
    flow.hass = hass
    result: Any = await flow.async_step_confirm({})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "site_in_shadow"
    assert entry.data["allowed_clients"] == []

    flows = hass.config_entries.flow
    result = await flows.async_init(
        "netflex",
        context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id},
    )
    values = {key.schema: None for key in result["data_schema"].schema}
    shown = {key: value for key, value in entry.data.items() if key in values} | {
        "grid_type": "star",
        "name": entry.title,
    }
    more = {
        key: entry.data[key]
        for key in ("cos_phi", "contract_unit")
        if key in entry.data and key not in shown
    }
    if "more" in values:
        shown["more"] = more
    result = await flows.async_configure(result["flow_id"], shown)
    assert result["step_id"] == "telecontrol", result
    station = {
        key.schema: entry.data[key.schema]
        for key in result["data_schema"].schema
        if key.schema in entry.data
    } | {"allowed_clients": ["10.0.0.5"]}
    section = {
        key: entry.data[key]
        for key in ("port", "common_address", "allow_any_client")
        if key not in station
    }
    result = await flows.async_configure(
        result["flow_id"], {**station, **({"more": section} if section else {})}
    )
    assert result["errors"] == {"allowed_clients": "client_in_shadow"}


async def test_shadow_is_seen_everywhere(
    hass: HomeAssistant,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
    entry: MockConfigEntry,
) -> None:
    problem = SiteProblem(key="in_shadow", subject="station", text="Nothing is written")
    await show(shadow=True, problems=(problem,))
    status = hass.states.get("sensor.bakery_status")
    assert status is not None
    assert status.state == "shadow"
    setpoints = [
        state
        for state in hass.states.async_all("sensor")
        if "written" in state.attributes
    ]
    assert setpoints
    assert all(state.attributes["written"] is False for state in setpoints)
    keys = {issue.translation_key for issue in ir.async_get(hass).issues.values()}
    assert "in_shadow" in keys


async def test_its_repair_turns_it_off_once_confirmed(
    hass: HomeAssistant,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
    entry: MockConfigEntry,
) -> None:
    hass.config_entries.async_update_entry(entry, options=SHADOW)
    problem = SiteProblem(key="in_shadow", subject="station", text="Nothing is written")
    await show(shadow=True, problems=(problem,))
    (issue,) = (
        issue
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key == "in_shadow"
    )
    assert issue.is_fixable
    flow = await async_create_fix_flow(hass, issue.issue_id, issue.data)
    flow.hass, flow.handler = hass, "netflex"
    flow.context = {"issue_id": issue.issue_id}
    result: Any = await flow.async_step_init()
    assert result["type"] is FlowResultType.FORM
    assert result["description_placeholders"]["site"] == "Bakery"
    assert in_shadow(entry)
    result = await flow.async_step_confirm({})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert not in_shadow(entry)
    assert entry.options["version"] == 1
    gone = ForgetOptionFlow("no such site", "shadow")
    gone.hass = hass
    result = await gone.async_step_confirm({})
    assert result["reason"] == "site_removed"
