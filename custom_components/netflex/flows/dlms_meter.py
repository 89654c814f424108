"""The form of a meter that pushes DLMS at its consumer interface."""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    SerialPortSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import voluptuous as vol

from ..entry_data import CONF_SOURCE, DeviceSource
from ..entry_dlms import (
    CONF_DLMS_AUTHENTICATION_KEY,
    CONF_DLMS_KEY,
    CONF_DLMS_LINE,
    DLMS_KEYS,
    dlms_config,
)
from ..metering.dlms_apdu import parse_key
from ..metering.dlms_port import DlmsFound, DlmsLine
from .fields import choice, flat, more, suggested
from .probing import async_test_dlms
from .subentry import Errors, SubentryFlow

EXAMPLE_PORT: Final = "socket://192.168.1.20:8090"
_SECRET: Final = TextSelectorConfig(type=TextSelectorType.PASSWORD)


class DlmsSteps(SubentryFlow):
    """Asks for the port and the keys, and waits for a push."""

    _pushed: DlmsFound | None = None

    async def async_step_dlms(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the port, and wait for a push.

        Keys are not shown again: what is left empty stays as it is stored.
        """
        errors: Errors = {}
        detail = ""
        shown = {CONF_NAME: self._title, **self._data} if self._data else {}
        if user_input is not None:
            shown = flat(user_input)
            errors, detail = await self._async_take_dlms(shown)
            if not errors:
                return await self._async_described()
        shown = {key: value for key, value in shown.items() if key not in DLMS_KEYS}
        return self.async_show_form(
            step_id="dlms",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_NAME): TextSelector(),
                        vol.Required(CONF_PORT): SerialPortSelector(),
                        vol.Optional(CONF_DLMS_KEY): TextSelector(_SECRET),
                        **self._role_fields(),
                        **more(
                            {
                                vol.Optional(
                                    CONF_DLMS_AUTHENTICATION_KEY
                                ): TextSelector(_SECRET),
                                vol.Required(
                                    CONF_DLMS_LINE, default=DlmsLine.M_BUS.value
                                ): choice(
                                    [line.value for line in DlmsLine], "dlms_line"
                                ),
                            }
                        ),
                    }
                ),
                suggested(shown),
            ),
            errors=errors,
            description_placeholders={"example": EXAMPLE_PORT, "detail": detail},
        )

    async def _async_take_dlms(self, values: Mapping[str, Any]) -> tuple[Errors, str]:
        """Check and test the form's values, and keep them if they are good."""
        port = values[CONF_PORT].strip()
        errors = self._name_errors(values[CONF_NAME]) | self._role_errors(values)
        if not port:
            errors[CONF_PORT] = "port_missing"
        elif any(item.data.get(CONF_PORT) == port for item in self._others()):
            errors[CONF_PORT] = "already_configured"
        keys: dict[str, str | None] = {}
        for name in DLMS_KEYS:
            try:
                given = values.get(name)
                keys[name] = parse_key(given).hex() if given else self._data.get(name)
            except ValueError:
                errors[name] = "key_invalid"
        if (
            not errors
            and keys[CONF_DLMS_AUTHENTICATION_KEY]
            and not keys[CONF_DLMS_KEY]
        ):
            errors[CONF_DLMS_KEY] = "key_needed"
        if errors:
            return errors, ""
        data = {
            CONF_SOURCE: DeviceSource.DLMS.value,
            CONF_PORT: port,
            CONF_DLMS_LINE: values[CONF_DLMS_LINE],
            **keys,
        }
        if not self._reads_dlms(data):
            found, error, detail = await async_test_dlms(port, dlms_config(data))
            if error is not None or found is None:
                return {"base": error or "unknown"}, detail
            serial = found.reading.serial
            if serial is not None and any(
                item.unique_id == serial for item in self._others()
            ):
                return {CONF_PORT: "already_configured"}, ""
            self._unique_id, self._pushed = serial, found
        self._keep(values[CONF_NAME], {**data, **self._role_values(values)})
        return {}, ""

    def _reads_dlms(self, data: Mapping[str, Any]) -> bool:
        """Whether the site itself reads the port just so; it may serve one reader."""
        return (
            self.source == SOURCE_RECONFIGURE
            and self._get_entry().state is ConfigEntryState.LOADED
            and all(self._data.get(key) == value for key, value in data.items())
        )
