"""A client of a FlexOffer manager: logs in, offers, asks for schedules, reports.

The paths are those of the manager that GOFLEX published: `user/login`,
`flexoffer/{user}`, `flexoffer/{id}`, `flexoffer/schedules` (the heartbeat) and
`measurement/post`.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
import json
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .flexoffer import FlexOffer
from .flexoffer_execution import SlotResult
from .flexoffer_messages import (
    Answer,
    Dialect,
    MessageError,
    read_answers,
    write_offer,
    write_time,
)
from .http import BodyTooLargeError, bounded_body, retry_after

MOST_BYTES: Final = 1024 * 1024
TIMEOUT: Final = 20.0
"""s for one request with its answer."""
_FINAL: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.GONE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


class ManagerError(Exception):
    """The manager cannot be used now, with the reason in words.

    `refused`: it did not let us in. `final`: it has read what we said and does not
    want it; saying it again is of no use. `retry_after` is s, where it says when it
    wants to be asked again.
    """

    def __init__(
        self,
        text: str,
        *,
        refused: bool = False,
        final: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """Give the reason."""
        super().__init__(text)
        self.refused = refused
        self.final = final
        self.retry_after = retry_after


class Session(Protocol):
    """What is needed of an HTTP session; aiohttp's is one."""

    def request(
        self,
        method: str,
        url: str,
        *,
        json: object,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        allow_redirects: bool,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send a body; what comes is an answer with its body still to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a house does now, as the heartbeat tells: W, and the Wh it expects next."""

    power: float | None
    prognosis: tuple[float, ...] = ()
    running: bool = True


class FlexOfferManager:
    """Asks one thing at a time; it neither waits nor repeats."""

    def __init__(
        self,
        session: Session,
        url: str,
        user: str,
        password: str,
        dialect: Dialect,
        *,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = TIMEOUT,
    ) -> None:
        """Prepare; nothing is asked yet. `url` is the root of the manager's API."""
        self._session = session
        self._url = url.rstrip("/")
        self._user = user
        self._password = password
        self.dialect = dialect
        self._utcnow = utcnow
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._token: str | None = None

    async def offer(self, offer: FlexOffer) -> None:
        """Tell the manager of a new offer. Raises ManagerError."""
        message = write_offer(offer, self.dialect)
        await self._ask("POST", f"flexoffer/{quote(self._user, safe='')}", message)

    async def tell(self, offer: FlexOffer) -> None:
        """Tell the manager what has become of an offer. Raises ManagerError."""
        message = write_offer(offer, self.dialect)
        await self._ask("PUT", f"flexoffer/{quote(offer.id, safe='')}", message)

    async def beat(self, operation: Operation) -> list[Answer]:
        """Say that we are there, and return what the manager says of our offers.

        Raises:
            ManagerError: It cannot be reached, or its answer makes no sense.
        """
        factor = self.dialect.factor
        body = await self._ask(
            "POST",
            "flexoffer/schedules",
            {
                "offeredById": self._user,
                "foaTime": write_time(self._utcnow()),
                "operationInfo": {
                    "operationState": "running" if operation.running else "stopped",
                    # W in kW, with the message's own sign.
                    "operationPower": None
                    if operation.power is None
                    else round(operation.power * factor, 3) + 0.0,
                    "operationPrognosis": [
                        round(energy * factor, 4) + 0.0
                        for energy in operation.prognosis
                    ],
                },
            },
        )
        if body is None:
            return []
        try:
            return read_answers(body, self.dialect)
        except MessageError as err:
            raise ManagerError(
                Phrase(
                    "manager_nonsense",
                    "Its answer makes no sense: {reason}",
                    reason=reason_of(err),
                )
            ) from err

    async def measured(self, offer: FlexOffer, results: Iterable[SlotResult]) -> None:
        """Report what became of a schedule. Raises ManagerError."""
        factor = self.dialect.factor
        await self._ask(
            "POST",
            "measurement/post",
            {
                "offeredById": self._user,
                "flexOfferId": offer.id,
                "numSecondsPerInterval": offer.interval,
                "measurements": [
                    {
                        "startTime": write_time(result.slot.start),
                        "scheduled": round(result.slot.energy * factor, 4) + 0.0,
                        # What nobody measured is null, never zero.
                        "measured": None
                        if result.measured is None
                        else round(result.measured * factor, 4) + 0.0,
                    }
                    for result in results
                ],
            },
        )

    async def _ask(self, method: str, path: str, message: object) -> object:
        """Send a message as the user, logged in anew where that has run out."""
        if self._token is None:
            await self._log_in()
        try:
            return await self._send(method, path, message)
        except ManagerError as err:
            if not err.refused:
                raise
        await self._log_in()
        return await self._send(method, path, message)

    async def _log_in(self) -> None:
        self._token = None
        body = await self._send(
            "POST",
            "user/login",
            {"userName": self._user, "password": self._password},
        )
        token = _token(body)
        if token is None:
            raise ManagerError(
                Phrase("manager_no_token", "Its answer to the login has no token")
            )
        self._token = token

    async def _send(self, method: str, path: str, message: object) -> object:
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = self._token
        try:
            async with self._session.request(
                method,
                f"{self._url}/{path}",
                json=message,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                    raise ManagerError(
                        Phrase("manager_no_entry", "It does not let this user in"),
                        refused=True,
                    )
                if not 200 <= response.status < 300:
                    raise ManagerError(
                        Phrase(
                            "http_answers",
                            "It answers {status}",
                            status=str(response.status),
                        ),
                        final=response.status in _FINAL,
                        retry_after=retry_after(response, self._utcnow()),
                    )
                body = await bounded_body(response, MOST_BYTES)
        except TimeoutError as err:
            raise ManagerError(
                Phrase("http_silent", "It did not answer in time")
            ) from err
        except BodyTooLargeError as err:
            raise ManagerError(reason_of(err)) from err
        except (aiohttp.ClientError, OSError) as err:
            raise ManagerError(
                Phrase(
                    "http_unreachable",
                    "It cannot be reached: {reason}",
                    reason=reason_of(err),
                )
            ) from err
        if not body.strip():
            return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as err:
            raise ManagerError(
                Phrase("http_no_json", "Its answer is not JSON")
            ) from err


def _token(body: object) -> str | None:
    """Return the token of a login's answer, wherever managers put it."""
    if isinstance(body, str) and body:
        return body
    if not isinstance(body, Mapping):
        return None
    for key in ("token", "access_token", "jwt"):
        if isinstance(value := body.get(key), str) and value:
            return value
    inner: Any = body.get("data")
    return None if inner is None else _token(inner)
