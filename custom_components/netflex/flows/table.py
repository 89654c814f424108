"""The form of an exchange table: the points of a controller of the user's own."""

from collections.abc import Mapping
from typing import Any, Final, override

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig
import voluptuous as vol

from ..devices.device import DeviceConfig
from ..devices.exchange_table import TableError, points_of
from ..entry_data import (
    CONF_PARAMS,
    CONF_POINTS,
    CONF_SOURCE,
    CONF_TRANSPORT,
    DEFAULT_MODBUS_PORT,
    DeviceSource,
)
from ..entry_device import link_params
from ..model.failure import reason_of
from .asset import AssetFlow
from .fields import choice, flat, more, number, suggested, whole_number
from .subentry import TRANSPORTS, Errors

CONF_UNIT: Final = "unit"
CONF_DEADLINE: Final = "deadline"
CONF_HEARTBEAT: Final = "heartbeat"
EXAMPLE: Final = (
    "request; write; 100 | accepted; read; 200 | power; read; 300; s32; 0.1; kW"
)


class TableFlow(AssetFlow):
    """Steps through the forms of an asset that may be reached over a table."""

    @override
    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        if source is DeviceSource.TABLE:
            return await self.async_step_table()
        return await super()._async_step_source(source)

    async def async_step_table(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the points, and read them once."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_table()
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_table(shown)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="table",
            data_schema=self.add_suggested_values_to_schema(
                _schema(), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"detail": "", "example": EXAMPLE, **details},
            last_step=False,
        )

    def _shown_table(self) -> dict[str, Any]:
        if not self._data:
            return {}
        return {CONF_NAME: self._title, **self._data, **self._data[CONF_PARAMS]}

    async def _async_take_table(
        self, values: Mapping[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check and test the form's values, and keep them if they are good."""
        data = {
            CONF_SOURCE: DeviceSource.TABLE.value,
            CONF_HOST: values[CONF_HOST].strip().lower(),
            CONF_PORT: values[CONF_PORT],
            CONF_TRANSPORT: values[CONF_TRANSPORT],
            CONF_POINTS: [line.strip() for line in values[CONF_POINTS] if line.strip()],
            CONF_PARAMS: {
                key: values[key] for key in (CONF_UNIT, CONF_DEADLINE, CONF_HEARTBEAT)
            },
        }
        errors = self._name_errors(values[CONF_NAME]) | _errors(data)
        details: dict[str, str] = {}
        try:
            points_of(tuple(data[CONF_POINTS]))
        except TableError as err:
            errors[CONF_POINTS] = "table_invalid"
            details["detail"] = reason_of(err)
        if errors:
            return errors, details
        _, error, detail = await self._async_test(
            DeviceConfig(
                device_id="test",
                name=values[CONF_NAME],
                asset=self._asset_for_test(),
                link=link_params(data),
                params=data[CONF_PARAMS],
                table=tuple(data[CONF_POINTS]),
            ),
        )
        if error is not None:
            return {"base": error}, {"detail": detail}
        self._unique_id = None
        self._keep(values[CONF_NAME], data)
        return {}, {}


def _schema() -> vol.Schema:
    return vol.Schema(
        {
            vol.Required(CONF_NAME): TextSelector(),
            vol.Required(CONF_HOST): TextSelector(),
            vol.Required(CONF_PORT, default=DEFAULT_MODBUS_PORT): whole_number(),
            vol.Required(CONF_POINTS, default=list): TextSelector(
                TextSelectorConfig(multiple=True)
            ),
            **more(
                {
                    vol.Required(CONF_UNIT, default=1): whole_number(),
                    vol.Required(CONF_DEADLINE, default=5.0): number("s"),
                    vol.Required(CONF_HEARTBEAT, default=1.0): number("s"),
                    vol.Required(CONF_TRANSPORT, default=TRANSPORTS[0].value): choice(
                        [item.value for item in TRANSPORTS], "transport"
                    ),
                }
            ),
        }
    )


def _errors(data: Mapping[str, Any]) -> Errors:
    params = data[CONF_PARAMS]
    if not data[CONF_HOST]:
        return {CONF_HOST: "host_missing"}
    if not 1 <= data[CONF_PORT] <= 65_535:
        return {CONF_PORT: "port_out_of_range"}
    if not 0 <= params[CONF_UNIT] <= 255:
        return {"base": "table_unit_out_of_range"}
    if params[CONF_DEADLINE] <= 0 or params[CONF_HEARTBEAT] < 0.2:
        return {"base": "table_times_invalid"}
    return {}
