"""One site: its devices, its meters, its controller, and the view of them all."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import logging
import time

from ..control.explain import CUT_OFF
from ..control.memory import Memory
from ..control.stops import WeakStop, weak_stops
from ..control.tuning import DEFAULT, Tuning
from ..devices.device import Device, DeviceConfig, DeviceError
from ..devices.metered_charger import MeteredCharger, VirtualMeterView
from ..devices.silence import Silenceable
from ..model.asset import Asset, AssetState, Direction, StopPath
from ..model.connection import ConnectionPoint, Feeder
from ..model.demand import DEFAULT_TARIFF
from ..model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    OrderEvent,
    Stops,
)
from ..model.plan import Cause, Plan
from ..model.remote import RemoteCommand
from ..model.snapshot import Clock, SiteModel, Snapshot, UserLimits
from ..telecontrol.journal_format import RecordKind
from ..telecontrol.rehearsal_orders import binds
from ..telecontrol.rehearsal_station import RehearsalState
from . import silence_test
from .actors import AssetActor
from .availability import AvailabilityLog
from .broken_device import BrokenDevice
from .compliance_notes import ComplianceNotes
from .config import MeterConfig, OutputConfig, SiteConfig, SiteRules
from .controller import Controller
from .journal_notes import SiteNotes, WriteNotes
from .loop_lag import LoopLag
from .measurements import measure
from .meters import SiteMeters
from .outputs import OutputWatch, output_views
from .problems import find_problems
from .recording import Recording
from .rehearsal import SiteRehearsal
from .rehearsal_plant import Look
from .remote import RemoteCommands
from .silence_test import SilenceRefusedError, SilenceResult, SilenceSubject
from .station_host import FIRST_WRITES_TIMEOUT, StationHost, StopEpochs
from .view import DemandView, LearnedFallback, SiteView, StopProof

_LOGGER = logging.getLogger(__name__)

CLOCK_TOLERANCE = timedelta(minutes=5)
"""Difference between our clock and the meter's from which neither is relied on."""
PROOF_INTERVAL = 0.02
"""s between looks whether the first writes after a start are done."""


@dataclass(slots=True)
class _Seat:
    """One controlled device of the site and what drives it."""

    config: DeviceConfig
    asset: Asset
    device: Device
    actor: AssetActor
    availability: AvailabilityLog


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePorts:
    """What the site needs from outside.

    `make_device` builds a device from its configuration and raises DeviceError
    where that cannot be; `meters` owns the meters. `save_local_stops` is called
    with the local stops whenever they change, to be kept over a restart;
    `save_memory` when the decision's memory has changed in a way that is worth it.
    """

    make_device: Callable[[DeviceConfig], Device]
    meters: SiteMeters
    save_local_stops: Callable[[LocalStops], None]
    save_fallbacks: Callable[[Mapping[str, LearnedFallback]], None] = (
        lambda _fallbacks: None
    )
    save_memory: Callable[[], None] = lambda: None
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
        self._seats: dict[str, _Seat] = {}
        self._outputs: dict[str, OutputConfig] = {}
        self._output_states: dict[str, AssetState] = {}
        self._output_logs: dict[str, AvailabilityLog] = {}
        self._output_problems: dict[str, str] = {}
        self._remote = RemoteCommands(host.record)
        self._user = {asset_id: UserLimits(locked=True) for asset_id in locked}
        self._orders = NO_ORDERS
        self._epochs: StopEpochs = {}
        self._reported: dict[Direction, tuple[int, tuple[str, ...]]] = {}
        self._local = local_stops
        self._notes = SiteNotes(host.record)
        self._compliance = ComplianceNotes(host.record)
        self._loop_lag = LoopLag(self._notes.loop_lag)
        self._synchronised = True
        self._cut_off: Mapping[str, Cause] | None = None
        self._link = LinkState()
        self._station_problems: dict[str, str] = {}
        self._silent_inputs: Mapping[str, str] = {}
        self._stop_since: dict[Direction, float] = {}
        self._proofs: dict[Direction, StopProof] = {}
        self._output_watch = OutputWatch()
        self._fallbacks = dict(fallbacks or {})
        self._tests: set[str] = set()
        self._view_listeners: list[Callable[[SiteView], None]] = []
        self._order_listeners: list[Callable[[OrderEvent], None]] = []
        self._opening: asyncio.Task[None] | None = None
        self._model = SiteModel(connection=config.connection)
        self._weak: tuple[SiteModel, tuple[WeakStop, ...]] | None = None
        self._shadow = config.shadow
        self.rehearsal = SiteRehearsal(
            config.name, host, self.look, ports.utcnow, self._publish
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
            await self._seat(device)
        self._outputs = {
            output.output.asset_id: output for output in self._config.outputs
        }
        self._loop_lag.start()
        self._host.set_local_stops(self._local)
        if self._shadow:
            self._host.record(RecordKind.SHADOW, {"value": True})
        await self._host.set_shadow(self._shadow)
        await self._host.set_outputs(tuple(self._outputs.values()))
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
                while self._orders.present() and not all(
                    seat.actor.settled for seat in self._seats.values()
                ):
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
            self._station_problems["station_failed"] = str(err)
            self._publish()

    async def stop(self) -> None:
        """Stop everything but the station, which its host keeps or closes."""
        self._loop_lag.stop()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self.rehearsal.cancel()
        self._host.detach()
        self._ports.meters.power.on_overload = self._controller.wake
        await self._controller.stop()
        await self.recording.stop()
        await asyncio.gather(*(self._leave(seat) for seat in self._seats.values()))
        self._seats.clear()
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
        if (seat := self._seats.pop(config.device_id, None)) is not None:
            await self._leave(seat)
        await self._seat(config)
        self._controller.wake()

    async def add_output(self, config: OutputConfig) -> None:
        """Add an emergency output, or put another configuration in its place."""
        self._outputs[config.output.asset_id] = config
        await self._outputs_changed()

    async def remove(self, subject: str) -> None:
        """Remove a meter, a device or an output by its id."""
        await self._ports.meters.remove(subject)
        if (seat := self._seats.pop(subject, None)) is not None:
            await self._leave(seat)
        self._user.pop(subject, None)
        self._remote.forget(subject)
        self._fallbacks.pop(subject, None)
        if self._outputs.pop(subject, None) is not None:
            self._output_states.pop(subject, None)
            self._output_logs.pop(subject, None)
            self._output_problems.pop(subject, None)
            await self._outputs_changed()
        self._controller.wake()

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

    def _shadow_problem(self) -> dict[str, str]:
        """Say that the site only decides, or why it does not although it shall."""
        if not self._shadow:
            return {}
        if self.shadow:
            return {
                "in_shadow": "Everything is decided and shown, nothing is written to any "
                "device or relay, local stops included"
            }
        return {
            "shadow_overruled": "Orders of the grid operator are in force and are "
            "carried out, although the site is set to shadow"
        }

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
        locked = self.locked
        self._user[asset_id] = limits
        if self.locked != locked:
            # A lock-out must outlive whatever happens next, as a stop does.
            self._ports.save_local_stops(self._local)
        self._controller.wake()

    def give_remote(self, asset_id: str, command: RemoteCommand) -> None:
        """Take over what a source outside asks of one load: it can only tighten."""
        self._remote.give(asset_id, command)
        self._controller.wake()

    def set_remote_lost(self, source: str, *, lost: bool) -> None:
        """Note that a source outside is lost or there again (S14)."""
        if lost:
            self._remote.source_lost(source, self._ports.monotonic())
        else:
            self._remote.source_back(source)
        self._controller.wake()

    def withdraw_remote(self, source: str, reason: str) -> None:
        """End everything that a source outside asks."""
        self._remote.withdraw(source, reason)
        self._controller.wake()

    @property
    def locked(self) -> frozenset[str]:
        """The assets that are locked out for maintenance."""
        return frozenset(
            asset_id for asset_id, limits in self._user.items() if limits.locked
        )

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
        seat = self._seats.get(asset_id)
        if seat is None or not isinstance(seat.device, Silenceable):
            raise SilenceRefusedError(
                "not_refreshed", "nothing is refreshed there that could be left out"
            )
        if asset_id in self._tests:
            raise SilenceRefusedError("running", "a test of it runs already")
        self._tests.add(asset_id)
        try:
            result = await silence_test.run(
                SilenceSubject(
                    asset=seat.asset,
                    device=seat.device,
                    state=lambda: seat.device.state,
                    actor=seat.actor,
                    plan=lambda: self._controller.plan,
                    grid_type=self._connection.grid_type,
                    clock=self._ports.monotonic,
                ),
                seconds,
            )
        finally:
            self._tests.discard(asset_id)
        if result.fell_back_after is not None:
            self._fallbacks[asset_id] = LearnedFallback(
                value=result.fallback,
                after=result.fell_back_after,
                at=self._ports.utcnow(),
            )
            self._ports.save_fallbacks(self.fallbacks)
        silence_test.note(self._host.record, seat.asset, result)
        self._publish()
        return result

    @property
    def fallbacks(self) -> Mapping[str, LearnedFallback]:
        """What devices were seen to do when they were left alone, by asset."""
        return dict(self._fallbacks)

    def forget_fallback(self, asset_id: str) -> None:
        """Forget what a device was seen to do."""
        if self._fallbacks.pop(asset_id, None) is not None:
            self._ports.save_fallbacks(self.fallbacks)
            self._publish()

    async def release_orders(self, name: str, reference: str) -> None:
        """Release the operator's orders on the operator's instruction (S06)."""
        await self._host.release_orders(name, reference)

    async def _seat(self, config: DeviceConfig) -> None:
        assert config.asset is not None
        device: Device
        try:
            device = self._ports.make_device(config)
        except DeviceError as err:
            device = BrokenDevice(config, err)
        seat = _Seat(
            config=config,
            asset=config.asset,
            device=device,
            actor=AssetActor(
                device,
                config.name,
                self._written,
                WriteNotes(config.device_id, config.name, self._host.record),
            ),
            availability=AvailabilityLog(config.name),
        )
        self._seats[config.device_id] = seat
        seat.actor.start()
        await device.start(lambda _state: self._device_changed(seat))

    async def _leave(self, seat: _Seat) -> None:
        await seat.actor.stop()
        await seat.device.stop()

    async def _outputs_changed(self) -> None:
        await self._host.set_outputs(tuple(self._outputs.values()))
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
        self._output_states[state.asset_id] = state
        if (config := self._outputs.get(state.asset_id)) is not None:
            log = self._output_logs.setdefault(
                state.asset_id, AvailabilityLog(config.output.name)
            )
            log.take(available=state.available, problem=state.problem)
        if problem is None:
            self._output_problems.pop(state.asset_id, None)
        else:
            self._output_problems[state.asset_id] = problem
        self._publish()

    def on_local_input(self, direction: Direction, holder: str, *, held: bool) -> None:
        """Keep what a module's own stop input does to the local stops."""
        if held is not (holder in self._local.holders(direction)):
            self.set_local_stop(direction, holder, held=held)

    def on_proof(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Show how far a stop has been carried out."""
        since = self._stop_since.get(direction)
        self._proofs[direction] = StopProof(
            direction=direction,
            written=not missing,
            missing=missing,
            seconds=(
                self._ports.monotonic() - since
                if since is not None and not missing
                else None
            ),
        )
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

    def _device_changed(self, seat: _Seat) -> None:
        state = seat.device.state
        seat.availability.take(available=state.available, problem=state.problem)
        seat.actor.state_changed()
        self._controller.wake()

    def _written(self) -> None:
        self._report_stops()
        self._publish()

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
            assets={key: seat.asset for key, seat in self._seats.items()},
            outputs=tuple(config.output for config in self._outputs.values()),
            sharing=self._rules.sharing,
            meter_timeout=self._ports.meters.stale_after(self._ports.monotonic()),
            safe_delay=self._rules.safe_delay,
            ramp_up=self._rules.ramp_up,
            tolerance=self._rules.tolerance,
            compliance=self._rules.compliance,
            tariff=DEFAULT_TARIFF if demand is None else demand.tariff,
            protection=self._rules.protection,
            feeders=self._feeders,
        )

    def _snapshot(self) -> Snapshot:
        demand = self._demand()
        return Snapshot(
            orders=self._orders,
            local_stops=self._local,
            reading=self._ports.meters.site_reading(self._ports.monotonic()),
            overloads=self._ports.meters.power.overloads(),
            feeder_readings=self._ports.meters.readings_of(
                {item.id: item.meter for item in self._feeders}
            ),
            islanded=self._islanded,
            states=self._states(),
            user=dict(self._user),
            remote=self._remote.in_force(self._ports.monotonic()),
            quarter=None if demand is None else demand.quarter,
        )

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
            missing={key: proof.missing for key, proof in self._proofs.items()},
        )

    def _states(self) -> dict[str, AssetState]:
        return {key: seat.device.state for key, seat in self._seats.items()} | (
            self._output_states
        )

    def _clock(self) -> Clock:
        now, utc = self._ports.monotonic(), self._ports.utcnow()
        reading = self._ports.meters.site_reading(now)
        meter = reading.meter_time if reading is not None else None
        if reading is not None and meter is not None:
            # Without a meter's clock what was found last stands.
            since = timedelta(seconds=now - reading.received)
            self._synchronised = abs(utc - meter - since) <= CLOCK_TOLERANCE
        return Clock(
            monotonic=now, utc=utc, meter=meter, synchronised=self._synchronised
        )

    def _carry_out(self, plan: Plan) -> None:
        """Fill the mailboxes, report, and publish; awaits nothing."""
        shadow = self.shadow
        for asset_id, setpoint in plan.setpoints.items():
            if (seat := self._seats.get(asset_id)) is None:
                continue
            if shadow:
                seat.actor.withdraw()
            else:
                seat.actor.post(setpoint)
        self._report_stops()
        self._drive_cut_off(plan)
        assets, states = self._assets(), self._states()
        self._notes.plan(plan)
        self._notes.meter(self._ports.meters.switch)
        self._ports.meters.compare(assets, states, plan.at)
        self._publish()
        # Last: waking the station's thread may cost this one its turn.
        self._host.set_measurements(measure(assets, states, plan.at))

    def _drive_cut_off(self, plan: Plan) -> None:
        """Tell the station which outputs act because a limit is not kept (S19)."""
        cut_off = {
            asset_id: cause
            for asset_id in self._outputs
            if (setpoint := plan.setpoints.get(asset_id)) is not None
            for cause in setpoint.causes
            if cause.key == CUT_OFF
        }
        if cut_off != self._cut_off:
            self._cut_off = cut_off
            self._host.set_cut_off(cut_off)
        if self._compliance.take(plan):
            self._ports.save_memory()

    def _assets(self) -> Mapping[str, Asset]:
        return {key: seat.asset for key, seat in self._seats.items()}

    def _report_stops(self) -> None:
        """Tell the station which assets have not confirmed a stop yet."""
        stops = Stops(orders=self._orders, local=self._local)
        for direction in Direction:
            if not stops.stopped(direction):
                self._stop_since.pop(direction, None)
                self._proofs.pop(direction, None)
                self._reported.pop(direction, None)
                continue
            self._stop_since.setdefault(direction, self._ports.monotonic())
            missing = tuple(
                seat.asset.name
                for seat in self._seats.values()
                if _concerned(seat.asset, direction) and not seat.actor.done
            )
            report = (self._epochs.get(direction, 0), missing)
            if self._reported.get(direction) != report:
                self._reported[direction] = report
                self._host.report_assets(direction, *report)

    # --------------------------------------------------------------------------- views

    @property
    def view(self) -> SiteView:
        """Everything that is known of the site now."""
        now = self._ports.monotonic()
        problems = {
            seat.asset.name: seat.actor.problem
            for seat in self._seats.values()
            if seat.actor.problem is not None
        }
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
            user=dict(self._user),
            remote=self._remote.in_force(now),
            plan=self._controller.plan,
            proofs=tuple(self._proofs.values()),
            loop_lag=self._loop_lag.worst,
            rehearsal=self.rehearsal.status,
            shadow=self.shadow,
            virtual_meters=self._virtual_meters(),
            fallbacks=self.fallbacks,
            outputs=output_views(
                self._outputs.values(), self._output_states, self._stops
            ),
        )
        names = {key: seat.asset.name for key, seat in self._seats.items()} | {
            key: config.output.name for key, config in self._outputs.items()
        }
        return replace(
            view,
            problems=find_problems(
                view,
                names=names,
                station=self._station_problems | self._shadow_problem(),
                inputs=self._silent_inputs,
                writing=problems
                | {names[key]: text for key, text in self._output_problems.items()},
                weak=self._weak_stops(),
                decision=self._controller.fault,
                synchronised=self._synchronised,
                loop_endangers=self._loop_lag.endangers(now),
            )
            + self._output_watch.problems(
                tuple(self._outputs.values()), self._output_states, self._stops, now
            ),
        )

    @property
    def _stops(self) -> Stops:
        return Stops(orders=self._orders, local=self._local)

    def _virtual_meters(self) -> dict[str, VirtualMeterView]:
        views = (
            seat.device.meter_view
            for seat in self._seats.values()
            if isinstance(seat.device, MeteredCharger)
        )
        return {view.meter_id: view for view in views}

    def _publish(self) -> None:
        if not self._view_listeners:
            return
        view = self.view
        for listener in self._view_listeners:
            listener(view)


def _concerned(asset: Asset, direction: Direction) -> bool:
    """Whether a stop of a direction is carried out by the asset's own setpoint."""
    if not asset.controllable or StopPath.SETPOINT not in asset.stop_paths:
        return False
    return asset.produces if direction is Direction.PRODUCTION else asset.consumes
