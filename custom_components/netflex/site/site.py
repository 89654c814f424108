"""One site: its devices, its meters, its controller, and the view of them all."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
import logging
import time

from ..control.memory import Memory
from ..control.stops import WeakStop, weak_stops
from ..control.tuning import DEFAULT, Tuning
from ..devices.device import Device, DeviceConfig
from ..model.asset import AssetState, Direction
from ..model.connection import ConnectionPoint, Feeder
from ..model.demand import DEFAULT_TARIFF
from ..model.failure import reason_of
from ..model.flexoffers import FlexOffersState
from ..model.market import GridFrequency
from ..model.northbound import NorthboundState
from ..model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    OrderEvent,
    Stops,
)
from ..model.phrase import Phrase
from ..model.plan import Plan, Setpoint
from ..model.programme import Programme
from ..model.reading import MeterReading
from ..model.remote import RemoteCommand
from ..model.snapshot import Clock, Override, SiteModel, Snapshot, UserLimits
from ..telecontrol.journal_format import RecordKind
from ..telecontrol.rehearsal_orders import binds
from ..telecontrol.rehearsal_station import RehearsalState
from ..telemetry.quality import QualityReport
from .battery_health import BatteryHealth
from .commissioning import SiteCommissioning
from .commissioning_stage import CommissioningPorts
from .compliance_notes import ComplianceNotes
from .config import HealthLimits, MeterConfig, OutputConfig, SiteConfig, SiteRules
from .controller import Controller
from .dispatch_proof import DispatchLedger
from .economy import NO_ECONOMY, Economy, market_now
from .economy_problems import EconomyProblems
from .flexibility import FlexibilityLedger
from .giving_back import GivenBack, holds_off, is_moved
from .journal_notes import SiteNotes
from .learned_fallbacks import LearnedFallbacks
from .loop_lag import LoopLag
from .measurements import measure
from .meters import SiteMeters
from .output_states import OutputStates
from .problems import find_problems, shadow_problem
from .programme_preview import ProgrammePreviews
from .recording import Recording
from .rehearsal import SiteRehearsal
from .rehearsal_plant import Look
from .remote import RemoteCommands
from .seats import Seats
from .silence_test import SilenceRefusedError, SilenceResult
from .site_clock import SiteClock
from .soon import Soon
from .station_host import FIRST_WRITES_TIMEOUT, StationHost, StopEpochs
from .stop_proofs import StopProofs
from .users import UserWishes
from .view import DemandView, FiguresView, LearnedFallback, SiteProblem, SiteView

_LOGGER = logging.getLogger(__name__)

COLLECTED = 0.2
"""s in which what devices say and take is collected, before it is decided and shown."""
PROOF_INTERVAL = 0.02
"""s between looks whether the first writes after a start are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePorts:
    """What the site needs from outside.

    `make_device` builds a device from its configuration and raises DeviceError
    where that cannot be; `meters` owns the meters. `save_local_stops` is called
    with the local stops whenever they change, to be kept over a restart;
    `save_memory` when the decision's memory has changed in a way that is worth it.
    `zone` is the time zone of the house.
    """

    make_device: Callable[[DeviceConfig], Device]
    meters: SiteMeters
    save_local_stops: Callable[[LocalStops], None]
    save_fallbacks: Callable[[Mapping[str, LearnedFallback]], None] = (
        lambda _fallbacks: None
    )
    save_memory: Callable[[], None] = lambda: None
    zone: Callable[[], tzinfo] = lambda: UTC
    monotonic: Callable[[], float] = time.monotonic
    utcnow: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


class Site:
    """Runs a site on one event loop; all methods are called on it."""

    def __init__(
        self,
        config: SiteConfig,
        ports: SitePorts,
        host: StationHost,
        *,
        local_stops: LocalStops = NO_LOCAL_STOPS,
        memory: Memory | None = None,
        locked: frozenset[str] = frozenset(),
        fallbacks: Mapping[str, LearnedFallback] | None = None,
        overrides: Mapping[str, Override] | None = None,
        tuning: Tuning = DEFAULT,
    ) -> None:
        """Prepare a site; nothing runs before `start`."""
        self._config = config
        self._ports = ports
        self._host = host
        self._connection = config.connection
        self._rules = config.rules
        self._feeders = config.feeders
        self._islanded = False
        self._seats = Seats(
            ports.make_device,
            host.record,
            on_state=lambda: self._devices_said.ask(),
            on_written=self._written,
        )
        self._outputs = OutputStates()
        self._remote = RemoteCommands(host.record)
        self.flexibility = FlexibilityLedger(host.record, ports.save_memory)
        """Which commands of sources outside loads follow."""
        self._programmes = config.programmes
        self._economy = NO_ECONOMY
        self._quality: QualityReport | None = None
        self._figures: FiguresView | None = None
        self.dispatch = DispatchLedger(record=host.record, zone=ports.zone)
        """What dispatches have brought."""
        self._northbound: NorthboundState | None = None
        self._northbound_problems: tuple[SiteProblem, ...] = ()
        self._flexoffers: FlexOffersState | None = None
        self._users = UserWishes(host.record, locked=locked, overrides=overrides)
        self._economy_problems = EconomyProblems()
        self._previews = ProgrammePreviews()
        self._health = BatteryHealth()
        self._health_limits = config.health
        self._orders = NO_ORDERS
        self._epochs: StopEpochs = {}
        self._proofs = StopProofs(host.report_assets)
        self._local = local_stops
        self._notes = SiteNotes(host.record)
        self._compliance = ComplianceNotes(host.record)
        self._loop_lag = LoopLag(self._notes.loop_lag)
        self._time = SiteClock(ports.monotonic, ports.utcnow)
        self._next_change: datetime | None = None
        self._link = LinkState()
        self._station_problems: dict[str, str] = {}
        self._silent_inputs: Mapping[str, str] = {}
        self._fallbacks = LearnedFallbacks(
            fallbacks or {},
            save=ports.save_fallbacks,
            record=host.record,
            plan=lambda: self._controller.plan,
            monotonic=ports.monotonic,
            utcnow=ports.utcnow,
        )
        self._devices_said = Soon(lambda: self._controller.wake(), COLLECTED)
        self._devices_took = Soon(self._publish, COLLECTED)
        self._view_listeners: list[Callable[[SiteView], None]] = []
        self._order_listeners: list[Callable[[OrderEvent], None]] = []
        self._opening: asyncio.Task[None] | None = None
        self._model = SiteModel(connection=config.connection)
        self._weak: tuple[SiteModel, tuple[WeakStop, ...]] | None = None
        self._shadow = config.shadow
        self.rehearsal = SiteRehearsal(
            config.name, host, self.look, ports.utcnow, self._publish
        )
        self.commissioning = SiteCommissioning(
            CommissioningPorts(
                look=self.look,
                link=lambda: self._link,
                done=self._seats.done,
                devices=self._seats.configs,
                outputs=lambda: {
                    item.output.asset_id: item for item in self._outputs.configs
                },
                busy=self._busy,
                decide=lambda: self._controller.decide(),
                save=ports.save_memory,
                record=host.record,
                monotonic=ports.monotonic,
                utcnow=ports.utcnow,
                on_change=self._publish,
            )
        )
        self.recording = Recording()
        """What the decision was run with lately."""
        self._controller = Controller(
            model=self._site_model,
            snapshot=self._snapshot,
            clock=self._clock,
            carry_out=self._carry_out,
            memory=memory or Memory(),
            tuning=tuning,
            note=self.recording.note,
        )

    # ----------------------------------------------------------------------- lifecycle

    async def start(self) -> None:
        """Start devices, meters and the controller, then let the operator in.

        Does not wait for any device: the station opens in the background, after
        the first writes of orders that are in force were tried (S04).
        """
        self._ports.meters.on_reading = self._controller.wake
        self._ports.meters.on_status = self._publish
        self._ports.meters.grid_type = self._connection.grid_type
        for meter in self._config.meters:
            await self._ports.meters.add(meter)
        for device in self._config.devices:
            await self._seats.put(device)
        for output in self._config.outputs:
            self._outputs.put(output)
        self._loop_lag.start()
        self._host.set_local_stops(self._local)
        if self._shadow:
            self._host.record(RecordKind.SHADOW, {"value": True})
        await self._host.set_shadow(self._shadow)
        await self._host.set_outputs(self._outputs.configs)
        await self._host.attach(self)
        self._controller.start()
        # Not with the next turn of the task: a fuse does not wait.
        self._ports.meters.power.on_overload = self._controller.decide
        self._opening = asyncio.create_task(
            self._open_station(), name="netflex open station"
        )

    async def _open_station(self) -> None:
        """Open the station once the first writes are done, 5 s later at most."""
        try:
            async with asyncio.timeout(FIRST_WRITES_TIMEOUT):
                while self._orders.present() and not self._seats.settled:
                    await asyncio.sleep(PROOF_INTERVAL)
        except TimeoutError:
            _LOGGER.warning(
                "Not every device took its first setpoint within %s s; the grid "
                "operator is let in all the same",
                FIRST_WRITES_TIMEOUT,
            )
        try:
            await self._host.listen()
        except Exception as err:
            _LOGGER.exception("The station could not be opened")
            self._station_problems["station_failed"] = reason_of(err)
            self._publish()

    async def stop(self) -> None:
        """Stop everything but the station, which its host keeps or closes."""
        self._loop_lag.stop()
        self._devices_said.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        # Before the door closes: outputs that are tried are given back through it.
        await self.commissioning.cancel()
        await self.rehearsal.cancel()
        self._host.detach()
        self._ports.meters.power.on_overload = self._controller.wake
        await self._controller.stop()
        await self.recording.stop()
        await self._seats.stop()
        self._devices_said.cancel()
        self._devices_took.cancel()
        await self._ports.meters.stop()

    @property
    def memory(self) -> Memory:
        """The decision's memory, to be kept over a restart."""
        return self._controller.memory

    # ------------------------------------------------------------------------- changes

    async def add_meter(self, config: MeterConfig) -> None:
        """Add a meter, or put another configuration in its place."""
        await self._ports.meters.add(config)
        self._controller.wake()

    async def add_device(self, config: DeviceConfig) -> None:
        """Add a device, or put another configuration in its place."""
        await self._seats.put(config)
        self._controller.wake()

    async def add_output(self, config: OutputConfig) -> None:
        """Add an emergency output, or put another configuration in its place."""
        self._outputs.put(config)
        await self._outputs_changed()

    async def remove(self, subject: str) -> GivenBack | None:
        """Remove a meter, a device or an output by its id.

        A load is enabled before it leaves, unless something holds it off; returns how
        it was left, None where it was not off.
        """
        left = None
        if not self.shadow:
            left = await self._seats.give_back(subject, self._told(subject))
        if left is not None:
            self._host.record(
                RecordKind.REMOTE,
                {
                    "device": subject,
                    "source": "removal",
                    "value": left.reason is None,
                    "reason": left.reason or "the site lets go of it",
                },
            )
        await self._ports.meters.remove(subject)
        await self._seats.remove(subject)
        self._users.drop(subject)
        self.commissioning.forget(subject)
        self._remote.forget(subject)
        self.flexibility.forget(subject)
        self._fallbacks.drop(subject)
        if self._outputs.remove(subject):
            await self._outputs_changed()
        self._controller.wake()
        return left

    def _told(self, asset_id: str) -> Setpoint | None:
        plan = self._controller.plan
        return None if plan is None else plan.setpoints.get(asset_id)

    @property
    def left_off(self) -> Mapping[str, str | None]:
        """The loads that are told to be off, each with what holds it off."""
        left: dict[str, str | None] = {}
        for asset_id, asset in self._seats.assets().items():
            setpoint = self._told(asset_id)
            if self.shadow or setpoint is None or not is_moved(asset, setpoint):
                continue
            cause = holds_off(setpoint)
            left[asset_id] = None if cause is None else str(cause.text)
        return left

    @property
    def shadow(self) -> bool:
        """Whether nothing is written: the operator's own orders overrule it (S07)."""
        return self._shadow and not binds(self._orders)

    async def set_shadow(self, shadow: bool) -> None:
        """Only decide from now on, or carry out what is decided again."""
        self._shadow = shadow
        self._host.record(RecordKind.SHADOW, {"value": shadow})
        await self._host.set_shadow(shadow)
        self._controller.decide()

    def set_connection(self, connection: ConnectionPoint) -> None:
        """Change contract or fuse; limits in force are recomputed at once."""
        self._notes.contract(self._connection, connection)
        self._connection = connection
        self._ports.meters.grid_type = connection.grid_type
        self._controller.wake()

    def set_rules(self, rules: SiteRules) -> None:
        """Change how limits are held."""
        self._rules = rules
        self._host.set_riding(self._rides)
        self._controller.wake()

    def set_peak_target(self, target: float | None) -> None:
        """Hold the quarter hour below W; None: as the meter's configuration says."""
        self._ports.meters.peak_target = target
        self._controller.wake()

    def set_feeders(self, feeders: tuple[Feeder, ...]) -> None:
        """Change the tree of sub-circuits."""
        self._feeders = feeders
        self._controller.wake()

    def set_programmes(self, programmes: Mapping[str, Programme]) -> None:
        """Change what batteries are used for, by the battery's id."""
        self._programmes = programmes
        self._controller.wake()

    def set_health(self, limits: Mapping[str, HealthLimits]) -> None:
        """Change when batteries are not well, by the battery's id."""
        self._health_limits = limits
        self._controller.wake()

    def set_economy(self, economy: Economy) -> None:
        """Take over what markets, schedules and dispatch sources say now."""
        self._economy = economy
        self._controller.wake()

    def set_quality(self, report: QualityReport | None) -> None:
        """Show the newest daily report on the data."""
        self._quality = report
        self._publish()

    def set_figures(self, figures: FiguresView | None) -> None:
        """Show what the batteries brought."""
        self._figures = figures
        self._publish()

    def set_islanded(self, islanded: bool) -> None:
        """Take over whether the house is away from the grid (S20)."""
        if islanded is self._islanded:
            return
        self._islanded = islanded
        self._host.set_riding(self._rides)
        self._controller.decide()

    @property
    def _rides(self) -> bool:
        """Whether the operator's stop of production waits for the grid."""
        return self._islanded and not self._rules.protection.stop_blacks_out_island

    def set_user_limits(self, asset_id: str, limits: UserLimits) -> None:
        """Take over what the user asks of one asset: one more source of limits."""
        if self._users.put(asset_id, limits):
            # A lock-out must outlive whatever happens next, as a stop does.
            self._ports.save_local_stops(self._local)
        self._controller.wake()

    @property
    def overrides(self) -> Mapping[str, Override]:
        """What holds for a while in place of modes, by asset."""
        return self._users.overrides

    def give_remote(self, asset_id: str, command: RemoteCommand) -> None:
        """Take over what a source outside asks of one load: it can only tighten.

        A load may have a delay of its own after the loss of any source.
        """
        asset = self._seats.assets().get(asset_id)
        if asset is not None and asset.remote_lost_after is not None:
            command = replace(command, lost_after=asset.remote_lost_after)
        self._remote.give(asset_id, command)
        self._controller.wake()

    def set_remote_lost(self, source: str, *, lost: bool) -> None:
        """Note that a source outside is lost or there again (S14)."""
        if lost:
            self._remote.source_lost(source, self._ports.monotonic())
        else:
            self._remote.source_back(source)
        self._controller.wake()

    def set_northbound(
        self,
        state: NorthboundState | None,
        problems: tuple[SiteProblem, ...] = (),
    ) -> None:
        """Show how the bridge to a broker does; None: there is none."""
        if (state, problems) != (self._northbound, self._northbound_problems):
            self._northbound, self._northbound_problems = state, problems
            self._publish()

    def set_flexoffers(self, state: FlexOffersState | None) -> None:
        """Show how the FlexOffers do; None: nothing is offered."""
        if state != self._flexoffers:
            self._flexoffers = state
            self._publish()

    def withdraw_remote(self, source: str, reason: str) -> None:
        """End everything that a source outside asks."""
        self._remote.withdraw(source, reason)
        self._controller.wake()

    @property
    def locked(self) -> frozenset[str]:
        """The assets that are locked out for maintenance."""
        return self._users.locked

    def set_local_stop(self, direction: Direction, holder: str, *, held: bool) -> None:
        """Have one holder hold or release the site's own stop of a direction."""
        self._local = self._local.with_holder(direction, holder, held=held)
        self._ports.save_local_stops(self._local)
        self._host.set_local_stops(self._local)
        self._controller.decide()

    @property
    def local_stops(self) -> LocalStops:
        """The site's own stops as they are held now."""
        return self._local

    def set_stop_inputs(self, names: Mapping[str, str]) -> None:
        """Take over which inputs, by holder, stop the site beside those of modules."""
        self.commissioning.set_stop_inputs(names)

    def set_silent_inputs(self, silent: Mapping[str, str]) -> None:
        """Show which inputs of local stops say nothing, and what that means."""
        self._silent_inputs = silent
        self._publish()

    async def test_silence(
        self, asset_id: str, seconds: float | None = None
    ) -> SilenceResult:
        """Leave one device alone and see what it does.

        Raises SilenceRefusedError where that may not be.
        """
        if self.commissioning.running:
            raise SilenceRefusedError(
                "running", Phrase("not_now_commissioning", "a commissioning runs")
            )
        result = await self._fallbacks.test(
            self._seats.get(asset_id), self._connection.grid_type, seconds
        )
        self._publish()
        return result

    def _busy(self) -> str | None:
        """Return what else is tried at the site now."""
        if self._fallbacks.testing:
            return Phrase(
                "not_now_silence", "a device is left alone to see what it does"
            )
        if self.rehearsal.running:
            return Phrase("not_now_rehearsal", "a rehearsal runs")
        return None

    @property
    def fallbacks(self) -> Mapping[str, LearnedFallback]:
        """What devices were seen to do when they were left alone, by asset."""
        return self._fallbacks.known

    async def release_orders(self, name: str, reference: str) -> None:
        """Release the operator's orders on the operator's instruction (S06)."""
        await self._host.release_orders(name, reference)

    async def _outputs_changed(self) -> None:
        await self._host.set_outputs(self._outputs.configs)
        self._controller.wake()

    # -------------------------------------------------------------------------- events

    def subscribe(
        self,
        on_view: Callable[[SiteView], None],
        on_order: Callable[[OrderEvent], None],
    ) -> None:
        """Be told of every new view and of every order as it arrives."""
        self._view_listeners.append(on_view)
        self._order_listeners.append(on_order)

    def on_orders(
        self, orders: GridOrders, event: OrderEvent | None, epochs: StopEpochs
    ) -> None:
        """Take over orders from the station and act on them at once."""
        self._orders, self._epochs = orders, epochs
        self._controller.decide()
        if event is not None:
            for listener in self._order_listeners:
                listener(event)

    def on_link(self, link: LinkState) -> None:
        """Show a change of the operator's link."""
        self._link = link
        self._publish()

    def on_output(self, state: AssetState, problem: str | None) -> None:
        """Show what an emergency output does."""
        self._outputs.take(state, problem)
        self._publish()

    def on_local_input(self, direction: Direction, holder: str, *, held: bool) -> None:
        """Keep what a module's own stop input does to the local stops."""
        if held is not (holder in self._local.holders(direction)):
            self.set_local_stop(direction, holder, held=held)

    def on_proof(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Show how far a stop has been carried out."""
        self._proofs.take(direction, missing, self._ports.monotonic())
        self._publish()

    def on_station_problem(self, key: str, text: str | None) -> None:
        """Show a problem of the station, or that it has ended."""
        if text is None:
            self._station_problems.pop(key, None)
        else:
            self._station_problems[key] = text
        self._publish()

    def on_rehearsal(self, state: RehearsalState) -> None:
        """Follow a rehearsal, whose orders in force come as all orders do."""
        self.rehearsal.on_state(state)

    def _written(self) -> None:
        self._report_stops()
        self._devices_took.ask()

    # ------------------------------------------------------------------------ deciding

    def _demand(self) -> DemandView | None:
        return self._ports.meters.demand(
            self._ports.monotonic(), self._connection.fuse_power
        )

    def _site_model(self) -> SiteModel:
        """Return the site as installed, the same object until something changes.

        What the decision derives from it alone is then derived once.
        """
        model = self._newest_model()
        if model != self._model:
            self._model = model
        return self._model

    def _weak_stops(self) -> tuple[WeakStop, ...]:
        """Return what stops cannot be relied on for, derived once per site model."""
        model = self._site_model()
        if self._weak is None or self._weak[0] is not model:
            self._weak = model, weak_stops(model)
        return self._weak[1]

    def _newest_model(self) -> SiteModel:
        demand = self._demand()
        return SiteModel(
            connection=self._connection,
            assets=self._seats.assets(),
            outputs=self._outputs.outputs,
            sharing=self._rules.sharing,
            meter_timeout=self._ports.meters.stale_after(self._ports.monotonic()),
            safe_delay=self._rules.safe_delay,
            rebound=self._rules.rebound,
            ramp_up=self._rules.ramp_up,
            tolerance=self._rules.tolerance,
            hold_contract=self._rules.hold_contract,
            compliance=self._rules.compliance,
            tariff=DEFAULT_TARIFF if demand is None else demand.tariff,
            protection=self._rules.protection,
            feeders=self._feeders,
            programmes=self._programmes,
        )

    def _snapshot(self) -> Snapshot:
        demand, economy = self._demand(), self._economy
        reading = self._ports.meters.site_reading(self._ports.monotonic())
        return Snapshot(
            orders=self._orders,
            local_stops=self._local,
            reading=reading,
            overloads=self._ports.meters.power.overloads(),
            feeder_readings=self._ports.meters.readings_of(
                {item.id: item.meter for item in self._feeders}
            ),
            islanded=self._islanded,
            states=self._states(),
            user=self.commissioning.overlay(self._users.limits),
            remote=self._remote.in_force(self._ports.monotonic()),
            quarter=None if demand is None else demand.quarter,
            market=economy.market,
            dispatches=economy.dispatches,
            frequency=economy.frequency or _frequency(reading),
            holidays=economy.holidays,
            entity_windows=economy.entity_windows,
        )

    @property
    def model(self) -> SiteModel:
        """Return the site as the decision sees it."""
        return self._site_model()

    def look(self, orders: GridOrders | None = None) -> Look:
        """Return what is known now; with orders, what would be decided for them."""
        snapshot, plan = self._snapshot(), self._controller.plan
        memory = self._controller.memory
        if orders is not None:
            snapshot = replace(snapshot, orders=orders)
            plan, memory = self._controller.preview(snapshot)
        return Look(
            at=self._ports.monotonic(),
            model=self._site_model(),
            snapshot=snapshot,
            plan=plan,
            base=memory.base[0],
            shadow=self.shadow,
            missing=self._proofs.missing,
        )

    def _states(self) -> dict[str, AssetState]:
        return self._seats.states() | self._outputs.states

    def _clock(self) -> Clock:
        return self._time.read(self._ports.meters.site_reading)

    def _carry_out(self, plan: Plan) -> None:
        """Fill the mailboxes, report, and publish; awaits nothing."""
        if self._users.end_overrides(self._clock()):
            self._ports.save_memory()
        self._next_change = self._time.announced(plan.next_change, self._next_change)
        # Both are done with this decision.
        self._devices_said.cancel()
        self._devices_took.cancel()
        self._seats.post(plan.setpoints, shadow=self.shadow)
        self._report_stops()
        self._drive_cut_off(plan)
        assets, states = self._seats.assets(), self._states()
        self._notes.plan(plan)
        self._notes.meter(self._ports.meters.switch)
        self._ports.meters.compare(assets, states, plan.at)
        self._measure_dispatch(plan)
        self.flexibility.take(
            plan.at,
            self._ports.utcnow(),
            assets=assets,
            states=states,
            remote=self._remote.in_force(plan.at),
            user=self._users.limits,
        )
        self._health.look(assets, states, self._health_limits, self.locked, plan.at)
        self._economy_problems.look(self._economy, self._programmes, plan.at)
        self._previews.look(self._programmes, self._economy, self._ports.utcnow())
        self._publish()
        # Last: waking the station's thread may cost this one its turn.
        self._host.set_measurements(measure(assets, states, plan.at))

    def _measure_dispatch(self, plan: Plan) -> None:
        """Count what dispatches bring, as the connection point's meter says it."""
        reading = self._ports.meters.site_reading(self._ports.monotonic())
        self.dispatch.take(
            self._ports.utcnow(),
            reading.power if plan.metered and reading is not None else None,
            self._economy.dispatches,
            self._economy.names,
            self._economy.baselines,
        )

    def _drive_cut_off(self, plan: Plan) -> None:
        """Tell the station which outputs act because a limit is not kept (S19)."""
        if (cut_off := self._outputs.cut_off(plan)) is not None:
            self._host.set_cut_off(cut_off)
        if self._compliance.take(plan):
            self._ports.save_memory()

    def _report_stops(self) -> None:
        """Tell the station which assets have not confirmed a stop yet."""
        self._proofs.report(
            self._stops, self._epochs, self._seats.unconfirmed, self._ports.monotonic()
        )

    # --------------------------------------------------------------------------- views

    @property
    def view(self) -> SiteView:
        """Everything that is known of the site now."""
        now = self._ports.monotonic()
        view = SiteView(
            link=self._link,
            telecontrol=self._host.has_station,
            orders=self._orders,
            local_stops=self._local,
            meters=self._ports.meters.views(now),
            site_meter=self._ports.meters.site_meter(now),
            meter_switch=self._ports.meters.switch,
            demand=self._demand(),
            states=self._states(),
            user=self._users.limits,
            remote=self._remote.in_force(now),
            northbound=self._northbound,
            flexoffers=self._flexoffers,
            flexibility=self.flexibility.view(self._ports.utcnow()),
            plan=self._controller.plan,
            proofs=self._proofs.proofs,
            loop_lag=self._loop_lag.worst,
            rehearsal=self.rehearsal.status,
            shadow=self.shadow,
            virtual_meters=self._seats.virtual_meters(),
            fallbacks=self.fallbacks,
            next_change=self._next_change,
            commissioning=self.commissioning.status,
            commissioned=tuple(self.commissioning.results.values()),
            outputs=self._outputs.views(self._stops),
            economy=self._economy,
            market=market_now(self._economy, self._ports.utcnow()),
            programmes=self._programmes,
            previews=self._previews.slots,
            dispatch_proofs=self.dispatch.proofs,
            quality=self._quality,
            figures=self._figures,
        )
        return replace(
            view,
            problems=find_problems(
                view,
                names=self._seats.names() | self._outputs.names(),
                station=self._station_problems
                | shadow_problem(wanted=self._shadow, shadow=self.shadow),
                inputs=self._silent_inputs,
                writing=dict(self._seats.problems()) | self._outputs.not_driven(),
                weak=self._weak_stops(),
                decision=self._controller.fault,
                synchronised=self._time.synchronised,
                loop_endangers=self._loop_lag.endangers(now),
            )
            + self._outputs.problems(self._stops, now)
            + self._northbound_problems
            + self._health.problems
            + self._economy_problems.problems,
        )

    @property
    def _stops(self) -> Stops:
        return Stops(orders=self._orders, local=self._local)

    def _publish(self) -> None:
        if not self._view_listeners:
            return
        view = self.view
        for listener in self._view_listeners:
            listener(view)


def _frequency(reading: MeterReading | None) -> GridFrequency | None:
    """Return the grid's frequency as the connection point's meter says it."""
    if reading is None or reading.frequency is None:
        return None
    return GridFrequency(value=reading.frequency, received=reading.received)
