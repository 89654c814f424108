"""Requests of a controlling station: who answers, and the system functions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from .application import ClockSync, Rejection, RejectionReason
from .asdu import GLOBAL_ADDRESS, Asdu, Cause, encode_header, mirror
from .commands import CommandHandler
from .group import RedundancyGroup
from .information_objects import (
    COMMAND_TYPES,
    UNTAGGED,
    ClockSynchronization,
    QualifiedRequest,
    TypeId,
    encode_current,
)

if TYPE_CHECKING:
    from .connection import Connection

STATION_INTERROGATION: Final = 20
REMOTE_RESET: Final = 2
_BROADCAST: Final = frozenset(
    {TypeId.C_IC_NA_1, TypeId.C_CI_NA_1, TypeId.C_CS_NA_1, TypeId.C_RP_NA_1}
)
_ACTIVATION: Final = frozenset({Cause.ACTIVATION})
_CANCELLABLE: Final = frozenset({Cause.ACTIVATION, Cause.DEACTIVATION})

type _Handler = Callable[[bytes, Asdu], None]


class RequestHandler:
    """Answers every request of one connection exactly as the standard asks.

    Checks go in the order common address, type, cause, object address, object,
    so that each wrong request has one answer.
    """

    def __init__(self, connection: Connection, group: RedundancyGroup) -> None:
        """Answer on `connection`."""
        self._connection = connection
        self._group = group
        self._commands = CommandHandler(connection, group, self.reject)
        self._handlers: dict[int, _Handler] = {
            **dict.fromkeys(COMMAND_TYPES, self._commands.handle),
            TypeId.C_IC_NA_1: self._interrogation,
            TypeId.C_CI_NA_1: self._counters,
            TypeId.C_RD_NA_1: self._read,
            TypeId.C_CS_NA_1: self._clock,
            TypeId.C_RP_NA_1: self._reset,
            TypeId.C_TS_TA_1: self._test,
        }

    def handle(self, raw: bytes, request: Asdu | None) -> None:
        """Answer `raw`; `request` is None when its type is not in the codec."""
        common_address = raw[4] | raw[5] << 8
        if common_address != self._group.config.common_address and not (
            common_address == GLOBAL_ADDRESS and raw[0] in _BROADCAST
        ):
            self.reject(
                raw, Cause.UNKNOWN_COMMON_ADDRESS, RejectionReason.COMMON_ADDRESS
            )
            return
        handler = self._handlers.get(raw[0])
        if request is None or handler is None:
            self.reject(raw, Cause.UNKNOWN_TYPE, RejectionReason.TYPE)
            return
        handler(raw, request)

    def reject(self, raw: bytes, cause: int, reason: RejectionReason) -> None:
        """Mirror a request negatively."""
        if cause == Cause.UNKNOWN_COMMON_ADDRESS:
            answer = mirror(raw, cause, negative=True)
        else:
            answer = self._connection.mirrored(raw, cause, negative=True)
        self._connection.reply(answer)
        self._group.rejected(
            Rejection(
                reason=reason,
                cause=cause,
                request=raw,
                connection=self._connection.info,
            )
        )

    def _confirm(self, raw: bytes, request: Asdu) -> None:
        self._connection.reply(self._connection.mirrored(raw, request.cause + 1))

    def _is_system_request(
        self, raw: bytes, request: Asdu, causes: frozenset[Cause]
    ) -> bool:
        """Check what all system functions share; answers and returns False."""
        if request.cause not in causes:
            self.reject(raw, Cause.UNKNOWN_CAUSE, RejectionReason.CAUSE)
        elif any(obj.ioa for obj in request.objects):
            self.reject(
                raw, Cause.UNKNOWN_OBJECT_ADDRESS, RejectionReason.OBJECT_ADDRESS
            )
        elif len(request.objects) > 1 or request.sequence:
            self.reject(raw, request.cause + 1, RejectionReason.OBJECT_COUNT)
        elif request.negative:
            self.reject(raw, request.cause + 1, RejectionReason.NEGATIVE_REQUEST)
        else:
            return True
        return False

    def _interrogation(self, raw: bytes, request: Asdu) -> None:
        if not self._is_system_request(raw, request, _CANCELLABLE):
            return
        qualifier = cast(QualifiedRequest, request.objects[0]).qualifier
        if qualifier != STATION_INTERROGATION:
            self.reject(raw, request.cause + 1, RejectionReason.QUALIFIER)
        elif request.cause == Cause.DEACTIVATION:
            if self._connection.interrogation is None:
                self.reject(
                    raw,
                    Cause.DEACTIVATION_CONFIRMATION,
                    RejectionReason.NOTHING_TO_CANCEL,
                )
            else:
                self._confirm(raw, request)
                self._connection.cancel_interrogation()
        elif not self._connection.interrogate(raw):
            self.reject(
                raw, Cause.ACTIVATION_CONFIRMATION, RejectionReason.OBJECT_COUNT
            )

    def _counters(self, raw: bytes, request: Asdu) -> None:
        if self._is_system_request(raw, request, _CANCELLABLE):
            self.reject(raw, request.cause + 1, RejectionReason.UNSUPPORTED)

    def _read(self, raw: bytes, request: Asdu) -> None:
        if request.cause != Cause.REQUEST or request.negative:
            self.reject(raw, Cause.UNKNOWN_CAUSE, RejectionReason.CAUSE)
            return
        point = self._group.application.point(request.objects[0].ioa)
        if point is None or len(request.objects) > 1 or request.sequence:
            self.reject(
                raw, Cause.UNKNOWN_OBJECT_ADDRESS, RejectionReason.OBJECT_ADDRESS
            )
            return
        type_id = UNTAGGED.get(point.type_id, point.type_id)
        header = encode_header(
            type_id,
            1,
            Cause.REQUEST,
            self._group.config.common_address,
            originator=request.originator,
            test=request.test,
        )
        # In line with the events: a value must not be overtaken by an older one.
        self._connection.answer(header + encode_current(point, type_id))

    def _clock(self, raw: bytes, request: Asdu) -> None:
        if not self._is_system_request(raw, request, _ACTIVATION):
            return
        tag = cast(ClockSynchronization, request.objects[0]).time_tag
        received_at = self._group.now()
        try:
            time = self._group.config.time_zone.moment(tag, received_at)
        except ValueError:
            time = None
        if time is None or tag.invalid:
            self.reject(raw, Cause.ACTIVATION_CONFIRMATION, RejectionReason.TIME_TAG)
            return
        self._confirm(raw, request)
        if request.test:
            return
        sync = ClockSync(
            time=time,
            received_at=received_at,
            offset=(time - received_at).total_seconds(),
            connection=self._connection.info,
        )
        self._group.last_clock_sync = sync
        self._group.counters.clock_synchronizations += 1
        self._group.observer.clock_synchronized(sync)

    def _reset(self, raw: bytes, request: Asdu) -> None:
        if not self._is_system_request(raw, request, _ACTIVATION):
            return
        qualifier = cast(QualifiedRequest, request.objects[0]).qualifier
        if request.test:
            self._confirm(raw, request)
        elif self._group.observer.reset_requested(self._connection.info, qualifier):
            self._confirm(raw, request)
            self._connection.send_end_of_initialization(REMOTE_RESET)
        else:
            self.reject(raw, Cause.ACTIVATION_CONFIRMATION, RejectionReason.UNSUPPORTED)

    def _test(self, raw: bytes, request: Asdu) -> None:
        if self._is_system_request(raw, request, _ACTIVATION):
            self._confirm(raw, request)
