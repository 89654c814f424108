"""Conditions: what holds at a site now, as a gate of an automation."""

from collections.abc import Mapping
from typing import Any, Final, Unpack, cast, override

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConditionErrorMessage
from homeassistant.helpers.condition import (
    Condition,
    ConditionCheckParams,
    ConditionConfig,
)
from homeassistant.helpers.typing import ConfigType
import voluptuous as vol

from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .model.asset import Direction
from .site.view import SiteView
from .site_changes import is_stopped
from .trigger import ANY, CONF_DIRECTION, site_schema
from .view_values import ORDER_LIMITS, allows_less

CONF_LIMIT: Final = "limit"


class _SiteCondition(Condition):
    """A condition on one site; where the site does not run, it is an error."""

    schema: vol.Schema

    @classmethod
    @override
    async def async_validate_config(
        cls, hass: HomeAssistant, config: ConfigType
    ) -> ConfigType:
        return cast(ConfigType, cls.schema(config))

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        super().__init__(hass, config)
        self._options: Mapping[str, Any] = config.options or {}

    def _view(self) -> SiteView:
        """Return what is known; nobody may take an unknown state for a "no"."""
        entry: NetflexConfigEntry | None = self._hass.config_entries.async_get_entry(
            self._options[ATTR_CONFIG_ENTRY_ID]
        )
        if entry is None or entry.domain != DOMAIN:
            raise _unknown("site_not_found")
        if entry.state is not ConfigEntryState.LOADED:
            raise _unknown("site_not_loaded", site=entry.title)
        return entry.runtime_data.coordinator.data


def _unknown(key: str, **placeholders: str) -> ConditionErrorMessage:
    """Return the error of a site that says nothing; the log has it in English."""
    err = ConditionErrorMessage(
        DOMAIN, "The Netflex site of this condition does not run"
    )
    err.translation_domain, err.translation_key = DOMAIN, key
    err.translation_placeholders = placeholders
    return err


class IsStopped(_SiteCondition):
    """Whether an emergency stop holds."""

    schema = site_schema(
        {vol.Optional(CONF_DIRECTION, default=ANY): vol.In([ANY, *Direction])}
    )

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        view = self._view()
        return any(
            is_stopped(view, direction)
            for direction in Direction
            if self._options[CONF_DIRECTION] in {ANY, direction}
        )


class IsLimited(_SiteCondition):
    """Whether the grid operator allows less than all."""

    schema = site_schema(
        {
            vol.Optional(CONF_LIMIT, default=ANY): vol.In(
                [ANY, *(name.value for name in ORDER_LIMITS)]
            )
        }
    )

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        view = self._view()
        wanted = self._options[CONF_LIMIT]
        return any(
            allows_less(view, name)
            for name in ORDER_LIMITS
            if wanted in {ANY, name.value}
        )


class IsConnected(_SiteCondition):
    """Whether the grid operator is connected."""

    schema = site_schema({})

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        return self._view().link.connected


CONDITIONS: Final[dict[str, type[Condition]]] = {
    "is_stopped": IsStopped,
    "is_limited": IsLimited,
    "is_connected": IsConnected,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions on a site."""
    return CONDITIONS
