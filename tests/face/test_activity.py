"""Home Assistant's activity: what happens at a site, as sentences."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.netflex.activity import EVENT_ACTIVITY
from custom_components.netflex.const import DOMAIN
from custom_components.netflex.logbook import async_describe_events
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.flexibility import LoadFlexibility
from custom_components.netflex.model.orders import (
    LocalStops,
    OrderEvent,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.model.phrase import Phrase
from custom_components.netflex.model.plan import (
    Cause,
    ComplianceState,
    Plan,
    Setpoint,
    SetpointKind,
    Source,
)

from . import sites
from .fakes import NOW, FakeSite
from .test_automation import compliance

type Told = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _platforms(no_entities: None) -> None:
    """No entities are looked at."""


@pytest.fixture
def told(hass: HomeAssistant, site: FakeSite) -> Told:
    """Return what the activity says so far, name and message."""
    events = async_capture_events(hass, EVENT_ACTIVITY)
    described: dict[str, Callable[[Any], dict[str, str]]] = {}

    def take(domain: str, event: str, describe: Callable[[Any], Any]) -> None:
        assert domain == DOMAIN
        described[event] = describe

    async_describe_events(hass, take)

    def say() -> list[str]:
        entries = [described[EVENT_ACTIVITY](event) for event in events]
        return [f"{entry['name']} {entry['message']}" for entry in entries]

    return say


def order(name: OrderName, value: Any, **more: Any) -> OrderEvent:
    return OrderEvent(
        name=name, value=value, **({"source": OrderSource.OPERATOR, "at": NOW} | more)
    )


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            order(OrderName.MAXSETP, 40.0),
            "received an order: Ordered import limit 40 %",
        ),
        (
            order(OrderName.EMERGENCY_STOP_PRODUCTION, True),
            "received an order: Emergency stop production on",
        ),
        (order(OrderName.Q_MODE, QMode.REMOTE), "received an order: Q mode remote"),
        (
            order(OrderName.REDENP, 99),
            "received an order: Reason of P orders 99",
        ),
        (
            order(OrderName.MINSETP, 400.0, accepted=False, reason="out of range"),
            "refused an order, Ordered injection limit 400 %: out of range",
        ),
        (
            order(OrderName.MINSETP, None, accepted=False),
            "refused an order, Ordered injection limit –: –",
        ),
        (
            order(OrderName.TEST, False, source=OrderSource.RESTORED),
            "went on with an order from before the start: Test command off",
        ),
        (
            order(OrderName.MAXSETP, 60.0, source=OrderSource.FALLBACK),
            "fell back without the grid operator's link: Ordered import limit 60 %",
        ),
        (
            order(OrderName.MAXSETP, 0.0, source=OrderSource.REHEARSAL),
            "rehearsed an order: Ordered import limit 0 %",
        ),
    ],
)
async def test_orders_are_told_with_what_they_say(
    hass: HomeAssistant, site: FakeSite, told: Told, event: OrderEvent, sentence: str
) -> None:
    site.order(event)
    await hass.async_block_till_done()
    (text,) = told()
    assert text.endswith(f" {sentence}")


async def test_stops_and_the_link_are_told_once(
    hass: HomeAssistant, site: FakeSite, told: Told
) -> None:
    for direction in Direction:
        held = LocalStops().with_holder(direction, "button", held=True)
        site.show(local_stops=held)
        site.show(local_stops=LocalStops())
    lost = replace(site.view.link, connected=False, last_close_reason="t1 ran out")
    site.show(link=lost)
    site.show(link=replace(lost, connected=True, client="192.0.2.10"))
    await hass.async_block_till_done()
    assert [text.partition(" ")[2] for text in told()] == [
        "stopped production in emergency",
        "released production after its stop",
        "stopped consumption in emergency",
        "released consumption after its stop",
        "lost the grid operator's link: t1 ran out",
        "is connected with the grid operator's RTU 192.0.2.10",
    ]


async def test_a_limit_that_is_not_kept_is_told_with_its_figures(
    hass: HomeAssistant, site: FakeSite, told: Told
) -> None:
    link = site.view.link
    states = (
        ComplianceState.INSIDE,
        ComplianceState.VIOLATED,
        ComplianceState.INSIDE,
    )
    for number, state in enumerate(states):
        site.show(plan=compliance(state), link=replace(link, events_waiting=number + 1))
    await hass.async_block_till_done()
    first, second = told()
    assert first.endswith(
        "does not keep an order, Ordered import limit: "
        "12.0 kW measured, 10.0 kW allowed"
    )
    assert second.endswith("keeps an order again: Ordered import limit")


def holding(*, held: bool, key: str = "remote_hold") -> Plan:
    cause = Cause(
        source=Source.DISPATCH,
        key=key,
        text=Phrase(
            "remote_hold", "{host} holds it back since {time}", host="a", time="9:00"
        ),
    )
    setpoint = Setpoint(
        asset_id=sites.LOAD_ID,
        kind=SetpointKind.SWITCH,
        value=0.0,
        causes=(cause,) if held else (),
    )
    return Plan(at=1.0, setpoints={sites.LOAD_ID: setpoint})


async def test_a_veto_of_an_inhabitant_is_told_once(
    hass: HomeAssistant, site: FakeSite, told: Told
) -> None:
    link = site.view.link
    for number, veto in enumerate((None, "its switch is on", "its switch is on", None)):
        site.show(
            flexibility={sites.LOAD_ID: LoadFlexibility(veto=veto)},
            link=replace(link, events_waiting=number + 1),
        )
    await hass.async_block_till_done()
    assert told() == [
        "Oven is not held back, although a source outside wants it: its switch is on"
    ]


@pytest.mark.parametrize("key", ["remote_hold", "flexoffer"])
async def test_a_load_that_is_held_back_is_told_on_its_own_device(
    hass: HomeAssistant, entry: MockConfigEntry, site: FakeSite, told: Told, key: str
) -> None:
    events = async_capture_events(hass, EVENT_ACTIVITY)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        config_subentry_id=sites.LOAD_ID,
        identifiers={(DOMAIN, sites.LOAD_ID)},
    )
    link = site.view.link
    for number, held in enumerate((False, True, True, False)):
        site.show(
            plan=holding(held=held, key=key),
            link=replace(link, events_waiting=number + 1),
        )
    await hass.async_block_till_done()
    began, ended = told()
    assert began == "Oven is held back: a holds it back since 9:00"
    assert ended == "Oven is no longer held back"
    assert events[0].data["device_id"] == device.id


async def test_it_speaks_home_assistants_language(
    hass: HomeAssistant, site: FakeSite, told: Told
) -> None:
    hass.config.language = "nl"
    await async_get_translations(hass, "nl", "common", {DOMAIN})
    await async_get_translations(hass, "nl", "entity", {DOMAIN})
    site.order(order(OrderName.EMERGENCY_STOP_CONSUMPTION, True))
    await hass.async_block_till_done()
    (text,) = told()
    assert text.endswith("heeft een bevel gekregen: Noodstop verbruik aan")


async def test_home_assistants_own_activity_has_it(
    recorder_mock: Any,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    hass_client: ClientSessionGenerator,
) -> None:
    assert await async_setup_component(hass, "logbook", {})
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    faked().order(order(OrderName.MAXSETP, 40.0))
    await async_wait_recording_done(hass)
    since = dt_util.utcnow() - timedelta(hours=1)
    client = await hass_client()
    answer = await client.get(f"/api/logbook/{since.isoformat()}")
    entries = await answer.json()
    messages = [item.get("message", "") for item in entries]
    assert any("received an order" in message for message in messages)
    assert entry.entry_id not in entries[-1].get("name", "")
