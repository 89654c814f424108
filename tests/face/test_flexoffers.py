"""FlexOffers in Home Assistant: the form, the consent, a load that follows a schedule."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta
import time
from typing import Any
from unittest.mock import patch

from homeassistant.const import STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex import site_flexoffers
from custom_components.netflex.diagnostics import async_get_config_entry_diagnostics
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.northbound.flexoffer import OfferState, Schedule
from custom_components.netflex.northbound.flexoffer_execution import OfferFigures
from custom_components.netflex.northbound.flexoffer_making import OfferTimes, UsualDraw
from custom_components.netflex.simulation.flexoffer_manager import (
    SeenOffer,
    SimulatedManager,
)
from custom_components.netflex.site_file import export_site
from custom_components.netflex.site_flexoffers import SiteFlexOffers

from .test_real_site import OVEN, add_oven, running, shows  # noqa: F401
from .translations import assert_result_is_translated

pytestmark = pytest.mark.usefixtures("socket_enabled")

OVEN_SHIFTED = "sensor.oven_energy_shifted_by_flexoffers"
STATUS = "binary_sensor.bakery_flexoffer_manager"
PASSWORD = "secret"


async def until(hass: HomeAssistant, condition: Callable[[], bool]) -> None:
    """Wait for what the site and a manager do by themselves."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)
            await hass.async_block_till_done()


@pytest.fixture
async def manager() -> AsyncGenerator[SimulatedManager]:
    async with SimulatedManager(users={"home": PASSWORD}) as simulated:
        yield simulated


def filled(manager: SimulatedManager, assets: list[str], **changes: Any) -> Any:
    return {
        "enabled": True,
        "url": manager.url,
        "username": "home",
        "password": PASSWORD,
        "assets": assets,
        "by": "Anna",
        "agree": True,
        **changes,
        "more": {
            "hold": 15,
            "window": 0,
            "lost_after": 60,
            "bounds": "short",
            "sign": "consumption",
        },
    }


async def form(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    flows = hass.config_entries.options
    result: Any = await flows.async_init(entry.entry_id)
    result = await flows.async_configure(
        result["flow_id"], {"next_step_id": "flexoffers"}
    )
    assert_result_is_translated(result, "options")
    return result


async def submit(hass: HomeAssistant, result: Any, data: dict[str, Any]) -> Any:
    result = await hass.config_entries.options.async_configure(result["flow_id"], data)
    assert_result_is_translated(result, "options")
    await hass.async_block_till_done()
    return result


def soon(flexoffers: SiteFlexOffers, asset_id: str) -> None:
    """Let a load be known, and offers begin within seconds."""
    agent = flexoffers._running
    assert agent is not None
    agent.terms = replace(agent.terms, lead=0.0, patience=1.0, interval=2)
    agent.usual[asset_id] = UsualDraw(
        memory=3600.0,
        mean=6000.0,
        since=time.monotonic() - 3600,
        at=time.monotonic(),
    )


def hold_then_run(offer: SeenOffer) -> Schedule:
    """Nothing for the first half, everything that is due after it."""
    half = len(offer.slices) // 2
    rest = len(offer.slices) - half
    each = offer.total.low / rest
    return Schedule(
        start=offer.start_after, energies=(0.0,) * half + (each,) * rest, number=1
    )


async def set_up(
    hass: HomeAssistant, entry: MockConfigEntry, manager: SimulatedManager
) -> str:
    oven = await add_oven(hass, entry)
    result = await submit(hass, await form(hass, entry), filled(manager, [oven]))
    assert result["type"] is FlowResultType.CREATE_ENTRY, result["errors"]
    await until(hass, shows(hass, STATUS, STATE_ON))
    return oven


async def test_a_load_follows_a_schedule_and_is_given_back(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    manager.assign = hold_then_run
    with patch.object(site_flexoffers, "TIMES", OfferTimes(look=0.05)):
        oven = await set_up(hass, running, manager)
        await until(hass, shows(hass, OVEN, STATE_ON))
        flexoffers = running.runtime_data.flexoffers
        agent = flexoffers._running.agent
        soon(flexoffers, oven)
        await until(hass, lambda: len(agent.offers) == 1)
        await agent.step()
        await agent.step()
        (offer,) = agent.offers
        assert offer.state is OfferState.ASSIGNED
        # A full first half without energy: it is off, and says whose word that is.
        await until(hass, shows(hass, OVEN, STATE_OFF))
        await until(
            hass,
            lambda: (
                (state := hass.states.get("sensor.oven_setpoint")) is not None
                and "The aggregator's schedule wants 0.00 kWh"
                in str(state.attributes.get("cause"))
            ),
        )
        setpoint = hass.states.get("sensor.oven_setpoint")
        assert setpoint is not None
        assert setpoint.attributes["source"] == "dispatch"
        shown = hass.states.get("sensor.bakery_flexibility_offers")
        assert shown is not None
        assert shown.state == "1"
        # What a load has shifted is a sensor of its own.
        agent.figures = replace(
            agent.figures, shifted_by={oven: 1500.0}, wanted_by={oven: 2000.0}
        )
        flexoffers._show()
        await until(hass, shows(hass, OVEN_SHIFTED, "1.5"))
        # The end of an offer gives the load back, whatever the schedule still said.
        agent.cancel(oven, "the test has seen enough")
        await until(hass, lambda: not running.runtime_data.site.view.remote.get(oven))
        await agent.step()
        assert manager.told[-1].state == "canceled"


async def test_losing_the_manager_ends_what_it_asked_and_a_stop_goes_on(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    manager.assign = hold_then_run
    with patch.object(site_flexoffers, "TIMES", OfferTimes(look=0.05)):
        oven = await set_up(hass, running, manager)
        flexoffers = running.runtime_data.flexoffers
        agent = flexoffers._running.agent
        soon(flexoffers, oven)
        await until(hass, lambda: len(agent.offers) == 1)
        await agent.step()
        await agent.step()
        (offer,) = agent.offers
        site = running.runtime_data.site
        await until(hass, lambda: bool(site.view.remote.get(oven)))
        site.set_local_stop(Direction.CONSUMPTION, "button", held=True)
        manager.broken = 503
        agent._answered = dt_util.utcnow() - timedelta(seconds=61)
        with pytest.raises(Exception, match="503"):
            await agent.step()
        # What it had assigned has ended; a new offer may be waiting by now.
        assert offer.id not in {item.id for item in agent.offers}
        await until(hass, lambda: not site.view.remote.get(oven))
        assert site.view.plan is not None
        assert site.view.plan.setpoints[oven].value == 0.0
        assert site.view.plan.setpoints[oven].emergency


async def test_figures_go_on_after_a_restart(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    oven = await set_up(hass, running, manager)
    agent = running.runtime_data.flexoffers._running.agent
    agent.figures = OfferFigures(
        offered=4, assigned=3, shifted_by={oven: 1500.0}, wanted_by={oven: 2000.0}
    )
    assert await hass.config_entries.async_reload(running.entry_id)
    await until(hass, shows(hass, STATUS, STATE_ON))
    state = running.runtime_data.site.view.flexoffers
    assert state.usability == pytest.approx(0.75)
    assert state.followed == pytest.approx(0.75)
    assert state.shifted_by == {oven: 1500.0}


async def test_another_manager_needs_a_consent_of_its_own(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    oven = await set_up(hass, running, manager)
    before = running.options["flexoffers"]["consent"]
    # The same manager: what was consented to stays as it is.
    result = await submit(hass, await form(hass, running), filled(manager, [oven]))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert running.options["flexoffers"]["consent"] == before
    async with SimulatedManager(users={"home": PASSWORD}) as other:
        result = await submit(hass, await form(hass, running), filled(other, [oven]))
        assert result["errors"] == {"agree": "consent_needed"}
        assert other.logins == 0
        result = await submit(hass, result, filled(other, [oven]))
        assert result["type"] is FlowResultType.CREATE_ENTRY
        after = running.options["flexoffers"]["consent"]
        assert after["by"] == before["by"]
        assert after["at"] > before["at"]


async def test_nothing_is_offered_before_somebody_consents(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    oven = await add_oven(hass, running)
    result = await submit(
        hass,
        await form(hass, running),
        filled(manager, [oven], by=" ", agree=False),
    )
    assert result["errors"] == {"by": "name_missing", "agree": "consent_needed"}
    assert manager.logins == 0
    assert "flexoffers" not in running.options
    hass.config_entries.async_update_entry(
        running,
        options={
            "version": 1,
            "flexoffers": {
                "enabled": True,
                "url": manager.url,
                "username": "home",
                "password": PASSWORD,
                "assets": [oven],
            },
        },
    )
    await hass.async_block_till_done()
    assert running.runtime_data.site.view.flexoffers is None
    assert manager.logins == 0


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"password": "wrong"}, {"base": "manager_refused"}),
        ({"url": "http://127.0.0.1:1"}, {"base": "manager_unreachable"}),
        ({"url": "manager"}, {"url": "url_invalid"}),
        ({"url": ""}, {"url": "field_missing"}),
        ({"username": ""}, {"username": "field_missing"}),
    ],
)
async def test_the_form_says_what_is_wrong(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    data = {
        key: value
        for key, value in filled(manager, [], **changes).items()
        if value != ""
    }
    result = await submit(hass, await form(hass, running), data)
    assert result["errors"] == errors
    if "base" in errors:
        # It may be saved all the same: it is tried again and again.
        result = await submit(hass, result, data | {"save_anyway": True})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await until(hass, shows(hass, STATUS, STATE_OFF))


async def test_values_out_of_range_are_refused(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    data = filled(manager, [])
    data["more"]["hold"] = 1
    result = await submit(hass, await form(hass, running), data)
    assert result["errors"] == {"base": "out_of_range"}


async def test_switching_off_takes_everything_back(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    await set_up(hass, running, manager)
    result = await form(hass, running)
    data = filled(manager, [], enabled=False)
    # The password that is there is kept without being shown.
    del data["password"]
    result = await submit(hass, result, data)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert running.options["flexoffers"]["password"] == PASSWORD
    await until(hass, lambda: running.runtime_data.site.view.flexoffers is None)
    result = await submit(
        hass,
        await form(hass, running),
        {"enabled": False, "assets": [], "agree": False, "more": data["more"]},
    )
    assert "flexoffers" not in running.options


async def test_secrets_stay_out_of_diagnostics_and_of_the_site_file(
    hass: HomeAssistant,
    running: MockConfigEntry,  # noqa: F811
    manager: SimulatedManager,
) -> None:
    await set_up(hass, running, manager)
    diagnostics = await async_get_config_entry_diagnostics(hass, running)
    assert PASSWORD not in str(diagnostics)
    assert "Anna" not in str(diagnostics)
    assert PASSWORD not in str(export_site(running))
    assert er.async_get(hass).async_get(STATUS) is not None
