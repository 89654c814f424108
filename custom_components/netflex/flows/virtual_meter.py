"""The form of a virtual meter: which charger reads it, and how that charger is set."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from ..devices.sensed_charger import measures
from ..entry_data import (
    CONF_GRID_TYPE,
    CONF_MAIN_FUSE,
    CONF_SOURCE,
    DeviceSource,
    SubentryType,
)
from ..entry_device import entity_roles
from ..entry_virtual_meter import (
    CONF_CHARGER,
    CONF_CHARGER_SAFE_CURRENT,
    CONF_FOLD,
    CONF_INSTALLATION_CURRENT,
    CONF_METER_ADDRESS,
    CONF_METER_CLIENTS,
    CONF_ORDER,
    CONF_RAMP,
    CONF_STALE_AFTER,
    CONF_UNIT,
    DEFAULT_METER_PORT,
    DEFAULT_METER_UNIT,
    DEFAULT_ORDER,
    DEFAULT_RAMP,
    DEFAULT_STALE_AFTER,
    ORDERS,
)
from ..model.connection import GridType
from .fields import Fields, choice, flat, more, number, suggested, whole_number
from .site_checks import NOT_THERE, Errors, bind_error, canonical
from .spoken import SpokenFlow

ANY_ADDRESS: Final = "0.0.0.0"
MINIMUM_CURRENT: Final = 6.0


class VirtualMeterFlow(
    SpokenFlow[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Adds or changes a virtual meter."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask everything; there must be a charger to be served."""
        return await self._async_step("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask the same with what is stored."""
        return await self._async_step("reconfigure", user_input)

    async def _async_step(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        chargers = self._free_chargers()
        if not chargers:
            return self.async_abort(reason="no_charger")
        errors: Errors = {}
        details = {"detail": ""}
        shown = self._stored()
        if user_input is not None:
            shown = flat(user_input)
            data, errors = self._data(shown)
            if not errors and (error := await self._async_bind_error(data)):
                errors = {"base": error}
            if not errors:
                return self._finish(shown[CONF_NAME].strip(), data)
            details["detail"] = ", ".join(_wrong(data[CONF_METER_CLIENTS]))
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                self._schema(chargers), suggested(shown)
            ),
            errors=errors,
            description_placeholders=details,
        )

    def _schema(self, chargers: list[ConfigSubentry]) -> vol.Schema:
        fuse = self._get_entry().data[CONF_MAIN_FUSE]
        options = [
            SelectOptionDict(value=item.subentry_id, label=item.title)
            for item in chargers
        ]
        rare: Fields = {
            vol.Required(CONF_PORT, default=DEFAULT_METER_PORT): whole_number(),
            vol.Required(CONF_UNIT, default=DEFAULT_METER_UNIT): whole_number(),
            vol.Required(CONF_METER_ADDRESS, default=ANY_ADDRESS): TextSelector(),
            vol.Required(CONF_STALE_AFTER, default=DEFAULT_STALE_AFTER): number("s"),
            vol.Required(CONF_RAMP, default=DEFAULT_RAMP): number("A/s"),
        }
        if self._get_entry().data[CONF_GRID_TYPE] != GridType.SINGLE_PHASE:
            rare[vol.Required(CONF_ORDER, default=DEFAULT_ORDER)] = choice(
                list(ORDERS), "line_order"
            )
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                vol.Required(CONF_CHARGER): SelectSelector(
                    SelectSelectorConfig(
                        options=options, mode=SelectSelectorMode.DROPDOWN
                    )
                ),
                vol.Required(CONF_METER_CLIENTS, default=list): TextSelector(
                    TextSelectorConfig(multiple=True)
                ),
                vol.Required(CONF_INSTALLATION_CURRENT, default=fuse): number("A"),
                vol.Required(CONF_CHARGER_SAFE_CURRENT): number("A"),
                vol.Required(CONF_FOLD, default=True): BooleanSelector(),
                **more(rare),
            }
        )

    def _data(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
        """Return the form as it is stored, and what is wrong with it."""
        clients = [canonical(item) for item in values[CONF_METER_CLIENTS]]
        data = {
            CONF_CHARGER: values[CONF_CHARGER],
            CONF_METER_CLIENTS: list(dict.fromkeys(filter(None, clients))),
            CONF_INSTALLATION_CURRENT: values[CONF_INSTALLATION_CURRENT],
            CONF_CHARGER_SAFE_CURRENT: values[CONF_CHARGER_SAFE_CURRENT],
            CONF_FOLD: values[CONF_FOLD],
            CONF_PORT: values[CONF_PORT],
            CONF_UNIT: values[CONF_UNIT],
            CONF_METER_ADDRESS: canonical(values[CONF_METER_ADDRESS]),
            CONF_STALE_AFTER: values[CONF_STALE_AFTER],
            CONF_RAMP: values[CONF_RAMP],
            CONF_ORDER: values.get(CONF_ORDER, DEFAULT_ORDER),
        }
        return data, {
            **self._name_errors(values[CONF_NAME]),
            **self._current_errors(data),
            **_wire_errors(data),
            **self._conflict_errors(data),
        }

    def _name_errors(self, name: str) -> Errors:
        if not name.strip():
            return {CONF_NAME: "name_missing"}
        taken = {item.title.casefold() for item in self._others()}
        return {CONF_NAME: "name_taken"} if name.strip().casefold() in taken else {}

    def _current_errors(self, data: Mapping[str, Any]) -> Errors:
        errors: Errors = {}
        current, safe = data[CONF_INSTALLATION_CURRENT], data[CONF_CHARGER_SAFE_CURRENT]
        if current < MINIMUM_CURRENT:
            errors[CONF_INSTALLATION_CURRENT] = "maximum_below_minimum"
        elif current > self._get_entry().data[CONF_MAIN_FUSE]:
            errors[CONF_INSTALLATION_CURRENT] = "above_main_fuse"
        if safe != 0 and not MINIMUM_CURRENT <= safe <= current:
            errors[CONF_CHARGER_SAFE_CURRENT] = "safe_current_impossible"
        charger = self._get_entry().subentries.get(data[CONF_CHARGER])
        if (
            data[CONF_FOLD]
            and charger is not None
            and charger.data[CONF_SOURCE] == DeviceSource.METERED
            and not measures(entity_roles(charger.data, SubentryType.CHARGER))
        ):
            errors[CONF_FOLD] = "charger_not_measured"
        return errors

    def _conflict_errors(self, data: Mapping[str, Any]) -> Errors:
        for item in self._other_meters():
            if int(item.data[CONF_PORT]) == int(data[CONF_PORT]) and int(
                item.data[CONF_UNIT]
            ) == int(data[CONF_UNIT]):
                return {"base": "unit_taken"}
        return {}

    async def _async_bind_error(self, data: Mapping[str, Any]) -> str | None:
        """Return why nobody could listen there; our own listener is shared."""
        key = (data[CONF_METER_ADDRESS], int(data[CONF_PORT]))
        if any(_listener(item) == key for item in self._meters()):
            return None
        error = await self.hass.async_add_executor_job(bind_error, *key)
        return None if error == NOT_THERE else error

    def _meters(self) -> list[ConfigSubentry]:
        return [
            item
            for item in self._get_entry().subentries.values()
            if item.subentry_type == SubentryType.VIRTUAL_METER
        ]

    def _own_id(self) -> str | None:
        return (
            self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        )

    def _others(self) -> list[ConfigSubentry]:
        return [
            item
            for item in self._get_entry().subentries.values()
            if item.subentry_id != self._own_id()
        ]

    def _other_meters(self) -> list[ConfigSubentry]:
        return [item for item in self._meters() if item.subentry_id != self._own_id()]

    def _free_chargers(self) -> list[ConfigSubentry]:
        """Return the chargers that no other virtual meter serves."""
        served = {item.data[CONF_CHARGER] for item in self._other_meters()}
        return [
            item
            for item in self._get_entry().subentries.values()
            if item.subentry_type == SubentryType.CHARGER
            and item.subentry_id not in served
        ]

    def _stored(self) -> dict[str, Any]:
        if self.source != SOURCE_RECONFIGURE:
            return {}
        subentry = self._get_reconfigure_subentry()
        return {CONF_NAME: subentry.title, **subentry.data}

    def _finish(self, name: str, data: dict[str, Any]) -> SubentryFlowResult:
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_entry(),
                self._get_reconfigure_subentry(),
                title=name,
                data=data,
            )
        return self.async_create_entry(title=name, data=data)


def _listener(subentry: ConfigSubentry) -> tuple[str, int]:
    return subentry.data[CONF_METER_ADDRESS], int(subentry.data[CONF_PORT])


def _wrong(clients: list[str]) -> list[str]:
    """Return the entries that are neither an address nor a network."""
    wrong = []
    for client in clients:
        try:
            ip_network(client, strict=False)
        except ValueError:
            wrong.append(client)
    return wrong


def _wire_errors(data: Mapping[str, Any]) -> Errors:
    errors: Errors = {}
    clients = data[CONF_METER_CLIENTS]
    if not clients:
        errors[CONF_METER_CLIENTS] = "clients_missing"
    elif _wrong(clients):
        errors[CONF_METER_CLIENTS] = "clients_invalid"
    if not 1 <= data[CONF_PORT] <= 65_535:
        errors["base"] = "port_out_of_range"
    elif not 1 <= data[CONF_UNIT] <= 247:
        errors["base"] = "unit_out_of_range"
    elif _wrong([data[CONF_METER_ADDRESS]]):
        errors["base"] = "address_invalid"
    elif data[CONF_STALE_AFTER] < 2 or data[CONF_RAMP] <= 0:
        errors["base"] = "times_invalid"
    return errors
