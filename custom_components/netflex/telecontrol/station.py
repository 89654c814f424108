"""The telecontrol station: Netflex points and orders on a controlled station."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
import errno
import logging
import time

from ..iec104 import (
    Cause,
    Command,
    CommandPoint,
    ConnectionInfo,
    Direction as WireDirection,
    MonitorObject,
    Responder,
)
from ..iec104.engine import Engine, Station, make_station
from ..model.asset import Direction
from ..model.failure import reason_of
from ..model.measurement import Measurements
from ..model.orders import (
    NO_LOCAL_STOPS,
    STOP_ORDERS,
    GridOrders,
    LinkState,
    LocalStops,
    OrderEvent,
    OrderName,
)
from ..model.phrase import Phrase
from .journal import Journal
from .link_loss import HostClock, SystemClock
from .link_watch import LinkWatch
from .monitor_image import MonitorImage
from .order_desk import OrderDesk
from .order_keeper import OrderKeeper
from .order_store import OrderStore
from .settings import ProblemKey, TelecontrolSettings
from .station_events import StationEvents
from .station_journal import StationJournal
from .stop_feedback import Holder, ProblemHook, StopFeedback
from .wire_points import command_points

_LOGGER = logging.getLogger(__name__)

_STOP_NAMES = {direction: name for name, direction in STOP_ORDERS.items()}

type OrderHook = Callable[[OrderEvent, GridOrders], None]
type LinkHook = Callable[[LinkState], None]
type WireLog = Callable[[ConnectionInfo, WireDirection, bytes], None]


class TelecontrolStation:
    """The station of one site. Made and used on one event loop only.

    `on_order` is called with every order and what is in force after it: before an
    order that tightens is stored, after one that relaxes was. `on_problem` gets a
    `ProblemKey` and a text, or None when the problem has ended. Without a `store`
    orders end with the process. `wire_log` sees every APDU. `journal` is started and
    closed by its owner. `problem_level` is the level at which problems are logged.
    """

    def __init__(
        self,
        settings: TelecontrolSettings,
        store: OrderStore | None,
        *,
        on_order: OrderHook,
        on_link: LinkHook,
        on_problem: ProblemHook,
        journal: Journal | None = None,
        wire_log: WireLog | None = None,
        clock: HostClock | None = None,
        problem_level: int = logging.WARNING,
    ) -> None:
        """Prepare a station; nothing happens before `load`."""
        self._settings = settings
        self._store = store
        self._on_order = on_order
        self._on_link = on_link
        self._on_problem_hook = on_problem
        self._wire_log = wire_log
        self._problem_level = problem_level
        self._clock = SystemClock() if clock is None else clock
        self._link = LinkState()
        self._local = NO_LOCAL_STOPS
        self._loaded = False
        self._restored = False
        self._binding: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._stops = StopFeedback(
            settings.timing.stop_deadline, self._stop_changed, self._on_problem
        )
        self._keeper = OrderKeeper(store, settings.timing, self._on_problem)
        self._journal = StationJournal(journal)
        self._desk = OrderDesk(settings, self._keeper, self._stops, self._clock, self)
        self._watch = LinkWatch(
            settings.link_loss,
            settings.timing,
            self._clock,
            on_mark=self._desk.set_mark,
            on_due=self._desk.set_link_lost,
            on_problem=self._on_problem,
        )
        self._image = MonitorImage(
            settings,
            lambda: self._desk.book.accepted,
            self._stops.shown,
            time.monotonic,
        )
        self._events = StationEvents(
            self._desk, self._watch, self._change_link, self._clock, self._journal
        )
        self._events.set_settings(settings, self._on_problem)
        self._command_points = command_points(
            settings.points, termination=settings.termination
        )
        self._controlled: Station | None = None

    # For the site.

    @property
    def settings(self) -> TelecontrolSettings:
        """The settings in use."""
        return self._settings

    @property
    def orders(self) -> GridOrders:
        """The orders in force."""
        return self._desk.orders

    @property
    def link(self) -> LinkState:
        """The operator's link."""
        return self._link

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that are listened on, None while none are."""
        return None if self._controlled is None else self._controlled.address

    async def load(self) -> None:
        """Put stored orders in force. Raises OrderStoreError; nothing is guessed."""
        if self._loaded:
            return
        if self._store is not None:
            loaded = await self._store.load()
            self._desk.restore(loaded.book)
            self._journal.restored(loaded.book.accepted.present())
            if loaded.torn:
                _LOGGER.warning("The newest stored orders were torn by a power cut")
            if loaded.copied and loaded.book.accepted.present():
                self._restored = True
                self._on_problem(
                    ProblemKey.ORDERS_RESTORED,
                    Phrase(
                        "orders_restored",
                        "The grid operator's orders were found in a restored backup. "
                        "They hold until the operator gives new ones or has them "
                        "released",
                    ),
                )
            self._watch.restore(loaded.book.link)
        self._loaded = True

    async def start(self) -> None:
        """Load the orders where that is still to be done, then listen.

        An address that cannot be listened on is tried again until it can;
        `link.problem` says why.
        """
        await self.load()
        await self._open()
        self._measuring = asyncio.get_running_loop().create_task(
            self._measure(), name="netflex measurements"
        )

    async def stop(self) -> None:
        """Close the link and store what waits. The orders stay in force on disk."""
        if self._measuring is not None:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)
            self._measuring = None
        await self._close()
        await self._desk.close()
        self._watch.close()
        self._stops.close()
        self._keeper.close()
        if self._store is not None and self._loaded:
            await self._store.close()
        self._loaded = False
        self._change_link(listening=False, connected=False, client=None)

    def set_measurements(self, measurements: Measurements) -> None:
        """Take the site's measurements; to be repeated, or they become stale."""
        self._image.set_measurements(measurements)

    def stop_written(self, direction: Direction, missing: tuple[str, ...]) -> None:
        """Take what a stop's outputs confirm: `missing` is empty once all have."""
        self._stops.written(direction, missing)

    def set_local_stops(self, local: LocalStops) -> None:
        """Take the site's own stops; feedback shows them with the operator's."""
        before, self._local = self._local, local
        for direction in Direction:
            if local.stopped(direction) and not before.stopped(direction):
                self._stops.hold_locally(direction)
            elif before.stopped(direction) and not local.stopped(direction):
                self._stops.release(direction, Holder.LOCAL)

    def set_allowed_clients(self, clients: frozenset[str] | None) -> None:
        """Change who may connect; a link that stays allowed stays up."""
        self._settings = replace(self._settings, allowed_clients=clients)
        if self._controlled is not None:
            self._controlled.set_allowed_clients(clients)
        refused = self._link.last_refused_client
        if refused is not None and self._settings.station_config().allows(refused):
            self._change_link(last_refused_client=None)

    async def reconfigure(self, settings: TelecontrolSettings) -> None:
        """Take other settings; only those of the wire itself drop the link."""
        before, self._settings = self._settings, settings
        self._stops.deadline = settings.timing.stop_deadline
        self._keeper.timing = settings.timing
        self._image.set_settings(settings)
        self._events.set_settings(settings, self._on_problem)
        self._command_points = command_points(
            settings.points, termination=settings.termination
        )
        self._watch.set_policy(settings.link_loss, settings.timing)
        self._desk.set_settings(settings)
        if _wire(before) != _wire(settings):
            await self._close()
            if self._measuring is not None:
                await self._open()
        else:
            self.set_allowed_clients(settings.allowed_clients)

    async def reload_certificates(self) -> None:
        """Read the TLS files anew for new connections; a link that is up stays.

        Raises OSError and goes on with the old ones when they are not usable.
        """
        if self._controlled is not None:
            await self._controlled.reload_certificates()

    async def release_orders(self, name: str, reference: str) -> None:
        """Release all orders on the operator's instruction (S06).

        `name` is the operator's person, `reference` their case. Raises ValueError
        without them, OrderStoreError when it cannot be stored; orders then hold.
        """
        await self._desk.release(name, reference)
        self._journal.release(name, reference)
        self._end_restored()

    # For the desk and the stops.

    def order_event(self, event: OrderEvent, orders: GridOrders) -> None:
        """Hand an order on; a listener that fails must not fail the operator."""
        try:
            self._on_order(event, orders)
        except Exception:
            _LOGGER.exception("A listener to the operator's orders failed")
        self._journal.order(event, orders)
        if event.accepted and event.client is not None:
            self._end_restored()

    async def recorded(self) -> None:
        """Wait, for a bounded time, until what was recorded outlives the process."""
        await self._journal.written()

    def confirmed(self, name: OrderName, client: str, *, positive: bool) -> None:
        """Take note that an order was answered."""
        self._journal.confirmed(name, client, positive=positive)

    def terminated(self, name: OrderName, client: str) -> None:
        """Take note that the end of an order's execution was reported."""
        self._journal.terminated(name, client)

    def report(self, name: OrderName, cause: int) -> None:
        """Send the feedback of an order."""
        mirror = self._image.feedback(name)
        if mirror is not None:
            self._report((mirror,), cause)
            self._journal.feedback(name, mirror.value, cause)

    def _stop_changed(self, direction: Direction) -> None:
        self.report(_STOP_NAMES[direction], Cause.RETURN_LOCAL)

    def _report(self, objects: Iterable[MonitorObject], cause: int) -> None:
        if self._controlled is not None:
            for obj in objects:
                self._controlled.report(obj, cause)

    def _on_problem(self, key: str, text: str | None) -> None:
        if text is not None:
            _LOGGER.log(self._problem_level, "%s", text)
        try:
            self._on_problem_hook(key, text)
        except Exception:
            _LOGGER.exception("A listener to the station's problems failed")

    def _end_restored(self) -> None:
        if self._restored:
            self._restored = False
            self._on_problem(ProblemKey.ORDERS_RESTORED, None)

    def _change_link(self, **changes: object) -> None:
        link = replace(self._link, **changes)  # type: ignore[arg-type]
        if link == self._link:
            return
        self._link = link
        try:
            self._on_link(link)
        except Exception:
            _LOGGER.exception("A listener to the operator's link failed")

    # For the protocol: the application of the controlled station.

    def points(self) -> Iterable[MonitorObject]:
        """Return what an interrogation asks for."""
        return self._image.points()

    def point(self, ioa: int) -> MonitorObject | None:
        """Return one monitored point."""
        return self._image.point(ioa)

    def command_point(self, ioa: int) -> CommandPoint | None:
        """Describe a point of the control direction."""
        return self._command_points.get(ioa)

    def execute(self, command: Command, responder: Responder) -> None:
        """Carry out a command of the operator."""
        self._events.carried_out(command)
        self._desk.take(self._settings.points.orders[command.ioa], command, responder)

    # Listening and measuring.

    async def _listen(self) -> bool:
        controlled = make_station(
            self._settings.engine,
            self._settings.station_config(),
            self,
            command_addresses=self._command_points,
            observer=self._events,
            wire_log=self._wire_log,
            time_source=self._clock.utc,
        )
        try:
            await controlled.start()
        except OSError as err:
            self._change_link(listening=False, problem=self._why(err))
            return False
        self._controlled = controlled
        self._change_link(listening=True, problem=None)
        return True

    async def _open(self) -> None:
        """Listen now, or go on trying."""
        if not await self._listen():
            self._binding = asyncio.get_running_loop().create_task(
                self._listen_later(), name="netflex bind"
            )

    async def _listen_later(self) -> None:
        while True:
            await asyncio.sleep(self._settings.timing.bind_retry)
            if await self._listen():
                return

    async def _close(self) -> None:
        if self._binding is not None:
            self._binding.cancel()
            await asyncio.gather(self._binding, return_exceptions=True)
            self._binding = None
        if self._controlled is not None:
            await self._controlled.stop()
            self._controlled = None

    def _why(self, err: OSError) -> str:
        """Say why the station does not listen."""
        where, port = self._settings.bind_address, str(self._settings.port)
        if err.errno == errno.EADDRNOTAVAIL:
            return Phrase(
                "listen_no_address",
                "The address {address} is not there; is the network adapter plugged in?",
                address=where,
            )
        if err.errno == errno.EADDRINUSE:
            return Phrase(
                "listen_taken", "Port {port} is used by another program", port=port
            )
        if err.errno in (errno.EACCES, errno.EPERM):
            return Phrase(
                "listen_denied",
                "Port {port} may not be used without more rights",
                port=port,
            )
        return Phrase(
            "listen_failed",
            "{address} port {port} cannot be listened on: {reason}",
            address=where,
            port=port,
            reason=reason_of(err),
        )

    async def _measure(self) -> None:
        """Send P and Q of every category, in step with the interval."""
        loop = asyncio.get_running_loop()
        due, sending = loop.time(), True
        while True:
            due += self._settings.timing.measurement_interval
            await asyncio.sleep(due - loop.time())
            due = max(due, loop.time() - self._settings.timing.measurement_interval)
            try:
                self._report(self._image.measurements(), Cause.PERIODIC)
            except Exception as err:
                # One bad value must not silence the measurements for ever.
                if sending:
                    _LOGGER.error("Measurements could not be sent", exc_info=err)
                sending = False
            else:
                sending = True
            self._count_events()

    def _count_events(self) -> None:
        if self._controlled is not None:
            status = self._controlled.status
            self._change_link(
                events_waiting=status.events_waiting,
                events_dropped=status.events_dropped,
            )


def _wire(settings: TelecontrolSettings) -> object:
    """Return what a change of cannot be taken over on a running link."""
    config = replace(settings.station_config(), allowed_clients=None)
    # c104 has to know all commands before it listens.
    points = None if settings.engine is Engine.BUILTIN else settings.points
    return config, settings.engine, points
