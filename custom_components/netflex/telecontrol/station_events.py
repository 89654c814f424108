"""What happens on the wire, told as link state, refused orders and problems."""

from collections.abc import Callable

from ..iec104 import (
    ClockSync,
    CloseCode,
    CloseReason,
    Command,
    ConnectionInfo,
    LinkState as TransferState,
    PointValue,
    Rejection,
    RejectionReason,
    StaleCommandRule,
    StationObserver,
)
from ..iec104.asdu import MalformedAsduError, UnknownTypeError, decode_asdu
from ..iec104.information_objects import CommandObject
from ..model.failure import reason_of
from ..model.phrase import Phrase
from .close_words import close_words
from .link_loss import HostClock
from .link_watch import LinkWatch
from .meaning import OrderRefusedError, decode_order
from .order_desk import OrderDesk
from .point import Point
from .settings import ProblemKey, TelecontrolSettings
from .station_journal import StationJournal
from .stop_feedback import ProblemHook

_REASONS = {
    RejectionReason.CAUSE: Phrase(
        "refused_cause", "its cause of transmission is not one of a command"
    ),
    RejectionReason.OBJECT_TYPE: Phrase(
        "refused_object_type", "its type is not the one of its address"
    ),
    RejectionReason.OBJECT_COUNT: Phrase(
        "refused_object_count", "it carries more than one command"
    ),
    RejectionReason.NEGATIVE_REQUEST: Phrase(
        "refused_negative_request", "it is marked as a negative answer"
    ),
    RejectionReason.QUALIFIER: Phrase("refused_qualifier", "its qualifier is reserved"),
    RejectionReason.TIME_TAG: Phrase("refused_time_tag", "its time tag cannot be read"),
    RejectionReason.STALE: Phrase(
        "refused_stale", "its time tag is too old, in the future or invalid"
    ),
    RejectionReason.NOT_SELECTED: Phrase(
        "refused_not_selected", "it was not selected before"
    ),
    RejectionReason.NOT_SELECTABLE: Phrase(
        "refused_not_selectable", "its point is executed directly"
    ),
    RejectionReason.SELECTED_ELSEWHERE: Phrase(
        "refused_selected_elsewhere", "another connection has selected it"
    ),
    RejectionReason.NOTHING_TO_CANCEL: Phrase(
        "refused_nothing_to_cancel", "nothing was selected that it could cancel"
    ),
}
_NOT_ADDRESSED = Phrase("refused_not_addressed", "it is not addressed to this station")


class StationEvents(StationObserver):
    """Observer of the controlled station."""

    def __init__(
        self,
        desk: OrderDesk,
        watch: LinkWatch,
        change_link: Callable[..., None],
        clock: HostClock,
        journal: StationJournal,
    ) -> None:
        """Tell desk, watch and journal; `change_link` takes fields of the link's state."""
        self._desk = desk
        self._watch = watch
        self._change_link = change_link
        self._clock = clock
        self._journal = journal
        self._active: int | None = None
        self._stale = False

    def set_settings(
        self, settings: TelecontrolSettings, on_problem: ProblemHook
    ) -> None:
        """Take other points."""
        self._points = settings.points.orders
        self._drops_stale = settings.stale_command is StaleCommandRule.SILENT
        self._on_problem = on_problem

    def connection_opened(self, connection: ConnectionInfo) -> None:
        """Record that a client is there."""
        self._journal.link("opened", connection)

    def state_changed(self, connection: ConnectionInfo, state: TransferState) -> None:
        """Follow which client is started."""
        self._journal.link(str(state), connection)
        if state is TransferState.STARTED:
            self._active = connection.number
            self._watch.started()
            self._change_link(
                connected=True, client=connection.address, since=self._clock.utc()
            )
        elif self._active == connection.number:
            self._lost()

    def connection_closed(
        self, connection: ConnectionInfo, reason: CloseReason
    ) -> None:
        """Keep why a connection ended."""
        self._journal.link("closed", connection, reason)
        self._change_link(last_close_reason=close_words(reason))
        if self._active == connection.number:
            self._lost()

    def connection_refused(self, address: str, reason: CloseReason) -> None:
        """Offer a client that is not allowed to be allowed (S08)."""
        self._journal.refused(address, reason)
        if reason.code is CloseCode.ADDRESS_REFUSED:
            self._change_link(last_refused_client=address)

    def interrogated(self, connection: ConnectionInfo) -> None:
        """Keep when the operator last read everything."""
        self._change_link(last_interrogation=self._clock.utc())

    def clock_synchronized(self, sync: ClockSync) -> None:
        """Keep how far the operator's clock is ahead of ours."""
        self._change_link(clock_offset=sync.offset)

    def carried_out(self, command: Command) -> None:
        """End the problem with time tags once one was good."""
        if self._stale and command.delay is not None:
            self._stale = False
            self._on_problem(ProblemKey.STALE_ORDER, None)

    def rejected(self, rejection: Rejection) -> None:
        """Tell of an order that the protocol refused before it reached the desk."""
        if rejection.reason is RejectionReason.APPLICATION:
            return
        try:
            request = decode_asdu(rejection.request)
        except MalformedAsduError, UnknownTypeError:
            return
        command = request.objects[0]
        if not isinstance(command, CommandObject):
            return
        point = self._points.get(command.ioa)
        if point is None or point.order is None:
            return
        if rejection.reason is RejectionReason.VALUE:
            text = _value_fault(point, command.value)
        else:
            text = _REASONS.get(rejection.reason, _NOT_ADDRESSED)
        if rejection.reason is RejectionReason.STALE:
            self._stale = True
            self._on_problem(
                ProblemKey.STALE_ORDER,
                Phrase(
                    "stale_order",
                    "The order {order} was refused: its time tag is too old, in the "
                    "future or invalid. Compare the clocks",
                    order=point.name,
                ),
            )
        self._desk.refused(
            point.order,
            Command(
                type_id=command.type_id,
                ioa=command.ioa,
                value=command.value,
                qualifier=command.qualifier,
                originator=request.originator,
                time=None,
                delay=None,
                received_at=self._clock.utc(),
                connection=rejection.connection,
            ),
            text,
        )
        if not (self._drops_stale and rejection.reason is RejectionReason.STALE):
            self._journal.confirmed(
                point.order, rejection.connection.address, positive=False
            )

    def _lost(self) -> None:
        self._active = None
        self._watch.lost()
        self._change_link(connected=False, client=None, since=self._clock.utc())


def _value_fault(point: Point, value: PointValue) -> str:
    try:
        decode_order(point, value)
    except OrderRefusedError as err:
        return reason_of(err)
    return Phrase("refused_value_reserved", "the value is reserved")
