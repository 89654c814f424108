"""What chargers and batteries offer, and how a schedule of theirs is carried out."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.flexoffer_options import FLEXOFFERS_SCHEMA
from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.model.connection import ConnectionPoint, GridType
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.flexoffers import FlexOffersState
from custom_components.netflex.model.remote import RemoteCommand
from custom_components.netflex.model.snapshot import UserLimits
from custom_components.netflex.northbound.flexoffer import FlexOffer, OfferState
from custom_components.netflex.northbound.flexoffer_agent import FlexOfferAgent
from custom_components.netflex.simulation.flexoffer_manager import (
    Schedule,
    SimulatedManager,
)
from custom_components.netflex.site.config import SiteConfig
from custom_components.netflex.site.economy import Economy
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.site_flexoffers import SiteFlexOffers, flexoffers_store

pytestmark = pytest.mark.usefixtures("socket_enabled")

NOW = datetime(2026, 11, 22, 12, 2, tzinfo=UTC)
PASSWORD = "secret"
CAR = Asset(
    id="car",
    name="Car",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=11_040.0,
    phases=3,
)
STORE = Asset(
    id="store",
    name="Store",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    rated_consumption=5000.0,
    rated_production=5000.0,
    capacity=10_000.0,
    reserve=20.0,
)
STATES = {
    "car": AssetState(asset_id="car", available=True, power=0.0),
    "store": AssetState(
        asset_id="store", available=True, power=0.0, state_of_charge=50.0
    ),
}
USER = {"car": UserLimits(energy=5520.0, deadline=NOW + timedelta(hours=3))}


@dataclass(slots=True)
class House:
    """Stands for the site, its coordinator and its market at once."""

    data: SiteView = field(default_factory=lambda: SiteView(states=STATES, user=USER))
    given: list[tuple[str, RemoteCommand]] = field(default_factory=list)
    dispatched: list[DispatchCommand] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    state: FlexOffersState | None = None
    look: Callable[[], None] | None = None

    def async_add_listener(self, look: Callable[[], None]) -> Callable[[], None]:
        self.look = look
        return lambda: None

    def give_remote(self, asset_id: str, command: RemoteCommand) -> None:
        self.given.append((asset_id, command))

    def withdraw_remote(self, source: str, reason: str) -> None:
        self.given.clear()

    def set_flexoffers(self, state: FlexOffersState | None) -> None:
        self.state = state

    def async_dispatch(self, command: DispatchCommand) -> None:
        self.dispatched.append(command)
        self.data = replace(self.data, economy=Economy(dispatches=(command,)))

    def async_cancel(self, source: str) -> None:
        self.canceled.append(source)


def config(*assets: Asset) -> SiteConfig:
    return SiteConfig(
        site_id="01SITE",
        name="Bakery",
        connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0),
        devices=tuple(
            DeviceConfig(device_id=asset.id, name=asset.name, asset=asset)
            for asset in assets
        ),
    )


class Offering:
    """Offers of a car and a battery towards a manager on a real port."""

    freezer: FrozenDateTimeFactory

    def __init__(
        self, house: House, manager: SimulatedManager, flexoffers: SiteFlexOffers
    ) -> None:
        self.house = house
        self.manager = manager
        self.flexoffers = flexoffers

    async def start(self, *assets: Asset) -> None:
        options = FLEXOFFERS_SCHEMA(
            {
                "enabled": True,
                "url": self.manager.url,
                "username": "home",
                "password": PASSWORD,
                "assets": [asset.id for asset in assets],
                "consent": {"by": "Anna", "at": NOW.isoformat()},
            }
        )
        await self.flexoffers.async_set(options, config(*assets))

    @property
    def agent(self) -> FlexOfferAgent:
        running = self.flexoffers._running
        assert running is not None
        return running.agent

    async def step(self, at: datetime = NOW) -> None:
        """Talk to the manager every five minutes until a moment, then look at the house."""
        await self.agent.step()
        while dt_util.utcnow() < at:
            self.freezer.move_to(min(at, dt_util.utcnow() + timedelta(minutes=5)))
            await self.agent.step()
        self.look()

    def look(self) -> None:
        self.flexoffers._taken = float("-inf")
        assert self.house.look is not None
        self.house.look()

    async def assigned(self) -> FlexOffer:
        for _ in range(3):
            await self.step()
        (offer,) = self.agent.offers
        assert offer.state is OfferState.ASSIGNED
        return offer


@asynccontextmanager
async def offers(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Offering]:
    async def wait(agent: FlexOfferAgent) -> None:
        await asyncio.Event().wait()

    # A test says when the agent talks.
    monkeypatch.setattr(FlexOfferAgent, "run", wait)
    entry = MockConfigEntry(domain="netflex", entry_id="01SITE")
    entry.add_to_hass(hass)
    house: Any = House()
    async with SimulatedManager(users={"home": PASSWORD}) as manager:
        flexoffers = SiteFlexOffers(hass, entry, house, house, house)
        yield Offering(house, manager, flexoffers)
        await flexoffers.async_stop()


@pytest.fixture
async def offering(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[Offering]:
    freezer.move_to(NOW)
    async with offers(hass, monkeypatch) as offering:
        offering.freezer = freezer
        yield offering


async def test_a_car_waits_as_its_schedule_says_and_goes_on(offering: Offering) -> None:
    house = offering.house
    offering.manager.assign = lambda offer: Schedule(
        start=offer.start_after,
        energies=(0.0, 2760.0, 2760.0) + (0.0,) * (len(offer.slices) - 3),
        number=1,
    )
    await offering.start(CAR)
    offer = await offering.assigned()
    assert offer.total.low == offer.total.high == 5520.0
    await offering.step(offer.start_after + timedelta(seconds=10))
    (asset_id, command), *_ = house.given
    assert (asset_id, command.enabled) == ("car", False)
    assert "0.00 kWh" in command.cause.text
    # It is told once for an interval, not with every look.
    offering.look()
    assert len(house.given) == 1
    await offering.step(offer.start_after + timedelta(minutes=15, seconds=10))
    assert house.given[-1][1].enabled
    # Once it has what it was to have, it waits again.
    for seconds in range(10, 600, 10):
        at = offer.start_after + timedelta(minutes=15, seconds=seconds)
        offering.agent.take_power(at, {"car": 22_080.0})
    await offering.step(offer.start_after + timedelta(minutes=25))
    assert not house.given[-1][1].enabled
    offering.agent.cancel("car", "the car has left")
    assert house.given[-1][1].enabled
    assert house.given[-1][1].cause.key == "flexoffer_ended"


async def test_a_battery_is_dispatched_once_for_each_interval(
    offering: Offering,
) -> None:
    house = offering.house
    offering.manager.assign = lambda offer: Schedule(
        start=offer.start_after,
        energies=(1000.0, -500.0) + (0.0,) * (len(offer.slices) - 2),
        number=1,
    )
    await offering.start(STORE)
    offer = await offering.assigned()
    assert offer.total.low == pytest.approx(-3000.0)
    assert house.dispatched == []
    await offering.step(offer.start_after + timedelta(seconds=10))
    offering.look()
    (command,) = house.dispatched
    assert command.action is DispatchAction.POWER
    assert command.power == pytest.approx(4000.0)
    assert command.assets == {"store"}
    assert command.end == offer.start_after + timedelta(minutes=15)
    await offering.step(offer.start_after + timedelta(minutes=15, seconds=10))
    assert [item.power for item in house.dispatched] == [
        pytest.approx(4000.0),
        pytest.approx(-2000.0),
    ]
    offering.agent.cancel("store", "the test has seen enough")
    assert house.canceled == [command.source]


@pytest.mark.parametrize(
    ("asset", "changes"),
    [
        (CAR, {"user": {}}),
        (CAR, {"user": {"car": replace(USER["car"], locked=True)}}),
        (CAR, {"user": {"car": replace(USER["car"], deadline=None)}}),
        (CAR, {"states": {}}),
        (CAR, {"states": {"car": replace(STATES["car"], available=False)}}),
        (replace(STORE, capacity=None), {}),
        (STORE, {"states": {"store": replace(STATES["store"], state_of_charge=None)}}),
    ],
    ids=[
        "no wish",
        "locked out",
        "no deadline",
        "never heard of",
        "away",
        "capacity unknown",
        "charge unknown",
    ],
)
async def test_what_is_not_known_is_not_offered(
    offering: Offering, asset: Asset, changes: dict[str, Any]
) -> None:
    house = offering.house
    whole = house.data
    house.data = replace(whole, **changes)
    await offering.start(asset)
    await offering.step()
    assert offering.agent.offers == ()
    if asset != replace(STORE, capacity=None):
        house.data = whole
        offering.look()
        assert [item.asset_id for item in offering.agent.offers] == [asset.id]


async def test_what_is_not_part_of_the_site_any_more_is_taken_back(
    offering: Offering,
) -> None:
    await offering.start(CAR, STORE)
    await offering.step()
    await offering.step()
    assert {item.asset_id for item in offering.agent.offers} == {"car", "store"}
    options = offering.flexoffers._options
    assert options is not None
    await offering.flexoffers.async_set(options, config(CAR))
    assert {item.asset_id for item in offering.agent.offers} == {"car"}
    await offering.agent.step()
    (told,) = offering.manager.told
    assert (told.state, told.reason) == ("canceled", "the device is not there any more")


async def test_a_schedule_outlives_a_restart_and_a_damaged_file_is_said(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with offers(hass, monkeypatch) as offering:
        await offering.start(STORE)
        offer = await offering.assigned()
        await offering.flexoffers.async_save()
        await offering.flexoffers.async_stop()
        assert offering.house.canceled[-1] == "flexoffers.store"
        await offering.start(STORE)
        assert [item.id for item in offering.agent.offers] == [offer.id]
        await offering.flexoffers.async_stop()
        await flexoffers_store(hass, "01SITE").async_save({"offers": [{"id": 7}]})
        await offering.start(STORE)
        assert offering.agent.offers == ()
        assert "The stored FlexOffers are not used" in caplog.text
