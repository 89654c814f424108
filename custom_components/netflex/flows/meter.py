"""The forms of a meter."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SerialPortSelector,
    TextSelector,
)
import voluptuous as vol

from ..devices.device import DeviceConfig, ProbeResult
from ..devices.entity_meter import FEWEST, MAX_AGE
from ..devices.profile_parts import LOAD_NEGATIVE, LOAD_POSITIVE
from ..entry_data import CONF_ROLE, CONF_SOURCE, USER_PORTS, DeviceSource, SubentryType
from ..entry_meter import (
    CONF_DIRECTION,
    CONF_MAX_AGE,
    CONF_SHARE,
    CONF_SHARE_PORT,
    SENSOR_ROLES,
    sensor_params,
    sensor_roles,
)
from ..metering.p1_objects import Telegram
from ..metering.p1_reading import to_reading
from ..model.asset import Nature
from ..model.reading import MeterReading, MeterRole
from .dlms_meter import DlmsSteps
from .fields import Fields, choice, flat, more, number, suggested
from .meter_check import first_reading, meter_doubts
from .meter_parts import (
    EXAMPLE_NETWORK,
    share_errors,
    share_fields,
    share_values,
    tariff_errors,
    tariff_fields,
    tariff_values,
)
from .probing import Tested, async_test_p1
from .references import kept_references, shown_references
from .s1_meter import S1Steps
from .site_checks import bind_error
from .subentry import Errors

EXAMPLE_PORT: Final = "socket://192.168.1.20:8088"
ANY_ADDRESS: Final = "0.0.0.0"
AGES: Final = (2.0, 300.0)
"""s: the least and the most that a value of a sensor may be old."""
RARE_SENSORS: Final = ("reactive_power_entity", "frequency_entity")


class MeterFlow(DlmsSteps, S1Steps):
    """Adds or changes a meter: a port of it, a device with a profile, or sensors."""

    kind: ClassVar = SubentryType.METER
    nature: ClassVar = Nature.METER
    sources: ClassVar = (
        DeviceSource.P1,
        DeviceSource.S1,
        DeviceSource.DLMS,
        DeviceSource.PROFILE,
        DeviceSource.ENTITY,
    )

    @override
    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        if source is DeviceSource.ENTITY:
            return await self.async_step_entity()
        if source is DeviceSource.S1:
            return await self.async_step_s1()
        if source is DeviceSource.DLMS:
            return await self.async_step_dlms()
        return await self.async_step_p1()

    def __init__(self) -> None:
        """Know nothing yet."""
        super().__init__()
        self._tested: ProbeResult | Telegram | None = None
        self._doubts: tuple[str, ...] = ()

    # ---------------------------------------------------------------------- a P1 port

    async def async_step_p1(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the port, and wait for a telegram."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = (
            {CONF_NAME: self._title, **self._data}
            if self._data
            else dict(self._announced)
        )
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_p1(shown)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="p1",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_NAME): TextSelector(),
                        vol.Required(CONF_PORT): SerialPortSelector(),
                        **self._role_fields(),
                        **share_fields(),
                    }
                ),
                suggested(shown),
            ),
            errors=errors,
            description_placeholders={
                "example": EXAMPLE_PORT,
                "network": EXAMPLE_NETWORK,
                "detail": "",
                **details,
            },
        )

    async def _async_take_p1(
        self, values: dict[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check and test the form's values, and keep them if they are good."""
        port = values[CONF_PORT].strip()
        errors = self._name_errors(values[CONF_NAME]) | self._role_errors(values)
        if not port:
            errors[CONF_PORT] = "port_missing"
        elif any(
            item.data[CONF_SOURCE] in USER_PORTS and item.data[CONF_PORT] == port
            for item in self._others()
        ):
            errors[CONF_PORT] = "already_configured"
        shared = share_values(values)
        wrong, details = share_errors(shared)
        errors |= wrong or await self._async_port_errors(shared)
        if errors:
            return errors, details
        if not self._is_read_already(port):
            telegram, error, detail = await async_test_p1(port)
            if error is not None:
                return {"base": error}, {"detail": detail}
            self._tested = telegram
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
                **shared,
            },
        )
        return {}, {}

    async def _async_port_errors(self, shared: Mapping[str, Any]) -> Errors:
        """Return why the port could not be served again where it is to be."""
        port = shared[CONF_SHARE_PORT]
        listens = self._data.get(CONF_SHARE) and self._data[CONF_SHARE_PORT] == port
        if not shared[CONF_SHARE] or listens:
            return {}
        error = await self.hass.async_add_executor_job(bind_error, ANY_ADDRESS, port)
        return {} if error is None else {CONF_SHARE_PORT: "share_port_in_use"}

    def _is_read_already(self, port: str) -> bool:
        """Whether the site itself reads the port, which often serves one reader only."""
        return (
            self.source == SOURCE_RECONFIGURE
            and self._get_entry().state is ConfigEntryState.LOADED
            and self._get_reconfigure_subentry().data.get(CONF_PORT) == port
        )

    # ------------------------------------------------------------------------- sensors

    async def async_step_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the sensors that make up the meter, and read them."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_sensors()
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_sensors(shown)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="entity",
            data_schema=self.add_suggested_values_to_schema(
                self._sensor_schema(), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"detail": "", **details},
        )

    def _sensor_schema(self) -> vol.Schema:
        sensor = EntitySelector(EntitySelectorConfig(domain="sensor"))
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                **{
                    vol.Optional(key): sensor
                    for key in SENSOR_ROLES
                    if key not in RARE_SENSORS
                },
                **self._role_fields(),
                **more(
                    {
                        vol.Required(CONF_MAX_AGE, default=MAX_AGE): number("s"),
                        vol.Required(CONF_DIRECTION, default=LOAD_POSITIVE): choice(
                            [LOAD_POSITIVE, LOAD_NEGATIVE], "meter_direction"
                        ),
                        **{vol.Optional(key): sensor for key in RARE_SENSORS},
                    }
                ),
            }
        )

    def _shown_sensors(self) -> dict[str, Any]:
        """Return what is stored, with the entity ids of now."""
        if not self._data:
            return {}
        others = {k: v for k, v in self._data.items() if k not in SENSOR_ROLES}
        return {
            CONF_NAME: self._title,
            **others,
            **shown_references(self.hass, SENSOR_ROLES, self._data),
        }

    async def _async_take_sensors(
        self, values: dict[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check and read the form's sensors; keep references that survive a rename."""
        kept, errors = kept_references(self.hass, SENSOR_ROLES, values)
        errors |= self._name_errors(values[CONF_NAME]) | self._role_errors(values)
        if not AGES[0] <= values[CONF_MAX_AGE] <= AGES[1]:
            errors[CONF_MAX_AGE] = "max_age_invalid"
        data: dict[str, Any] = {
            CONF_SOURCE: DeviceSource.ENTITY.value,
            CONF_MAX_AGE: values[CONF_MAX_AGE],
            CONF_DIRECTION: values[CONF_DIRECTION],
            **kept,
        }
        roles = sensor_roles(data)
        if len(roles) < FEWEST:
            errors["base"] = "too_few"
        elif not any(role == "power" or role.startswith("power_l") for role in roles):
            errors["base"] = "no_power"
        if errors:
            return errors, {}
        _, error, detail = await self._async_test(
            DeviceConfig(
                device_id="test",
                name=values[CONF_NAME],
                entities=roles,
                params=sensor_params(data),
            )
        )
        if error is not None:
            return {"base": error}, {"detail": detail}
        for key in SENSOR_ROLES:
            self._data.pop(key, None)
        self._keep(values[CONF_NAME], data | self._role_values(values))
        return {}, {}

    # ------------------------------------------------------------- what it says at first

    @override
    async def _async_test(self, config: DeviceConfig) -> Tested[ProbeResult]:
        tested = await super()._async_test(config)
        self._tested = tested[0]
        return tested

    @override
    async def _async_described(self) -> SubentryFlowResult:
        """Ask about a meter that contradicts what the site knows already."""
        self._doubts = ()
        if (reading := self._first_reading()) is not None:
            own = (
                self._reconfigure_subentry_id
                if self.source == SOURCE_RECONFIGURE
                else None
            )
            self._doubts = meter_doubts(self._get_entry(), own, self._data, reading)
        return await self.async_step_doubts() if self._doubts else self._finish()

    def _first_reading(self) -> MeterReading | None:
        """Return what the test has shown, None where there was none."""
        if self._pushed is not None:
            return self._pushed.reading
        if isinstance(self._tested, Telegram):
            return to_reading(self._tested, meter_id="test", received=0.0)
        if self._tested is None:
            return None
        return first_reading(self._data, self._tested)

    async def async_step_doubts(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask whether the settings are right all the same."""
        listed = "\n".join(f"- {text}" for text in self._doubts)
        return self.async_show_menu(
            step_id="doubts",
            menu_options=["change", "keep"],
            description_placeholders={"detail": listed},
        )

    async def async_step_change(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the form again."""
        match self._data[CONF_SOURCE]:
            case DeviceSource.P1:
                return await self.async_step_p1()
            case DeviceSource.DLMS:
                return await self.async_step_dlms()
            case DeviceSource.ENTITY:
                return await self.async_step_entity()
        return await self.async_step_device()

    async def async_step_keep(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Store the meter as it is."""
        return self._finish()

    # ----------------------------------------------------------------- what all meters ask

    @override
    def _role_fields(self) -> Fields:
        return {
            vol.Required(CONF_ROLE, default=MeterRole.CONNECTION_POINT.value): choice(
                [role.value for role in MeterRole], "meter_role"
            ),
            **tariff_fields(),
        }

    @override
    def _role_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {CONF_ROLE: values[CONF_ROLE], **tariff_values(values)}

    @override
    def _role_errors(self, values: Mapping[str, Any]) -> Errors:
        return tariff_errors(values)
