"""The forms of one mode of a battery's programme: which, how, when."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.const import CONF_NAME, Platform
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    TextSelector,
)
import voluptuous as vol

from ..control.codec import CodecError, decode
from ..entry_data import CONF_PRIORITY, SubentryType
from ..entry_dispatch import CONF_BATTERIES
from ..entry_programme import CONF_ENTRY, mode_data
from ..model.failure import reason_of
from ..model.programme import ModeEntry, ProgrammeMode
from .fields import Fields, choice, flat, more, suggested, whole_number
from .mode_fields import (
    CONF_PERIODS,
    PeriodError,
    parameter_fields,
    periods_field,
    shown_parameters,
    shown_period,
    stored_parameters,
    stored_period,
)
from .parts import PartFlow
from .references import kept_references, shown_references
from .site_checks import Errors

CONF_MODE: Final = "mode"
CONF_SCHEDULE_ENTITY: Final = "schedule_entity"
SCHEDULE_DOMAINS: Final = [
    "schedule",
    Platform.CALENDAR.value,
    Platform.BINARY_SENSOR.value,
    "input_boolean",
]


class BatteryModeFlow(PartFlow):
    """Adds or changes one mode of one or more batteries."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._chosen: dict[str, Any] = {}

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the mode, its batteries and its place in the order."""
        return self._step_mode("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask the same with what is stored."""
        return self._step_mode("reconfigure", user_input)

    def _step_mode(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        errors: Errors = {}
        shown = self._stored()
        if user_input is not None:
            shown = user_input
            if not (errors := self.name_errors(shown[CONF_NAME])):
                self._chosen = dict(user_input)
                return self._show_parameters(self._stored_parameters(), {}, "")
        schema = vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                vol.Required(CONF_MODE): choice(
                    [mode.value for mode in ProgrammeMode], "programme_mode"
                ),
                vol.Optional(CONF_BATTERIES, default=list): self.batteries(),
                vol.Required(
                    CONF_PRIORITY, default=self._next_priority()
                ): whole_number(),
            }
        )
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors=errors,
            last_step=False,
        )

    async def async_step_parameters(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the mode's parameters, and when it is on."""
        assert user_input is not None
        values = flat(user_input)
        try:
            stored = self._entry_of(values)
            # A time zone may have to be read from disk.
            entry: ModeEntry = await self.hass.async_add_executor_job(
                decode, ModeEntry, stored, ""
            )
        except (CodecError, PeriodError) as err:
            return self._show_parameters(
                values, {"base": "mode_impossible"}, reason_of(err)
            )
        return self.keep(
            self._chosen[CONF_NAME],
            mode_data(
                entry,
                self._chosen.get(CONF_BATTERIES, ()),
                self._chosen[CONF_PRIORITY],
            ),
        )

    @property
    def _mode(self) -> ProgrammeMode:
        return ProgrammeMode(self._chosen[CONF_MODE])

    def _show_parameters(
        self, shown: Mapping[str, Any], errors: Errors, detail: str
    ) -> SubentryFlowResult:
        currency = self.hass.config.currency
        sources = [
            SelectOptionDict(value=item.subentry_id, label=item.title)
            for item in self._get_entry().subentries.values()
            if item.subentry_type == SubentryType.DISPATCH_SOURCE
        ]
        rare = parameter_fields(self._mode, currency, sources, rare=True)
        schema: Fields = {
            **parameter_fields(self._mode, currency, sources, rare=False),
            vol.Optional(CONF_PERIODS): periods_field(),
            vol.Optional(CONF_SCHEDULE_ENTITY): EntitySelector(
                EntitySelectorConfig(domain=SCHEDULE_DOMAINS)
            ),
            **(more(rare) if rare else {}),
        }
        return self.async_show_form(
            step_id="parameters",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(schema), suggested(shown)
            ),
            errors=errors,
            description_placeholders={
                "name": self._chosen[CONF_NAME],
                "detail": detail,
            },
            last_step=True,
        )

    def _entry_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form as a stored mode, not checked yet."""
        zone = self.hass.config.time_zone
        entry: dict[str, Any] = {
            "mode": self._mode.value,
            "parameters": stored_parameters(self._mode, values, zone),
        }
        schedule: dict[str, Any] = {}
        if periods := values.get(CONF_PERIODS):
            schedule["periods"] = [stored_period(row, zone) for row in periods]
        kept, _ = kept_references(self.hass, (CONF_SCHEDULE_ENTITY,), values)
        if reference := kept.get(CONF_SCHEDULE_ENTITY):
            schedule["entity"] = reference
        if schedule:
            entry["schedule"] = schedule
        return entry

    # ------------------------------------------------------------------- what is stored

    def _stored(self) -> dict[str, Any]:
        if self.source != SOURCE_RECONFIGURE:
            return {}
        subentry = self._get_reconfigure_subentry()
        return {
            CONF_NAME: subentry.title,
            CONF_MODE: subentry.data[CONF_ENTRY]["mode"],
            CONF_PRIORITY: subentry.data.get(CONF_PRIORITY, 0),
            CONF_BATTERIES: self.present(subentry.data)[CONF_BATTERIES],
        }

    def _stored_parameters(self) -> dict[str, Any]:
        """Return the stored parameters as the form shows them, where the mode stays."""
        if self.source != SOURCE_RECONFIGURE:
            return {}
        entry = self._get_reconfigure_subentry().data[CONF_ENTRY]
        shown = (
            shown_parameters(entry["parameters"]) if entry["mode"] == self._mode else {}
        )
        schedule = entry.get("schedule") or {}
        shown[CONF_PERIODS] = [shown_period(row) for row in schedule.get("periods", ())]
        return shown | shown_references(
            self.hass,
            (CONF_SCHEDULE_ENTITY,),
            {CONF_SCHEDULE_ENTITY: schedule.get("entity")},
        )

    def _next_priority(self) -> int:
        """Return the priority after all others: a new mode changes none of them."""
        known = [
            item.data.get(CONF_PRIORITY, 0)
            for item in self._get_entry().subentries.values()
            if item.subentry_type == SubentryType.BATTERY_MODE
        ]
        return max(known, default=0) + 10
