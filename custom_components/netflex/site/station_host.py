"""The station and the emergency outputs, on a loop and thread of their own (S09).

They keep working while the site's own loop is blocked, being reloaded or not
there: an order drives the emergency outputs without passing through it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
import logging
from typing import Protocol

from ..control.island import orders_in_force
from ..control.stops import relay_states
from ..devices.device import Device
from ..model.asset import AssetState, Direction
from ..model.measurement import Measurements
from ..model.orders import (
    NO_LOCAL_STOPS,
    NO_ORDERS,
    STOP_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    OrderEvent,
    Stops,
)
from ..model.plan import Cause, Setpoint, SetpointKind
from ..telecontrol.journal import Journal
from ..telecontrol.rehearsal_orders import binds
from ..telecontrol.rehearsal_station import RehearsalEnd, RehearsalState
from ..telecontrol.settings import TelecontrolSettings
from ..telecontrol.station import TelecontrolStation
from .actors import AssetActor
from .config import OutputConfig
from .door import BackDoor, LoopThread
from .journal_notes import WriteNotes, note_local_stops, note_proof, recorder
from .outputs import contact_agrees, input_holder, stop_input_open, with_inputs
from .rehearsal_seat import RehearsalAccess, RehearsalSeat
from .stop_causes import stop_causes

_LOGGER = logging.getLogger(__name__)

FIRST_WRITES_TIMEOUT = 5.0
"""s that the first writes after a start may hold up the station (S04)."""
SITE_ABSENT = "Home Assistant"
"""What is missing in a stop's proof while no site is attached."""


class StationListener(Protocol):
    """The site behind the door; called on the site's own loop."""

    def on_orders(
        self, orders: GridOrders, event: OrderEvent | None, epochs: StopEpochs
    ) -> None:
        """Orders in force have changed, or an order was refused."""

    def on_link(self, link: LinkState) -> None:
        """The operator's link has changed."""

    def on_output(self, state: AssetState, problem: str | None) -> None:
        """An emergency output has changed or cannot be driven."""

    def on_local_input(self, direction: Direction, holder: str, *, held: bool) -> None:
        """A module's own stop input holds or releases a local stop."""

    def on_proof(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Names what has not confirmed a stop yet; empty once all has."""

    def on_station_problem(self, key: str, text: str | None) -> None:
        """A problem of the station has appeared, or ended (None)."""

    def on_rehearsal(self, state: RehearsalState) -> None:
        """What a rehearsal orders has changed, or it is over."""


type StopEpochs = dict[Direction, int]
"""How often each stop was switched on: tells an old proof from a new one."""


@dataclass(slots=True)
class _Output:
    """One emergency output and what drives it."""

    config: OutputConfig
    device: Device
    actor: AssetActor


@dataclass(slots=True)
class _Progress:
    """How far a stop of one direction has come; `assets` None: not reported."""

    epoch: int = 0
    active: bool = False
    assets: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None

    def begin(self) -> None:
        """Start anew: what confirmed an earlier stop confirms nothing now."""
        self.epoch += 1
        self.assets = self.missing = None


type StationFactory = Callable[[StationHost], TelecontrolStation]
type OutputFactory = Callable[[OutputConfig], Device]


class StationHost:
    """Owns the thread, the station, the outputs and the journal; outlives a reload.

    Public methods are called on the site's loop; methods with a leading
    underscore run on the station's. `make_station` None: no telecontrol, the
    outputs are then driven by local stops only. `record` is a door of its own: it
    may be called on any thread.
    """

    def __init__(
        self,
        make_station: StationFactory | None,
        make_output: OutputFactory,
        journal: Journal | None = None,
    ) -> None:
        """Prepare a host; nothing runs before `start`."""
        self._make_station = make_station
        self._make_output = make_output
        self.journal = journal
        self.record = recorder(journal)
        self._problems: dict[str, str] = {}
        self._thread = LoopThread("netflex station")
        self._station: TelecontrolStation | None = None
        self._listening = False
        self._listener: StationListener | None = None
        self._back: BackDoor | None = None
        self._outputs: dict[str, _Output] = {}
        self._orders = NO_ORDERS
        self._shadow = False
        self._rehearsal = RehearsalSeat(self.record, self._rehearsal_changed)
        self._local = NO_LOCAL_STOPS
        self._inputs: dict[str, frozenset[Direction]] = {}
        """What the stop inputs of modules hold, as they were read last."""
        self._cut: Mapping[str, Cause] = {}
        self._riding = False
        self._progress = {direction: _Progress() for direction in Direction}

    @property
    def has_station(self) -> bool:
        """Whether there is telecontrol at all."""
        return self._make_station is not None

    # ---------------------------------------------------------------- the site's loop

    async def start(self) -> None:
        """Start the thread and load the orders; the station does not listen yet.

        Raises what loading the orders raises: a stored format that is not known.
        """
        await self._thread.start()
        if self.journal is not None:
            self.journal.start(self._journal_problem)
        try:
            if self._make_station is not None:
                await self._thread.run(self._load(self._make_station))
        except BaseException:
            await self.stop()
            raise

    async def listen(self) -> None:
        """Let the operator in; orders are in force and first writes were tried."""
        if self._make_station is not None:
            await self._thread.run(self._listen())

    async def stop(self) -> None:
        """Close the station and the outputs, and end the thread."""
        self.detach()
        if self._thread.running:
            await self._thread.run(self._close())
            await self._thread.stop()
            if self.journal is not None:
                await self.journal.close()

    async def attach(self, listener: StationListener) -> None:
        """Let a site follow; it is told at once what is in force."""
        self.detach()
        back = BackDoor()
        self._back, self._listener = back, listener
        await self._thread.run(self._introduce())

    def detach(self) -> None:
        """Let no site follow; station and outputs go on by themselves."""
        if self._back is not None:
            self._back.close()
        self._back = self._listener = None

    async def set_outputs(self, outputs: tuple[OutputConfig, ...]) -> None:
        """Add, replace and remove emergency outputs without touching the link."""
        await self._thread.run(self._set_outputs(outputs))

    async def replace_station(self, make_station: StationFactory | None) -> None:
        """Put a station with other settings in the place of the one that runs."""
        self._make_station = make_station
        await self._thread.run(self._close_station())
        if make_station is not None:
            await self._thread.run(self._load(make_station))
            await self._thread.run(self._listen())
            self._thread.call(self._publish_orders, None)

    def set_local_stops(self, local: LocalStops) -> None:
        """Take over the site's own stops; outputs follow at once."""
        self._thread.call(self._set_local, local)

    def set_cut_off(self, outputs: Mapping[str, Cause]) -> None:
        """Drive these outputs, by id, because a limit is not kept; no others.

        They stay as they are while no site is attached: a reload gives nothing back.
        """
        self._thread.call(self._set_cut_off, outputs)

    def set_riding(self, riding: bool) -> None:
        """Have the operator's stop of production wait for the grid, or not (S20)."""
        self._thread.call(self._set_riding, riding)

    def set_measurements(self, measurements: Measurements) -> None:
        """Take over what the station reports per category."""
        self._thread.call(self._set_measurements, measurements)

    async def reconfigure(self, settings: TelecontrolSettings) -> None:
        """Change the station's settings; only a change of wires drops the link."""
        await self._thread.run(self._reconfigure(settings))

    def report_assets(
        self, direction: Direction, epoch: int, missing: tuple[str, ...]
    ) -> None:
        """Say which assets have not confirmed the stop of that epoch yet."""
        self._thread.call(self._assets_reported, direction, epoch, missing)

    async def reload_certificates(self) -> None:
        """Read the TLS files anew; OSError where they are not usable."""
        await self._thread.run(self._reload_certificates())

    async def release_orders(self, name: str, reference: str) -> None:
        """Release the operator's orders on the operator's instruction (S06)."""
        await self._thread.run(self._release(name, reference))

    async def set_shadow(self, shadow: bool) -> None:
        """Write no output in shadow, unless the operator's own orders bind (S07)."""
        await self._thread.run(self._set_shadow(shadow))

    async def start_rehearsal(self, *, real: bool) -> RehearsalAccess:
        """Open a second listener whose orders end by themselves (S07).

        Raises RehearsalRefusedError where that may not be, OSError where it cannot.
        """
        return await self._thread.run(self._start_rehearsal(real))

    async def end_rehearsal(self, reason: RehearsalEnd) -> None:
        """End what is rehearsed; the operator's own orders are in force again."""
        if self._thread.running:
            await self._thread.run(self._rehearsal.end(reason))

    # ------------------------------------------------------------- the station's loop

    async def _set_shadow(self, shadow: bool) -> None:
        self._shadow = shadow
        self._drive()

    async def _start_rehearsal(self, real: bool) -> RehearsalAccess:
        return await self._rehearsal.start(self._station, self._local, real=real)

    def _rehearsal_changed(
        self, state: RehearsalState, event: OrderEvent | None
    ) -> None:
        """Carry out a rehearsal's orders beside the operator's, or no longer."""
        if state.real:
            self._begin_stop(event)
            self._drive()
            self._publish_orders(event)
        if self._back is not None and self._listener is not None:
            self._back.call(self._listener.on_rehearsal, state)

    async def _load(self, make_station: StationFactory) -> None:
        self._station = make_station(self)
        await self._station.load()
        self._station.set_local_stops(self._local)
        self._orders = self._station.orders
        self._drive()

    async def _listen(self) -> None:
        if self._station is not None and not self._listening:
            self._listening = True
            await self._station.start()

    async def _close_station(self) -> None:
        station, self._station = self._station, None
        self._listening = False
        await self._rehearsal.end(RehearsalEnd.STATION_CLOSED)
        if station is not None:
            await station.stop()

    async def _close(self) -> None:
        await self._close_station()
        for output in list(self._outputs.values()):
            await self._remove_output(output)

    async def _introduce(self) -> None:
        self._publish_orders(None)
        if self._station is not None:
            self.on_link(self._station.link)
        for output in self._outputs.values():
            self._publish_output(output)
        for key, text in self._problems.items():
            self.on_problem(key, text)
        for holder, stops in self._inputs.items():
            self._publish_input(holder, stops)
        for progress in self._progress.values():
            progress.assets = None

    async def _release(self, name: str, reference: str) -> None:
        if self._station is not None:
            await self._station.release_orders(name, reference)

    async def _reload_certificates(self) -> None:
        if self._station is not None:
            await self._station.reload_certificates()

    def _set_local(self, local: LocalStops) -> None:
        # What an input holds here may not have reached the site yet.
        local = with_inputs(local, self._inputs)
        note_local_stops(self.record, self._local, local)
        self._local = local
        if self._station is not None:
            self._station.set_local_stops(local)
        self._rehearsal.set_local_stops(local)
        self._drive()
        self._publish_orders(None)

    def _set_cut_off(self, outputs: Mapping[str, Cause]) -> None:
        self._cut = outputs
        self._drive()

    def _set_riding(self, riding: bool) -> None:
        self._riding = riding
        self._drive()

    def _set_measurements(self, measurements: Measurements) -> None:
        if self._station is not None:
            self._station.set_measurements(measurements)
        self._rehearsal.set_measurements(measurements)

    async def _reconfigure(self, settings: TelecontrolSettings) -> None:
        if self._station is not None:
            await self._rehearsal.end(RehearsalEnd.STATION_CLOSED)
            await self._station.reconfigure(settings)

    # The station's callbacks.

    def on_order(self, event: OrderEvent, orders: GridOrders) -> None:
        """Put orders in force: outputs first, then the site behind the door."""
        self._orders = orders
        self._rehearsal.operator_order(event)
        self._begin_stop(event)
        self._drive()
        self._publish_orders(event)

    def _begin_stop(self, event: OrderEvent | None) -> None:
        """Have a stop that is ordered now proved anew."""
        if event is None or not event.accepted or event.value is not True:
            return
        if (direction := STOP_ORDERS.get(event.name)) is not None:
            self._progress[direction].begin()

    def on_link(self, link: LinkState) -> None:
        """Pass a change of the link on; a rehearsal gives way to the operator."""
        self._rehearsal.operator_link(link)
        if self._back is not None and self._listener is not None:
            self._back.call(self._listener.on_link, link)

    def on_problem(self, key: str, text: str | None) -> None:
        """Pass a problem on, and keep it for a site that attaches later."""
        if text is None:
            self._problems.pop(key, None)
        else:
            self._problems[key] = text
        if self._back is not None and self._listener is not None:
            self._back.call(self._listener.on_station_problem, key, text)

    def _journal_problem(self, key: str, text: str | None) -> None:
        """Bring a problem of the journal from its own thread onto the station's."""
        self._thread.call(self.on_problem, key, text)

    def _publish_orders(self, event: OrderEvent | None) -> None:
        if self._back is not None and self._listener is not None:
            epochs = {
                direction: progress.epoch
                for direction, progress in self._progress.items()
            }
            orders = self._rehearsal.combined(self._orders)
            self._back.call(self._listener.on_orders, orders, event, epochs)

    # Outputs.

    async def _set_outputs(self, outputs: tuple[OutputConfig, ...]) -> None:
        wanted = {config.output.asset_id: config for config in outputs}
        for asset_id, output in list(self._outputs.items()):
            if (new := wanted.get(asset_id)) != output.config:
                await self._remove_output(output)
                self._forget_input(output, new)
        for asset_id, config in wanted.items():
            if asset_id not in self._outputs:
                await self._add_output(config)
        self._drive()

    async def _add_output(self, config: OutputConfig) -> None:
        device = self._make_output(config)
        output = _Output(
            config=config,
            device=device,
            actor=AssetActor(
                device,
                config.output.name,
                lambda: self._output_changed(output),
                WriteNotes(config.output.asset_id, config.output.name, self.record),
            ),
        )
        self._outputs[config.output.asset_id] = output
        output.actor.start()
        await device.start(lambda _state: self._output_changed(output))

    async def _remove_output(self, output: _Output) -> None:
        del self._outputs[output.config.output.asset_id]
        await output.actor.stop()
        await output.device.stop()

    def _output_changed(self, output: _Output) -> None:
        output.actor.state_changed()
        self._read_input(output)
        self._publish_output(output)
        self._prove()

    def _read_input(self, output: _Output) -> None:
        """Hold or release what the module's stop input stops (S13).

        A broken wire reads as open and stops; a module that is away changes nothing.
        """
        opened = stop_input_open(output.config, output.device.state)
        if opened is None:
            return
        self._hold_input(
            output, output.config.wiring.input_stops if opened else frozenset()
        )

    def _forget_input(self, output: _Output, new: OutputConfig | None) -> None:
        """Release what an input holds that is not one any more."""
        holder = input_holder(output.config.output)
        if (
            new is not None
            and new.wiring.input_stops == output.config.wiring.input_stops
            and input_holder(new.output) == holder
        ):
            return
        self._hold_input(output, frozenset())
        self._inputs.pop(holder, None)

    def _hold_input(self, output: _Output, stops: frozenset[Direction]) -> None:
        if not output.config.wiring.input_stops:
            return
        holder = input_holder(output.config.output)
        self._inputs[holder] = stops
        held = {item for item in Direction if holder in self._local.holders(item)}
        if held == stops:
            return
        self._set_local(self._local)
        self._publish_input(holder, stops)

    def _publish_input(self, holder: str, stops: frozenset[Direction]) -> None:
        if self._back is None or self._listener is None:
            return
        for direction in Direction:
            held = direction in stops
            tell = partial(self._listener.on_local_input, direction, holder, held=held)
            self._back.call(tell)

    def _publish_output(self, output: _Output) -> None:
        if self._back is not None and self._listener is not None:
            self._back.call(
                self._listener.on_output, output.device.state, output.actor.problem
            )

    def _drive(self) -> None:
        """Bring every output into the state that orders and local stops demand."""
        orders = self._rehearsal.combined(self._orders)
        stops = Stops(orders=orders, local=self._local)
        for direction, progress in self._progress.items():
            active = stops.stopped(direction)
            if active and not progress.active:
                progress.begin()
            progress.active = active
        stops = Stops(
            orders=orders_in_force(orders, islanded=self._riding, blacks_out=False),
            local=self._local,
        )
        if self._shadow and not binds(self._orders):
            for output in self._outputs.values():
                output.actor.withdraw()
            self._prove()
            return
        states = relay_states(
            stops, tuple(output.config.output for output in self._outputs.values())
        )
        for asset_id, energised in states.items():
            output = self._outputs[asset_id]
            stopping = any(map(stops.stopped, output.config.output.stops))
            causes = stop_causes(stops, output.config.output.stops)
            if (cut_off := self._cut.get(asset_id)) is not None:
                # It only ever adds to what a stop does: the same state of the coil.
                energised = output.config.output.energised_when_stopped
                causes = (*causes, cut_off)
            output.actor.post(
                Setpoint(
                    asset_id=asset_id,
                    kind=SetpointKind.SWITCH,
                    value=1.0 if energised else 0.0,
                    causes=causes,
                    emergency=stopping,
                )
            )
        self._prove()

    # Proof.

    def _assets_reported(
        self, direction: Direction, epoch: int, missing: tuple[str, ...]
    ) -> None:
        progress = self._progress[direction]
        if epoch == progress.epoch:
            progress.assets = missing
            self._prove()

    def _prove(self) -> None:
        """Tell station and site what has not confirmed a stop yet."""
        for direction, progress in self._progress.items():
            if not progress.active:
                progress.missing = None
                continue
            outputs = tuple(
                output.config.output.name
                for output in self._outputs.values()
                if direction in output.config.output.stops
                and not (
                    output.actor.done
                    and contact_agrees(output.config, output.device.state, stopped=True)
                )
            )
            assets = (SITE_ABSENT,) if progress.assets is None else progress.assets
            missing = outputs + assets
            if missing == progress.missing:
                continue
            progress.missing = missing
            note_proof(self.record, direction, missing)
            if self._station is not None:
                self._station.stop_written(direction, missing)
            self._rehearsal.stop_written(direction, missing)
            if self._back is not None and self._listener is not None:
                self._back.call(self._listener.on_proof, direction, missing)
