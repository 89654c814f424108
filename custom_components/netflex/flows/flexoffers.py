"""FlexOffers: which manager, what is offered, and who consents."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from ..flexoffer_options import (
    CONF_ASSETS,
    CONF_BOUNDS,
    CONF_ENABLED,
    CONF_FLEXOFFERS,
    CONF_HOLD,
    CONF_LOST_AFTER,
    CONF_PASSWORD,
    CONF_SIGN,
    CONF_URL,
    CONF_USERNAME,
    CONF_WINDOW,
    FLEXOFFERS_SCHEMA,
    OFFERED_TYPES,
    dialect,
)
from ..model.failure import reason_of
from ..northbound.flexoffer_manager import FlexOfferManager, ManagerError, Operation
from ..northbound.flexoffer_messages import BoundNames, EnergySign
from ..northbound_options import CONF_CONSENT, CONF_CONSENT_BY
from .consent import CONF_AGREE, consent_fields, consent_of, same_consent
from .fields import choice, flat, more, number, suggested
from .site_checks import Errors
from .topics import TopicFlow

CONF_SAVE_ANYWAY: Final = "save_anyway"
_EXAMPLE: Final = "https://manager.example/api/v1.0"
_UNREACHABLE: Final = frozenset({"manager_unreachable", "manager_refused"})


class FlexOfferSteps(TopicFlow):
    """The step that asks for the manager, the devices and the consent."""

    _consent_to: str | None = None
    """Another manager than before, to which consent was asked anew."""

    async def async_step_flexoffers(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for all of it; try the manager before anything is kept."""
        errors: Errors = {}
        detail = ""
        stored: Mapping[str, Any] = self.options.get(CONF_FLEXOFFERS, {})
        shown = dict(stored)
        shown.pop(CONF_PASSWORD, None)
        shown[CONF_CONSENT_BY] = stored.get(CONF_CONSENT, {}).get(CONF_CONSENT_BY, "")
        shown[CONF_AGREE] = CONF_CONSENT in stored
        if user_input is not None:
            shown = flat(user_input)
            anyway = shown.pop(CONF_SAVE_ANYWAY, False)
            if not shown[CONF_ENABLED] and not shown.get(CONF_URL):
                return self.finish({CONF_FLEXOFFERS: None})
            values, errors = self._values(stored, shown)
            if values and not errors and values[CONF_ENABLED] and not anyway:
                errors, detail = await self._async_try(values)
            if values and not errors:
                return self.finish({CONF_FLEXOFFERS: values})
        return self.async_show_form(
            step_id=CONF_FLEXOFFERS,
            data_schema=self.add_suggested_values_to_schema(
                self._form(ask_to_save=not _UNREACHABLE.isdisjoint(errors.values())),
                suggested(shown),
            ),
            errors=errors,
            description_placeholders={"detail": detail, "example": _EXAMPLE},
        )

    def _form(self, *, ask_to_save: bool) -> vol.Schema:
        assets = [
            SelectOptionDict(value=subentry.subentry_id, label=subentry.title)
            for subentry in self.config_entry.subentries.values()
            if subentry.subentry_type in OFFERED_TYPES
        ]
        return vol.Schema(
            {
                vol.Required(CONF_ENABLED, default=False): BooleanSelector(),
                vol.Optional(CONF_URL): TextSelector(
                    TextSelectorConfig(type=TextSelectorType.URL)
                ),
                vol.Optional(CONF_USERNAME): TextSelector(),
                vol.Optional(CONF_PASSWORD): TextSelector(
                    TextSelectorConfig(type=TextSelectorType.PASSWORD)
                ),
                vol.Optional(CONF_ASSETS, default=list): SelectSelector(
                    SelectSelectorConfig(
                        options=assets, multiple=True, mode=SelectSelectorMode.LIST
                    )
                ),
                **consent_fields(named=False),
                **(
                    {vol.Optional(CONF_SAVE_ANYWAY, default=False): BooleanSelector()}
                    if ask_to_save
                    else {}
                ),
                **more(
                    {
                        vol.Required(CONF_HOLD, default=30): number("min"),
                        vol.Required(CONF_WINDOW, default=60): number("min"),
                        vol.Required(CONF_LOST_AFTER, default=900): number("s"),
                        vol.Required(
                            CONF_BOUNDS, default=BoundNames.SHORT.value
                        ): choice([item.value for item in BoundNames], "bound_names"),
                        vol.Required(
                            CONF_SIGN, default=EnergySign.CONSUMPTION.value
                        ): choice([item.value for item in EnergySign], "energy_sign"),
                    }
                ),
            }
        )

    async def _async_try(self, values: Mapping[str, Any]) -> tuple[Errors, str]:
        """Log in and say that we are there; return what is wrong, and details."""
        manager = FlexOfferManager(
            async_get_clientsession(self.hass),
            values[CONF_URL],
            values[CONF_USERNAME],
            values[CONF_PASSWORD],
            dialect(values),
        )
        try:
            await manager.beat(Operation(power=None, running=False))
        except ManagerError as err:
            key = "manager_refused" if err.refused else "manager_unreachable"
            return {"base": key}, reason_of(err)
        return {}, ""

    def _values(
        self, stored: Mapping[str, Any], shown: dict[str, Any]
    ) -> tuple[dict[str, Any], Errors]:
        """Return what is to be stored, and what is wrong with it."""
        values = {key: value for key, value in shown.items() if value != ""}
        given, lacking = consent_of(values, dt_util.utcnow())
        errors: Errors = {
            key: "field_missing"
            for key in (CONF_URL, CONF_USERNAME)
            if not str(values.get(key, "")).strip()
        }
        if CONF_PASSWORD not in values:
            if stored.get(CONF_PASSWORD) is None:
                errors[CONF_PASSWORD] = "field_missing"
            else:
                values[CONF_PASSWORD] = stored[CONF_PASSWORD]
        consent: Mapping[str, Any] | None = stored.get(CONF_CONSENT)
        other = consent is not None and stored.get(CONF_URL) != values.get(CONF_URL)
        if values[CONF_ENABLED]:
            errors |= lacking
            if not errors and other and self._consent_to != values[CONF_URL]:
                # The box was ticked for another manager.
                self._consent_to = values[CONF_URL]
                shown[CONF_AGREE] = False
                errors[CONF_AGREE] = "consent_needed"
        if errors:
            return {}, errors
        if given:
            values[CONF_CONSENT] = (
                consent if same_consent(consent, given) and not other else given
            )
        try:
            return FLEXOFFERS_SCHEMA(values), {}
        except vol.MultipleInvalid as err:
            place = str(err.errors[0].path[0])
            field = place if place == CONF_URL else "base"
            return {}, {field: "url_invalid" if place == CONF_URL else "out_of_range"}
