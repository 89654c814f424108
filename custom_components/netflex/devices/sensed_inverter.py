"""An inverter that is only measured, or not even that (S21).

Nobody can limit it: it counts at what it says, or at full, and a relay may end it.
"""

from collections.abc import Mapping
from typing import override

from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .device import Applied, DeviceError
from .ports import EntityValue
from .registers import Value
from .sensed_charger import SensedCharger


class SensedInverter(SensedCharger):
    """Reads power, currents and energy of an inverter. Fulfils `Device`."""

    @override
    async def apply(self, setpoint: Setpoint) -> Applied:
        """Refuse: sensors drive nothing."""
        raise DeviceError(
            "no_control",
            Phrase("only_measured_inverter", "this inverter is only measured"),
        )

    @override
    def _values(
        self, read: Mapping[str, EntityValue | None]
    ) -> dict[str, Value | None]:
        """Return production as the decision counts it: whatever its sensor's sign."""
        values = super()._values(read)
        power = values.get("power")
        if isinstance(power, int | float):
            values["power"] = -abs(power)
        if "energy_consumed" in values:
            values["energy_produced"] = values.pop("energy_consumed")
        return values
