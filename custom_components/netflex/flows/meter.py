"""The forms of a meter."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import SerialPortSelector, TextSelector
import voluptuous as vol

from ..entry_data import CONF_ROLE, CONF_SOURCE, DeviceSource, SubentryType
from ..model.asset import Nature
from ..model.reading import MeterRole
from .fields import Fields, choice
from .probing import async_test_p1
from .subentry import Errors, SubentryFlow

EXAMPLE_PORT: Final = "socket://192.168.1.20:8088"


class MeterFlow(SubentryFlow):
    """Adds or changes a meter: a P1 port, or a device with a profile."""

    kind: ClassVar = SubentryType.METER
    nature: ClassVar = Nature.METER
    sources: ClassVar = (DeviceSource.P1, DeviceSource.PROFILE)

    @override
    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        return await self.async_step_p1()

    async def async_step_p1(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the port, and wait for a telegram."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = {CONF_NAME: self._title, **self._data} if self._data else {}
        if user_input is not None:
            shown = user_input
            errors, details = await self._async_take_p1(user_input)
            if not errors:
                return self._finish()
        return self.async_show_form(
            step_id="p1",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_NAME): TextSelector(),
                        vol.Required(CONF_PORT): SerialPortSelector(),
                        **self._role_fields(),
                    }
                ),
                shown,
            ),
            errors=errors,
            description_placeholders={
                "example": EXAMPLE_PORT,
                "detail": "",
                **details,
            },
        )

    async def _async_take_p1(
        self, values: dict[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check and test the form's values, and keep them if they are good."""
        port = values[CONF_PORT].strip()
        errors = self._name_errors(values[CONF_NAME])
        if not port:
            errors[CONF_PORT] = "port_missing"
        elif any(
            item.data[CONF_SOURCE] == DeviceSource.P1 and item.data[CONF_PORT] == port
            for item in self._others()
        ):
            errors[CONF_PORT] = "already_configured"
        if errors:
            return errors, {}
        if not self._is_read_already(port):
            telegram, error, detail = await async_test_p1(port)
            if error is not None:
                return {"base": error}, {"detail": detail}
            serial = None if telegram is None else telegram.serial
            if serial is not None and any(
                item.unique_id == serial for item in self._others()
            ):
                return {CONF_PORT: "already_configured"}, {}
            self._unique_id = serial
        self._keep(
            values[CONF_NAME],
            {
                CONF_SOURCE: DeviceSource.P1.value,
                CONF_PORT: port,
                **self._role_values(values),
            },
        )
        return {}, {}

    def _is_read_already(self, port: str) -> bool:
        """Whether the site itself reads the port, which often serves one reader only."""
        return (
            self.source == SOURCE_RECONFIGURE
            and self._get_entry().state is ConfigEntryState.LOADED
            and self._get_reconfigure_subentry().data.get(CONF_PORT) == port
        )

    @override
    def _role_fields(self) -> Fields:
        return {
            vol.Required(CONF_ROLE, default=MeterRole.CONNECTION_POINT.value): choice(
                [role.value for role in MeterRole], "meter_role"
            )
        }

    @override
    def _role_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {CONF_ROLE: values[CONF_ROLE]}
