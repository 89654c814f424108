"""The forms of a relay module's output that an emergency stop drives."""

from collections.abc import Mapping
from typing import Any, ClassVar, override

from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ..entry_data import (
    ASSET_TYPES,
    CONF_ASSETS,
    CONF_ENERGISED_WHEN_STOPPED,
    CONF_STOPS,
    DeviceSource,
    SubentryType,
)
from ..model.asset import Direction, Nature
from .asset import AssetFlow
from .fields import Fields, choice
from .subentry import Errors


class RelayFlow(AssetFlow):
    """Adds or changes an emergency output."""

    kind: ClassVar = SubentryType.RELAY
    nature: ClassVar = Nature.RELAY
    sources: ClassVar = (DeviceSource.PROFILE,)

    @override
    def _asset_fields(self) -> Fields:
        assets = [
            SelectOptionDict(value=item.subentry_id, label=item.title)
            for item in self._get_entry().subentries.values()
            if item.subentry_type in ASSET_TYPES
        ]
        return {
            vol.Required(CONF_STOPS, default=[Direction.PRODUCTION.value]): choice(
                [direction.value for direction in Direction],
                "direction",
                multiple=True,
            ),
            vol.Required(CONF_ENERGISED_WHEN_STOPPED, default=True): BooleanSelector(),
            vol.Optional(CONF_ASSETS, default=list): SelectSelector(
                SelectSelectorConfig(
                    options=assets, multiple=True, mode=SelectSelectorMode.LIST
                )
            ),
        }

    @override
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        return {} if values[CONF_STOPS] else {CONF_STOPS: "stops_required"}

    @override
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            CONF_STOPS: list(values[CONF_STOPS]),
            CONF_ENERGISED_WHEN_STOPPED: values[CONF_ENERGISED_WHEN_STOPPED],
            CONF_ASSETS: list(values.get(CONF_ASSETS, ())),
        }

    @override
    def _shown_asset(self) -> dict[str, Any]:
        """Leave out assets that were removed since."""
        shown = super()._shown_asset()
        if CONF_ASSETS in shown:
            known = self._get_entry().subentries
            shown[CONF_ASSETS] = [item for item in shown[CONF_ASSETS] if item in known]
        return shown
