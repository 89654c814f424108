"""The form of an S1 port: what is asked, the test, and what it has found."""

from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import SerialPortSelector, TextSelector
import voluptuous as vol

from ..entry_data import CONF_ROLE, CONF_SOURCE, DeviceSource
from ..entry_s1 import (
    AUTOMATIC,
    CONF_OVERLOAD,
    CONF_S1_BAUDRATE,
    CONF_S1_GRID_TYPE,
    CONF_S1_TURNED,
    GRID_TYPES,
    TURNABLE,
)
from ..metering.s1_format import EMUCS_H_1_3, NOMINAL_FREQUENCY
from ..metering.s1_port import S1Found
from ..model.reading import MeterRole
from .fields import choice, flat, more, number, suggested
from .probing import async_test_s1
from .subentry import Errors, SubentryFlow

EXAMPLE_PORT: Final = "socket://192.168.1.20:8089"


class S1Steps(SubentryFlow):
    """Asks for an S1 port, tests it, and shows what it brings."""

    _found: S1Found | None = None

    async def async_step_s1(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the port, and wait for good frames."""
        errors: Errors = {}
        detail = ""
        shown = {CONF_NAME: self._title, **self._data} if self._data else {}
        if user_input is not None:
            shown = flat(user_input)
            errors, detail = await self._async_take_s1(shown)
            if not errors:
                return await self.async_step_s1_found()
        return self.async_show_form(
            step_id="s1",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_NAME): TextSelector(),
                        vol.Required(CONF_PORT): SerialPortSelector(),
                        vol.Required(
                            CONF_ROLE, default=MeterRole.CONNECTION_POINT.value
                        ): choice([role.value for role in MeterRole], "meter_role"),
                        vol.Optional(CONF_OVERLOAD): number("A"),
                        **more(
                            {
                                vol.Required(
                                    CONF_S1_BAUDRATE, default=AUTOMATIC
                                ): choice(
                                    [AUTOMATIC, *map(str, EMUCS_H_1_3.baud_rates)],
                                    "s1_baudrate",
                                ),
                                vol.Required(
                                    CONF_S1_GRID_TYPE, default=AUTOMATIC
                                ): choice(
                                    [AUTOMATIC, *GRID_TYPES],
                                    "s1_grid_type",
                                ),
                                vol.Optional(CONF_S1_TURNED, default=list): choice(
                                    list(TURNABLE), multiple=True
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

    async def async_step_s1_found(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show what the port brings; a port that the site reads is not tested."""
        found = self._found
        if found is None or user_input is not None:
            return self._finish()
        kind = found.format
        return self.async_show_form(
            step_id="s1_found",
            data_schema=vol.Schema({}),
            description_placeholders={
                "baudrate": f"{found.baudrate / 1e6:g}",
                "undamaged": f"{100 * found.undamaged:.1f}",
                "samples": f"{kind.sample_rate(NOMINAL_FREQUENCY):.0f}",
                "per_period": f"{kind.samples_per_period(NOMINAL_FREQUENCY):g}",
                "grid": kind.grid_type.value,
            },
        )

    async def _async_take_s1(self, values: dict[str, Any]) -> tuple[Errors, str]:
        """Check and test the form's values, and keep them if they are good."""
        port = values[CONF_PORT].strip()
        errors = self._name_errors(values[CONF_NAME])
        overload = values.get(CONF_OVERLOAD)
        if overload is not None and overload <= 0:
            errors[CONF_OVERLOAD] = "overload_invalid"
        if not port:
            errors[CONF_PORT] = "port_missing"
        elif any(item.data.get(CONF_PORT) == port for item in self._others()):
            errors[CONF_PORT] = "already_configured"
        if errors:
            return errors, ""
        if not self._reads_s1(port):
            baudrate = values[CONF_S1_BAUDRATE]
            found, error, detail = await async_test_s1(
                port, None if baudrate == AUTOMATIC else int(baudrate)
            )
            if error is not None or found is None:
                return {"base": error or "unknown"}, detail
            # The P1 port of the same meter has the same identifier.
            unique_id = f"{found.format.meter_id}_s1"
            if any(item.unique_id == unique_id for item in self._others()):
                return {CONF_PORT: "already_configured"}, ""
            self._unique_id, self._found = unique_id, found
        self._keep(
            values[CONF_NAME],
            {
                CONF_SOURCE: DeviceSource.S1.value,
                CONF_PORT: port,
                CONF_ROLE: values[CONF_ROLE],
                CONF_OVERLOAD: overload,
                CONF_S1_BAUDRATE: values[CONF_S1_BAUDRATE],
                CONF_S1_GRID_TYPE: values[CONF_S1_GRID_TYPE],
                CONF_S1_TURNED: list(values.get(CONF_S1_TURNED, ())),
            },
        )
        return {}, ""

    def _reads_s1(self, port: str) -> bool:
        """Whether the site itself reads the port, which serves one reader only."""
        return (
            self.source == SOURCE_RECONFIGURE
            and self._get_entry().state is ConfigEntryState.LOADED
            and self._get_reconfigure_subentry().data.get(CONF_PORT) == port
        )
