"""The forms of an inverter, or of anything else that only produces."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

import voluptuous as vol

from ..entry_data import (
    CONF_CATEGORY,
    CONF_PRIORITY,
    CONF_RATED_POWER,
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
    )
    control_domains: ClassVar = ("number", "input_number")

    @override
    def _asset_fields(self) -> Fields:
        return {
            vol.Required(CONF_RATED_POWER): number("W"),
            **line_fields(self._grid_type),
            vol.Required(CONF_CATEGORY, default=Category.SOLAR.value): choice(
                [category.value for category in CATEGORIES], "category"
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
            **line_values(values, self._grid_type),
        }
