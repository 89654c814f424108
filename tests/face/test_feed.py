"""What the cards are told of a site, over the websocket, and how they are served."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import time

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.netflex.model.orders import OrderEvent, OrderName, OrderSource
from custom_components.netflex.model.plan import Cause, Source
from custom_components.netflex.model.remote import RemoteCommand
from custom_components.netflex.model.snapshot import Override, UserLimits
from custom_components.netflex.sensor_quality import (
    SITE_QUALITY_SENSORS,
    SOURCE_QUALITY_SENSORS,
)
from custom_components.netflex.telemetry.quality import (
    Fault,
    FaultKind,
    QualityReport,
    SourceQuality,
)

from . import sites
from .fakes import NOW, FakeSite, full_view

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def site(
    hass: HomeAssistant, entry: MockConfigEntry, faked: Callable[[], FakeSite]
) -> FakeSite:
    """Return a site that runs."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return faked()


async def test_sites_are_listed_with_what_a_dashboard_needs(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "netflex/sites"})
    (listed,) = (await client.receive_json())["result"]
    assert listed["entry_id"] == entry.entry_id
    assert listed["telecontrol"] is True
    assert listed["demand"] is True
    assert listed["subjects"][sites.CHARGER_ID]["kind"] == "charger"
    assert listed["subjects"][sites.CHARGER_ID]["maximum_current"] == 32.0
    status = listed["entities"][f"{entry.entry_id}_status"]
    assert hass.states.get(status) is not None


async def test_a_subscription_tells_everything_then_each_change(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {"type": "netflex/subscribe", "entry_id": entry.entry_id}
    )
    assert (await client.receive_json())["success"]
    first = (await client.receive_json())["event"]
    assert first["title"] == "Bakery"
    assert first["connection"] == {"grid_type": "3N400", "main_fuse": 63.0}
    assert first["meter"]["power"] == -1250.4
    assert first["meter"]["currents"]["L1"] == 2.31
    assert first["link"]["client"] == "192.0.2.10"
    assert first["link"]["points_confirmed"] is False
    assert first["demand"]["month_peak"] == 5200.0
    assert first["orders"]["maxsetp"]["value"] == 50.0
    told = first["assets"][sites.CHARGER_ID]["setpoint"]
    assert told["causes"], "every bounded setpoint says why"
    assert first["timeline"] == []
    assert sites.METER_ID in first["subjects"]

    site.order(
        OrderEvent(
            name=OrderName.MAXSETP,
            value=40.0,
            source=OrderSource.OPERATOR,
            at=datetime.now(UTC),
            client="192.0.2.10",
        )
    )
    site.show(link=replace(site.view.link, connected=False, since=NOW))
    changed = (await client.receive_json())["event"]
    assert changed["link"]["connected"] is False
    assert changed["timeline"][0]["value"] == 40.0
    assert changed["timeline"][0]["accepted"] is True
    assert "entities" not in changed

    site.show(link=replace(site.view.link, connected=True))
    assert "timeline" not in (await client.receive_json())["event"]


async def test_a_site_that_stops_says_so_and_leaves_no_listener(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {"type": "netflex/subscribe", "entry_id": entry.entry_id}
    )
    subscription = (await client.receive_json())["id"]
    await client.receive_json()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert (await client.receive_json())["event"] == {"unloaded": True}
    await client.send_json_auto_id(
        {"type": "unsubscribe_events", "subscription": subscription}
    )
    assert (await client.receive_json())["success"]
    await client.send_json_auto_id(
        {"type": "netflex/subscribe", "entry_id": entry.entry_id}
    )
    assert (await client.receive_json())["error"]["code"] == "not_loaded"
    await client.send_json_auto_id({"type": "netflex/sites"})
    assert (await client.receive_json())["result"] == []


async def test_an_unknown_site_is_refused(
    hass: HomeAssistant, site: FakeSite, hass_ws_client: WebSocketGenerator
) -> None:
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "netflex/subscribe", "entry_id": "none"})
    assert (await client.receive_json())["error"]["code"] == "not_found"


async def test_cards_are_served_under_an_address_that_changes_with_them(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    hass_client: ClientSessionGenerator,
) -> None:
    assert await async_setup_component(hass, "frontend", {})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    urls = [
        url
        for url in hass.data["frontend_extra_module_url"].urls
        if url.startswith("/netflex_frontend/")
    ]
    assert len(urls) == 1
    client = await hass_client()
    folder = urls[0].rsplit("/", 1)[0]
    for name in ("netflex", "lib", "card", "strings", "strategy", "site-card"):
        answer = await client.get(f"{folder}/{name}.js")
        assert answer.status == 200
        assert "javascript" in answer.content_type


async def test_a_house_is_told_until_when_and_how_warm(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    now, later = dt_util.utcnow(), dt_util.utcnow() + timedelta(hours=2)
    cause = Cause(source=Source.DISPATCH, key="remote_hold", text="held")
    command = RemoteCommand(
        source="broker",
        enabled=False,
        at=now,
        lost_after=300.0,
        until=time.monotonic() + 3600.0,
        cause=cause,
    )
    warm = replace(site.view.states[sites.LOAD_ID], temperature=48.5)
    site.show(
        states={**site.view.states, sites.LOAD_ID: warm},
        remote={sites.LOAD_ID: (command,)},
        user={
            sites.LOAD_ID: UserLimits(override=Override(switch=True, until=later)),
            sites.CHARGER_ID: UserLimits(override=Override(current=6.0, until=now)),
        },
    )
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {"type": "netflex/subscribe", "entry_id": entry.entry_id}
    )
    assert (await client.receive_json())["success"]
    first = (await client.receive_json())["event"]
    assert first["month"]["saved"] == 35.5
    assert first["month"]["missed"] == 1500.0
    house = first["house"]
    assert house[sites.LOAD_ID]["temperature"] == 48.5
    ends = datetime.fromisoformat(house[sites.LOAD_ID]["held_until"])
    assert abs(ends - now - timedelta(hours=1)) < timedelta(minutes=1)
    assert house[sites.LOAD_ID]["override_until"] == later.isoformat()
    # An override whose time is over holds nothing.
    assert house[sites.CHARGER_ID]["override_until"] is None
    assert house[sites.CHARGER_ID]["held_until"] is None


async def test_the_daily_report_is_told_once_until_there_is_another(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
) -> None:
    meter = SourceQuality(
        source=sites.METER_ID,
        name="P1",
        completeness=0.71,
        plausibility=1.0,
        clock_offset=None,
        series=(),
    )
    fault = Fault(source=sites.METER_ID, name="P1", kind=FaultKind.MISSING, amount=0.29)
    day = QualityReport(
        start=0, end=86_400, observed=1.0, sources=(meter,), faults=(fault,)
    )
    link = site.view.link
    site.show(quality=day, link=replace(link, events_waiting=6))
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {"type": "netflex/subscribe", "entry_id": entry.entry_id, "language": "nl"}
    )
    assert (await client.receive_json())["success"]
    quality = (await client.receive_json())["event"]["quality"]
    site.show(link=replace(link, events_waiting=7))
    assert "quality" not in (await client.receive_json())["event"]
    site.show(quality=None, link=replace(link, events_waiting=8))
    told = (await client.receive_json())["event"]
    assert told["quality"] is None
    assert quality["sources"][0]["completeness"] == 71.0
    assert "29" in quality["faults"][0]["text"]
    assert "missing" not in quality["faults"][0]["text"]


def test_quality_as_sensors_is_the_mean_of_what_is_known_of_it() -> None:
    known = SourceQuality(
        source=sites.METER_ID,
        name="P1",
        completeness=0.8,
        plausibility=0.5,
        clock_offset=2.04,
        series=(),
    )
    silent = replace(known, source=sites.CHARGER_ID, completeness=None)
    fault = Fault(source=sites.METER_ID, name="P1", kind=FaultKind.MISSING, amount=0.2)
    report = QualityReport(
        start=0, end=86_400, observed=0.9, sources=(known, silent), faults=(fault,)
    )
    view = replace(full_view(), quality=report)
    (whole,), (source,) = SITE_QUALITY_SENSORS, SOURCE_QUALITY_SENSORS
    assert whole.value_fn(view, "site") == 40.0
    assert source.value_fn(view, sites.METER_ID) == 40.0
    assert source.value_fn(view, sites.CHARGER_ID) is None
    assert source.value_fn(view, "nobody") is None
    assert whole.attributes_fn is not None
    assert source.attributes_fn is not None
    assert whole.attributes_fn(view, "site")["observed"] == 90.0
    assert len(whole.attributes_fn(view, "site")["faults"]) == 1
    details = source.attributes_fn(view, sites.METER_ID)
    assert (details["completeness"], details["plausibility"]) == (80.0, 50.0)
    assert details["clock_offset"] == 2.0
