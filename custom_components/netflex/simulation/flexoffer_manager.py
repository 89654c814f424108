"""A FlexOffer manager on a port of its own: it accepts offers and assigns schedules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
import json
from typing import Any, Self

from aiohttp import web

from ..northbound.flexoffer import Bounds, Schedule
from ..northbound.flexoffer_messages import (
    Dialect,
    read_bounds,
    read_schedule,
    read_time,
    write_schedule,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOffer:
    """What a manager reads of an offer."""

    id: str
    offered_by: str
    state: str
    slices: tuple[Bounds, ...]
    total: Bounds
    start_after: datetime
    start_before: datetime
    assign_before: datetime
    default: Schedule
    reason: str | None = None


type Assign = Callable[[SeenOffer], Schedule | None]


def read_offer(message: Mapping[str, Any], dialect: Dialect) -> SeenOffer:
    """Return an offer. Raises KeyError or MessageError where it is none."""
    slices = [
        read_bounds(bounds, dialect)
        for part in message["flexOfferProfileConstraints"]
        for bounds in part["energyConstraintList"]
    ]
    return SeenOffer(
        id=message["id"],
        offered_by=message["offeredById"],
        state=message["state"],
        slices=tuple(slices),
        total=read_bounds(message["totalEnergyConstraint"], dialect),
        start_after=read_time(message["startAfterTime"], "startAfterTime"),
        start_before=read_time(message["startBeforeTime"], "startBeforeTime"),
        assign_before=read_time(
            message["assignmentBeforeTime"], "assignmentBeforeTime"
        ),
        default=read_schedule(message["defaultSchedule"], dialect),
        reason=message.get("stateReason"),
    )


def hold_back(offer: SeenOffer) -> Schedule:
    """Ask for as little as an offer allows, as early as it allows it."""
    left = offer.total.low - sum(item.low for item in offer.slices)
    energies = [item.low for item in offer.slices]
    for index in reversed(range(len(energies))):
        more = min(left, offer.slices[index].high - energies[index])
        energies[index] += max(0.0, more)
        left -= max(0.0, more)
    return Schedule(start=offer.start_after, energies=tuple(energies), number=1)


@dataclass(slots=True)
class SimulatedManager:
    """Answers agents; `assign` says what it wants of an offer, None: nothing.

    `broken` answers every request but the login with that status, `garbage` with text
    that is no JSON, `expire` forgets every token once.
    """

    assign: Assign = hold_back
    dialect: Dialect = field(default_factory=Dialect)
    users: dict[str, str] = field(default_factory=lambda: {"home": "secret"})
    broken: int | None = None
    retry_after: str | None = None
    garbage: bool = False
    offers: dict[str, SeenOffer] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    told: list[SeenOffer] = field(default_factory=list)
    beats: list[dict[str, Any]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    logins: int = 0
    port: int = 0
    _tokens: set[str] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Listen on loopback."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/user/login", self._login),
                web.post("/flexoffer/schedules", self._beat),
                web.post("/flexoffer/{user}", self._offer),
                web.put("/flexoffer/{id}", self._tell),
                web.post("/measurement/post", self._measure),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Stop listening; what it knows stays."""
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Return the root of its API."""
        return f"http://127.0.0.1:{self.port}"

    def expire(self) -> None:
        """Forget who is logged in."""
        self._tokens.clear()

    async def _login(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.users.get(body.get("userName")) != body.get("password"):
            return web.json_response({"message": "unknown"}, status=401)
        self.logins += 1
        token = f"token {self.logins}"
        self._tokens.add(token)
        return web.json_response({"data": {"token": token}})

    def _refuse(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") not in self._tokens:
            return web.Response(status=401)
        if self.broken is not None:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=self.broken, headers=headers)
        if self.garbage:
            return web.Response(text="<html>maintenance</html>")
        return None

    async def _offer(self, request: web.Request) -> web.Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        offer = read_offer(await request.json(), self.dialect)
        self.offers[offer.id] = offer
        if (schedule := self.assign(offer)) is not None:
            self.schedules[offer.id] = schedule
        return web.json_response({"status": "OK"})

    async def _tell(self, request: web.Request) -> web.Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        self.told.append(read_offer(await request.json(), self.dialect))
        return web.Response()

    async def _beat(self, request: web.Request) -> web.Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        self.beats.append(await request.json())
        answer = []
        for offer_id in self.offers:
            entry: dict[str, Any] = {"id": offer_id, "state": "Accepted"}
            if offer_id in self.rejected:
                entry["state"] = "Rejected"
                entry["stateReason"] = self.rejected[offer_id]
            elif offer_id in self.schedules:
                entry["state"] = "Assigned"
                entry["flexOfferSchedule"] = write_schedule(
                    self.schedules[offer_id], self.dialect
                )
            answer.append(entry)
        return web.Response(text=json.dumps(answer), content_type="application/json")

    async def _measure(self, request: web.Request) -> web.Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        self.measurements.append(await request.json())
        return web.Response()
