"""The forms of an inverter, or of anything else that only produces."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

from homeassistant.helpers.selector import BooleanSelector
import voluptuous as vol

from ..entry_data import (
    CONF_CATEGORY,
    CONF_OFF_WHEN_LIMITED,
    CONF_PRIORITY,
    CONF_RATED_POWER,
    CONF_SOURCE,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Category, Nature
from .fields import (
    Fields,
    at_least,
    choice,
    line_errors,
    line_fields,
    line_values,
    more,
    number,
    priority_field,
)
from .subentry import Errors
from .table import TableFlow

CATEGORIES: Final = (
    Category.SOLAR,
    Category.WIND,
    Category.CHP,
    Category.OTHER_PRODUCTION,
)


class InverterFlow(TableFlow):
    """Adds or changes an inverter."""

    kind: ClassVar = SubentryType.INVERTER
    nature: ClassVar = Nature.INVERTER
    sources: ClassVar = (
        DeviceSource.PROFILE,
        DeviceSource.ENTITY,
        DeviceSource.TABLE,
        DeviceSource.METERED,
    )
    measuring_sensors: ClassVar = (
        "power_entity",
        "current_l1_entity",
        "current_l2_entity",
        "current_l3_entity",
        "energy_entity",
    )
    control_domains: ClassVar = ("number", "input_number")

    @property
    def _measured_only(self) -> bool:
        return self._data.get(CONF_SOURCE) == DeviceSource.METERED

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_RATED_POWER): number("W"),
            **line_fields(self._grid_type),
            vol.Required(CONF_CATEGORY, default=Category.SOLAR.value): choice(
                [category.value for category in CATEGORIES], "category"
            ),
            **(
                {vol.Required(CONF_OFF_WHEN_LIMITED, default=False): BooleanSelector()}
                if self._measured_only
                else {}
            ),
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
            CONF_CATEGORY: values[CONF_CATEGORY],
            CONF_PRIORITY: values[CONF_PRIORITY],
            CONF_OFF_WHEN_LIMITED: values.get(CONF_OFF_WHEN_LIMITED, False),
            **line_values(values, self._grid_type),
        }
