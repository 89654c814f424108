"""The forms of a load that an existing switch drives."""

from collections.abc import Mapping
from typing import Any, ClassVar, override

from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..entry_data import (
    CONF_NEVER_SHED,
    CONF_PRIORITY,
    CONF_RATED_POWER,
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


class LoadFlow(AssetFlow):
    """Adds or changes a load."""

    kind: ClassVar = SubentryType.LOAD
    nature: ClassVar = Nature.LOAD
    sources: ClassVar = (DeviceSource.ENTITY,)
    control_domains: ClassVar = ("switch", "input_boolean")

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_RATED_POWER): number("W"),
            **line_fields(self._grid_type),
            vol.Required(CONF_NEVER_SHED, default=False): BooleanSelector(),
            **more(priority_field()),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        return line_errors(values, self._grid_type) | at_least(
            values, {CONF_RATED_POWER: 1}, "rating_missing"
        )

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_RATED_POWER: values[CONF_RATED_POWER],
            CONF_NEVER_SHED: values[CONF_NEVER_SHED],
            CONF_PRIORITY: values[CONF_PRIORITY],
            **line_values(values, self._grid_type),
        }
