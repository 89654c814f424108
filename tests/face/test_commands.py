"""What a user asks for reaches the decision, and nothing reaches around it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from homeassistant.components.number import ATTR_VALUE, DOMAIN as NUMBER
from homeassistant.components.switch import DOMAIN as SWITCH
from homeassistant.const import ATTR_ENTITY_ID, STATE_OFF, STATE_ON
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
    Unauthorized,
)
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    mock_restore_cache,
    mock_restore_cache_with_extra_data,
)
import voluptuous as vol

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import LocalStops
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.telecontrol.order_store import OrderStoreError

from . import sites
from .fakes import FakeSite, full_view
from .test_entities import SITE_ID, find
from .translations import ENGLISH

type Show = Callable[..., Awaitable[None]]

LIMIT = "number.charger_own_limit"
WANTED = "switch.oven_wanted"


async def switch(hass: HomeAssistant, entity_id: str, on: bool) -> None:
    await hass.services.async_call(
        SWITCH,
        "turn_on" if on else "turn_off",
        {ATTR_ENTITY_ID: entity_id},
        blocking=True,
    )


async def set_limit(hass: HomeAssistant, value: float) -> None:
    await hass.services.async_call(
        NUMBER,
        "set_value",
        {ATTR_ENTITY_ID: LIMIT, ATTR_VALUE: value},
        blocking=True,
    )


def entity(hass: HomeAssistant, platform: str, subject: str, key: str) -> str:
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{subject}_{key}")
    assert found is not None
    return found


async def test_a_chargers_own_limit_goes_through_the_decision(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    number = hass.states.get(LIMIT)
    assert number is not None
    assert (number.attributes["min"], number.attributes["max"]) == (0, 32)
    assert float(number.state) == 32

    await set_limit(hass, 10)
    await show()
    number = hass.states.get(LIMIT)
    assert number is not None
    assert float(number.state) == 10
    # Back at the installation's limit, the user asks for nothing more.
    await set_limit(hass, 32)

    assert site.commands == [
        ("user", sites.CHARGER_ID, UserLimits(current=10)),
        ("user", sites.CHARGER_ID, UserLimits(current=None)),
    ]


async def test_other_wishes_for_the_same_asset_are_kept(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    await show(user={sites.CHARGER_ID: UserLimits(power=5000)})
    await set_limit(hass, 10)

    assert site.commands == [
        ("user", sites.CHARGER_ID, UserLimits(power=5000, current=10))
    ]


async def test_a_loads_switch_is_a_wish(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    shown = hass.states.get(WANTED)
    assert shown is not None
    # Nobody asked for anything: what the load does is shown.
    assert shown.state == STATE_ON
    assert shown.attributes["wish"] is None

    await switch(hass, WANTED, on=False)
    await show()
    shown = hass.states.get(WANTED)
    assert shown is not None
    assert shown.state == STATE_OFF
    assert shown.attributes["wish"] is False
    await switch(hass, WANTED, on=True)

    assert site.commands == [
        ("user", sites.LOAD_ID, UserLimits(switch=False)),
        ("user", sites.LOAD_ID, UserLimits(switch=True)),
    ]


class TestAfterARestart:
    """Limits and wishes are the user's, and outlive a restart."""

    async def _set_up(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        faked: Callable[[], FakeSite],
    ) -> FakeSite:
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return faked()

    async def test_the_chargers_limit_is_restored(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        faked: Callable[[], FakeSite],
    ) -> None:
        extra = {
            "native_max_value": 32,
            "native_min_value": 0,
            "native_step": 1,
            "native_unit_of_measurement": "A",
            "native_value": 13.0,
        }
        mock_restore_cache_with_extra_data(hass, [(State(LIMIT, "13"), extra)])
        site = await self._set_up(hass, entry, faked)

        assert site.commands == [("user", sites.CHARGER_ID, UserLimits(current=13))]

    async def test_a_wish_is_restored(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        faked: Callable[[], FakeSite],
    ) -> None:
        mock_restore_cache(hass, [State(WANTED, STATE_OFF, {"wish": False})])
        site = await self._set_up(hass, entry, faked)

        assert site.commands == [("user", sites.LOAD_ID, UserLimits(switch=False))]

    async def test_what_a_load_did_by_itself_is_no_wish(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        faked: Callable[[], FakeSite],
    ) -> None:
        mock_restore_cache(hass, [State(WANTED, STATE_OFF, {"wish": None})])
        site = await self._set_up(hass, entry, faked)

        assert site.commands == []


class TestWithLimitsInForce:
    """Entities that are added again find what the site still knows."""

    @pytest.fixture
    def view(self) -> SiteView:
        user = {
            sites.CHARGER_ID: UserLimits(current=8),
            sites.LOAD_ID: UserLimits(switch=True),
        }
        return replace(full_view(), user=user)

    async def test_the_site_knows_better_than_the_past(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        faked: Callable[[], FakeSite],
    ) -> None:
        mock_restore_cache(hass, [State(WANTED, STATE_OFF, {"wish": False})])
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()

        assert faked().commands == []
        assert float(find(hass, "number", sites.CHARGER_ID, "user_limit").state) == 8


@pytest.mark.parametrize("direction", list(Direction))
async def test_S06_a_local_stop_is_held_and_released_by_its_switch(
    hass: HomeAssistant, site: FakeSite, direction: Direction
) -> None:
    stop = entity(hass, SWITCH, SITE_ID, f"local_stop_{direction.value}")

    await switch(hass, stop, on=True)
    shown = hass.states.get(stop)
    assert shown is not None
    assert shown.state == STATE_ON
    assert shown.attributes["other_holders"] == []
    await switch(hass, stop, on=False)
    shown = hass.states.get(stop)
    assert shown is not None
    assert shown.state == STATE_OFF

    assert site.commands == [
        ("stop", direction, "entity", True),
        ("stop", direction, "entity", False),
    ]


async def test_S06_a_switch_leaves_alone_what_another_input_holds(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    button = LocalStops(production=frozenset({"Button at the door"}))
    await show(local_stops=button)
    stop = entity(hass, SWITCH, SITE_ID, "local_stop_production")

    def shown() -> State:
        state = hass.states.get(stop)
        assert state is not None
        return state

    assert shown().state == STATE_OFF
    assert shown().attributes["other_holders"] == ["Button at the door"]
    await switch(hass, stop, on=True)
    assert shown().state == STATE_ON
    assert site.view.local_stops.production == {"Button at the door", "entity"}
    await switch(hass, stop, on=False)
    assert shown().state == STATE_OFF
    assert site.view.local_stops == button


RELEASE = {
    "config_entry_id": SITE_ID,
    "name": "J. Peeters",
    "reference": "Ticket 2026-114",
}


async def release(hass: HomeAssistant, **changes: str) -> None:
    await hass.services.async_call(
        DOMAIN, "release_orders", RELEASE | changes, blocking=True
    )


async def test_S06_orders_are_released_with_name_and_reference(
    hass: HomeAssistant, site: FakeSite
) -> None:
    await release(hass)

    assert site.commands == [("release", "J. Peeters", "Ticket 2026-114")]


@pytest.mark.parametrize("missing", ["name", "reference"])
async def test_S06_nothing_is_released_without_who_and_why(
    hass: HomeAssistant, site: FakeSite, missing: str
) -> None:
    with pytest.raises(vol.Invalid):
        await release(hass, **{missing: "  "})

    assert site.commands == []


async def test_S06_only_administrators_release_orders(
    hass: HomeAssistant, site: FakeSite, hass_read_only_user: MockUser
) -> None:
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            "release_orders",
            RELEASE,
            blocking=True,
            context=Context(user_id=hass_read_only_user.id),
        )

    assert site.commands == []


async def test_S06_orders_that_cannot_be_released_are_said_to_hold(
    hass: HomeAssistant, site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(name: str, reference: str) -> None:
        raise OrderStoreError("the disk is full")

    monkeypatch.setattr(site, "release_orders", fail)
    with pytest.raises(HomeAssistantError) as raised:
        await release(hass)
    assert raised.value.translation_key == "orders_not_released"
    assert "they hold: the disk is full" in str(raised.value)


async def test_releasing_says_which_site_is_wrong(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, show: Show
) -> None:
    async def refused(**changes: str) -> str | None:
        with pytest.raises(ServiceValidationError) as raised:
            await release(hass, **changes)
        assert raised.value.translation_key in ENGLISH["exceptions"]
        return raised.value.translation_key

    assert await refused(config_entry_id="unknown") == "site_not_found"
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "telecontrol": False}
    )
    assert await refused() == "no_telecontrol"
    await hass.config_entries.async_unload(entry.entry_id)
    assert await refused() == "site_not_loaded"
    assert site.commands == []
