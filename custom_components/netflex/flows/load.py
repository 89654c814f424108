"""The forms of a load that an existing switch drives."""

from collections.abc import Mapping
from typing import Any, ClassVar, override

from homeassistant.helpers.selector import (
    BooleanSelector,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from ..entry_data import (
    CONF_COMFORT_HIGH,
    CONF_COMFORT_LOW,
    CONF_MINIMUM_OFF,
    CONF_MINIMUM_ON,
    CONF_NEVER_SHED,
    CONF_PRIORITY,
    CONF_PROCESS,
    CONF_RATED_POWER,
    CONF_REMOTE_LOST_AFTER,
    CONF_WIRING,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Nature
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
from .table import TableFlow


class LoadFlow(TableFlow):
    """Adds or changes a load."""

    kind: ClassVar = SubentryType.LOAD
    nature: ClassVar = Nature.LOAD
    sources: ClassVar = (DeviceSource.ENTITY, DeviceSource.TABLE)
    control_domains: ClassVar = (
        "switch",
        "input_boolean",
        "select",
        "input_select",
        "climate",
    )

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_RATED_POWER): number("W"),
            **line_fields(self._grid_type),
            vol.Required(CONF_NEVER_SHED, default=False): BooleanSelector(),
            **more(
                {
                    **priority_field(),
                    vol.Required(CONF_MINIMUM_ON, default=0): number("s"),
                    vol.Required(CONF_MINIMUM_OFF, default=60): number("s"),
                    vol.Optional(CONF_REMOTE_LOST_AFTER): number("s"),
                    vol.Optional(CONF_COMFORT_LOW): number("°C"),
                    vol.Optional(CONF_COMFORT_HIGH): number("°C"),
                    vol.Optional(CONF_PROCESS): TextSelector(),
                    vol.Optional(CONF_WIRING): TextSelector(
                        TextSelectorConfig(multiline=True)
                    ),
                }
            ),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        errors = line_errors(values, self._grid_type) | at_least(
            values, {CONF_RATED_POWER: 1}, "rating_missing"
        )
        low, high = values.get(CONF_COMFORT_LOW), values.get(CONF_COMFORT_HIGH)
        times = (CONF_MINIMUM_ON, CONF_MINIMUM_OFF, CONF_REMOTE_LOST_AFTER)
        if min(values.get(key) or 0 for key in times) < 0:
            errors["base"] = "times_negative"
        elif low is not None and high is not None and low >= high:
            errors["base"] = "comfort_impossible"
        return errors

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_RATED_POWER: values[CONF_RATED_POWER],
            CONF_NEVER_SHED: values[CONF_NEVER_SHED],
            CONF_PRIORITY: values[CONF_PRIORITY],
            CONF_MINIMUM_ON: values[CONF_MINIMUM_ON],
            CONF_MINIMUM_OFF: values[CONF_MINIMUM_OFF],
            CONF_REMOTE_LOST_AFTER: values.get(CONF_REMOTE_LOST_AFTER),
            CONF_COMFORT_LOW: values.get(CONF_COMFORT_LOW),
            CONF_COMFORT_HIGH: values.get(CONF_COMFORT_HIGH),
            CONF_PROCESS: values.get(CONF_PROCESS),
            CONF_WIRING: values.get(CONF_WIRING),
            **line_values(values, self._grid_type),
        }
