"""The controlling station of a rehearsal: gives orders by name, hears the answers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import time
from typing import Final

from ..iec104 import (
    Asdu,
    CloseReason,
    ControllingConfig,
    ControllingStation,
    InterrogationResult,
    LinkState,
    MonitorObject,
    PointValue,
    Quality,
    TypeId,
)
from ..iec104.information_objects import TAGGED
from ..model.orders import OrderName, QMode
from ..model.phrase import Phrase
from .meaning import OrderValue, encode_command, encode_order
from .point import Execution, PointDirection, TimeTagChoice
from .points import PointTable
from .settings import TelecontrolSettings

RESPONSE_TIMEOUT: Final = 10.0


_ON: Final = Phrase("value_on", "on")
_OFF: Final = Phrase("value_off", "off")
_SWITCHED: Final[Mapping[str, OrderValue]] = {_ON: True, _OFF: False}
_STATES: Final[Mapping[OrderName, Mapping[str, OrderValue]]] = {
    OrderName.EMERGENCY_STOP_PRODUCTION: _SWITCHED,
    OrderName.EMERGENCY_STOP_CONSUMPTION: _SWITCHED,
    OrderName.TEST: _SWITCHED,
    OrderName.Q_MODE: {
        Phrase("value_local", "local"): QMode.LOCAL,
        Phrase("value_remote", "remote"): QMode.REMOTE,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for an order. Times in ms since it was sent."""

    accepted: bool
    cause: int | None
    confirmed: float | None
    terminated: float | None
    mirrored: bool
    """The feedback shows the ordered value, as exactly as its type can."""
    mirror: str
    """What the feedback shows, in words; empty where there is none."""
    mirrored_after: float | None


class RehearsalClient:
    """An RTU on one address. `drop` and `open` again stand for a cable."""

    def __init__(
        self,
        address: tuple[str, int],
        settings: TelecontrolSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare an unconnected client for the points of `settings`."""
        self._address = address
        self._settings = settings
        self._clock = clock
        self._config = ControllingConfig(
            common_address=settings.common_address,
            link=settings.link,
            time_zone=settings.time_zone,
            response_timeout=RESPONSE_TIMEOUT,
        )
        self._heard: dict[int, tuple[float, MonitorObject]] = {}
        self._news = asyncio.Event()
        self._station: ControllingStation | None = None
        self.initialized: float | None = None
        """Monotonic s of the newest end of initialization."""
        self.close_reason: str | None = None

    @property
    def points(self) -> PointTable:
        """The points in use."""
        return self._settings.points

    @property
    def station(self) -> ControllingStation:
        """The open connection; ConnectionError where there is none."""
        if self._station is None:
            raise ConnectionError("the rehearsal is not connected")
        return self._station

    @property
    def started(self) -> bool:
        """Whether data transfer is started."""
        return self._station is not None and self._station.state is LinkState.STARTED

    # Connection.

    async def open(self) -> float:
        """Connect; return the ms that it took. OSError where nobody listens."""
        begun = self._clock()
        self._heard.clear()
        self.initialized = self.close_reason = None
        station = ControllingStation(
            self._config, on_asdu=self._on_asdu, on_closed=self._on_closed
        )
        await station.connect(*self._address)
        self._station = station
        return self._since(begun)

    async def drop(self) -> None:
        """Close the connection, orders or not."""
        if self._station is not None:
            await self._station.close()

    async def start(self) -> float:
        """STARTDT; return the ms until its confirmation."""
        begun = self._clock()
        await self.station.start_dt()
        return self._since(begun)

    async def stop(self) -> float:
        """STOPDT; return the ms until its confirmation."""
        begun = self._clock()
        await self.station.stop_dt()
        return self._since(begun)

    # Values.

    async def interrogate(self) -> InterrogationResult:
        """Interrogate the whole station."""
        result = await self.station.general_interrogation()
        now = self._clock()
        for obj in result.objects:
            self._heard[obj.ioa] = (now, obj)
        return result

    def value(self, name: str) -> MonitorObject | None:
        """Return what was heard last of a monitored point."""
        point = self.points.by_name.get(name)
        found = None if point is None else self._heard.get(point.ioa)
        return None if found is None else found[1]

    def wire_value(self, name: OrderName, value: OrderValue) -> PointValue:
        """Return the value of an order's command object."""
        return encode_command(self.points.by_name[name], value)

    def type_of(self, name: OrderName) -> int:
        """Return the type that an order's command has on the wire."""
        point = self.points.by_name[name]
        if point.time_tag is TimeTagChoice.ALWAYS:
            return TAGGED[TypeId(point.type_id)]
        return point.type_id

    async def order(
        self, name: OrderName, value: OrderValue, *, feedback: float
    ) -> Answer:
        """Give an order, wait for its end and `feedback` s for its mirror."""
        point = self.points.by_name[name]
        begun = self._clock()
        result = await self.station.command(
            point.ioa,
            self.type_of(name),
            self.wire_value(name, value),
            select=point.execution is Execution.SELECT,
            wait_termination=self._settings.termination,
        )
        shown: float | None = None
        if result.accepted and self.points.feedback(name) is not None:
            shown = await self._mirrored(name, value, begun, feedback)
        confirmation = result.confirmation
        return Answer(
            accepted=result.accepted,
            cause=None if confirmation is None else confirmation.cause,
            confirmed=None if confirmation is None else 1000 * confirmation.after,
            terminated=(
                None
                if result.terminated_after is None
                else 1000 * result.terminated_after
            ),
            mirrored=shown is not None,
            mirror=self.shown(name),
            mirrored_after=shown,
        )

    def shows(self, name: OrderName, value: OrderValue | None) -> bool:
        """Tell whether the feedback shows an order, None: as never received."""
        point = self.points.feedback(name)
        found = None if point is None else self._heard.get(point.ioa)
        if point is None or found is None:
            return False
        wanted, _quality = encode_order(point, value)
        return _same(wanted, found[1].value)

    def shown(self, name: OrderName) -> str:
        """Return what the feedback shows, in words."""
        point = self.points.feedback(name)
        found = None if point is None else self._heard.get(point.ioa)
        if found is None:
            return ""
        for word, value in _STATES.get(name, {}).items():
            if self.shows(name, value) and not found[1].quality:
                return word
        return in_words(found[1])

    async def _mirrored(
        self, name: OrderName, value: OrderValue, begun: float, timeout: float
    ) -> float | None:
        """Wait until the feedback was sent anew with the value; ms, None: it was not."""
        point = self.points.feedback(name)
        assert point is not None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    found = self._heard.get(point.ioa)
                    if (
                        found is not None
                        and found[0] >= begun
                        and self.shows(name, value)
                    ):
                        return 1000 * (found[0] - begun)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None

    async def wait_initialized(self, timeout: float) -> bool:
        """Wait for the end of initialization."""
        try:
            async with asyncio.timeout(timeout):
                while self.initialized is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def monitored(self) -> list[str]:
        """Return the names of all points that the station sends."""
        return [
            point.name
            for point in self.points.points
            if point.direction is PointDirection.MONITOR
        ]

    def _since(self, begun: float) -> float:
        return 1000 * (self._clock() - begun)

    def _on_asdu(self, asdu: Asdu) -> None:
        now = self._clock()
        if asdu.type_id == TypeId.M_EI_NA_1:
            self.initialized = now
        for obj in asdu.objects:
            if isinstance(obj, MonitorObject):
                self._heard[obj.ioa] = (now, obj)
        self._news.set()

    def _on_closed(self, reason: CloseReason) -> None:
        self.close_reason = str(reason)
        self._news.set()


def in_words(obj: MonitorObject) -> str:
    """Return a value and its quality where that is not good."""
    value = obj.value
    if isinstance(value, bool):
        text: str = _ON if value else _OFF
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = str(int(value))
    bad = [flag.name for flag in Quality if flag & obj.quality]
    if not bad:
        return text
    words = ", ".join(str(name).lower().replace("_", " ") for name in bad)
    return f"{text} ({words})"


def _same(wanted: PointValue, seen: PointValue) -> bool:
    """Compare values, as exactly as the coarsest type carries them (1 part in 32768)."""
    return abs(float(wanted) - float(seen)) <= max(1e-4, 1e-4 * abs(float(wanted)))
