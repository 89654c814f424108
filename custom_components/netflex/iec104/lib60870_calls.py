"""Takes c104's calls from its threads to the station's loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
import logging
from time import monotonic
from typing import Final, Protocol

from .config import SecondClientRule, StationConfig
from .lib60870 import Report, Verdict
from .link_user import CloseCode, CloseReason, Direction

_LOGGER = logging.getLogger(__name__)

ANSWER_TIMEOUT: Final = 3.0
"""How long c104 waits for a confirmation; half of t1 where that is less."""
READ_TIMEOUT: Final = 1.0
FRESH: Final = 0.05
"""Seconds for which the values of one question to the application are good."""


class CalledStation(Protocol):
    """What the calls come to. All of it on the station's loop but `config`."""

    @property
    def config(self) -> StationConfig:
        """Return the settings, as they are now."""

    def admitted(self, address: str) -> None:
        """Learn of a new client."""

    def turned_away(self, address: str, reason: CloseReason) -> None:
        """Learn of a client that was not let in."""

    def counted(self, connected: int, started: int) -> None:
        """Learn how many clients c104 counts."""

    def passed(self, direction: Direction, apdu: bytes) -> None:
        """Learn of an APDU."""

    def take(self, raw: bytes, verdict: Future[Verdict]) -> None:
        """Carry out a command that c104 waits with."""

    def keep(self, report: Report) -> None:
        """Let an event wait for a client."""

    def image(self) -> dict[int, Report]:
        """Return all current values."""


@dataclass
class Calls:
    """Takes c104's calls to the station's loop."""

    station: CalledStation
    loop: asyncio.AbstractEventLoop
    occupied: bool = False
    present: bool = False
    start: asyncio.Future[Exception | None] = field(init=False)
    stop: asyncio.Future[None] = field(init=False)
    _open: bool = True
    _image: dict[int, Report] = field(default_factory=dict)
    _image_at: float = 0.0
    _changes: int = 0
    _reported: dict[int, datetime | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare what is waited for."""
        self.start = self.loop.create_future()
        self.stop = self.loop.create_future()
        link = self.station.config.link
        self._answer_timeout = min(ANSWER_TIMEOUT, link.t1 / 2)

    # On the loop.

    def close(self) -> None:
        """Let nothing pass any more."""
        self._open = False

    def reported(self, report: Report) -> None:
        """Keep a value's time, and ask anew for values that are read from now on."""
        self._reported[report.obj.ioa] = report.recorded_at
        self._outdate()

    # On c104's threads.

    def started(self, fault: Exception | None) -> None:
        """Learn that the server listens, or why it does not."""
        self._post(_resolve, self.start, fault)

    def stopped(self) -> None:
        """Learn that the server is gone."""
        self._post(_resolve, self.stop, None)

    def admits(self, address: str) -> bool:
        """Let a client connect, without asking the loop."""
        config = self.station.config
        reason: CloseReason | None = None
        if not config.allows(address):
            reason = CloseReason(CloseCode.ADDRESS_REFUSED, f"{address} is not allowed")
        elif self.occupied and config.second_client is SecondClientRule.REFUSE:
            reason = CloseReason(CloseCode.SECOND_CLIENT, "a client is started")
        if reason is not None:
            self._post(self.station.turned_away, address, reason)
            return False
        return self._post(self.station.admitted, address)

    def apdu(self, direction: Direction, apdu: bytes) -> None:
        """Hand an APDU on."""
        self._post(self.station.passed, direction, apdu)

    def counted(self, connected: int, started: int) -> None:
        """Hand the counts on while there is a client that may have left."""
        if self.present:
            self._post(self.station.counted, connected, started)

    def unsent(self, report: Report) -> None:
        """Take back an event that no client was there for."""
        self._post(self.station.keep, report)

    def command(self, asdu: bytes) -> Verdict:
        """Have a command carried out, and wait for the answer."""
        verdict: Future[Verdict] = Future()
        self._outdate()
        if not self._post(self.station.take, asdu, verdict):
            return Verdict.NEGATIVE
        try:
            return verdict.result(self._answer_timeout)
        except TimeoutError:
            # Either it is never carried out any more, or it is being stored still
            # and will hold although the operator hears no.
            verdict.cancel()
            _LOGGER.error(
                "A command had no answer within %s s and was refused",
                self._answer_timeout,
            )
            return Verdict.NEGATIVE

    def current(self, ioa: int) -> Report | None:
        """Return a value that is asked for; one question serves a whole interrogation."""
        asked = monotonic()
        if asked - self._image_at > FRESH:
            changes = self._changes
            image: Future[dict[int, Report]] = Future()
            if self._post(self._take_image, image):
                try:
                    self._image = image.result(READ_TIMEOUT)
                    if changes == self._changes:
                        self._image_at = asked
                except TimeoutError:
                    _LOGGER.warning("The values that are read are those of before")
                    # The next point of the same request does not wait as well.
                    self._image_at = monotonic()
        report = self._image.get(ioa)
        if report is None or report.recorded_at is None:
            return report
        return replace(
            report, recorded_at=self._reported.get(ioa) or report.recorded_at
        )

    def _outdate(self) -> None:
        self._changes += 1
        self._image_at = 0.0

    def _take_image(self, image: Future[dict[int, Report]]) -> None:
        try:
            image.set_result(self.station.image())
        except Exception as err:  # noqa: BLE001 - it is raised where it is waited for
            image.set_exception(err)

    def _post[*Args](self, call: Callable[[*Args], None], *args: *Args) -> bool:
        """Have the loop do something; False when there is no loop any more."""
        if not self._open:
            return False
        try:
            self.loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return False
        return True


def _resolve[Result](future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)
