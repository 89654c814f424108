"""The fixes that we can do ourselves, or lead to, once somebody has confirmed them."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.components.repairs.const import FlowType
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    SubentryFlowContext,
)
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import TextSelector
import voluptuous as vol

from .entry_data import CONF_ALLOWED_CLIENTS
from .telecontrol.order_store import OrderStoreError
from .telecontrol_options import CONF_ENGINE, CONF_SHADOW

if TYPE_CHECKING:
    from .coordinator import NetflexConfigEntry

CONF_NAME: Final = "name"
CONF_REFERENCE: Final = "reference"
RELEASE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_REFERENCE): TextSelector(),
    }
)


class SiteRepairFlow(RepairsFlow, ABC):
    """Fixes something of one site, in one step, after it was confirmed."""

    schema: vol.Schema = vol.Schema({})

    def __init__(self, entry_id: str) -> None:
        """Remember which site."""
        super().__init__()
        self._entry_id = entry_id

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with what is to be confirmed."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Say what will be done; do it once confirmed."""
        entry: NetflexConfigEntry | None = self.hass.config_entries.async_get_entry(
            self._entry_id
        )
        if entry is None:
            return self.async_abort(reason="site_removed")
        if user_input is None:
            return self.shown(entry) or self.form(entry)
        return await self.fix(entry, user_input)

    def shown(self, entry: NetflexConfigEntry) -> RepairsFlowResult | None:
        """Return what is shown instead of the form, None for the form."""
        return None

    @abstractmethod
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        """Do what was confirmed."""

    def form(
        self, entry: NetflexConfigEntry, errors: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Return the form, with the figures of the repair itself."""
        return self.async_show_form(
            step_id="confirm",
            data_schema=self.schema,
            errors=errors,
            description_placeholders=self.figures(entry),
        )

    def figures(self, entry: NetflexConfigEntry) -> dict[str, str]:
        """Return what the texts of the form name."""
        issue = ir.async_get(self.hass).async_get_issue(self.handler, self.issue_id)
        given = None if issue is None else issue.translation_placeholders
        return {**(given or {}), "site": entry.title}


class AllowClientFlow(SiteRepairFlow):
    """Lets a new RTU in, once a person has confirmed its address (S08)."""

    def __init__(self, entry_id: str, client: str) -> None:
        """Remember who asks to be let in, and where."""
        super().__init__(entry_id)
        self._client = client

    @override
    def figures(self, entry: NetflexConfigEntry) -> dict[str, str]:
        return {**super().figures(entry), "client": self._client}

    @override
    def shown(self, entry: NetflexConfigEntry) -> RepairsFlowResult | None:
        if not entry.options.get(CONF_SHADOW):
            return None
        return self.async_abort(
            reason="site_in_shadow", description_placeholders={"site": entry.title}
        )

    @override
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        if (refused := self.shown(entry)) is not None:
            return refused
        clients = {*entry.data[CONF_ALLOWED_CLIENTS], self._client}
        self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, CONF_ALLOWED_CLIENTS: sorted(clients)}
        )
        return self.async_create_entry(data={})


class ForgetOptionFlow(SiteRepairFlow):
    """Takes an option back to its default: shadow to off, the engine to the built-in."""

    def __init__(self, entry_id: str, option: str) -> None:
        """Remember which option of which site."""
        super().__init__(entry_id)
        self._option = option

    @override
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        self.hass.config_entries.async_update_entry(
            entry,
            options={
                key: value
                for key, value in entry.options.items()
                if key != self._option
            },
        )
        return self.async_create_entry(data={})


class ReleaseOrdersFlow(SiteRepairFlow):
    """Releases orders out of a backup, on the operator's instruction (S06)."""

    schema = RELEASE_SCHEMA

    @override
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="site_not_running")
        name, reference = (
            user_input[field].strip() for field in (CONF_NAME, CONF_REFERENCE)
        )
        if not name or not reference:
            return self.form(entry, {"base": "who_and_where"})
        try:
            await entry.runtime_data.coordinator.async_release_orders(name, reference)
        except OrderStoreError:
            return self.form(entry, {"base": "not_stored"})
        return self.async_create_entry(data={})


class OpenOptionsFlow(SiteRepairFlow):
    """Leads to the options, where the repair is done in the topic that it names.

    Home Assistant's frontend opens them at their beginning, wherever the flow stands.
    """

    @override
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        begun = await self.hass.config_entries.options.async_init(entry.entry_id)
        return self.async_abort(
            reason="goes_on", next_flow=(FlowType.OPTIONS_FLOW, begun["flow_id"])
        )


class OpenDeviceFlow(SiteRepairFlow):
    """Leads to the form of the meter or device that has to be set up otherwise."""

    def __init__(self, entry_id: str, subentry_id: str) -> None:
        """Remember which of which site."""
        super().__init__(entry_id)
        self._subentry_id = subentry_id

    @override
    async def fix(
        self, entry: NetflexConfigEntry, user_input: dict[str, str]
    ) -> RepairsFlowResult:
        subentry = entry.subentries.get(self._subentry_id)
        if subentry is None:
            return self.async_abort(reason="device_removed")
        begun = await self.hass.config_entries.subentries.async_init(
            (entry.entry_id, subentry.subentry_type),
            context=SubentryFlowContext(
                source=SOURCE_RECONFIGURE, subentry_id=self._subentry_id
            ),
        )
        return self.async_abort(
            reason="goes_on",
            next_flow=(FlowType.CONFIG_SUBENTRIES_FLOW, begun["flow_id"]),
        )


def fix_of(key: str, data: dict[str, Any]) -> SiteRepairFlow:
    """Return the flow that fixes a problem; KeyError where it has none."""
    entry_id, subject = str(data["entry_id"]), str(data["subject"])
    if key in _OPTIONS:
        return ForgetOptionFlow(entry_id, _OPTIONS[key])
    if key in _IN_OPTIONS:
        return OpenOptionsFlow(entry_id)
    if key in _DEVICES:
        return OpenDeviceFlow(entry_id, subject)
    if key == ORDERS_RESTORED:
        return ReleaseOrdersFlow(entry_id)
    if key == NEW_CLIENT:
        return AllowClientFlow(entry_id, subject)
    raise KeyError(key)


NEW_CLIENT: Final = "new_client"
ORDERS_RESTORED: Final = "orders_restored"
_OPTIONS: Final = {
    "engine_missing": CONF_ENGINE,
    "in_shadow": CONF_SHADOW,
    "shadow_overruled": CONF_SHADOW,
}
_IN_OPTIONS: Final = frozenset(
    {
        "northbound_certificate_ended",
        "northbound_certificate_ends",
        "points_unconfirmed",
    }
)
_DEVICES: Final = frozenset({"meter_key_missing", "meter_key_wrong"})
FIXABLE: Final = frozenset(
    {NEW_CLIENT, ORDERS_RESTORED, *_OPTIONS, *_IN_OPTIONS, *_DEVICES}
)
"""Problems that we can end ourselves, or whose place we can open."""
