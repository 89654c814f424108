"""Options: the guided commissioning, which goes on in the site whatever the page does.

The run belongs to the site. These forms start it, follow it and show what it proved; a
page that is loaded anew finds it again, and closing the form ends the run.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import voluptuous as vol

from ..commissioning import (
    async_apply,
    async_commission,
    site_checklist,
    site_proposals,
)
from ..coordinator import NetflexConfigEntry
from ..entry_data import CONF_TELECONTROL
from ..model.phrase import Moment
from ..site.commissioning import CommissioningRefusedError, SiteCommissioning
from ..site.commissioning_checklist import Item, Standing
from ..site.commissioning_record import Check, CommissioningStatus, Result
from ..site.commissioning_report import KEYS, STANDINGS, counted
from ..words import words_of
from .site_checks import Errors
from .topics import TopicFlow

CONF_COMMISSIONING: Final = "commissioning"
CONF_RESPONSES: Final = "responses"
CONF_SOFTWARE_STOPS: Final = "software_stops"
CONF_RELAYS: Final = "relays"
CONF_STOP_INPUTS: Final = "stop_inputs"
CONF_REHEARSE: Final = "rehearse"
CONF_ON_SITE: Final = "on_site"
CONF_PROPOSALS: Final = "proposals"
CONF_SUBJECTS: Final = "subjects"
FIELDS: Final = {
    CONF_RESPONSES: Check.RESPONSE,
    CONF_SOFTWARE_STOPS: Check.SOFTWARE_STOP,
    CONF_RELAYS: Check.RELAY,
    CONF_STOP_INPUTS: Check.STOP_INPUT,
}


class CommissioningSteps(TopicFlow):
    """Starts and follows a commissioning, shows the checklist, brings proofs in."""

    _seen: CommissioningStatus | None = None
    """What the form shows of a run; None: it follows none."""

    @property
    def _loaded(self) -> bool:
        """Whether there is a site; it may be reloaded while a form is open."""
        return self.config_entry.state is ConfigEntryState.LOADED

    @property
    def _commissioning(self) -> SiteCommissioning:
        entry: NetflexConfigEntry = self.config_entry
        return entry.runtime_data.site.commissioning

    async def async_step_commissioning(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with a run that is on its way, or ask what to do."""
        if not self._loaded:
            return self.async_abort(reason="site_not_running")
        if self._commissioning.running:
            return await self.async_step_commissioning_progress()
        steps = ["commissioning_start", "commissioning_checklist"]
        if site_proposals(self.hass, self.config_entry):
            steps.append("commissioning_apply")
        if self._commissioning.results:
            steps.append("commissioning_reset")
        return self.async_show_menu(step_id=CONF_COMMISSIONING, menu_options=steps)

    # ------------------------------------------------------------------------- a run

    async def async_step_commissioning_start(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what is to be tried."""
        errors: Errors = {}
        detail = ""
        if user_input is not None:
            chosen = [
                (subject, check)
                for field, check in FIELDS.items()
                for subject in user_input.get(field, ())
            ]
            if not user_input[CONF_ON_SITE]:
                errors = {CONF_ON_SITE: "not_on_site"}
            else:
                try:
                    async_commission(
                        self.hass,
                        self.config_entry,
                        chosen,
                        rehearse=user_input.get(CONF_REHEARSE, False),
                    )
                except CommissioningRefusedError as err:
                    errors, detail = (
                        {"base": err.key},
                        words_of(self.hass).say(err.text),
                    )
                else:
                    return await self.async_step_commissioning_progress()
        return self.async_show_form(
            step_id="commissioning_start",
            data_schema=self.add_suggested_values_to_schema(
                self._start_schema(), user_input or {}
            ),
            errors=errors,
            description_placeholders={"detail": detail},
        )

    def _start_schema(self) -> vol.Schema:
        """Return fields for everything that can be tried; all but buttons are chosen."""
        fields: dict[vol.Marker, Any] = {}
        tasks = self._commissioning.tasks()
        say = words_of(self.hass).say
        for field, check in FIELDS.items():
            options = [
                SelectOptionDict(value=str(task.subject), label=say(task.name))
                for task in tasks
                if task.check is check
            ]
            if not options:
                continue
            chosen = [] if check is Check.STOP_INPUT else [o["value"] for o in options]
            fields[vol.Optional(field, default=chosen)] = _several(options)
        if self.config_entry.data[CONF_TELECONTROL]:
            fields[vol.Optional(CONF_REHEARSE, default=True)] = BooleanSelector()
        fields[vol.Required(CONF_ON_SITE, default=False)] = BooleanSelector()
        return vol.Schema(fields)

    async def async_step_commissioning_progress(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show how far a run is, until it has ended."""
        if not self._loaded:
            return self.async_show_progress_done(next_step_id="commissioning")
        commissioning = self._commissioning
        status = commissioning.status
        if status is None or not commissioning.running:
            return self.async_show_progress_done(next_step_id="commissioning_result")
        self._seen = status
        if status.total:
            self.async_update_progress(status.done / status.total)
        last = status.results[-1] if status.results else None
        say = words_of(self.hass).say
        return self.async_show_progress(
            step_id="commissioning_progress",
            progress_action="commissioning"
            if status.prompt is None
            else "commissioning_prompt",
            progress_task=self.hass.async_create_background_task(
                commissioning.changed(status), "netflex commissioning form"
            ),
            description_placeholders={
                "step": say(status.step),
                "number": str(min(status.done + 1, status.total)),
                "total": str(status.total),
                "prompt": say(status.prompt or ""),
                "last": "" if last is None else _in_words(last, say),
            },
        )

    async def async_step_commissioning_result(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what a run has proven; what it would change comes next."""
        self._seen = None
        if user_input is not None:
            if site_proposals(self.hass, self.config_entry):
                return await self.async_step_commissioning_apply()
            return self.finish({})
        status = self._commissioning.status
        early = None if status is None else status.ended_early
        return self._show_checklist(
            "commissioning_result",
            "" if early is None else f"**{words_of(self.hass).say(early)}.**",
        )

    @override
    @callback
    def async_remove(self) -> None:
        """End a run whose form is closed; a page that is loaded anew closes none."""
        if self._seen is not None and self._loaded and self._commissioning.running:
            self.hass.async_create_task(
                self._commissioning.cancel(), "netflex end commissioning"
            )

    # ---------------------------------------------------------------- what is proven

    async def async_step_commissioning_checklist(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what is proven, and what is only configured."""
        if user_input is not None:
            return self.finish({})
        return self._show_checklist("commissioning_checklist", "")

    def _show_checklist(self, step_id: str, early: str) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=vol.Schema({}),
            description_placeholders={
                "early": early,
                "checklist": _in_markdown(
                    site_checklist(self.config_entry), words_of(self.hass).say
                ),
            },
        )

    async def async_step_commissioning_apply(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which proofs are to change the configuration."""
        found = site_proposals(self.hass, self.config_entry)
        if user_input is not None:
            chosen = set(user_input[CONF_PROPOSALS])
            async_apply(
                self.hass,
                self.config_entry,
                [item for item in found if item.subject in chosen],
            )
            return self.finish({})
        options = [
            SelectOptionDict(
                value=item.subject, label=words_of(self.hass).say(item.text)
            )
            for item in found
        ]
        return self.async_show_form(
            step_id="commissioning_apply",
            data_schema=vol.Schema(
                {vol.Optional(CONF_PROPOSALS, default=list): _several(options)}
            ),
        )

    async def async_step_commissioning_reset(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whose proofs are to be forgotten."""
        commissioning = self._commissioning
        if user_input is not None:
            for subject in user_input[CONF_SUBJECTS]:
                commissioning.forget(subject)
            return self.finish({})
        names = {
            result.subject: result.name for result in commissioning.results.values()
        }
        options = [
            SelectOptionDict(value=subject, label=name)
            for subject, name in sorted(names.items(), key=lambda item: item[1])
        ]
        return self.async_show_form(
            step_id="commissioning_reset",
            data_schema=vol.Schema(
                {vol.Optional(CONF_SUBJECTS, default=list): _several(options)}
            ),
        )


def _several(options: list[SelectOptionDict]) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=options, multiple=True, mode=SelectSelectorMode.LIST
        )
    )


def _in_words(result: Result, say: Callable[[str], str]) -> str:
    """Return what came of one check."""
    standing = STANDINGS[Standing(result.outcome.value)][1]
    return f"{say(result.name)}: {say(standing)}. {say(result.text)}"


def _in_markdown(items: Iterable[Item], say: Callable[[str], str]) -> str:
    """Return the checklist as a table, with its counts above."""
    items = list(items)
    proven, others = (say(words) for words in counted(items))
    rows = [f"**{proven}**; {others}", "", "| | | | |", "|---|---|---|---|"]
    for item in items:
        when = "" if item.at is None else Moment(item.at)
        cells = (
            say(STANDINGS[item.standing][1]),
            f"**{say(item.name)}**: {say(KEYS[item.key])}",
            say(item.text),
            say(when),
        )
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(rows)
