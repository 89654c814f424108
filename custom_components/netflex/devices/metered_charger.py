"""A charger that balances itself and is driven through the meter that it reads."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
import logging
import time

from pymodbus.constants import ExcCodes

from ..model.asset import Asset, AssetState
from ..model.connection import NO_LINE_VALUES, LineValues
from ..model.failure import reason_of
from ..model.phrase import Phrase
from ..model.plan import Setpoint, SetpointKind
from ..model.reading import MeterReading
from .countis import CURRENTS, registers
from .device import SUPERSEDED, Applied, Device, DeviceError, RelayAware
from .meter_server import Answer, MeterListener, MeterServers, Network, networks
from .modbus_device import Tasks
from .silence import SilenceFacts, tightens
from .virtual_meter import Headroom, Report, Shown, VirtualMeterConfig

_LOGGER = logging.getLogger(__name__)

ERROR_AFTER = 120.0
"""s after which a warning becomes an error, as in the charger itself."""
POLL_TIMEOUT = 30.0
"""s without a question after which the charger does not read its meter any more."""
FOLLOW_WITHIN = 30.0
"""s within which a charger must be down to what it is told."""
POLL_LIMIT = 64
"""Different polls that are remembered one by one."""
_WATCH = 1.0
_RETRY = 30.0
"""s between tries to listen."""
_TOLERANCE = 1.5
"""A that a charger may draw above what it is told: its own steps."""


class MeterStatus(StrEnum):
    """How a virtual meter is doing."""

    WAITING = "waiting"
    """No charger has asked yet."""
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One kind of question: who asks what. Clients are numbered as they come."""

    client: str
    client_number: int
    unit: int
    function: int
    address: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMeterView:
    """A virtual meter as it is shown. `poll_age` s, `granted` A, times monotonic s.

    `polls` are all different questions with their number, `further_polls` those that
    there was no room for. `strangers` are refused connections by address.
    """

    meter_id: str
    status: MeterStatus
    report: Report
    problem: str | None = None
    poll_age: float | None = None
    currents: LineValues = NO_LINE_VALUES
    """A that the charger is shown, in its own order of lines."""
    granted: float | None = None
    why: str | None = None
    polls: tuple[tuple[Poll, int], ...] = ()
    further_polls: int = 0
    strangers: tuple[tuple[str, int], ...] = ()


type Note = Callable[[str, str | None], None]
"""Takes the name of the meter's new status and why; None: it has recovered."""


def _no_note(_status: str, _why: str | None) -> None:
    """Keep no record."""


class MeteredCharger:
    """A charger whose setpoint goes into the meter that it reads. Fulfils `Device`.

    `own` is what else is known of it: its own connection, or sensors that measure
    it; None where nothing is. Where the setpoint is not folded in and it can be
    driven in its own way (`drives`), it is.
    """

    def __init__(
        self,
        *,
        asset: Asset,
        config: VirtualMeterConfig,
        own: Device | None,
        drives: bool,
        servers: MeterServers,
        reading: Callable[[], MeterReading | None],
        note: Note = _no_note,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 15.0,
    ) -> None:
        """Bind a charger to its meter. Raises DeviceError (`config`).

        `patience` s is how long a new setpoint waits for the charger to ask.
        """
        try:
            self._allowed = networks(config.allowed)
        except ValueError as err:
            raise DeviceError("config", reason_of(err)) from err
        self._asset = asset
        self._config = config
        self._own = own
        self._drives = drives and not config.fold
        self._servers = servers
        self._clock = clock
        self._note = note
        self._patience = patience
        self._headroom = Headroom(config, asset, reading)
        self._tasks = Tasks()
        self._on_state: Callable[[AssetState], None] | None = None
        self._listener: MeterListener | None = None
        self._listen_problem: str | None = None
        self._polls: dict[Poll, int] = {}
        self._clients: dict[str, int] = {}
        self._further = 0
        self._asked_at: float | None = None
        self._asked = asyncio.Event()
        self._silent = False
        self._ticket = 0
        self._shown = Shown(report=Report.SILENT)
        self._status = MeterStatus.WAITING
        self._trouble_since: float | None = clock()
        self._above_since: float | None = None
        self._state = AssetState(asset_id=asset.id, available=False)

    # ---------------------------------------------------------------------- the device

    @property
    def device_id(self) -> str:
        """The asset's id."""
        return self._asset.id

    @property
    def state(self) -> AssetState:
        """What is known of the charger."""
        return self._state

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to serve the meter, and to read what else is known."""
        self._on_state = on_state
        name = self._asset.id
        self._tasks.start(f"{name} virtual meter", self._serve())
        self._tasks.start(f"{name} virtual meter watch", self._watch())
        if self._own is not None:
            await self._own.start(lambda _state: self._changed())

    async def stop(self) -> None:
        """Serve no more: the charger goes to its own safe current."""
        self._on_state = None
        await self._tasks.stop()
        await self._servers.detach(self)
        self._listener = None
        if self._own is not None:
            await self._own.stop()

    def set_behind_relay(self, behind: bool) -> None:
        """Pass it on to what drives the charger."""
        own = self._own
        if own is not None and isinstance(own, RelayAware):
            own.set_behind_relay(behind)

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Show the charger a meter that leaves it this, and wait until it asked."""
        if setpoint.kind is not SetpointKind.CURRENT:
            raise DeviceError(
                "config",
                Phrase(
                    "charger_takes_no",
                    "a charger takes no {kind}",
                    kind=str(setpoint.kind),
                ),
            )
        before, now = self._headroom.setpoint, self._clock()
        if self._silent:
            if not (
                setpoint.emergency
                or tightens(setpoint.value, None if before is None else before.value)
            ):
                return Applied(written_at=now, confirmed=False)
            self.speak()
        self._headroom.told(setpoint, now)
        same = before is not None and (before.value, before.emergency) == (
            setpoint.value,
            setpoint.emergency,
        )
        if self._drives and self._own is not None:
            applied = await self._own.apply(setpoint)
            if not setpoint.emergency:
                return applied
        self._ticket += 1
        ticket = self._ticket
        self._asked.set()
        self._changed()
        if self._shown.report is Report.SILENT:
            # Silence was chosen because its safe current is within the setpoint.
            return Applied(written_at=now, confirmed=False)
        if not (same and self._asked_since(now - POLL_TIMEOUT)):
            await self._until_asked(now, ticket)
        return Applied(
            written_at=self._asked_at or now,
            confirmed=self._follows() is not False,
            readback=self._shown.granted,
        )

    def _asked_since(self, at: float) -> bool:
        return self._asked_at is not None and self._asked_at >= at

    async def _until_asked(self, since: float, ticket: int) -> None:
        """Wait until the charger has seen what it is shown now."""
        deadline = since + self._patience
        while not self._asked_since(since):
            left = deadline - self._clock()
            if left <= 0:
                raise DeviceError("timeout", self._not_asked())
            self._asked.clear()
            try:
                async with asyncio.timeout(left):
                    await self._asked.wait()
            except TimeoutError:
                continue
            if ticket != self._ticket:
                raise DeviceError("superseded", SUPERSEDED)

    # --------------------------------------------------------------------- the silence

    @property
    def silence_facts(self) -> SilenceFacts | None:
        """Without its meter it goes to its own safe current at once."""
        return SilenceFacts(after=0.0, fallback=self._config.safe_current)

    @property
    def silent(self) -> bool:
        """Whether it is left without its meter on purpose."""
        return self._silent

    def fall_silent(self) -> None:
        """Answer no more."""
        self._silent = True

    def speak(self) -> None:
        """Answer again."""
        self._silent = False

    # ----------------------------------------------------------------------- the meter

    @property
    def unit(self) -> int:
        """The Modbus unit of the meter."""
        return self._config.unit

    @property
    def allowed(self) -> tuple[Network, ...]:
        """Who may ask."""
        return self._allowed

    @property
    def port(self) -> int | None:
        """The port that is listened on, None while there is none."""
        return None if self._listener is None else self._listener.listening_port

    def asked(self, client: str, function: int, address: int, count: int) -> Answer:
        """Answer a read from one snapshot of the site; None is silence."""
        number = self._clients.setdefault(client, len(self._clients) + 1)
        poll = Poll(
            client=client,
            client_number=number,
            unit=self._config.unit,
            function=function,
            address=address,
            count=count,
        )
        if poll in self._polls or len(self._polls) < POLL_LIMIT:
            self._polls[poll] = self._polls.get(poll, 0) + 1
        else:
            self._further += 1
        self._shown = self._headroom.show(self._clock())
        wanted = range(address, address + count)
        if CURRENTS in wanted:
            self._was_asked()
        if self._shown.measured is None or self._silent:
            return None
        image = registers(self._shown.measured)
        if not count or any(item not in image for item in wanted):
            return ExcCodes.ILLEGAL_ADDRESS
        return [image[item] for item in wanted]

    def _was_asked(self) -> None:
        first, self._asked_at = self._asked_at is None, self._clock()
        self._asked.set()
        if first:
            self._changed()

    async def _serve(self) -> None:
        while True:
            config = self._config
            try:
                self._listener = await self._servers.attach(
                    config.host, config.port, self
                )
            except (OSError, ValueError) as err:
                self._listen_problem = Phrase(
                    "meter_port_unusable",
                    "port {port} of {host} cannot be used: {reason}",
                    port=str(config.port),
                    host=config.host,
                    reason=reason_of(err),
                )
                self._changed()
                await asyncio.sleep(_RETRY)
            else:
                self._listen_problem = None
                self._changed()
                return

    async def _watch(self) -> None:
        while True:
            self._changed()
            await asyncio.sleep(_WATCH)

    # -------------------------------------------------------------------------- status

    def _not_asked(self) -> str:
        if self._asked_at is None:
            return Phrase(
                "never_asked",
                "no charger has asked the virtual meter yet: it is told the address "
                "of Home Assistant and the meter's unit in its own settings",
            )
        silent = self._clock() - self._asked_at
        return Phrase(
            "not_asked",
            "the charger has not asked its meter for {time}: it is on its own safe "
            "current",
            time=f"{silent:.0f} s",
        )

    def _problem(self, now: float) -> str | None:
        if self._listen_problem is not None:
            return self._listen_problem
        if not self._asked_since(now - POLL_TIMEOUT):
            return self._not_asked()
        return self._shown.why if self._shown.trouble else None

    def _judge(self, problem: str | None, now: float) -> None:
        """Warn at once, say error after two minutes, note the recovery."""
        name = self._config.name
        if problem is None:
            if self._status in {MeterStatus.WARNING, MeterStatus.ERROR}:
                _LOGGER.info("%s: the charger has its meter again", name)
                self._note("recovered", None)
            self._status, self._trouble_since = MeterStatus.OK, None
            return
        if self._trouble_since is None:
            self._trouble_since = now
        if now - self._trouble_since >= ERROR_AFTER:
            if self._status is not MeterStatus.ERROR:
                _LOGGER.error("%s: %s", name, problem)
                self._note("error", problem)
            self._status = MeterStatus.ERROR
        elif self._status is MeterStatus.OK or self._listen_problem is not None:
            if self._status is not MeterStatus.WARNING:
                _LOGGER.warning("%s: %s", name, problem)
                self._note("warning", problem)
            self._status = MeterStatus.WARNING

    def _follows(self) -> bool | None:
        """Whether the charger's own current is what it is told, None: unknown."""
        now, granted = self._clock(), self._shown.granted
        if self._own is None or granted is None or not self._own.state.available:
            self._above_since = None
            return None
        drawn = max((value for _, value in self._own.state.currents.items()), default=0)
        allowed = granted if granted >= self._asset.minimum_current else 0.0
        if drawn <= allowed + _TOLERANCE:
            self._above_since = None
            return True
        if self._above_since is None:
            self._above_since = now
        return None if now - self._above_since < FOLLOW_WITHIN else False

    def _changed(self) -> None:
        now = self._clock()
        own = None if self._own is None else self._own.state
        if own is not None:
            self._headroom.measured_own(own, now)
        self._shown = self._headroom.show(now)
        problem = self._problem(now)
        self._judge(problem, now)
        follows = self._follows()
        if problem is None and follows is False:
            problem = Phrase("draws_more", "it draws more than its meter leaves")
        reached = self._asked_since(now - POLL_TIMEOUT)
        if self._drives and own is not None:
            self._state = replace(own, problem=own.problem or problem)
        else:
            self._state = replace(
                own or AssetState(asset_id=self._asset.id, available=False),
                available=reached,
                at=own.at if own is not None and own.available else self._asked_at,
                current_limit=self._shown.granted,
                device_fallback=self._config.safe_current,
                follows=follows,
                problem=problem or (None if own is None else own.problem),
            )
        if self._on_state is not None:
            self._on_state(self._state)

    @property
    def meter_view(self) -> VirtualMeterView:
        """The meter as it is shown."""
        now = self._clock()
        measured = self._shown.measured
        return VirtualMeterView(
            meter_id=self._config.meter_id,
            status=self._status,
            report=self._shown.report,
            problem=self._problem(now),
            poll_age=None if self._asked_at is None else now - self._asked_at,
            currents=NO_LINE_VALUES if measured is None else measured.currents,
            granted=self._shown.granted,
            why=self._shown.why,
            polls=tuple(sorted(self._polls.items(), key=lambda item: str(item[0]))),
            further_polls=self._further,
            strangers=(
                ()
                if self._listener is None
                else tuple(sorted(self._listener.strangers.items()))
            ),
        )
