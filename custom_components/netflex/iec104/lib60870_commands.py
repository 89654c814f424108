"""Commands that c104 hands over, checked as our own engine checks them."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple, cast

from .application import (
    Application,
    Command,
    CommandPoint,
    ConnectionInfo,
    Execution,
    Rejection,
    RejectionReason,
    Responder,
)
from .asdu import Asdu, Cause, MalformedAsduError, UnknownTypeError, decode_asdu, mirror
from .commands import CommandHandler
from .group import RedundancyGroup
from .information_objects import CommandObject, PointValue
from .lib60870 import ControlPoint, Verdict
from .lib60870_clients import Client
from .link_user import LinkState

type _Return = Callable[[Asdu], None]


class CheckedApplication:
    """The application as the checks of commands are to see it.

    Selections are c104's, and it sends the terminations that it sends.
    """

    def __init__(self, application: Application) -> None:
        """Stand before `application`."""
        self.points = application.points
        self.point = application.point
        self.describe = application.command_point
        self.executed = False
        self._application = application

    def command_point(self, ioa: int) -> CommandPoint | None:
        """Describe a point that is executed directly and never terminated."""
        point = self.describe(ioa)
        if point is None:
            return None
        return replace(point, execution=Execution.DIRECT, termination=False)

    def execute(self, command: Command, responder: Responder) -> None:
        """Carry out a command, and know that it came this far."""
        self.executed = True
        self._application.execute(command, responder)

    def control_points(self, addresses: Iterable[int]) -> Iterable[ControlPoint]:
        """Return the points as c104 can have them: of one type each."""
        for ioa in addresses:
            point = self.describe(ioa)
            if point is not None:
                yield ControlPoint(
                    ioa=ioa, type_id=_type_of(point), execution=point.execution
                )


class Commands:
    """Answers c104's commands, and keeps what it does not keep of selections."""

    def __init__(
        self,
        group: RedundancyGroup,
        application: CheckedApplication,
        send_return_information: _Return,
    ) -> None:
        """Answer for `application`, whose feedback goes out by the last argument."""
        self._group = group
        self._application = application
        self._send_return_information = send_return_information
        self._selections: dict[int, tuple[int, PointValue, int] | None] = {}
        self._refusals: deque[bytes] = deque(maxlen=64)
        self._unheard: list[_Given] = []
        self._heard: deque[bytes] = deque(maxlen=64)

    def take(self, raw: bytes, client: Client | None, verdict: Future[Verdict]) -> None:
        """Carry out a command of `client` that c104 waits with.

        c104 hands the octets that passed over on another thread: a command that
        has to be selected waits until its own octets have come, and with them
        every selection and deselection before it.
        """
        config = self._group.config
        try:
            request = decode_asdu(raw, strict_length=config.strict_length)
        except MalformedAsduError, UnknownTypeError:
            client = None
        if client is None:
            if verdict.set_running_or_notify_cancel():
                verdict.set_result(Verdict.NEGATIVE)
            return
        given = _Given(raw, request, client, verdict)
        point = self._application.describe(given.ioa)
        if point is None or point.execution is not Execution.SBO:
            self._carry_out(given)
        elif raw in self._heard:
            self._heard.remove(raw)
            self._carry_out(given)
        else:
            self._unheard = [one for one in self._unheard if not one.verdict.done()]
            self._unheard.append(given)

    def _carry_out(self, given: _Given) -> None:
        raw, request, client, verdict = given
        if not verdict.set_running_or_notify_cancel():
            # c104 has given up and told the client no.
            return
        config = self._group.config
        channel = _Channel(
            client, config.common_address, verdict, self._send_return_information
        )

        def reject(raw: bytes, cause: int, reason: RejectionReason) -> None:
            answer = channel.mirrored(raw, cause, negative=True)
            self._refusals.append(_identity(answer))
            channel.reply(answer)
            self.rejected(raw, cause, reason, client)

        if not self._is_as_selected(given.obj):
            reject(raw, Cause.ACTIVATION_CONFIRMATION, RejectionReason.NOT_SELECTED)
            return
        self._application.executed = False
        CommandHandler(channel, self._group, reject).handle(raw, request)
        if not verdict.done() and not self._application.executed:
            verdict.set_result(Verdict.SILENT)

    def heard(self, raw: bytes, request: Asdu) -> None:
        """Remember what is selected: c104 knows the address only."""
        obj = cast(CommandObject, request.objects[0])
        if obj.select:
            # What was executed before has been asked about by now, or never is.
            self._heard = deque(
                (one for one in self._heard if one[6:9] != raw[6:9]), maxlen=64
            )
            if request.cause == Cause.ACTIVATION:
                self._selections[obj.ioa] = (obj.type_id, obj.value, obj.qualifier)
            elif request.cause == Cause.DEACTIVATION:
                self._selections[obj.ioa] = None
            return
        for given in self._unheard:
            if given.raw == raw:
                self._unheard.remove(given)
                self._carry_out(given)
                return
        self._heard.append(raw)

    def refused(self, raw: bytes, client: Client) -> None:
        """Tell of a selection that c104 refused without asking."""
        identity = _identity(raw)
        if identity in self._refusals:
            self._refusals.remove(identity)
            return
        try:
            request = decode_asdu(raw)
        except MalformedAsduError, UnknownTypeError:
            return
        obj = cast(CommandObject, request.objects[0])
        point = self._application.describe(obj.ioa)
        if (
            point is None
            or obj.type_id != _type_of(point)
            or request.common_address != self._group.config.common_address
        ):
            # A second answer follows, with the reason.
            return
        self._selections.pop(obj.ioa, None)
        self.rejected(
            mirror(raw, Cause.ACTIVATION),
            Cause.ACTIVATION_CONFIRMATION,
            RejectionReason.NOT_SELECTABLE
            if obj.select
            else RejectionReason.NOT_SELECTED,
            client,
        )

    def rejected(
        self, raw: bytes, cause: int, reason: RejectionReason, client: Client
    ) -> None:
        """Tell of a refused request."""
        self._group.rejected(
            Rejection(reason=reason, cause=cause, request=raw, connection=client.info)
        )

    def drop_selections(self) -> None:
        """Forget them: nobody is started any more."""
        self._selections.clear()
        self._heard.clear()

    def _is_as_selected(self, obj: CommandObject) -> bool:
        """Tell whether nothing is known that speaks against c104's own selection."""
        if obj.ioa not in self._selections:
            return True
        selected = self._selections.pop(obj.ioa)
        return selected == (obj.type_id, obj.value, obj.qualifier)


class _Given(NamedTuple):
    """A command that c104 waits with."""

    raw: bytes
    request: Asdu
    client: Client
    verdict: Future[Verdict]

    @property
    def obj(self) -> CommandObject:
        return cast(CommandObject, self.request.objects[0])

    @property
    def ioa(self) -> int:
        return self.obj.ioa


class _Channel:
    """The way back to the client that gave one command."""

    def __init__(
        self,
        client: Client,
        common_address: int,
        verdict: Future[Verdict],
        send_return_information: _Return,
    ) -> None:
        self._client = client
        self._common_address = common_address
        self._verdict = verdict
        self._send_return_information = send_return_information

    @property
    def info(self) -> ConnectionInfo:
        return self._client.info

    @property
    def is_started(self) -> bool:
        # As long as c104 waits, it has to be told.
        return not self._verdict.done() or self._client.state is LinkState.STARTED

    def mirrored(self, request: bytes, cause: int, *, negative: bool = False) -> bytes:
        return mirror(
            request, cause, negative=negative, common_address=self._common_address
        )

    def reply(self, asdu: bytes) -> None:
        """Let c104 confirm; it knows only yes and no."""
        if asdu[2] & 0x7F == Cause.ACTIVATION_CONFIRMATION:
            self._verdict.set_result(Verdict.POSITIVE)
        else:
            self._verdict.set_result(Verdict.NEGATIVE)

    def answer(self, asdu: bytes) -> None:
        self._send_return_information(decode_asdu(asdu))


def _type_of(point: CommandPoint) -> int:
    """Return c104's one type of a point: without a time tag where there is a choice.

    Of two twins it has the lower number.
    """
    return min(point.type_ids)


def _identity(answer: bytes) -> bytes:
    """Return what tells one command's answer from another's: all but the cause."""
    return answer[:2] + answer[3:]
