"""The virtual meter in Home Assistant: forms, entities, repairs, and a real charger."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import replace
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.devices.metered_charger import (
    MeterStatus,
    Poll,
    VirtualMeterView,
)
from custom_components.netflex.devices.virtual_meter import Report
from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.connection import Line, LineValues
from custom_components.netflex.simulation.alfen_balancing import BalancingCharger
from custom_components.netflex.simulation.physics import ChargePoint, Contactor
from custom_components.netflex.site.problems import find_problems
from tests.site.bench import QUICK

from . import sites
from .fakes import FakeSite, full_view
from .test_real_site import running, shows, until  # noqa: F401
from .test_subentry_flows import TARIFF, Form

METER = {
    "name": "Meter for the Alfen",
    "charger": sites.CHARGER_ID,
    "allowed_clients": ["192.0.2.30", "192.0.2.30 "],
    "installation_current": 50,
    "charger_safe_current": 6,
    "fold": True,
    "more": {
        "port": 5020,
        "unit": 5,
        "bind_address": "127.0.0.1",
        "stale_after": 10,
        "ramp": 0.5,
        "order": "l2_l3_l1",
    },
}


def changed(**values: Any) -> dict[str, Any]:
    """Return the form with other values, those of the collapsed part too."""
    more = {key: values.pop(key) for key in list(values) if key in METER["more"]}  # type: ignore[operator]
    return {**METER, **values, "more": {**METER["more"], **more}}  # type: ignore[dict-item]


class TestForms:
    """What is asked, tested and stored."""

    @pytest.fixture(autouse=True)
    def _running(self, no_entities: None, site: FakeSite) -> None:
        """Every form is opened on a site that runs."""

    async def test_a_virtual_meter_for_a_charger(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        form = Form(hass, entry, "virtual_meter")
        await form.begin()
        with patch(
            "custom_components.netflex.flows.virtual_meter.bind_error",
            return_value=None,
        ):
            result = await form.submit(METER)
        assert result["type"] is FlowResultType.CREATE_ENTRY
        config = site_config(entry)
        (device,) = (
            item for item in config.devices if item.device_id == sites.CHARGER_ID
        )
        meter = device.virtual_meter
        assert meter is not None
        assert config.virtual_meters == (meter,)
        assert meter.allowed == ("192.0.2.30",)
        assert meter.order == (Line.L2, Line.L3, Line.L1)
        assert (meter.unit, meter.port, meter.safe_current) == (5, 5020, 6.0)
        assert device.asset is not None
        assert not device.asset.stays_stopped
        # Changed, it keeps what was filled in; the charger is not offered twice.
        (subentry_id,) = (
            item.subentry_id
            for item in entry.subentries.values()
            if item.subentry_type == "virtual_meter"
        )
        again = Form(hass, entry, "virtual_meter")
        await again.begin(subentry_id)
        result = await again.submit(changed(installation_current=40))
        assert result["type"] is FlowResultType.ABORT
        assert site_config(entry).virtual_meters[0].installation_current == 40.0
        second = Form(hass, entry, "virtual_meter")
        await second.begin()
        (charger,) = (
            field
            for marker, field in second.result["data_schema"].schema.items()
            if marker == "charger"
        )
        assert [item["value"] for item in charger.config["options"]] == [
            sites.WALLBOX_ID
        ]
        result = await second.submit(
            changed(name="Second", charger=sites.WALLBOX_ID, installation_current=16)
        )
        assert result["errors"] == {"base": "unit_taken"}

    @pytest.mark.parametrize(
        ("values", "errors"),
        [
            ({"name": " "}, {"name": "name_missing"}),
            ({"name": "Wallbox"}, {"name": "name_taken"}),
            ({"allowed_clients": []}, {"allowed_clients": "clients_missing"}),
            ({"allowed_clients": ["alfen"]}, {"allowed_clients": "clients_invalid"}),
            (
                {"installation_current": 5},
                {
                    "installation_current": "maximum_below_minimum",
                    "charger_safe_current": "safe_current_impossible",
                },
            ),
            ({"installation_current": 64}, {"installation_current": "above_main_fuse"}),
            (
                {"charger_safe_current": 3},
                {"charger_safe_current": "safe_current_impossible"},
            ),
            ({"port": 0}, {"base": "port_out_of_range"}),
            ({"unit": 248}, {"base": "unit_out_of_range"}),
            ({"bind_address": "here"}, {"base": "address_invalid"}),
            ({"ramp": 0}, {"base": "times_invalid"}),
        ],
    )
    async def test_what_cannot_be_is_said(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        values: dict[str, Any],
        errors: dict[str, str],
    ) -> None:
        form = Form(hass, entry, "virtual_meter")
        await form.begin()
        result = await form.submit(changed(**values))
        assert result["errors"] == errors

    async def test_a_port_that_is_taken_is_said(
        self, hass: HomeAssistant, entry: MockConfigEntry, socket_enabled: None
    ) -> None:
        form = Form(hass, entry, "virtual_meter")
        await form.begin()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = await form.submit(changed(port=port))
        assert result["errors"] == {"base": "port_in_use"}

    async def test_a_charger_that_balances_itself_must_be_measured_to_be_folded(
        self, hass: HomeAssistant, entry: MockConfigEntry
    ) -> None:
        charger = Form(hass, entry, "charger")
        await charger.begin()
        result = await charger.choose("metered")
        assert result["step_id"] == "metered"
        await charger.submit({"name": "Alfen"})
        result = await charger.submit(
            {
                "max_current": 32,
                "phases": "3",
                "lines": [],
                "safe_current": 6,
                "more": {"min_current": 6, "priority": 1},
            }
        )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        (added,) = (item for item in entry.subentries.values() if item.title == "Alfen")
        assert added.data["source"] == "metered"
        form = Form(hass, entry, "virtual_meter")
        await form.begin()
        result = await form.submit(changed(charger=added.subentry_id))
        assert result["errors"] == {"fold": "charger_not_measured"}
        with patch(
            "custom_components.netflex.flows.virtual_meter.bind_error",
            return_value=None,
        ):
            result = await form.submit(changed(charger=added.subentry_id, fold=False))
        assert result["type"] is FlowResultType.CREATE_ENTRY
        # With a sensor of its power it may be folded in.
        again = Form(hass, entry, "charger")
        await again.begin(added.subentry_id)
        await again.submit({"name": "Alfen", "power_entity": "sensor.alfen_power"})
        assert again.result["step_id"] == "asset"


async def test_without_a_charger_there_is_nothing_to_serve(
    hass: HomeAssistant, no_entities: None, faked: Callable[[], FakeSite]
) -> None:
    entry = sites.site_entry(complete=False)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    form = Form(hass, entry, "virtual_meter")
    result = await form.begin()
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "no_charger"


METER_ID = "01VIRTUAL00000000000000000"
SHOWN = VirtualMeterView(
    meter_id=METER_ID,
    status=MeterStatus.OK,
    report=Report.HEADROOM,
    poll_age=3.2,
    currents=LineValues(l1=31.04, l2=12.0, l3=11.0),
    granted=18.96,
    why="Main fuse of L1: 63.0 A",
    polls=(
        (
            Poll(
                client="192.0.2.30",
                client_number=1,
                unit=5,
                function=3,
                address=50514,
                count=54,
            ),
            17,
        ),
    ),
    strangers=(("192.0.2.99", 2),),
)


@pytest.fixture
def with_meter() -> MockConfigEntry:
    """A site with a virtual meter for its charger."""
    entry = sites.site_entry()
    meter = sites.subentry(
        "virtual_meter",
        METER_ID,
        "Alfen meter",
        {key: value for key, value in METER.items() if key not in {"name", "more"}}
        | METER["more"],  # type: ignore[operator]
    )
    object.__setattr__(entry, "subentries", {**entry.subentries, METER_ID: meter})
    return entry


class TestEntities:
    """What is shown of a virtual meter."""

    @pytest.fixture
    def entry(self, with_meter: MockConfigEntry) -> MockConfigEntry:
        return with_meter

    async def test_its_entities(
        self,
        hass: HomeAssistant,
        all_enabled: None,
        show: Callable[..., Any],
    ) -> None:
        await show(virtual_meters={METER_ID: SHOWN})
        states = {
            key: hass.states.get(f"sensor.alfen_meter_{key}").state  # type: ignore[union-attr]
            for key in (
                "status",
                "shown_to_the_charger",
                "left_to_the_charger",
                "last_read",
                "shown_current_l1",
            )
        }
        assert states == {
            "status": "ok",
            "shown_to_the_charger": "headroom",
            "left_to_the_charger": "19.0",
            "last_read": "3.0",
            "shown_current_l1": "31.04",
        }
        shown = hass.states.get("sensor.alfen_meter_shown_to_the_charger")
        assert shown is not None
        assert shown.attributes["why"] == "Main fuse of L1: 63.0 A"

    async def test_the_shown_currents_are_disabled_at_first(
        self, hass: HomeAssistant, site: FakeSite
    ) -> None:
        assert hass.states.get("sensor.alfen_meter_shown_current_l1") is None
        assert hass.states.get("sensor.alfen_meter_status") is not None

    async def test_diagnostics_count_the_polls_without_addresses(
        self, hass: HomeAssistant, entry: MockConfigEntry, show: Callable[..., Any]
    ) -> None:
        await show(virtual_meters={METER_ID: SHOWN})
        found = await async_get_config_entry_diagnostics(hass, entry)
        ((poll, count),) = found["view"]["virtual_meters"][METER_ID]["polls"]
        assert count == 17
        assert (poll["unit"], poll["address"], poll["count"]) == (5, 50514, 54)
        assert poll["client_number"] == 1
        assert "192.0.2" not in str(found["view"]["virtual_meters"])


def test_a_meter_that_is_missed_for_two_minutes_becomes_a_repair() -> None:
    def problems(status: MeterStatus) -> list[str]:
        view = replace(
            full_view(),
            virtual_meters={
                METER_ID: replace(
                    SHOWN, status=status, problem="the site meter is silent"
                )
            },
        )
        found = find_problems(
            view,
            names={},
            station={},
            inputs={},
            writing={},
            weak=(),
            decision=None,
        )
        return [item.subject for item in found if item.key == "virtual_meter_failed"]

    assert problems(MeterStatus.WARNING) == []
    assert problems(MeterStatus.ERROR) == [METER_ID]


@pytest.fixture
def quick() -> Generator[None]:
    """Shorten the decision's own times."""
    with patch("custom_components.netflex.runtime.TUNING", QUICK):
        yield


async def test_a_charger_reads_its_meter_from_a_real_site(
    hass: HomeAssistant,
    quick: None,
    running: MockConfigEntry,  # noqa: F811
    socket_enabled: None,
) -> None:
    """From the forms to the registers that a charger reads over its own socket."""
    flows = hass.config_entries.subentries

    async def fill(kind: str, *forms: dict[str, Any]) -> str:
        before = set(running.subentries)
        result: Any = await flows.async_init(
            (running.entry_id, kind), context={"source": SOURCE_USER}
        )
        for form in forms:
            result = await flows.async_configure(result["flow_id"], form)
        assert result["type"] is FlowResultType.CREATE_ENTRY, result
        await hass.async_block_till_done()
        (added,) = set(running.subentries) - before
        return added

    hass.states.async_set("sensor.grid", "2300", {"unit_of_measurement": "W"})
    for line, current in (("l1", 4.0), ("l2", 3.0), ("l3", 3.0)):
        hass.states.async_set(
            f"sensor.grid_{line}", str(current), {"unit_of_measurement": "A"}
        )
    hass.states.async_set("sensor.alfen", "0", {"unit_of_measurement": "W"})
    await fill(
        "meter",
        {"next_step_id": "entity"},
        {
            "name": "Grid",
            "role": "connection_point",
            "power_entity": "sensor.grid",
            "tariff": TARIFF,
            "more": {"max_age": 60, "direction": "load_positive"},
            **{
                f"current_{line}_entity": f"sensor.grid_{line}"
                for line in ("l1", "l2", "l3")
            },
        },
    )
    charger = await fill(
        "charger",
        {"next_step_id": "metered"},
        {"name": "Alfen", "power_entity": "sensor.alfen"},
        {
            "max_current": 32,
            "phases": "3",
            "lines": [],
            "safe_current": 6,
            "more": {"min_current": 6, "priority": 1},
        },
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    await fill(
        "virtual_meter",
        changed(
            charger=charger,
            allowed_clients=["127.0.0.1"],
            port=port,
            stale_after=60,
            order="l1_l2_l3",
            ramp=100,
        ),
    )
    point = ChargePoint(feeder=Contactor("charger"))
    alfen = BalancingCharger(point=point, host="127.0.0.1", port=port, timeout=1.0)
    async with asyncio.timeout(10):
        while not (alfen.balanced and point.offered >= 6):
            await alfen.poll(0.0)
            await asyncio.sleep(0.02)
            await hass.async_block_till_done()
    await until(hass, shows(hass, "sensor.meter_for_the_alfen_status", "ok"))
    # The site's own stop: the fuse is full for the charger at its next question.
    await hass.services.async_call(
        "switch",
        "turn_on",
        {"entity_id": "switch.bakery_local_stop_consumption"},
        blocking=True,
    )
    async with asyncio.timeout(10):
        while point.offered > 0:
            await alfen.poll(0.0)
            await asyncio.sleep(0.02)
            await hass.async_block_till_done()
    await until(
        hass,
        shows(hass, "sensor.meter_for_the_alfen_shown_to_the_charger", "fuse_full"),
    )
    await until(hass, shows(hass, "sensor.bakery_stop_of_consumption", "confirmed"))
    # Without its meter the charger is nobody's any more, and that is said.
    await alfen.close()
    (meter_id,) = (
        item.subentry_id
        for item in running.subentries.values()
        if item.subentry_type == "virtual_meter"
    )
    hass.config_entries.async_remove_subentry(running, meter_id)
    await hass.async_block_till_done()
    await until(hass, shows(hass, "binary_sensor.alfen_problem", "on"))
