"""Commands and setpoints: checks, select before operate, answers."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum, auto
import logging
import math
from typing import Final, Protocol, cast

from .application import (
    Command,
    CommandPoint,
    ConnectionInfo,
    Execution,
    Rejection,
    RejectionReason,
)
from .asdu import Asdu, Cause, mirror
from .config import StaleCommandRule
from .event_queue import Event, pack_events
from .group import RedundancyGroup, Selection
from .information_objects import CommandObject, DoublePoint, MonitorObject, TypeId
from .time_tag import TimeTag

_LOGGER = logging.getLogger(__name__)

_SINGLE: Final = frozenset({TypeId.C_SC_NA_1, TypeId.C_SC_TA_1})
_DOUBLE: Final = frozenset({TypeId.C_DC_NA_1, TypeId.C_DC_TA_1})
_MAX_PULSE: Final = 3
_COMMAND_OCTET: Final = 9
_RESERVED_BIT: Final = 0x02

type _Reject = Callable[[bytes, int, RejectionReason], None]


class _Answered(Enum):
    """How far the answer to one command has come."""

    NOTHING = auto()
    REFUSED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class CommandChannel(Protocol):
    """The way back to the client that gave a command."""

    @property
    def info(self) -> ConnectionInfo:
        """Say which connection it is."""

    @property
    def is_started(self) -> bool:
        """Tell whether data may flow to the client now."""

    def reply(self, asdu: bytes) -> None:
        """Send an answer ahead of everything else."""

    def answer(self, asdu: bytes) -> None:
        """Send an answer that must not overtake the events before it."""


class CommandResponder:
    """The answers to one command on one connection, in their order."""

    __slots__ = (
        "_answered",
        "_connection",
        "_group",
        "_raw",
        "_reject",
        "_terminates",
        "deferred",
    )

    def __init__(
        self,
        connection: CommandChannel,
        group: RedundancyGroup,
        raw: bytes,
        reject: _Reject,
        *,
        terminates: bool,
    ) -> None:
        """Answer the command ASDU `raw`."""
        self._connection = connection
        self._group = group
        self._raw = raw
        self._reject = reject
        self._terminates = terminates
        self._answered = _Answered.NOTHING
        self.deferred = False

    @property
    def alive(self) -> bool:
        """Tell whether answers still reach the client that gave the command."""
        return self._connection.is_started

    def defer(self) -> None:
        """Leave the confirmation to a later call."""
        self.deferred = True

    def confirm(self, *, positive: bool = True) -> None:
        """Send the confirmation; a second call does nothing."""
        if self._answered is not _Answered.NOTHING:
            return
        if not positive:
            self._answered = _Answered.REFUSED
            if self.alive:
                self._reject(
                    self._raw,
                    Cause.ACTIVATION_CONFIRMATION,
                    RejectionReason.APPLICATION,
                )
            return
        self._answered = _Answered.CONFIRMED
        if self.alive:
            self._connection.reply(mirror(self._raw, Cause.ACTIVATION_CONFIRMATION))

    def return_information(
        self,
        objects: Iterable[MonitorObject],
        *,
        cause: int = Cause.RETURN_REMOTE,
        at: datetime | None = None,
    ) -> bool:
        """Send feedback between confirmation and termination."""
        if self._answered is not _Answered.CONFIRMED or not self.alive:
            return False
        group = self._group
        points = tuple(objects)
        events = [
            Event(point.type_id, cause, group.encode_reported(point, at))
            for point in points
        ]
        for asdu in pack_events(events, group.config.common_address):
            self._connection.answer(asdu)
        group.refresh_interrogation(points)
        return True

    def terminate(self, *, positive: bool = True) -> bool:
        """Send the termination, where the point has one; a second call does nothing."""
        if self._answered is not _Answered.CONFIRMED:
            return False
        self._answered = _Answered.TERMINATED
        if not self.alive:
            return False
        if self._terminates:
            self._connection.answer(
                mirror(self._raw, Cause.ACTIVATION_TERMINATION, negative=not positive)
            )
        return True


class CommandHandler:
    """Checks commands of one connection and has the application carry them out.

    Commands are never broadcast, so that their mirrors keep the address as it is.
    """

    def __init__(
        self, connection: CommandChannel, group: RedundancyGroup, reject: _Reject
    ) -> None:
        """Serve `connection`; `reject` mirrors a request negatively."""
        self._connection = connection
        self._group = group
        self._reject = reject

    def handle(self, raw: bytes, request: Asdu) -> None:
        """Answer one command, setpoint, selection or cancellation."""
        if request.cause not in (Cause.ACTIVATION, Cause.DEACTIVATION):
            self._reject(raw, Cause.UNKNOWN_CAUSE, RejectionReason.CAUSE)
            return
        obj = cast(CommandObject, request.objects[0])
        point = self._group.application.command_point(obj.ioa)
        if point is None:
            self._reject(
                raw, Cause.UNKNOWN_OBJECT_ADDRESS, RejectionReason.OBJECT_ADDRESS
            )
        elif obj.type_id not in point.type_ids:
            self._reject(
                raw, self._group.config.wrong_type_cause, RejectionReason.OBJECT_TYPE
            )
        elif len(request.objects) > 1 or request.sequence:
            self._reject(raw, request.cause + 1, RejectionReason.OBJECT_COUNT)
        elif request.negative:
            self._reject(raw, request.cause + 1, RejectionReason.NEGATIVE_REQUEST)
        elif request.cause == Cause.DEACTIVATION:
            self._cancel(raw, request, obj)
        else:
            self._activate(raw, request, obj, point)

    def _activate(
        self, raw: bytes, request: Asdu, obj: CommandObject, point: CommandPoint
    ) -> None:
        time = delay = None
        if obj.time_tag is not None:
            time, delay = self._read_time(obj.time_tag)
        refusal = self._check_value(raw, obj, point) or self._check_selection(
            obj, point
        )
        if refusal is not None:
            self._reject(raw, Cause.ACTIVATION_CONFIRMATION, refusal)
        elif obj.time_tag is not None and self._is_stale(obj, point, delay):
            self._refuse_stale(raw)
        elif request.test:
            # The test bit proves the way to the station and never acts.
            self._connection.reply(mirror(raw, Cause.ACTIVATION_CONFIRMATION))
        elif obj.select:
            self._select(raw, obj)
        else:
            self._group.selections.pop(obj.ioa, None)
            self._execute(raw, request, obj, point, time, delay)

    def _check_value(
        self, raw: bytes, obj: CommandObject, point: CommandPoint
    ) -> RejectionReason | None:
        value = obj.value
        if not math.isfinite(value):
            return RejectionReason.VALUE
        if obj.type_id in _DOUBLE and value not in (DoublePoint.OFF, DoublePoint.ON):
            return RejectionReason.VALUE
        if self._group.config.strict_qualifiers:
            if obj.type_id in _SINGLE or obj.type_id in _DOUBLE:
                reserved = (
                    obj.type_id in _SINGLE and raw[_COMMAND_OCTET] & _RESERVED_BIT
                )
                if obj.qualifier > _MAX_PULSE or reserved:
                    return RejectionReason.QUALIFIER
            elif obj.qualifier:
                return RejectionReason.QUALIFIER
        if point.accepts is not None and not point.accepts(value):
            return RejectionReason.VALUE
        return None

    def _check_selection(
        self, obj: CommandObject, point: CommandPoint
    ) -> RejectionReason | None:
        selection = self._selection(obj.ioa) if self._group.selections else None
        if selection is not None and selection.connection is not self._connection:
            return RejectionReason.SELECTED_ELSEWHERE
        if obj.select:
            if point.execution is Execution.DIRECT:
                return RejectionReason.NOT_SELECTABLE
            return None
        if selection is None:
            if point.execution is Execution.SBO:
                return RejectionReason.NOT_SELECTED
            return None
        if (selection.type_id, selection.value, selection.qualifier) != (
            obj.type_id,
            obj.value,
            obj.qualifier,
        ):
            del self._group.selections[obj.ioa]
            return RejectionReason.NOT_SELECTED
        return None

    def _selection(self, ioa: int) -> Selection | None:
        selection = self._group.selections.get(ioa)
        if selection is not None and selection.expires <= self._group.timers.time():
            del self._group.selections[ioa]
            return None
        return selection

    def _select(self, raw: bytes, obj: CommandObject) -> None:
        self._group.selections[obj.ioa] = Selection(
            connection=self._connection,
            type_id=obj.type_id,
            value=obj.value,
            qualifier=obj.qualifier,
            expires=self._group.timers.time() + self._group.config.select_timeout,
        )
        self._connection.reply(mirror(raw, Cause.ACTIVATION_CONFIRMATION))

    def _cancel(self, raw: bytes, request: Asdu, obj: CommandObject) -> None:
        selection = self._selection(obj.ioa)
        if selection is None or selection.connection is not self._connection:
            self._reject(
                raw,
                Cause.DEACTIVATION_CONFIRMATION,
                RejectionReason.NOTHING_TO_CANCEL,
            )
            return
        if not request.test:
            del self._group.selections[obj.ioa]
        self._connection.reply(mirror(raw, Cause.DEACTIVATION_CONFIRMATION))

    def _read_time(self, tag: TimeTag) -> tuple[datetime | None, float | None]:
        """Return a command's time in UTC and its age in seconds, where readable."""
        if tag.invalid:
            return None, None
        reference = self._group.operator_now()
        try:
            time = self._group.config.time_zone.moment(tag, reference)
        except ValueError:
            return None, None
        return time, (reference - time).total_seconds()

    def _is_stale(
        self, obj: CommandObject, point: CommandPoint, delay: float | None
    ) -> bool:
        limit = self._group.config.max_command_delay
        if not limit:
            return False
        if point.exempt_from_delay is not None and point.exempt_from_delay(obj.value):
            return False
        return delay is None or abs(delay) > limit

    def _refuse_stale(self, raw: bytes) -> None:
        if self._group.config.stale_command is StaleCommandRule.NEGATIVE:
            self._reject(raw, Cause.ACTIVATION_CONFIRMATION, RejectionReason.STALE)
        else:
            self._group.rejected(
                Rejection(
                    reason=RejectionReason.STALE,
                    cause=Cause.ACTIVATION_CONFIRMATION,
                    request=raw,
                    connection=self._connection.info,
                )
            )

    def _execute(
        self,
        raw: bytes,
        request: Asdu,
        obj: CommandObject,
        point: CommandPoint,
        time: datetime | None,
        delay: float | None,
    ) -> None:
        # By position: names double what a named tuple costs.
        command = Command(
            obj.type_id,
            obj.ioa,
            obj.value,
            obj.qualifier,
            request.originator,
            time,
            delay,
            self._group.now(),
            self._connection.info,
        )
        responder = CommandResponder(
            self._connection,
            self._group,
            raw,
            self._reject,
            terminates=point.termination,
        )
        self._group.counters.commands += 1
        try:
            self._group.application.execute(command, responder)
        except Exception:
            # The operator gets an answer even when the application fails, and the
            # link stays: the next command may well be the one that matters.
            _LOGGER.exception("Carrying out a command failed")
            responder.confirm(positive=False)
        if not responder.deferred:
            responder.confirm(positive=False)
