"""The form of a feeder: a sub-circuit with a fuse of its own."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..control.layout import circle
from ..entry_data import ASSET_TYPES, CONF_MAIN_FUSE, CONF_ROLE, SubentryType
from ..entry_feeder import (
    CONF_FEEDER_FUSE,
    CONF_FEEDER_METER,
    CONF_MEMBERS,
    CONF_OTHER_LOADS,
    CONF_PARENT,
)
from ..model.connection import Feeder
from ..model.reading import MeterRole
from .fields import number, suggested
from .parts import PartFlow
from .site_checks import Errors

NEW: Final = "new"
"""Id of a feeder that has none yet."""


class FeederFlow(PartFlow):
    """Adds or changes a feeder."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the fuse, its place, its meter and its assets."""
        return self._step("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask the same with what is stored."""
        return self._step("reconfigure", user_input)

    def _step(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        errors: Errors = {}
        details = {"detail": ""}
        shown = self._stored()
        if user_input is not None:
            shown = user_input
            data = _data(shown)
            errors, details["detail"] = self._errors(shown[CONF_NAME], data)
            if not errors:
                return self.keep(shown[CONF_NAME], data)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                self._schema(), suggested(shown)
            ),
            errors=errors,
            description_placeholders=details,
        )

    def _schema(self) -> vol.Schema:
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                vol.Required(CONF_FEEDER_FUSE): number("A"),
                vol.Optional(CONF_PARENT): _pick(self._feeders()),
                vol.Optional(CONF_MEMBERS, default=list): _pick(
                    self._of(*ASSET_TYPES), multiple=True
                ),
                vol.Optional(CONF_FEEDER_METER): _pick(self._meters()),
                vol.Required(CONF_OTHER_LOADS, default=0): number("A"),
            }
        )

    def _errors(self, name: str, data: Mapping[str, Any]) -> tuple[Errors, str]:
        errors: Errors = self.name_errors(name)
        detail = ""
        fuse = data[CONF_FEEDER_FUSE]
        if fuse <= 0:
            errors[CONF_FEEDER_FUSE] = "fuse_missing"
        elif fuse > self._get_entry().data[CONF_MAIN_FUSE]:
            errors[CONF_FEEDER_FUSE] = "feeder_above_main_fuse"
        if not 0 <= data[CONF_OTHER_LOADS] <= max(fuse, 0):
            errors[CONF_OTHER_LOADS] = "other_loads_impossible"
        if self._in_a_circle(data):
            errors[CONF_PARENT] = "feeder_circle"
        elsewhere = [
            asset.title
            for asset in self._of(*ASSET_TYPES)
            for feeder in self._feeders()
            if asset.subentry_id in data[CONF_MEMBERS]
            and asset.subentry_id in feeder.data.get(CONF_MEMBERS, ())
        ]
        if elsewhere:
            errors[CONF_MEMBERS] = "asset_on_two_feeders"
            detail = ", ".join(sorted(elsewhere))
        return errors, detail

    def _in_a_circle(self, data: Mapping[str, Any]) -> bool:
        """Whether what it hangs on hangs on it."""
        own = self.own_id or NEW
        tree = [
            Feeder(
                id=item.subentry_id,
                name="",
                fuse=1.0,
                parent=item.data.get(CONF_PARENT),
            )
            for item in self._feeders()
        ]
        return bool(
            circle([*tree, Feeder(id=own, name="", fuse=1.0, parent=data[CONF_PARENT])])
        )

    def _of(self, *kinds: SubentryType) -> list[ConfigSubentry]:
        return [item for item in self.others() if item.subentry_type in kinds]

    def _feeders(self) -> list[ConfigSubentry]:
        return self._of(SubentryType.FEEDER)

    def _meters(self) -> list[ConfigSubentry]:
        """Return the meters of feeders that no other feeder has."""
        used = {item.data.get(CONF_FEEDER_METER) for item in self._feeders()}
        return [
            item
            for item in self._of(SubentryType.METER)
            if item.data[CONF_ROLE] == MeterRole.SUBFEEDER
            and item.subentry_id not in used
        ]

    def _stored(self) -> dict[str, Any]:
        if self.source != SOURCE_RECONFIGURE:
            return {}
        subentry = self._get_reconfigure_subentry()
        present = set(self._get_entry().subentries)
        stored = {
            key: value
            for key, value in subentry.data.items()
            if key not in {CONF_PARENT, CONF_FEEDER_METER} or value in present
        }
        stored[CONF_MEMBERS] = [
            member for member in stored.get(CONF_MEMBERS, ()) if member in present
        ]
        return {CONF_NAME: subentry.title, **stored}


def _data(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form as it is stored."""
    return {
        CONF_FEEDER_FUSE: values[CONF_FEEDER_FUSE],
        CONF_PARENT: values.get(CONF_PARENT),
        CONF_MEMBERS: sorted(values.get(CONF_MEMBERS, ())),
        CONF_FEEDER_METER: values.get(CONF_FEEDER_METER),
        CONF_OTHER_LOADS: values[CONF_OTHER_LOADS],
    }


def _pick(items: list[ConfigSubentry], *, multiple: bool = False) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=[
                SelectOptionDict(value=item.subentry_id, label=item.title)
                for item in items
            ],
            mode=SelectSelectorMode.DROPDOWN,
            multiple=multiple,
        )
    )
