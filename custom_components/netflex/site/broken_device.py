"""A device that cannot be built from its configuration, but is there all the same."""

from collections.abc import Callable

from ..devices.device import Applied, DeviceConfig, DeviceError
from ..model.asset import AssetState
from ..model.plan import Setpoint


class BrokenDevice:
    """Stands for a device whose configuration is wrong.

    The asset exists and may draw or feed power: the decision counts it at its
    rating, and every attempt to tell it something names what is wrong.
    """

    def __init__(self, config: DeviceConfig, error: DeviceError) -> None:
        """Keep why the device could not be built."""
        self.device_id = config.device_id
        self.state = AssetState(
            asset_id=config.device_id, available=False, problem=error.text
        )
        self._error = error

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Say once what is wrong."""
        on_state(self.state)

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Refuse; raises the error of the configuration."""
        raise self._error

    async def stop(self) -> None:
        """Nothing runs."""
