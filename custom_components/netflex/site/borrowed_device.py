"""A device that lives on another event loop than the one that drives it.

An emergency output that is only an entity of another integration: the station's loop
drives it through Home Assistant's. While that one stands still it does nothing; what is
told meanwhile is done as soon as it goes on.
"""

import asyncio
from collections.abc import Callable, Coroutine
import logging
from typing import Any

from ..devices.device import Applied, Device, DeviceError
from ..model.asset import AssetState
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .door import STOP_TIMEOUT, BackDoor

_LOGGER = logging.getLogger(__name__)


class BorrowedDevice:
    """Drives a device of `home` from another loop. Fulfils `Device` there."""

    def __init__(self, device: Device, home: asyncio.AbstractEventLoop) -> None:
        """Take a device that was not started yet, and the loop that it needs."""
        self._device = device
        self._home = home
        self._back: BackDoor | None = None
        self._on_state: Callable[[AssetState], None] | None = None
        self._state = AssetState(asset_id=device.device_id, available=False)

    @property
    def device_id(self) -> str:
        """The asset's id."""
        return self._device.device_id

    @property
    def state(self) -> AssetState:
        """What the device said last."""
        return self._state

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to listen; waits for neither the device nor its loop."""
        self._on_state = on_state
        back = self._back = BackDoor()

        async def begin() -> None:
            try:
                await self._device.start(lambda state: back.call(self._take, state))
            except Exception:
                _LOGGER.exception("%s could not be started", self.device_id)

        self._at_home(begin())

    def _take(self, state: AssetState) -> None:
        self._state = state
        if self._on_state is not None:
            self._on_state(state)

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Write a setpoint once its loop goes on; raises DeviceError."""
        return await self._at_home(self._device.apply(setpoint))

    async def stop(self) -> None:
        """Leave the device in what it was told last."""
        self._on_state = None
        if self._back is not None:
            self._back.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._at_home(self._device.stop())
        except TimeoutError, DeviceError:
            _LOGGER.warning("%s was left without having stopped", self.device_id)

    def _at_home[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run something on the device's own loop."""
        try:
            return asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(work, self._home)
            )
        except RuntimeError as err:
            work.close()
            raise DeviceError(
                "unavailable",
                Phrase("no_home_assistant", "Home Assistant does not run"),
            ) from err
