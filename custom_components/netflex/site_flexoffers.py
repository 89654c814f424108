"""The FlexOffers of a site: made from its devices, carried out as one more source.

What an aggregator assigns holds a load or a charger back, or dispatches a battery, under
every limit of the site. Losing the aggregator removes only what it asked (S14).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
import math
import time
from typing import Any, Final
from uuid import uuid4

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, LOGGER
from .control.codec import CodecError, decode, encode
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .flexoffer_options import (
    CONF_ASSETS,
    CONF_HOLD,
    CONF_LOST_AFTER,
    CONF_PASSWORD,
    CONF_URL,
    CONF_USERNAME,
    CONF_WINDOW,
    active,
    dialect,
)
from .market.feed import SiteMarket
from .model.asset import Asset, AssetState, Nature
from .model.dispatch import DispatchAction, DispatchCommand
from .model.flexoffers import FlexOffersState, OpenOffer
from .model.phrase import Moment, Phrase
from .model.plan import Cause, Source
from .model.remote import RemoteCommand
from .model.snapshot import UserLimits
from .northbound.flexoffer import FlexOffer, OfferState, Slot
from .northbound.flexoffer_agent import AgentHooks, FlexOfferAgent
from .northbound.flexoffer_execution import Execution, OfferFigures
from .northbound.flexoffer_making import (
    BatteryNow,
    ChargingNow,
    LoadNow,
    OfferTimes,
    Terms,
    UsualDraw,
    battery_offer,
    charging_offer,
    load_offer,
)
from .northbound.flexoffer_manager import FlexOfferManager, Operation
from .site.config import SiteConfig
from .site.site import Site
from .site.view import SiteView

SOURCE: Final = "flexoffers"
"""Who asks, in commands that carry out a schedule."""
STORE_VERSION: Final = 1
SAVE_DELAY: Final = 10.0
TIMES = OfferTimes()
"""Demonstrations put faster ones in their place."""
_OVERHANG: Final = 10.0
"""s that a command outlasts its interval: the next look renews or ends it."""
_OFFERED: Final = frozenset({Nature.LOAD, Nature.CHARGER, Nature.BATTERY})


@dataclass(slots=True)
class _Running:
    """The agent while it is switched on."""

    agent: FlexOfferAgent
    terms: Terms
    options: Mapping[str, Any]
    times: OfferTimes
    task: asyncio.Task[None] | None = None
    usual: dict[str, UsualDraw] = field(default_factory=dict)


class SiteFlexOffers:
    """Runs the agent as the options say."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: NetflexConfigEntry,
        coordinator: SiteCoordinator,
        site: Site,
        market: SiteMarket,
    ) -> None:
        """Prepare; nothing is offered yet."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._site = site
        self._market = market
        self._store = flexoffers_store(hass, entry.entry_id)
        self._assets: Mapping[str, Asset] = {}
        self._options: Mapping[str, Any] | None = None
        self._running: _Running | None = None
        self._told: dict[str, tuple[bool, datetime]] = {}
        """By asset: whether it was held back last, and for which interval."""
        self._unsubscribe: CALLBACK_TYPE | None = None
        self._taken = -math.inf

    async def async_set(self, options: Mapping[str, Any], config: SiteConfig) -> None:
        """Follow the options and the site: begin, end, or go on in another way."""
        self._assets = {
            device.asset.id: device.asset
            for device in config.devices
            if device.asset is not None and device.asset.nature in _OFFERED
        }
        if self._running is not None:
            for offer in self._running.agent.offers:
                if offer.asset_id not in self._assets:
                    reason = Phrase("offer_removed", "the device is not there any more")
                    self._running.agent.cancel(offer.asset_id, reason)
        wanted = options if active(options) else None
        if wanted == self._options:
            return
        await self.async_stop()
        self._options = wanted
        if wanted is not None:
            await self._async_start(wanted)

    async def _async_start(self, options: Mapping[str, Any]) -> None:
        times = TIMES
        manager = FlexOfferManager(
            async_get_clientsession(self._hass),
            options[CONF_URL],
            options[CONF_USERNAME],
            options[CONF_PASSWORD],
            dialect(options),
            utcnow=dt_util.utcnow,
        )
        agent = FlexOfferAgent(
            manager,
            AgentHooks(
                assigned=self._assigned,
                ended=self._ended,
                operation=self._operation,
                changed=self._changed,
            ),
            lost_after=options[CONF_LOST_AFTER],
            beat=times.beat,
            utcnow=dt_util.utcnow,
        )
        agent.restore(*await self._async_stored())
        self._running = _Running(
            agent=agent,
            terms=Terms.of(options[CONF_USERNAME], lambda: str(uuid4()), times),
            options=options,
            times=times,
        )
        # It asks at once what the house does: everything must be in place.
        self._running.task = self._entry.async_create_background_task(
            self._hass, agent.run(), "netflex flexoffers"
        )
        self._unsubscribe = self._coordinator.async_add_listener(self._take)
        self._show()

    async def async_stop(self) -> None:
        """Leave the aggregator; what was assigned waits in the store."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        running, self._running, self._options = self._running, None, None
        if running is None:
            return
        if running.task is not None:
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)
        await self._async_store(running)
        self._told.clear()
        self._site.withdraw_remote(
            SOURCE, Phrase("flexoffers_off", "FlexOffers were switched off")
        )
        for asset_id in self._assets:
            self._market.async_cancel(_dispatch_source(asset_id))
        self._site.set_flexoffers(None)

    async def async_save(self) -> None:
        """Store what is on offer and what was assigned."""
        if self._running is not None:
            await self._async_store(self._running)

    async def _async_store(self, running: _Running) -> None:
        await self._store.async_save(_stored(running.agent))

    async def _async_stored(self) -> tuple[list[FlexOffer], OfferFigures]:
        if (stored := await self._store.async_load()) is None:
            return [], OfferFigures()
        try:
            offers = [decode(FlexOffer, row, "offers") for row in stored["offers"]]
            figures = decode(OfferFigures, stored.get("figures", {}), "figures")
        except (CodecError, KeyError, TypeError, ValueError) as err:
            LOGGER.warning("The stored FlexOffers are not used: %s", err)
            return [], OfferFigures()
        return [offer for offer in offers if offer.asset_id in self._assets], figures

    # -------------------------------------------------------------------------- taking

    @callback
    def _take(self) -> None:
        """Watch what is drawn, carry out what is assigned, offer what is free."""
        running, now = self._running, time.monotonic()
        if running is None or now - self._taken < running.times.look:
            return
        self._taken = now
        view, utc = self._coordinator.data, dt_util.utcnow()
        powers: dict[str, float | None] = {}
        for asset_id in self._assets:
            state = view.states.get(asset_id)
            power = None if state is None or not state.available else state.power
            powers[asset_id] = power
            usual = running.usual.setdefault(
                asset_id, UsualDraw(memory=running.times.memory)
            )
            usual.take(now, power)
        running.agent.take_power(utc, powers)
        for execution in running.agent.executions():
            self._carry_out(execution, utc)
        if running.agent.status.connected:
            self._offer(running, view, now, utc)
        self._show()

    def _offer(
        self, running: _Running, view: SiteView, now: float, utc: datetime
    ) -> None:
        """Offer what may be offered and is not yet."""
        for asset_id in running.options[CONF_ASSETS]:
            asset = self._assets.get(asset_id)
            state = view.states.get(asset_id)
            if (
                asset is None
                or state is None
                or not state.available
                or running.agent.has_offer(asset_id)
            ):
                continue
            user = view.user.get(asset_id)
            if user is not None and user.locked:
                continue
            offer = self._make(running, asset, state, user, now, utc)
            if offer is not None:
                running.agent.add(offer)

    def _make(
        self,
        running: _Running,
        asset: Asset,
        state: AssetState,
        user: UserLimits | None,
        now: float,
        utc: datetime,
    ) -> FlexOffer | None:
        options, terms, minute = running.options, running.terms, running.times.minute
        if asset.nature is Nature.LOAD:
            usual = running.usual[asset.id]
            if not usual.known(now):
                return None
            load = LoadNow(
                asset_id=asset.id,
                rated=asset.rated_consumption,
                mean=usual.mean,
                hold=minute * options[CONF_HOLD],
                window=minute * options[CONF_WINDOW],
            )
            return load_offer(load, utc, terms)
        if asset.nature is Nature.CHARGER:
            if user is None or user.energy is None or user.deadline is None:
                return None
            charging = ChargingNow(
                asset_id=asset.id,
                energy=user.energy,
                deadline=user.deadline,
                most=asset.rated_consumption,
            )
            return charging_offer(charging, utc, terms)
        if asset.capacity is None or state.state_of_charge is None:
            return None
        charge, capacity = state.state_of_charge, asset.capacity / 100
        battery = BatteryNow(
            asset_id=asset.id,
            takes=max(0.0, asset.ceiling - charge) * capacity / asset.charge_efficiency,
            gives=max(0.0, charge - asset.reserve) * capacity,
            charge=asset.rated_consumption,
            discharge=asset.rated_production,
            window=minute * options[CONF_WINDOW],
        )
        return battery_offer(battery, utc, terms)

    # ---------------------------------------------------------------------- carrying out

    def _carry_out(self, execution: Execution, utc: datetime) -> None:
        """Ask the site for what the running interval of a schedule wants."""
        offer = execution.offer
        slot = next(
            (item for item in offer.slots() if item.start <= utc < item.end), None
        )
        if slot is None or (asset := self._assets.get(offer.asset_id)) is None:
            return
        if asset.nature is Nature.BATTERY:
            self._dispatch(offer, slot)
            return
        drawn = execution.drawn(utc)
        usual = offer.default.energies
        enough = (
            slot.energy < sum(usual) / len(usual) / 2
            if drawn is None
            else drawn >= slot.energy
        )
        self._hold(offer, slot, utc, held=enough)

    def _hold(self, offer: FlexOffer, slot: Slot, utc: datetime, *, held: bool) -> None:
        """Hold a load or charger back until the end of an interval, or let it go on."""
        told = held, slot.end
        before = self._told.get(offer.asset_id, (False, slot.end))
        if told == before or not (held or before[0]):
            return
        self._told[offer.asset_id] = told
        left = (slot.end - utc).total_seconds() + _OVERHANG
        self._site.give_remote(
            offer.asset_id,
            RemoteCommand(
                source=SOURCE,
                enabled=not held,
                at=utc,
                lost_after=0.0,
                until=time.monotonic() + left if held else None,
                cause=Cause(
                    source=Source.DISPATCH,
                    key="flexoffer",
                    text=Phrase(
                        "flexoffer",
                        "The aggregator's schedule wants {energy} until {time}",
                        energy=f"{slot.energy / 1000:.2f} kWh",
                        time=Moment(slot.end),
                    ),
                ),
            ),
        )

    def _dispatch(self, offer: FlexOffer, slot: Slot) -> None:
        """Have a battery charge or discharge for one interval, once."""
        source = _dispatch_source(offer.asset_id)
        for known in self._coordinator.data.economy.dispatches:
            if (
                known.source == source
                and known.start == slot.start
                and known.power == slot.power
            ):
                return
        self._market.async_dispatch(
            DispatchCommand(
                source=source,
                action=DispatchAction.POWER,
                start=slot.start,
                end=slot.end,
                assets=frozenset({offer.asset_id}),
                power=slot.power,
            )
        )

    # ----------------------------------------------------------------------------- hooks

    def _assigned(self, offer: FlexOffer) -> None:
        LOGGER.info("FlexOffer %s has a schedule", offer.id)
        self._taken = -math.inf
        self._changed()

    def _ended(self, offer: FlexOffer) -> None:
        """Give a device back to what it does without the aggregator."""
        if self._told.pop(offer.asset_id, (False, None))[0]:
            self._site.give_remote(
                offer.asset_id,
                RemoteCommand(
                    source=SOURCE,
                    enabled=True,
                    at=dt_util.utcnow(),
                    lost_after=0.0,
                    cause=Cause(
                        source=Source.DISPATCH,
                        key="flexoffer_ended",
                        text=Phrase("flexoffer_ended", "The schedule has ended"),
                    ),
                ),
            )
        self._market.async_cancel(_dispatch_source(offer.asset_id))
        self._changed()

    def _operation(self) -> Operation:
        """Return what the house does now, and what its offers will draw next."""
        view = self._coordinator.data
        meter = None if view.site_meter is None else view.meters.get(view.site_meter)
        reading = meter.reading if meter is not None and meter.available else None
        assert self._running is not None
        prognosis = [
            slot.energy
            for offer in self._running.agent.offers
            for slot in offer.slots()[:1]
        ]
        return Operation(
            power=None if reading is None else reading.power,
            prognosis=tuple(prognosis),
        )

    @callback
    def _changed(self) -> None:
        if self._running is not None:
            agent = self._running.agent
            self._store.async_delay_save(lambda: _stored(agent), SAVE_DELAY)
            self._show()

    def _show(self) -> None:
        if self._running is None:
            return
        agent = self._running.agent
        figures, status = agent.figures, agent.status
        self._site.set_flexoffers(
            FlexOffersState(
                connected=status.connected,
                problem=status.problem,
                last_beat=status.last_beat,
                refused=status.refused,
                offers=tuple(_open(offer) for offer in agent.offers),
                offered=figures.offered,
                executed=figures.executed,
                refusals=figures.refused,
                shifted=figures.shifted,
                shifted_by=figures.shifted_by,
                followed=figures.followed,
                usability=figures.usability,
            )
        )


def _open(offer: FlexOffer) -> OpenOffer:
    slots = offer.slots()
    return OpenOffer(
        id=offer.id,
        asset_id=offer.asset_id,
        state=offer.state.value,
        start=slots[0].start,
        until=slots[-1].end,
        energy=sum(slot.energy for slot in slots),
    )


def _dispatch_source(asset_id: str) -> str:
    return f"{SOURCE}.{asset_id}"


def _stored(agent: FlexOfferAgent) -> dict[str, Any]:
    """Return the schedules and the figures that go on after a restart."""
    return {
        "figures": encode(agent.figures),
        "offers": [
            encode(offer)
            for offer in agent.offers
            if offer.state is OfferState.ASSIGNED
        ],
    }


def flexoffers_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the file of one site's schedules."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.flexoffers")
