"""Options changed in the forms while an independent RTU is connected."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.flows.points import point_fields, point_values
from custom_components.netflex.iec104 import engine
from custom_components.netflex.model.orders import OrderSource
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS

from .bench import CONTRACT_KW, SiteBench
from .test_lifecycle import connections
from .test_operator import IOA, set_float, switch

pytestmark = pytest.mark.peer

BUTTON = "input_boolean.button"
MOVED = 4711


async def submit(bench: SiteBench, result: Any, values: dict[str, Any]) -> Any:
    result = await bench.hass.config_entries.options.async_configure(
        result["flow_id"], values
    )
    assert not result.get("errors"), result
    return result


async def choose(bench: SiteBench, *steps: str) -> Any:
    """Go through the menus of the options to one form."""
    result: Any = await bench.hass.config_entries.options.async_init(
        bench.entry.entry_id
    )
    for step in steps:
        result = await submit(bench, result, {"next_step_id": step})
    return result


async def finish(bench: SiteBench, result: Any, values: dict[str, Any]) -> None:
    result = await submit(bench, result, values)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await bench.hass.async_block_till_done(wait_background_tasks=False)


def limit(bench: SiteBench) -> float | None:
    """The import limit in force in W."""
    order = bench.entry.runtime_data.coordinator.data.orders.maxsetp
    return None if order is None else order.value / 100 * CONTRACT_KW * 1000


async def test_a_point_gets_another_address_while_the_operator_is_connected(
    bench: SiteBench,
) -> None:
    before, runtime = connections(bench), bench.entry.runtime_data
    await set_float(bench, "maxsetp", 60.0)
    point = DEFAULT_POINTS.by_name["maxsetp"]
    result = await choose(bench, "points", "point")
    result = await submit(bench, result, {"point": "maxsetp"})
    fields = {str(marker) for marker in point_fields(point)}
    values = {key: item for key, item in point_values(point).items() if key in fields}
    result = await submit(bench, result, values | {"ioa": MOVED})
    result = await submit(bench, result, {"next_step_id": "points_save"})
    await finish(bench, result, {"confirmed": True})

    refused = await bench.rtu.command(IOA["maxsetp"], "C_SE_NC_1", 10.0)
    assert not refused.accepted
    taken = await bench.rtu.command(MOVED, "C_SE_NC_1", 40.0)
    assert taken.accepted
    assert taken.terminated
    await bench.rtu.wait_point(
        IOA["maxsetp_feedback"], lambda point: point.value == 40.0
    )
    await bench.until(lambda: limit(bench) == 8000.0)
    # Neither the link nor the site noticed more than that.
    assert connections(bench) == before
    assert bench.entry.runtime_data is runtime


async def test_S05_the_chosen_policy_acts_when_the_link_is_lost(
    bench: SiteBench,
) -> None:
    before = connections(bench)
    await set_float(bench, "maxsetp", 80.0)
    await switch(bench, "emergency_stop_production", True)
    policy = {"action": "fallback", "delay": 0.5, "fallback": {"maxsetp": 20.0}}
    await finish(bench, await choose(bench, "link_loss"), policy)
    assert connections(bench) == before
    assert limit(bench) == 16_000.0

    await bench.rtu.disconnect()
    await bench.until(lambda: limit(bench) == 4000.0)
    orders = bench.entry.runtime_data.coordinator.data.orders
    assert orders.maxsetp.source is OrderSource.FALLBACK
    # Stops always hold.
    assert bench.coil()
    await bench.connect()
    await bench.until(lambda: limit(bench) == 16_000.0)
    assert bench.coil()


async def test_the_builtin_engine_stands_in_for_one_that_is_gone(
    bench: SiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hass, entry = bench.hass, bench.entry
    issue_id = f"engine_missing_{entry.entry_id}"
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    monkeypatch.setattr(engine, "find_spec", lambda _name: None)
    await bench.rtu.disconnect()
    hass.config_entries.async_update_entry(
        entry, options={"version": 1, "engine": "c104"}
    )
    assert await hass.config_entries.async_reload(entry.entry_id)
    await bench.connect()
    await switch(bench, "emergency_stop_production", True)
    await bench.until(bench.coil)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders == {"site": entry.title, "engine": "c104"}

    # The options open at what has to be changed.
    shown = await hass.config_entries.options.async_init(entry.entry_id)
    assert shown["step_id"] == "engine"
    await finish(bench, shown, {"engine": "builtin"})
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None


async def test_only_a_change_of_the_wire_drops_the_link(bench: SiteBench) -> None:
    link = {
        "end_of_initialization": "on_start",
        "second_client": "refuse",
        "termination": True,
        "time_zone": "auto",
        "max_command_delay": 10,
        "stale_command": "negative",
        "more": {
            "t0": 30, "t1": 15, "t2": 10, "t3": 15, "k": 12, "w": 8,
            "select_timeout": 30,
        },
    }  # fmt: skip
    await finish(bench, await choose(bench, "link"), link)

    await bench.until(lambda: "closed: the station was stopped" in wire(bench))
    await bench.rtu.disconnect()
    await bench.connect()
    await set_float(bench, "maxsetp", 70.0)

    diagnostics = await async_get_config_entry_diagnostics(bench.hass, bench.entry)
    assert diagnostics["entry"]["options"]["link"]["t3"] == 15
    lines = [entry["text"] for entry in diagnostics["wire_log"]]
    assert any(
        "C_SE_NC_1 activation" in line and f" {IOA['maxsetp']}=70" in line
        for line in lines
    )
    assert any(line.startswith("U STARTDT_ACT") for line in lines)


def wire(bench: SiteBench) -> str:
    """Everything that the log of the wire holds."""
    return "\n".join(entry.text for entry in bench.entry.runtime_data.wire_log())


async def test_S13_an_input_stops_the_site_beside_the_operator(
    bench: SiteBench, hass: HomeAssistant
) -> None:
    assert await async_setup_component(
        hass, "input_boolean", {"input_boolean": {"button": {"initial": True}}}
    )
    await finish(
        bench,
        await choose(bench, "local_stops"),
        {"consumption": [BUTTON], "production": []},
    )

    async def press(*, closed: bool) -> None:
        action = "turn_on" if closed else "turn_off"
        await hass.services.async_call(
            "input_boolean", action, {"entity_id": BUTTON}, blocking=True
        )

    await press(closed=False)
    await bench.until(lambda: bench.charger_register() == 0)
    await bench.rtu.wait_point(
        IOA["emergency_stop_consumption_feedback"], lambda point: point.value == 1.0
    )
    # The operator's release, the switch and a reload lift nothing.
    for on in (1, 0):
        name = "emergency_stop_consumption"
        answer = await bench.rtu.command(IOA[name], "C_SC_NA_1", on)
        assert answer.accepted
    entity_id = bench.entity("switch", "local_stop_consumption")
    for action in ("turn_on", "turn_off"):
        await hass.services.async_call(
            "switch", action, {"entity_id": entity_id}, blocking=True
        )
    hass.states.async_set(BUTTON, "unavailable")
    assert await hass.config_entries.async_reload(bench.entry.entry_id)
    await bench.until(
        lambda: (
            bench.entry.runtime_data.coordinator.data.local_stops.consumption
            == {BUTTON}
        )
    )
    await bench.until(lambda: not bench.boiler_on())
    assert bench.charger_register() == 0

    hass.states.async_set(BUTTON, "off")
    await press(closed=True)
    await bench.until(lambda: bench.charger_register() >= 6)
    await bench.rtu.wait_point(
        IOA["emergency_stop_consumption_feedback"], lambda point: point.value == 0.0
    )
