"""Setting up a site: its connection point, its contract, its telecontrol."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, cast, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    TextSelector,
    TextSelectorConfig,
)
from homeassistant.util.ulid import ulid_now
import voluptuous as vol

from .const import DOMAIN, ENTRY_MINOR_VERSION, ENTRY_VERSION
from .coordinator import NetflexConfigEntry
from .entry_data import (
    CONF_ALLOW_ANY_CLIENT,
    CONF_ALLOWED_CLIENTS,
    CONF_BIND_ADDRESS,
    CONF_COMMON_ADDRESS,
    CONF_CONTRACT_CONSUMPTION,
    CONF_CONTRACT_INJECTION,
    CONF_CONTRACT_UNIT,
    CONF_COS_PHI,
    CONF_GRID_TYPE,
    CONF_MAIN_FUSE,
    CONF_TELECONTROL,
    DEFAULT_COMMON_ADDRESS,
    DEFAULT_PORT,
    ContractUnit,
    SubentryType,
)
from .entry_site import admits_operator
from .flows.battery import BatteryFlow
from .flows.battery_mode import BatteryModeFlow
from .flows.charger import ChargerFlow
from .flows.discovery import DiscoverySteps
from .flows.dispatch_source import DispatchSourceFlow
from .flows.feeder import FeederFlow
from .flows.fields import choice, flat, more, number, suggested, whole_number
from .flows.inverter import InverterFlow
from .flows.load import LoadFlow
from .flows.meter import MeterFlow
from .flows.options import NetflexOptionsFlow
from .flows.relay import RelayFlow
from .flows.site_checks import (
    NOT_THERE,
    Errors,
    bind_error,
    canonical,
    name_errors,
    same_listener,
    site_errors,
    telecontrol_errors,
)
from .flows.uploads import UploadError, read_upload
from .flows.virtual_meter import VirtualMeterFlow
from .model.connection import GridType
from .simulated_entry import CONF_SIMULATION
from .simulated_site import describe_simulated_site
from .site_file import SiteFile, SiteFileError, read_site_file
from .telecontrol_options import CONF_SHADOW

CONF_BIND_LATER: Final = "bind_later"
CONF_FILE: Final = "file"
CONF_TEXT: Final = "text"
ANY_ADDRESS: Final = "0.0.0.0"

GRID_TYPES: Final = {
    "single_phase": GridType.SINGLE_PHASE,
    "star": GridType.STAR,
    "delta": GridType.DELTA,
}
"""Names that translations can use, for the values that are stored."""

SITE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_GRID_TYPE, default="star"): choice(
            list(GRID_TYPES), "grid_type"
        ),
        vol.Required(CONF_MAIN_FUSE): number("A"),
        vol.Optional(CONF_CONTRACT_CONSUMPTION): number(),
        vol.Optional(CONF_CONTRACT_INJECTION): number(),
        vol.Required(CONF_CONTRACT_UNIT, default=ContractUnit.KW.value): choice(
            [unit.value for unit in ContractUnit]
        ),
        vol.Required(CONF_TELECONTROL, default=True): BooleanSelector(),
        **more({vol.Required(CONF_COS_PHI, default=1.0): number()}),
    }
)

SIMULATED_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_NAME, default="Simulated site"): TextSelector()}
)

IMPORT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_FILE): FileSelector(FileSelectorConfig(accept=".json")),
        vol.Optional(CONF_TEXT): TextSelector(TextSelectorConfig(multiline=True)),
    }
)

WITHOUT_TELECONTROL: Final = {
    CONF_BIND_ADDRESS: ANY_ADDRESS,
    CONF_PORT: DEFAULT_PORT,
    CONF_COMMON_ADDRESS: DEFAULT_COMMON_ADDRESS,
    CONF_ALLOWED_CLIENTS: [],
    CONF_ALLOW_ANY_CLIENT: False,
}

SUBENTRY_FLOWS: Final[dict[str, type[ConfigSubentryFlow]]] = {
    SubentryType.METER: MeterFlow,
    SubentryType.CHARGER: ChargerFlow,
    SubentryType.INVERTER: InverterFlow,
    SubentryType.BATTERY: BatteryFlow,
    SubentryType.LOAD: LoadFlow,
    SubentryType.RELAY: RelayFlow,
    SubentryType.VIRTUAL_METER: VirtualMeterFlow,
    SubentryType.FEEDER: FeederFlow,
    SubentryType.BATTERY_MODE: BatteryModeFlow,
    SubentryType.DISPATCH_SOURCE: DispatchSourceFlow,
}


def telecontrol_schema(*, ask_to_wait: bool) -> vol.Schema:
    """Return the form of the station; `ask_to_wait` adds the adapter's checkbox."""
    fields: dict[vol.Marker, Any] = {
        vol.Required(CONF_BIND_ADDRESS, default=ANY_ADDRESS): TextSelector(),
        vol.Optional(CONF_ALLOWED_CLIENTS, default=list): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        vol.Required(CONF_ALLOW_ANY_CLIENT, default=False): BooleanSelector(),
    }
    if ask_to_wait:
        fields[vol.Required(CONF_BIND_LATER, default=False)] = BooleanSelector()
    return vol.Schema(
        {
            **fields,
            **more(
                {
                    vol.Required(CONF_PORT, default=DEFAULT_PORT): whole_number(),
                    vol.Required(
                        CONF_COMMON_ADDRESS, default=DEFAULT_COMMON_ADDRESS
                    ): whole_number(),
                }
            ),
        }
    )


class NetflexConfigFlow(DiscoverySteps, domain=DOMAIN):
    """Sets up a site, and changes one without reloading it."""

    VERSION = ENTRY_VERSION
    MINOR_VERSION = ENTRY_MINOR_VERSION

    def __init__(self) -> None:
        """Know nothing yet."""
        super().__init__()
        self._site: dict[str, Any] = {}
        self._imported: SiteFile | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: NetflexConfigEntry) -> NetflexOptionsFlow:
        """Return the options, by topic."""
        return NetflexOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: NetflexConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the forms of meters and assets."""
        return SUBENTRY_FLOWS

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what is to be set up."""
        return self.async_show_menu(
            step_id="user", menu_options=["simulated", "site", "import_site"]
        )

    async def async_step_site(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the connection point and the contract."""
        return await self._async_site_step("site", user_input)

    async def async_step_simulated(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up a site whose devices and RTU run on this machine."""
        errors: Errors = {}
        if user_input is not None:
            name = user_input[CONF_NAME].strip()
            if not (errors := name_errors(name, self._others())):
                data, subentries = await self.hass.async_add_executor_job(
                    partial(describe_simulated_site, name, ulid_now)
                )
                return self.async_create_entry(
                    title=name, data=data, subentries=_subentries(subentries)
                )
        return self.async_show_form(
            step_id="simulated",
            data_schema=self.add_suggested_values_to_schema(
                SIMULATED_SCHEMA, user_input or {}
            ),
            errors=errors,
        )

    async def async_step_import_site(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the file of another site; its forms follow, filled in."""
        errors: Errors = {}
        detail = ""
        if user_input is not None:
            try:
                text = user_input.get(CONF_TEXT, "")
                if CONF_FILE in user_input:
                    text = await self.hass.async_add_executor_job(
                        read_upload, self.hass, user_input[CONF_FILE]
                    )
                self._imported = read_site_file(text, ulid_now)
            except UploadError as err:
                errors = {CONF_FILE: err.key}
            except SiteFileError as err:
                errors, detail = {"base": err.key}, err.detail
            else:
                return await self.async_step_site()
        return self.async_show_form(
            step_id="import_site",
            data_schema=IMPORT_SCHEMA,
            errors=errors,
            description_placeholders={"detail": detail},
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the connection point and the contract of a site that runs."""
        return await self._async_site_step("reconfigure", user_input)

    async def _async_site_step(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: Errors = {}
        shown = self._stored_site()
        if user_input is not None:
            shown = flat(user_input)
            self._site = _site_data(shown)
            if not (errors := site_errors(self._site, self._others())):
                if self._site[CONF_TELECONTROL]:
                    return await self.async_step_telecontrol()
                return await self._async_finish(self._station_data())
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                SITE_SCHEMA, suggested(shown)
            ),
            errors=errors,
        )

    async def async_step_telecontrol(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the grid operator's RTU connects to, and who it is."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._station_data()
        if user_input is not None:
            shown = flat(user_input)
            wait = shown.pop(CONF_BIND_LATER, False)
            station = _station_data(shown)
            errors, details = telecontrol_errors(station, self._others())
            if (
                not errors
                and self._in_shadow()
                and admits_operator(self._site | station)
            ):
                errors = {CONF_ALLOWED_CLIENTS: "client_in_shadow"}
            if not errors and (error := await self._async_bind_error(station, wait)):
                errors = {CONF_BIND_ADDRESS: error}
            if not errors:
                return await self._async_finish(station)
        return self.async_show_form(
            step_id="telecontrol",
            data_schema=self.add_suggested_values_to_schema(
                telecontrol_schema(ask_to_wait=NOT_THERE in errors.values()),
                suggested(shown),
            ),
            errors=errors,
            description_placeholders={
                "address": shown[CONF_BIND_ADDRESS],
                "port": str(shown[CONF_PORT]),
                **details,
            },
        )

    async def _async_bind_error(
        self, station: dict[str, Any], wait: bool
    ) -> str | None:
        """Return why the station could not listen, as far as this can be tested."""
        if self.source == SOURCE_RECONFIGURE:
            current = self._get_reconfigure_entry().data
            # Our own station is what holds this address.
            if current[CONF_TELECONTROL] and same_listener(current, station):
                return None
        error = await self.hass.async_add_executor_job(
            bind_error, station[CONF_BIND_ADDRESS], station[CONF_PORT]
        )
        return None if wait and error == NOT_THERE else error

    def _in_shadow(self) -> bool:
        """Return whether the site that is changed only decides."""
        return self.source == SOURCE_RECONFIGURE and bool(
            self._get_reconfigure_entry().options.get(CONF_SHADOW)
        )

    def _others(self) -> list[NetflexConfigEntry]:
        """Return the other sites."""
        own = (
            self._get_reconfigure_entry().entry_id
            if self.source == SOURCE_RECONFIGURE
            else None
        )
        return [
            entry
            for entry in self._async_current_entries(include_ignore=False)
            if entry.entry_id != own
        ]

    def _stored_site(self) -> dict[str, Any]:
        """Return what a site that runs has, in the form's words."""
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            return _shown_site(entry.title, entry.data)
        if self._imported is not None:
            return _shown_site(self._imported.name, self._imported.data)
        return {}

    def _station_data(self) -> dict[str, Any]:
        """Return the station's settings that are stored, or where a new one begins."""
        stored: Mapping[str, Any] = {}
        if self.source == SOURCE_RECONFIGURE:
            stored = self._get_reconfigure_entry().data
        elif self._imported is not None:
            stored = self._imported.data
        return {
            key: stored.get(key, default)
            for key, default in WITHOUT_TELECONTROL.items()
        }

    async def _async_finish(self, station: dict[str, Any]) -> ConfigFlowResult:
        data = self._site | station
        title = data[CONF_NAME]
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            if CONF_SIMULATION in entry.data:
                data[CONF_SIMULATION] = entry.data[CONF_SIMULATION]
            return self.async_update_and_abort(entry, title=title, data=data)
        await self._async_forget_identity()
        if (imported := self._imported) is None:
            return self.async_create_entry(title=title, data=data)
        return self.async_create_entry(
            title=title,
            data=data,
            options=imported.options,
            subentries=_subentries(imported.subentries),
        )


def _shown_site(title: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a site has, in the form's words."""
    names = {grid_type: name for name, grid_type in GRID_TYPES.items()}
    return {
        **{key: value for key, value in data.items() if value is not None},
        CONF_NAME: title,
        CONF_GRID_TYPE: names[GridType(data[CONF_GRID_TYPE])],
    }


def _subentries(described: Iterable[Mapping[str, Any]]) -> list[ConfigSubentryData]:
    """Return subentries with the ids by which they refer to each other."""
    return [cast(ConfigSubentryData, dict(item)) for item in described]


def _site_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return the first form's values as they are stored."""
    kva = values[CONF_CONTRACT_UNIT] == ContractUnit.KVA
    return {
        CONF_NAME: values[CONF_NAME].strip(),
        CONF_GRID_TYPE: GRID_TYPES[values[CONF_GRID_TYPE]].value,
        CONF_MAIN_FUSE: values[CONF_MAIN_FUSE],
        CONF_CONTRACT_CONSUMPTION: values.get(CONF_CONTRACT_CONSUMPTION),
        CONF_CONTRACT_INJECTION: values.get(CONF_CONTRACT_INJECTION),
        CONF_CONTRACT_UNIT: values[CONF_CONTRACT_UNIT],
        CONF_COS_PHI: values[CONF_COS_PHI] if kva else 1.0,
        CONF_TELECONTROL: values[CONF_TELECONTROL],
    }


def _station_data(values: dict[str, Any]) -> dict[str, Any]:
    """Return the second form's values as they are stored."""
    clients = [canonical(client) for client in values[CONF_ALLOWED_CLIENTS]]
    return {
        CONF_BIND_ADDRESS: canonical(values[CONF_BIND_ADDRESS]),
        CONF_PORT: values[CONF_PORT],
        CONF_COMMON_ADDRESS: values[CONF_COMMON_ADDRESS],
        CONF_ALLOWED_CLIENTS: list(dict.fromkeys(filter(None, clients))),
        CONF_ALLOW_ANY_CLIENT: values[CONF_ALLOW_ANY_CLIENT],
    }
