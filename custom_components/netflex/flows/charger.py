"""The forms of a charger."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..entry_data import (
    CONF_MAIN_FUSE,
    CONF_MAX_CURRENT,
    CONF_MIN_CURRENT,
    CONF_PRIORITY,
    CONF_SAFE_CURRENT,
    CONF_SWITCHES_PHASES,
    DEFAULT_MINIMUM_CURRENT,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Nature
from .asset import AssetFlow
from .fields import (
    Fields,
    line_errors,
    line_fields,
    line_values,
    more,
    number,
    priority_field,
)
from .subentry import Errors

MEASURING_SENSORS: Final = (
    "current_l1_entity",
    "current_l2_entity",
    "current_l3_entity",
    "power_entity",
    "energy_entity",
    "state_entity",
)
"""What may measure a charger that balances itself."""


class ChargerFlow(AssetFlow):
    """Adds or changes a charger."""

    kind: ClassVar = SubentryType.CHARGER
    nature: ClassVar = Nature.CHARGER
    sources: ClassVar = (
        DeviceSource.PROFILE,
        DeviceSource.ENTITY,
        DeviceSource.METERED,
    )
    control_domains: ClassVar = ("number", "input_number")

    measuring_sensors: ClassVar = MEASURING_SENSORS

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_MAX_CURRENT): number("A"),
            **line_fields(self._grid_type),
            vol.Required(CONF_SAFE_CURRENT, default=0): number("A"),
            **more(
                {
                    vol.Required(
                        CONF_MIN_CURRENT, default=DEFAULT_MINIMUM_CURRENT
                    ): number("A"),
                    vol.Required(
                        CONF_SWITCHES_PHASES, default=False
                    ): BooleanSelector(),
                    **priority_field(),
                }
            ),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors = line_errors(values, self._grid_type)
        maximum, minimum = values[CONF_MAX_CURRENT], values[CONF_MIN_CURRENT]
        safe = values[CONF_SAFE_CURRENT]
        if minimum < DEFAULT_MINIMUM_CURRENT:
            errors["base"] = "minimum_below_standard"
        if maximum < minimum:
            errors[CONF_MAX_CURRENT] = "maximum_below_minimum"
        elif maximum > self._get_entry().data[CONF_MAIN_FUSE]:
            errors[CONF_MAX_CURRENT] = "above_main_fuse"
        if (
            CONF_MAX_CURRENT not in errors
            and safe != 0
            and not minimum <= safe <= maximum
        ):
            errors[CONF_SAFE_CURRENT] = "safe_current_impossible"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_MAX_CURRENT: values[CONF_MAX_CURRENT],
            CONF_MIN_CURRENT: values[CONF_MIN_CURRENT],
            CONF_SAFE_CURRENT: values[CONF_SAFE_CURRENT],
            CONF_SWITCHES_PHASES: values.get(CONF_SWITCHES_PHASES, False),
            CONF_PRIORITY: values[CONF_PRIORITY],
            **line_values(values, self._grid_type),
        }
