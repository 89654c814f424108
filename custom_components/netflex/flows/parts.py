"""What the forms of parts that are no devices share: names, batteries, the end."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from ..entry_data import SubentryType
from ..entry_dispatch import CONF_BATTERIES
from .spoken import SpokenFlow


class PartFlow(
    SpokenFlow[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Adds or changes a part of a site that is reached through nothing."""

    @property
    def own_id(self) -> str | None:
        """Return the id of what is changed, None for something new."""
        return (
            self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        )

    def others(self) -> list[ConfigSubentry]:
        """Return the other parts of the site."""
        return [
            item
            for item in self._get_entry().subentries.values()
            if item.subentry_id != self.own_id
        ]

    def batteries(self) -> SelectSelector:
        """Return the field that chooses among the site's batteries."""
        return SelectSelector(
            SelectSelectorConfig(
                options=[
                    SelectOptionDict(value=item.subentry_id, label=item.title)
                    for item in self._get_entry().subentries.values()
                    if item.subentry_type == SubentryType.BATTERY
                ],
                mode=SelectSelectorMode.DROPDOWN,
                multiple=True,
            )
        )

    def present(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is stored without the batteries that are gone."""
        known = self._get_entry().subentries
        kept = [item for item in stored.get(CONF_BATTERIES, ()) if item in known]
        return {**stored, CONF_BATTERIES: kept}

    def name_errors(self, name: str) -> dict[str, str]:
        """Return what is wrong with a name."""
        taken = {item.title.casefold() for item in self.others()}
        if not name.strip():
            return {CONF_NAME: "name_missing"}
        return {CONF_NAME: "name_taken"} if name.strip().casefold() in taken else {}

    def keep(self, name: str, data: dict[str, Any]) -> SubentryFlowResult:
        """Store the subentry; the site takes it up without a reload."""
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_entry(),
                self._get_reconfigure_subentry(),
                title=name.strip(),
                data=data,
            )
        return self.async_create_entry(title=name.strip(), data=data)
