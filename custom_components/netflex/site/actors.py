"""One actor per asset: a mailbox of one, the newest setpoint wins."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from dataclasses import fields
import logging
from operator import attrgetter

from ..devices.device import Device, DeviceError, driver_fault
from ..model.plan import Setpoint, SetpointKind
from .journal_notes import WriteNotes

_LOGGER = logging.getLogger(__name__)

SUPERSEDED = "superseded"
"""A device's answer to a write that a newer one has overtaken."""
EMERGENCY_RETRIES = (0.1, 0.2, 0.5, 1.0)
"""s between tries while a stop is not carried out; the last one repeats."""
RETRIES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""s between tries of any other setpoint; the last one repeats."""
REAFFIRM_INTERVAL = 5.0
"""s after which a setpoint that stands is repeated to the device, which lets it
keep its keep-alive going; must stay below the devices' time to live."""


def same_action(one: Setpoint | None, other: Setpoint | None) -> bool:
    """Whether two setpoints ask the same of a device, whatever their causes."""
    if one is None or other is None or one is other:
        return one is other
    # Compared for every asset at every decision: cheaply, what differs most first.
    return _action(one) == _action(other)


_action = attrgetter(*(item.name for item in fields(Setpoint) if item.name != "causes"))


class AssetActor:
    """Carries out the newest setpoint of one device, on the loop it is started on.

    A slow or dead device delays only itself. A newer setpoint overtakes the one
    that is being written; the device sees to it that the older never lands later.
    """

    def __init__(
        self,
        device: Device,
        name: str,
        on_change: Callable[[], None],
        notes: WriteNotes | None = None,
    ) -> None:
        """Prepare an actor; `on_change` is called when a write succeeds or fails."""
        self.device = device
        self._name = name
        self._on_change = on_change
        self._notes = notes
        self._tries = 0
        self._wanted: Setpoint | None = None
        self._written: Setpoint | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self.problem: str | None = None
        """Why the newest setpoint could not be written, in a user's words."""
        self._told = False
        """Whether the log says that the device takes no setpoints."""

    @property
    def done(self) -> bool:
        """Whether the newest setpoint was written and the device took it."""
        return self._wanted is not None and same_action(self._wanted, self._written)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be written."""
        return self._wanted is None or self.done

    def start(self) -> None:
        """Start carrying out setpoints."""
        self._task = asyncio.create_task(self._run(), name=f"netflex {self._name}")

    async def stop(self) -> None:
        """Stop; the device keeps what it was told last."""
        tasks = [task for task in (self._task, *self._writes) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def post(self, setpoint: Setpoint) -> None:
        """Put a setpoint into the mailbox; it replaces the one that is there."""
        changed = not same_action(self._wanted, setpoint)
        self._wanted = setpoint
        if changed:
            self._wake.set()

    def write_again(self) -> None:
        """Write the newest setpoint once more, though it was written before."""
        self._written = None
        self._wake.set()

    def withdraw(self) -> None:
        """Want nothing of the device any more; it keeps what it was told last."""
        if self._wanted is not None:
            self._wanted = self._written = self.problem = None
            self._wake.set()

    def state_changed(self) -> None:
        """Look again whether the device still does what it was told."""
        if self.done and self._drifted():
            self._wake.set()

    async def _run(self) -> None:
        """Write the newest setpoint, retry it, and watch that it stands."""
        attempt = 0
        while True:
            self._wake.clear()
            if (wanted := self._wanted) is None:
                await self._wake.wait()
                continue
            write = asyncio.create_task(
                self._apply(wanted), name=f"netflex write {self._name}"
            )
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)
            await self._finish(write, wanted)
            if not same_action(wanted, self._wanted):
                attempt = 0
                continue
            if self.done and not self._drifted():
                attempt = 0
                await self._sleep(REAFFIRM_INTERVAL)
                continue
            delays = EMERGENCY_RETRIES if wanted.emergency else RETRIES
            await self._pause(wanted, delays[min(attempt, len(delays) - 1)])
            attempt += 1

    async def _finish(self, write: asyncio.Task[None], wanted: Setpoint) -> None:
        """Wait for a write, or for a setpoint that takes its place."""
        while not write.done() and same_action(wanted, self._wanted):
            self._wake.clear()
            woken = asyncio.create_task(self._wake.wait())
            try:
                await asyncio.wait({write, woken}, return_when=FIRST_COMPLETED)
            finally:
                woken.cancel()

    async def _sleep(self, seconds: float) -> None:
        """Wait for a new setpoint, a change of the device, or the given time."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _pause(self, wanted: Setpoint, seconds: float) -> None:
        """Wait out the time between two tries, unless a new setpoint comes."""
        end = asyncio.get_running_loop().time() + seconds
        while same_action(wanted, self._wanted):
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await self._sleep(left)

    def _drifted(self) -> bool:
        """Whether the device says that it does something else (S15)."""
        state, wanted = self.device.state, self._wanted
        if wanted is None or not state.available:
            return False
        if wanted.kind is SetpointKind.SWITCH and state.enabled is not None:
            if wanted.heat_pump is not None and state.heat_pump is not None:
                return state.heat_pump is not wanted.heat_pump
            return state.enabled != bool(wanted.value)
        return state.follows is False

    async def _apply(self, wanted: Setpoint) -> None:
        """Write one setpoint and remember how it went."""
        repeated = same_action(wanted, self._written) and not self._drifted()
        self._tries += 1
        try:
            applied = await self.device.apply(wanted)
        except DeviceError as err:
            if err.key != SUPERSEDED:
                self._failed(wanted, err.text, None)
            return
        except Exception as err:  # noqa: BLE001  a fault of one device stays its own
            self._failed(wanted, driver_fault(err), err)
            return
        if self._notes is not None and not repeated:
            self._notes.written(wanted, applied, self._tries)
        self._tries = 0
        if same_action(wanted, self._wanted):
            self._written = wanted
            if self._told:
                _LOGGER.info("%s takes setpoints again", self._name)
            self._told = False
            self.problem = None
            self._on_change()

    def _failed(self, wanted: Setpoint, problem: str, fault: Exception | None) -> None:
        """Remember a failure, and log it once until the device takes setpoints again.

        Of a device that does not answer at all the log says so already.
        """
        if not same_action(wanted, self._wanted):
            return
        if problem != self.problem and self._notes is not None:
            self._notes.failed(wanted, problem)
        if not self._told and fault is not None:
            self._told = True
            _LOGGER.error("%s: a write failed", self._name, exc_info=fault)
        elif not self._told and self.device.state.available:
            self._told = True
            _LOGGER.warning("%s could not be told: %s", self._name, problem)
        self.problem = problem
        self._written = None
        self._on_change()
