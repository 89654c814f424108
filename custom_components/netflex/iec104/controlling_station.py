"""The controlling station (client) on the same link state machine."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from .asdu import (
    Asdu,
    Cause,
    MalformedAsduError,
    UnknownTypeError,
    decode_asdu,
    encode_asdu,
)
from .config import DEFAULT_COMMON_ADDRESS
from .exchange import (
    REFUSALS,
    CommandResult,
    Confirmation,
    Exchange,
    InterrogationResult,
)
from .information_objects import (
    UNTAGGED,
    ClockSynchronization,
    CommandObject,
    InformationObject,
    MonitorObject,
    PointValue,
    QualifiedRequest,
    ReadRequest,
    TestCommand,
    TypeId,
)
from .link import Link
from .link_user import (
    CloseCode,
    CloseReason,
    Direction,
    LinkState,
    LoopTimers,
    Outgoing,
    Role,
    Timers,
)
from .parameters import LinkParameters
from .time_tag import TimeTag, TimeZonePolicy, utc_now
from .tls import TlsSettings

STATION_INTERROGATION: Final = 20
_CONFIRMATIONS: Final = frozenset(
    {Cause.ACTIVATION_CONFIRMATION, Cause.DEACTIVATION_CONFIRMATION} | REFUSALS
)


class LinkClosedError(ConnectionError):
    """The connection ended; `reason` says why."""

    def __init__(self, reason: CloseReason) -> None:
        """Hold the reason."""
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllingConfig:
    """Settings of a controlling station. `response_timeout` is in seconds."""

    common_address: int = DEFAULT_COMMON_ADDRESS
    link: LinkParameters = field(default_factory=LinkParameters)
    time_zone: TimeZonePolicy = field(default_factory=TimeZonePolicy)
    response_timeout: float = 10.0
    tls: TlsSettings | None = None


_RETURNS: Final = frozenset({int(Cause.RETURN_REMOTE), int(Cause.RETURN_LOCAL)})
_INTERROGATED: Final = frozenset({int(Cause.INTERROGATED_BY_STATION)})
_READ: Final = frozenset({int(Cause.REQUEST)})
_NOTHING: Final[frozenset[int]] = frozenset()


class ControllingStation:
    """An IEC 60870-5-104 client on the running event loop.

    `on_asdu` sees every decoded ASDU as it arrives, `on_closed` the end of the
    connection, `wire_log` every APDU. A station connects once; make a new one to
    connect again.
    """

    def __init__(
        self,
        config: ControllingConfig | None = None,
        *,
        on_asdu: Callable[[Asdu], None] | None = None,
        on_closed: Callable[[CloseReason], None] | None = None,
        wire_log: Callable[[Direction, bytes], None] | None = None,
        time_source: Callable[[], datetime] = utc_now,
        timers: Timers | None = None,
    ) -> None:
        """Prepare an unconnected station."""
        self._config = ControllingConfig() if config is None else config
        self._on_asdu = on_asdu
        self._on_closed = on_closed
        self._now = time_source
        self._timers = LoopTimers() if timers is None else timers
        self._link = Link(
            Role.CONTROLLING, self._config.link, self, self._timers, wire_log
        )
        self._queue: deque[Outgoing] = deque()
        self._exchanges: list[Exchange] = []
        self._waiters: list[tuple[LinkState, asyncio.Future[None]]] = []
        self._tests: list[asyncio.Future[None]] = []

    @property
    def state(self) -> LinkState:
        """Return the state of data transfer."""
        return self._link.state

    @property
    def close_reason(self) -> CloseReason | None:
        """Return why the connection ended, None while it has not."""
        return self._link.close_reason

    # Connection.

    async def connect(self, host: str, port: int) -> None:
        """Open the connection. Raises LinkClosedError naming t0, or OSError."""
        loop = asyncio.get_running_loop()
        tls = self._config.tls
        context = (
            None
            if tls is None
            else await loop.run_in_executor(None, tls.client_context)
        )
        try:
            async with asyncio.timeout(self._config.link.t0):
                await loop.create_connection(
                    lambda: self._link,
                    host,
                    port,
                    ssl=context,
                    server_hostname="" if context is not None else None,
                )
        except TimeoutError as err:
            reason = CloseReason(
                CloseCode.T0, f"no connection within {self._config.link.t0:g} s"
            )
            self._link.close(reason)
            raise LinkClosedError(reason) from err

    async def start_dt(self) -> None:
        """Start data transfer and wait for the confirmation (t1)."""
        await self._change(LinkState.STOPPED, LinkState.STARTED, self._link.send_start)

    async def stop_dt(self) -> None:
        """Stop data transfer and wait for the confirmation (t1)."""
        await self._change(LinkState.STARTED, LinkState.STOPPED, self._link.send_stop)

    async def test(self) -> float:
        """Test the link; return the seconds that the answer took."""
        self._require_open()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tests.append(waiter)
        begun = self._timers.time()
        self._link.send_test()
        await waiter
        return self._timers.time() - begun

    async def close(self) -> None:
        """Close the connection and wait until it is gone."""
        if self._link.transport is not None:
            self._link.close(CloseReason(CloseCode.STATION_STOPPED))
            await self._link.lost.wait()

    # Requests.

    async def general_interrogation(
        self,
        *,
        qualifier: int = STATION_INTERROGATION,
        common_address: int | None = None,
        originator: int = 0,
        test: bool = False,
    ) -> InterrogationResult:
        """Interrogate and wait for the termination or a refusal.

        Raises TimeoutError when there is no end, LinkClosedError when it closes.
        """
        exchange = await self._exchange(
            QualifiedRequest(type_id=TypeId.C_IC_NA_1, qualifier=qualifier),
            cause=Cause.ACTIVATION,
            common_address=common_address,
            originator=originator,
            test=test,
            awaits_termination=True,
            collects=_INTERROGATED,
        )
        return InterrogationResult(
            confirmation=exchange.confirmation,
            objects=tuple(exchange.objects),
            asdus=exchange.asdus,
            terminated=exchange.terminated_after is not None,
            terminated_after=exchange.terminated_after,
        )

    async def clock_sync(
        self, time: datetime | None = None, *, common_address: int | None = None
    ) -> Confirmation:
        """Send our clock, or an aware `time`, and wait for the answer."""
        tag = self._config.time_zone.tag(self._now() if time is None else time)
        return await self._confirmed(
            ClockSynchronization(time_tag=tag), common_address=common_address
        )

    async def test_command(self, counter: int = 0) -> Confirmation:
        """Send C_TS_TA_1 and wait for the answer."""
        tag = self._config.time_zone.tag(self._now())
        return await self._confirmed(TestCommand(counter=counter, time_tag=tag))

    async def counter_interrogation(self, qualifier: int = 5) -> Confirmation:
        """Interrogate counters; returns the first answer."""
        return await self._confirmed(
            QualifiedRequest(type_id=TypeId.C_CI_NA_1, qualifier=qualifier)
        )

    async def reset_process(self, qualifier: int = 1) -> Confirmation:
        """Ask for a reset of the process."""
        return await self._confirmed(
            QualifiedRequest(type_id=TypeId.C_RP_NA_1, qualifier=qualifier)
        )

    async def read(self, ioa: int, *, originator: int = 0) -> MonitorObject | None:
        """Read one point; None when the station refuses the address."""
        exchange = await self._exchange(
            ReadRequest(ioa=ioa),
            cause=Cause.REQUEST,
            originator=originator,
            collects=_READ,
        )
        return exchange.objects[0] if exchange.objects else None

    async def command(
        self,
        ioa: int,
        type_id: int,
        value: PointValue,
        *,
        select: bool = False,
        qualifier: int = 0,
        time_tag: TimeTag | None = None,
        originator: int = 0,
        test: bool = False,
        common_address: int | None = None,
        wait_termination: bool = True,
    ) -> CommandResult:
        """Operate a point; with `select`, select it first and execute if accepted.

        Waits for the termination, unless the command is refused, is a test, or
        `wait_termination` is False. What did not come within the response time is
        missing in the result; LinkClosedError when the connection ends.
        """
        if time_tag is None and type_id in UNTAGGED:
            time_tag = self._config.time_zone.tag(self._now())
        selection: Confirmation | None = None
        if select:
            selection = await self.select(
                ioa,
                type_id,
                value,
                qualifier=qualifier,
                time_tag=time_tag,
                originator=originator,
                test=test,
                common_address=common_address,
            )
            if selection is None or not selection.positive:
                return CommandResult(
                    selection=selection,
                    confirmation=None,
                    return_information=(),
                    returned_after=None,
                    terminated=False,
                    terminated_after=None,
                )
        exchange = self._send_exchange(
            CommandObject(
                type_id=type_id,
                ioa=ioa,
                value=value,
                qualifier=qualifier,
                time_tag=time_tag,
            ),
            cause=Cause.ACTIVATION,
            common_address=common_address,
            originator=originator,
            test=test,
            awaits_termination=wait_termination and not test,
            collects=_RETURNS,
        )
        with suppress(TimeoutError):
            await self._finished(exchange)
        return CommandResult(
            selection=selection,
            confirmation=exchange.confirmation,
            return_information=tuple(exchange.objects),
            returned_after=exchange.returned_after,
            terminated=exchange.terminated_after is not None,
            terminated_after=exchange.terminated_after,
        )

    async def select(
        self,
        ioa: int,
        type_id: int,
        value: PointValue,
        *,
        qualifier: int = 0,
        time_tag: TimeTag | None = None,
        originator: int = 0,
        test: bool = False,
        common_address: int | None = None,
    ) -> Confirmation | None:
        """Select a point; None when no answer came in time."""
        if time_tag is None and type_id in UNTAGGED:
            time_tag = self._config.time_zone.tag(self._now())
        obj = CommandObject(
            type_id=type_id,
            ioa=ioa,
            value=value,
            qualifier=qualifier,
            select=True,
            time_tag=time_tag,
        )
        try:
            return await self._confirmed(
                obj, common_address=common_address, originator=originator, test=test
            )
        except TimeoutError:
            return None

    async def cancel(
        self, ioa: int, type_id: int, value: PointValue, *, qualifier: int = 0
    ) -> Confirmation:
        """Cancel a selection (deactivation)."""
        tag = self._config.time_zone.tag(self._now()) if type_id in UNTAGGED else None
        obj = CommandObject(
            type_id=type_id,
            ioa=ioa,
            value=value,
            qualifier=qualifier,
            select=True,
            time_tag=tag,
        )
        return await self._confirmed(obj, cause=Cause.DEACTIVATION)

    def send(self, asdu: Asdu) -> None:
        """Send any ASDU without waiting for an answer; ValueError if not encodable."""
        self.send_raw(encode_asdu(asdu))

    def send_raw(self, asdu: bytes) -> None:
        """Send the octets of an ASDU as they are, sound or not."""
        self._require_open()
        self._queue.append(Outgoing(asdu))
        self._link.pump()

    # Called by the link.

    def link_opened(self) -> None:
        """Check the name in the station's certificate."""
        tls = self._config.tls
        transport = self._link.transport
        if tls is not None and transport is not None:
            if not tls.accepts(transport.get_extra_info("ssl_object")):
                self._link.close(
                    CloseReason(CloseCode.TLS, "the certificate has no wanted name")
                )

    def start_requested(self) -> CloseReason | None:
        """Never allow it: a controlling station starts, it is not started."""
        return CloseReason(CloseCode.WRONG_DIRECTION, "STARTDT act from a station")

    def state_changed(self, state: LinkState) -> None:
        """Wake who waits for this state."""
        for wanted, waiter in self._waiters:
            if wanted is state and not waiter.done():
                waiter.set_result(None)

    def next_asdu(self) -> Outgoing | None:
        """Hand out the next request."""
        return self._queue.popleft() if self._queue else None

    def acknowledged(self, sent: Outgoing) -> None:
        """Need nothing: requests are answered by ASDUs."""

    def test_confirmed(self) -> None:
        """Wake who tested."""
        for waiter in self._tests:
            if not waiter.done():
                waiter.set_result(None)
        self._tests.clear()

    def link_closed(self, reason: CloseReason, lost: Sequence[Outgoing]) -> None:
        """Wake everyone with the reason."""
        error = LinkClosedError(reason)
        waiting = [exchange.done for exchange in self._exchanges]
        waiting += self._tests
        waiting += [waiter for _, waiter in self._waiters]
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(error)
        self._queue.clear()
        if self._on_closed is not None:
            self._on_closed(reason)

    def asdu_received(self, asdu: bytes) -> None:
        """Assign an ASDU to the request that it answers and tell of it."""
        try:
            decoded = decode_asdu(asdu)
        except (MalformedAsduError, UnknownTypeError) as err:
            self._link.close(CloseReason(CloseCode.MALFORMED_ASDU, str(err)))
            return
        self._assign(decoded)
        if self._on_asdu is not None:
            self._on_asdu(decoded)

    def _assign(self, asdu: Asdu) -> None:
        after_now = self._timers.time()
        ioa = asdu.objects[0].ioa
        for exchange in self._exchanges:
            after = after_now - exchange.sent_at
            if asdu.type_id == exchange.type_id and ioa == exchange.ioa:
                if asdu.cause in _CONFIRMATIONS and exchange.confirmation is None:
                    self._confirm(exchange, asdu, after)
                    return
                if (
                    asdu.cause == Cause.ACTIVATION_TERMINATION
                    and exchange.terminated_after is None
                    and exchange.confirmation is not None
                ):
                    exchange.terminated_after = after
                    exchange.finish()
                    return
            if asdu.cause in exchange.collects and asdu.type_id <= TypeId.M_ME_TF_1:
                if asdu.cause == Cause.REQUEST and ioa != exchange.ioa:
                    continue
                exchange.objects.extend(cast(tuple[MonitorObject, ...], asdu.objects))
                exchange.asdus += 1
                if exchange.returned_after is None:
                    exchange.returned_after = after
                if asdu.cause == Cause.REQUEST:
                    exchange.finish()
                return

    def _confirm(self, exchange: Exchange, asdu: Asdu, after: float) -> None:
        exchange.confirmation = Confirmation(
            cause=asdu.cause,
            negative=asdu.negative,
            originator=asdu.originator,
            test=asdu.test,
            after=after,
        )
        if not exchange.awaits_termination or not exchange.confirmation.positive:
            exchange.finish()

    # Plumbing of requests.

    def _require_open(self) -> None:
        if self._link.transport is None or self._link.close_reason is not None:
            raise LinkClosedError(
                self._link.close_reason or CloseReason(CloseCode.CONNECTION_LOST)
            )

    async def _change(
        self, before: LinkState, wanted: LinkState, send: Callable[[], None]
    ) -> None:
        self._require_open()
        if self._link.state is wanted:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (wanted, waiter)
        self._waiters.append(entry)
        try:
            if self._link.state is before:
                send()
            await waiter
        finally:
            self._waiters.remove(entry)

    async def _confirmed(
        self,
        obj: InformationObject,
        *,
        cause: int = Cause.ACTIVATION,
        common_address: int | None = None,
        originator: int = 0,
        test: bool = False,
    ) -> Confirmation:
        exchange = await self._exchange(
            obj,
            cause=cause,
            common_address=common_address,
            originator=originator,
            test=test,
        )
        return cast(Confirmation, exchange.confirmation)

    async def _exchange(
        self,
        obj: InformationObject,
        *,
        cause: int,
        common_address: int | None = None,
        originator: int = 0,
        test: bool = False,
        awaits_termination: bool = False,
        collects: frozenset[int] = _NOTHING,
    ) -> Exchange:
        exchange = self._send_exchange(
            obj,
            cause=cause,
            common_address=common_address,
            originator=originator,
            test=test,
            awaits_termination=awaits_termination,
            collects=collects,
        )
        await self._finished(exchange)
        return exchange

    def _send_exchange(
        self,
        obj: InformationObject,
        *,
        cause: int,
        common_address: int | None,
        originator: int,
        test: bool,
        awaits_termination: bool,
        collects: frozenset[int],
    ) -> Exchange:
        address = (
            self._config.common_address if common_address is None else common_address
        )
        asdu = encode_asdu(
            Asdu(
                type_id=obj.type_id,
                cause=cause,
                objects=(obj,),
                common_address=address,
                originator=originator,
                test=test,
            )
        )
        self._require_open()
        exchange = Exchange(
            obj.type_id,
            obj.ioa,
            self._timers.time(),
            awaits_termination=awaits_termination,
            collects=collects,
        )
        self._exchanges.append(exchange)
        self.send_raw(asdu)
        return exchange

    async def _finished(self, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(self._config.response_timeout):
                await exchange.done
        finally:
            self._exchanges.remove(exchange)
