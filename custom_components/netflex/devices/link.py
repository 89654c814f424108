"""The link to a device: errors in four kinds, health, back-off.

One `Endpoint` stands for one address on one event loop; devices behind the same
gateway share it. A `UnitLink` is one unit on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
import random
import threading
import time
from typing import Final
from weakref import WeakKeyDictionary, ref

from modbus_connection import (
    ModbusConnectionError,
    ModbusError,
    ModbusExceptionError,
    ModbusTimeoutError,
)

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .ports import (
    Connection,
    LinkParams,
    ModbusUnit,
    PulsingUnit,
    Transport,
    UnitFactory,
)
from .profile import Area, LinkSettings
from .scheduler import Priority, RequestTimeout, Scheduler

BACK_OFF: Final = (1.0, 2.0, 5.0, 10.0, 15.0)
"""s between attempts; with its jitter and a time-out a device is back within 30 s."""
_JITTER: Final = 0.2
_TIMEOUTS_UNTIL_DOWN: Final = 3
_RECYCLE_LIMIT: Final = 1.0
_UNIT_OFFLINE: Final = frozenset({0x0A, 0x0B})
"""A gateway's way to say that the unit behind it does not answer."""
TRY_LATER: Final = frozenset({5, 6})
"""Exceptions of a device that has no time now: they say nothing of what it is."""

EXCEPTIONS: Final = {
    1: Phrase(
        "modbus_function",
        "the device does not know this function (is writing switched on in it?)",
    ),
    2: Phrase("modbus_register", "the device has no such register"),
    3: Phrase("modbus_value", "the device refuses this value"),
    4: Phrase("modbus_failed", "the device failed to do it"),
    5: Phrase("modbus_working", "the device is still working on it"),
    6: Phrase("modbus_busy", "the device is busy"),
    8: Phrase("modbus_memory", "the device reports a memory error"),
    10: Phrase("modbus_no_way", "the gateway has no way to the device"),
    11: Phrase(
        "modbus_behind_gateway", "the device behind the gateway does not answer"
    ),
}


class LinkErrorKind(StrEnum):
    """What went wrong, whatever library said it."""

    TIMEOUT = "timeout"
    """No answer in time."""
    LINK = "link"
    """No connection, or it broke."""
    REFUSED = "refused"
    """The device answered with a Modbus exception."""
    GARBAGE = "garbage"
    """The answer was not one to our question."""


class LinkError(Exception):
    """A request that failed; `code` is the Modbus exception where refused."""

    def __init__(self, kind: LinkErrorKind, text: str, code: int | None = None) -> None:
        """Keep what happened."""
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.code = code


def _kind_of(err: Exception) -> tuple[LinkErrorKind, int | None]:
    if isinstance(err, ModbusExceptionError):
        code = None if err.exception_code is None else int(err.exception_code)
        if code in _UNIT_OFFLINE:
            return LinkErrorKind.TIMEOUT, code
        return LinkErrorKind.REFUSED, code
    if isinstance(err, RequestTimeout | ModbusTimeoutError | TimeoutError):
        return LinkErrorKind.TIMEOUT, None
    if isinstance(err, ModbusConnectionError | OSError):
        return LinkErrorKind.LINK, None
    return LinkErrorKind.GARBAGE, None


class UnitLink:
    """Reads and writes of one unit, in turn with all others on its endpoint."""

    def __init__(
        self, endpoint: Endpoint, unit: ModbusUnit, unit_id: int, settings: LinkSettings
    ) -> None:
        """Use a unit of an endpoint; made by `Endpoint.attach`."""
        self._endpoint = endpoint
        self._unit = unit
        self._unit_id = unit_id
        self._settings = settings
        self._timeouts = 0
        self._first_timeout = 0.0
        self._failures = 0
        self._retry_at = 0.0
        unit.require_timeout(settings.timeout)
        if settings.connect_delay:
            unit.require_connect_delay(settings.connect_delay)

    @property
    def down(self) -> bool:
        """Whether it is given up until the next attempt."""
        return self._failures > 0

    @property
    def retry_in(self) -> float:
        """Seconds until the next attempt is due, 0 where it is up."""
        if not self.down:
            return 0.0
        return max(0.0, self._retry_at - self._endpoint.clock())

    def allow_now(self) -> None:
        """Let the next poll try at once: the connection may just have been closed."""
        self._retry_at = self._endpoint.clock()

    def _limit(self) -> float:
        settings = self._settings
        limit = settings.timeout * 1.1 + 0.1
        if not self._unit.connected:
            limit += settings.connect_timeout + settings.connect_delay
        return limit

    async def read(
        self, area: Area, at: int, count: int, priority: Priority
    ) -> list[int]:
        """Read registers or bits (as 0 and 1). Raises LinkError or Preempted."""
        answer = await self._do(
            priority,
            partial(_reader(self._unit, area), at, count),
            partial(_reading, area, at, count),
            may_give_up=True,
        )
        if len(answer) < count:
            text = Phrase(
                "modbus_too_few",
                "{number} instead of {count} values at {area} {at}",
                number=str(len(answer)),
                count=str(count),
                area=str(area),
                at=str(at),
            )
            raise self._failed(LinkErrorKind.GARBAGE, text)
        return [int(value) for value in answer[:count]]

    async def write(
        self,
        area: Area,
        at: int,
        values: Sequence[int],
        function: int | None,
        priority: Priority,
        guard: Callable[[], None] | None = None,
        *,
        pulse: bool = False,
    ) -> None:
        """Write; `guard` is called at its turn. Raises LinkError.

        `pulse`: the value is the time of a coil's self-resetting pulse, in 0.1 s.
        """
        unit = self._unit
        request: Callable[[], Awaitable[None]]
        if pulse:
            if not isinstance(unit, PulsingUnit):
                raise LinkError(
                    LinkErrorKind.LINK,
                    Phrase(
                        "link_no_pulses",
                        "this connection sends no pulses: it must be one of its own",
                    ),
                )
            request = partial(unit.pulse_coil, at, values[0])
        elif area is Area.COIL and function == 15:
            request = partial(unit.write_coils, at, [bool(value) for value in values])
        elif area is Area.COIL:
            request = partial(unit.write_coil, at, bool(values[0]))
        elif function == 16 or len(values) > 1:
            request = partial(unit.write_registers, at, list(values))
        else:
            request = partial(unit.write_register, at, values[0])
        await self._do(priority, request, partial(_writing, area, at), guard=guard)

    async def _do[T](
        self,
        priority: Priority,
        request: Callable[[], Awaitable[T]],
        what: Callable[[str], Phrase],
        *,
        guard: Callable[[], None] | None = None,
        may_give_up: bool = False,
    ) -> T:
        if priority >= Priority.FAST and (wait := self.retry_in) > 0:
            raise LinkError(
                LinkErrorKind.LINK,
                Phrase(
                    "link_waits",
                    "no connection, next attempt in {wait}",
                    wait=f"{wait:.0f} s",
                ),
            )
        try:
            answer = await self._endpoint.scheduler.run(
                priority,
                request,
                limit=self._limit,
                guard=guard,
                # A reply that comes late is told apart by its transaction number,
                # which serial frames do not have.
                may_give_up=may_give_up and self._endpoint.numbered,
                leave=self._is_connecting,
                spacing=self._settings.spacing,
            )
        except (ModbusError, RequestTimeout, TimeoutError, OSError) as err:
            kind, code = _kind_of(err)
            text = EXCEPTIONS.get(code) if code is not None else None
            failure = self._failed(
                kind,
                self._described(what, kind, text, err),
                code,
                polling=priority >= Priority.FAST,
            )
            if self._is_half_open():
                await self._recycle()
            raise failure from err
        self._timeouts = 0
        self._failures = 0
        self._endpoint.answered_at = self._endpoint.clock()
        return answer

    def _described(
        self,
        what: Callable[[str], Phrase],
        kind: LinkErrorKind,
        text: str | None,
        err: Exception,
    ) -> Phrase:
        """Return a failure in words; without a connection what was asked is no matter."""
        if kind is not LinkErrorKind.LINK:
            return what(text or _words(kind, err))
        reason = reason_of(err)
        if not isinstance(reason, Phrase):
            reason = (str(err.__cause__ or "") or str(err)).removesuffix(".")
        address = str(self._endpoint.link)
        if not reason or address in reason:
            return Phrase("no_connection_to", "no connection to {link}", link=address)
        return Phrase(
            "link_none",
            "no connection to {link} ({reason})",
            link=address,
            reason=reason,
        )

    def _is_connecting(self) -> bool:
        """Whether a request waits for a connection that all share.

        The attempt is one for all who wait: it goes on without a request that is
        cancelled, and its failure would be raised to nobody, into the log. Giving the
        link back ends it, and with it the request.
        """
        shared = self._endpoint.link.connection is Connection.SHARED
        return shared and not self._unit.connected

    def _failed(
        self,
        kind: LinkErrorKind,
        text: str,
        code: int | None = None,
        *,
        polling: bool = True,
    ) -> LinkError:
        now = self._endpoint.clock()
        if kind is LinkErrorKind.TIMEOUT:
            if not self._timeouts:
                self._first_timeout = now
            self._timeouts += 1
        if kind is LinkErrorKind.REFUSED:
            # It answered: the link is well.
            self._timeouts = 0
            self._failures = 0
        elif kind is LinkErrorKind.LINK or self._timeouts >= _TIMEOUTS_UNTIL_DOWN:
            if polling or not self._failures:
                # Only polls back off; a stop that is tried again must not put off
                # the moment at which the device is found again.
                pause = BACK_OFF[min(self._failures, len(BACK_OFF) - 1)]
                self._failures += 1
                self._retry_at = now + pause * random.uniform(1 - _JITTER, 1 + _JITTER)
        return LinkError(kind, text, code)

    def _is_half_open(self) -> bool:
        """Whether nothing at all answers on a connection that looks open.

        A peer that lost its power leaves our end open for hours; one silent unit
        behind a gateway that answers for others is no reason to reconnect.
        """
        return (
            self._timeouts == _TIMEOUTS_UNTIL_DOWN
            and self._unit.connected
            and self._endpoint.answered_at <= self._first_timeout
        )

    async def _recycle(self) -> None:
        with suppress(ModbusError, OSError, TimeoutError):
            async with asyncio.timeout(_RECYCLE_LIMIT):
                await self._unit.disconnect()


def _reader(
    unit: ModbusUnit, area: Area
) -> Callable[[int, int], Awaitable[Sequence[int]]]:
    readers: dict[Area, Callable[[int, int], Awaitable[Sequence[int]]]] = {
        Area.HOLDING: unit.read_holding_registers,
        Area.INPUT: unit.read_input_registers,
        Area.COIL: unit.read_coils,
        Area.DISCRETE: unit.read_discrete_inputs,
    }
    return readers[area]


def _reading(area: Area, at: int, count: int, reason: str) -> Phrase:
    return Phrase(
        "link_reading",
        "reading {area} {at}+{count}: {reason}",
        area=str(area),
        at=str(at),
        count=str(count),
        reason=reason,
    )


def _writing(area: Area, at: int, reason: str) -> Phrase:
    return Phrase(
        "link_writing",
        "writing {area} {at}: {reason}",
        area=str(area),
        at=str(at),
        reason=reason,
    )


def _words(kind: LinkErrorKind, err: Exception) -> str:
    if kind is LinkErrorKind.TIMEOUT:
        return reason_of(TimeoutError())
    return Phrase("link_garbage", "not understood ({reason})", reason=reason_of(err))


class Endpoint:
    """One address that devices share, with the line in front of it."""

    def __init__(
        self, link: LinkParams, units: UnitFactory, clock: Callable[[], float]
    ) -> None:
        """Made by `endpoint_of`."""
        self.link = link
        self.clock = clock
        self.scheduler = Scheduler(clock)
        self.answered_at = clock()
        # Weak: what a factory's devices share must not keep the factory alive.
        self._units = ref(units)
        self._known: dict[int, ModbusUnit] = {}
        self._holders = 0
        self._changing = asyncio.Lock()

    @property
    def numbered(self) -> bool:
        """Whether answers carry the number of their request."""
        return (
            self.link.transport is Transport.TCP
            and self.link.connection is not Connection.TOLERANT
        )

    def hold(self) -> None:
        """Use it; every hold ends with `release`."""
        self._holders += 1

    async def release(self) -> None:
        """End a hold; behind the last one everything is given back."""
        self._holders -= 1
        async with self._changing:
            if self._holders or not self._known:
                return
            await self.scheduler.close()
            for unit in self._known.values():
                unit.require_timeout(None)
                unit.require_connect_delay(None)
            self._known.clear()
            if (units := self._units()) is not None:
                await units.release(self.link)

    async def attach(self, unit_id: int, settings: LinkSettings) -> UnitLink:
        """Return a unit. Raises LinkError where the link can never work."""
        async with self._changing:
            if (unit := self._known.get(unit_id)) is None:
                units = self._units()
                assert units is not None, "a device keeps its factory"
                try:
                    unit = await units.unit(self.link, unit_id)
                except Exception as err:
                    # Whoever lends connections has errors of his own.
                    raise LinkError(LinkErrorKind.LINK, reason_of(err)) from err
                self._known[unit_id] = unit
        return UnitLink(self, unit, unit_id, settings)


# Devices are built one by one and must find the line that they share. A factory
# belongs to one event loop, so what hangs on it does too.
_ENDPOINTS: WeakKeyDictionary[UnitFactory, dict[LinkParams, Endpoint]] = (
    WeakKeyDictionary()
)
_ENDPOINTS_LOCK = threading.Lock()


def endpoint_of(
    link: LinkParams, units: UnitFactory, clock: Callable[[], float] = time.monotonic
) -> Endpoint:
    """Return the one endpoint of a link that a factory's devices share."""
    with _ENDPOINTS_LOCK:
        endpoints = _ENDPOINTS.setdefault(units, {})
        if link not in endpoints:
            endpoints[link] = Endpoint(link, units, clock)
        return endpoints[link]
