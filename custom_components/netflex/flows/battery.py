"""The forms of a battery."""

from collections.abc import Mapping
from typing import Any, ClassVar, override

import voluptuous as vol

from ..entry_data import (
    CONF_PRIORITY,
    CONF_RATED_CHARGE,
    CONF_RATED_DISCHARGE,
    CONF_RESERVE,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Nature
from .asset import AssetFlow
from .fields import (
    Fields,
    at_least,
    line_errors,
    line_fields,
    line_values,
    more,
    number,
    priority_field,
)
from .subentry import Errors


class BatteryFlow(AssetFlow):
    """Adds or changes a battery."""

    kind: ClassVar = SubentryType.BATTERY
    nature: ClassVar = Nature.BATTERY
    sources: ClassVar = (DeviceSource.PROFILE, DeviceSource.ENTITY)
    control_domains: ClassVar = ("number", "input_number")

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_RATED_CHARGE): number("W"),
            vol.Required(CONF_RATED_DISCHARGE): number("W"),
            vol.Required(CONF_RESERVE, default=10): number("%"),
            **line_fields(self._grid_type),
            **more(priority_field()),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors = line_errors(values, self._grid_type) | at_least(
            values, {CONF_RATED_CHARGE: 1, CONF_RATED_DISCHARGE: 1}, "rating_missing"
        )
        if not 0 <= values[CONF_RESERVE] <= 100:
            errors[CONF_RESERVE] = "not_a_percentage"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_RATED_CHARGE: values[CONF_RATED_CHARGE],
            CONF_RATED_DISCHARGE: values[CONF_RATED_DISCHARGE],
            CONF_RESERVE: values[CONF_RESERVE],
            CONF_PRIORITY: values[CONF_PRIORITY],
            **line_values(values, self._grid_type),
        }
