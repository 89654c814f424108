"""The forms of a battery."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

import voluptuous as vol

from ..entry_data import (
    CONF_CAPACITY,
    CONF_CEILING,
    CONF_DEAD_BAND,
    CONF_EFFICIENCY,
    CONF_HOT,
    CONF_LOW_CHARGE,
    CONF_PRIORITY,
    CONF_RAMP,
    CONF_RATED_CHARGE,
    CONF_RATED_DISCHARGE,
    CONF_RESERVE,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Nature
from ..site.config import LOW_CHARGE
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

_OPTIONAL: Final = (CONF_CAPACITY, CONF_HOT, CONF_DEAD_BAND, CONF_RAMP)
"""Fields that may stay empty."""


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
            vol.Optional(CONF_CAPACITY): number("kWh"),
            **more(
                {
                    **priority_field(),
                    vol.Required(CONF_CEILING, default=100): number("%"),
                    vol.Required(CONF_EFFICIENCY, default=95): number("%"),
                    vol.Required(CONF_LOW_CHARGE, default=LOW_CHARGE): number("%"),
                    vol.Optional(CONF_HOT): number("°C"),
                    vol.Optional(CONF_DEAD_BAND): number("W"),
                    vol.Optional(CONF_RAMP): number("W/s"),
                }
            ),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors = line_errors(values, self._grid_type) | at_least(
            values, {CONF_RATED_CHARGE: 1, CONF_RATED_DISCHARGE: 1}, "rating_missing"
        )
        for key in (CONF_RESERVE, CONF_CEILING, CONF_LOW_CHARGE):
            if not 0 <= values[key] <= 100:
                errors[key] = "not_a_percentage"
        if not 0 < values[CONF_EFFICIENCY] <= 100:
            errors[CONF_EFFICIENCY] = "not_a_percentage"
        if not errors and values[CONF_RESERVE] > values[CONF_CEILING]:
            errors[CONF_CEILING] = "ceiling_below_reserve"
        for key in (CONF_CAPACITY, CONF_RAMP):
            if (value := values.get(key)) is not None and value <= 0:
                errors[key] = "not_positive"
        if (values.get(CONF_DEAD_BAND) or 0) < 0:
            errors[CONF_DEAD_BAND] = "not_positive"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_RATED_CHARGE: values[CONF_RATED_CHARGE],
            CONF_RATED_DISCHARGE: values[CONF_RATED_DISCHARGE],
            CONF_RESERVE: values[CONF_RESERVE],
            CONF_PRIORITY: values[CONF_PRIORITY],
            CONF_CEILING: values[CONF_CEILING],
            CONF_EFFICIENCY: values[CONF_EFFICIENCY],
            CONF_LOW_CHARGE: values[CONF_LOW_CHARGE],
            **{key: values.get(key) for key in _OPTIONAL},
            **line_values(values, self._grid_type),
        }
