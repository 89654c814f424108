"""The steps that the forms of all meters and assets share.

A device is reached through a profile (an address, the profile's parameters) or through
entities of another integration. Either way is tested, then the asset itself is
described. Changing a subentry takes the same steps and reloads nothing.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
import voluptuous as vol

from ..const import DOMAIN
from ..devices.device import DeviceConfig, ProbeResult
from ..devices.ports import Transport
from ..devices.profile_loader import ProfileFile
from ..entry_data import (
    CONF_CONTROL_ENTITY,
    CONF_GRID_TYPE,
    CONF_PARAMS,
    CONF_PROFILE,
    CONF_SOURCE,
    CONF_TRANSPORT,
    ENTITY_KEYS,
    DeviceSource,
    SubentryType,
    entity_roles,
    link_params,
)
from ..model.asset import Asset, Category, Nature
from ..model.connection import GridType
from ..runtime import async_profiles
from .fields import (
    Fields,
    choice,
    flat,
    more,
    param_fields,
    param_values,
    shown_params,
    suggested,
    whole_number,
)
from .probing import async_test_device

PARAM_SERIAL: Final = "serial"
"""Parameter that pins a configuration to the device that answered the test."""
IDENTIFYING_PARAMS: Final = ("unit", "socket", "output")
"""Parameters that tell apart several assets behind one serial number."""
TRANSPORTS: Final = (Transport.TCP, Transport.RTU_OVER_TCP)

type Errors = dict[str, str]


class SubentryFlow(ConfigSubentryFlow):
    """Steps through the forms of one kind of subentry."""

    kind: ClassVar[SubentryType]
    nature: ClassVar[Nature]
    sources: ClassVar[tuple[DeviceSource, ...]]
    """Ways to reach the device, in the order of the menu."""
    control_domains: ClassVar[tuple[str, ...]] = ()
    """Domains of the entities that may be driven."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._title = ""
        self._data: dict[str, Any] = {}
        self._unique_id: str | None = None
        self._profile: ProfileFile | None = None

    # --------------------------------------------------------------------- first steps

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask how the device is reached, where there is a choice."""
        if len(self.sources) == 1:
            return await self._async_step_source(self.sources[0])
        return self.async_show_menu(
            step_id="user", menu_options=[source.value for source in self.sources]
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take the same steps with what is stored."""
        subentry = self._get_reconfigure_subentry()
        self._title = subentry.title
        self._data = dict(subentry.data)
        self._unique_id = subentry.unique_id
        source = DeviceSource(self._data[CONF_SOURCE])
        if source is DeviceSource.PROFILE:
            profiles = await async_profiles(self.hass)
            if self._data[CONF_PROFILE] not in profiles.ids():
                return self.async_abort(reason="profile_missing")
            self._profile = profiles.get(self._data[CONF_PROFILE])
            return await self.async_step_device()
        return await self._async_step_source(source)

    async def _async_step_source(self, source: DeviceSource) -> SubentryFlowResult:
        if source is DeviceSource.PROFILE:
            return await self.async_step_profile()
        return await self.async_step_entity()

    async def async_step_profile(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which device it is, where there are several profiles."""
        profiles = (await async_profiles(self.hass)).of_kind(self.nature)
        if not profiles:
            return self.async_abort(reason="no_profile")
        if len(profiles) == 1:
            self._profile = profiles[0]
        elif user_input is not None:
            self._profile = next(
                item for item in profiles if item.id == user_input[CONF_PROFILE]
            )
        if self._profile is not None:
            return await self.async_step_device()
        options = [
            SelectOptionDict(
                value=item.id, label=f"{item.vendor} {', '.join(item.models)}"
            )
            for item in profiles
        ]
        return self.async_show_form(
            step_id="profile",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_PROFILE): SelectSelector(
                        SelectSelectorConfig(options=options)
                    )
                }
            ),
        )

    # --------------------------------------------------------------- through a profile

    async def async_step_device(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for address and parameters, and test the connection."""
        assert self._profile is not None
        profile = self._profile
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_device()
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_device(shown, profile)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="device",
            data_schema=self.add_suggested_values_to_schema(
                self._device_schema(profile), suggested(shown)
            ),
            errors=errors,
            description_placeholders={
                "device": f"{profile.vendor} {', '.join(profile.models)}",
                "requires": " ".join(profile.requires),
                "detail": "",
                **details,
            },
            last_step=False if self._has_asset_form() else None,
        )

    def _device_schema(self, profile: ProfileFile) -> vol.Schema:
        return vol.Schema(
            {
                vol.Required(CONF_NAME): TextSelector(),
                vol.Required(CONF_HOST): TextSelector(),
                vol.Required(CONF_PORT, default=profile.port): whole_number(),
                **param_fields(profile.params, rare=False),
                **self._role_fields(),
                **more(
                    {
                        **param_fields(profile.params, rare=True),
                        vol.Required(
                            CONF_TRANSPORT, default=Transport.TCP.value
                        ): choice([item.value for item in TRANSPORTS], "transport"),
                    }
                ),
            }
        )

    def _shown_device(self) -> dict[str, Any]:
        """Return what is stored, in the form's words."""
        if self._profile is None or not self._data:
            return {}
        params = shown_params(self._profile.params, self._data[CONF_PARAMS])
        return {CONF_NAME: self._title, **self._data, **params}

    async def _async_take_device(
        self, values: dict[str, Any], profile: ProfileFile
    ) -> tuple[Errors, dict[str, str]]:
        """Check and test the form's values, and keep them if they are good."""
        params, errors, details = param_values(profile.params, values)
        if not 1 <= values[CONF_PORT] <= 65_535:
            errors[CONF_PORT] = "port_out_of_range"
        data = {
            CONF_SOURCE: DeviceSource.PROFILE.value,
            CONF_PROFILE: profile.id,
            CONF_HOST: values[CONF_HOST].strip().lower(),
            CONF_PORT: values[CONF_PORT],
            CONF_TRANSPORT: values[CONF_TRANSPORT],
            CONF_PARAMS: params,
            **self._role_values(values),
        }
        errors |= self._name_errors(values[CONF_NAME])
        if not data[CONF_HOST]:
            errors[CONF_HOST] = "host_missing"
        elif self._is_same_as_another(data):
            errors[CONF_HOST] = "already_configured"
        if errors:
            return errors, details
        result, error, detail = await async_test_device(
            self.hass,
            DeviceConfig(
                device_id="test",
                name=values[CONF_NAME],
                asset=self._asset_for_test(),
                profile=profile.id,
                link=link_params(data),
                params=params,
            ),
        )
        if error is not None:
            return {"base": error}, {"detail": detail}
        if result is not None and result.serial:
            params[PARAM_SERIAL] = result.serial
        unique_id = _unique_id(result, params)
        if unique_id is not None and any(
            item.unique_id == unique_id for item in self._others()
        ):
            return {CONF_HOST: "already_configured"}, {}
        self._unique_id = unique_id
        self._keep(values[CONF_NAME], data)
        return {}, {}

    def _is_same_as_another(self, data: Mapping[str, Any]) -> bool:
        """Whether another subentry names the same device with the same parameters."""
        keys = (CONF_PROFILE, CONF_HOST, CONF_PORT)
        return any(
            all(item.data.get(key) == data[key] for key in keys)
            and _identifying(item.data[CONF_PARAMS]) == _identifying(data[CONF_PARAMS])
            for item in self._others()
        )

    # ---------------------------------------------------------------- through entities

    async def async_step_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the entities that stand for the device, and look at them."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = self._shown_entities()
        if user_input is not None:
            shown = flat(user_input)
            errors, details = await self._async_take_entities(shown)
            if not errors:
                return await self._async_described()
        return self.async_show_form(
            step_id="entity",
            data_schema=self.add_suggested_values_to_schema(
                self._entity_schema(), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"detail": "", **details},
            last_step=False,
        )

    def _entity_schema(self) -> vol.Schema:
        sensor = EntitySelectorConfig(domain="sensor")
        fields: Fields = {
            vol.Required(CONF_NAME): TextSelector(),
            vol.Required(CONF_CONTROL_ENTITY): EntitySelector(
                EntitySelectorConfig(domain=list(self.control_domains))
            ),
            vol.Optional("power_entity"): EntitySelector(
                EntitySelectorConfig(domain="sensor", device_class="power")
            ),
        }
        rare: Fields = {
            vol.Optional("current_l1_entity"): EntitySelector(sensor),
            vol.Optional("current_l2_entity"): EntitySelector(sensor),
            vol.Optional("current_l3_entity"): EntitySelector(sensor),
            vol.Optional("energy_entity"): EntitySelector(sensor),
        }
        if self.nature is not Nature.LOAD:
            rare[vol.Optional("enable_entity")] = EntitySelector(
                EntitySelectorConfig(domain=["switch", "input_boolean"])
            )
        return vol.Schema({**fields, **more(rare)})

    def _shown_entities(self) -> dict[str, Any]:
        """Return the stored references as the entity ids of now."""
        if not self._data:
            return {}
        registry = er.async_get(self.hass)
        shown: dict[str, Any] = {CONF_NAME: self._title}
        for key in ENTITY_KEYS:
            reference = self._data.get(key)
            if reference and (
                entity_id := er.async_resolve_entity_id(registry, reference)
            ):
                shown[key] = entity_id
        return shown

    async def _async_take_entities(
        self, values: dict[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        """Check the form's entities, and keep references that survive a rename."""
        registry = er.async_get(self.hass)
        errors = self._name_errors(values[CONF_NAME])
        data: dict[str, Any] = {CONF_SOURCE: DeviceSource.ENTITY.value}
        for key in ENTITY_KEYS:
            if not (entity_id := values.get(key)):
                continue
            registered = registry.async_get(entity_id)
            if registered is not None and registered.platform == DOMAIN:
                errors[key] = "own_entity"
            data[key] = entity_id if registered is None else registered.id
        if any(
            item.data.get(CONF_CONTROL_ENTITY) == data[CONF_CONTROL_ENTITY]
            for item in self._others()
        ):
            errors[CONF_CONTROL_ENTITY] = "already_configured"
        if errors:
            return errors, {}
        _, error, detail = await async_test_device(
            self.hass,
            DeviceConfig(
                device_id="test",
                name=values[CONF_NAME],
                asset=self._asset_for_test(),
                entities=entity_roles(data, self.kind),
            ),
        )
        if error is not None:
            return {"base": error}, {"detail": detail}
        for key in ENTITY_KEYS:
            self._data.pop(key, None)
        self._unique_id = None
        self._keep(values[CONF_NAME], data)
        return {}, {}

    # ----------------------------------------------------------------- the asset itself

    async def async_step_asset(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for what the decision must know of the asset."""
        errors: Errors = {}
        shown = self._shown_asset()
        if user_input is not None:
            shown = flat(user_input)
            if not (errors := self._asset_errors(shown)):
                self._data |= self._asset_values(shown)
                return self._finish()
        return self.async_show_form(
            step_id="asset",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(self._asset_fields()), suggested(shown)
            ),
            errors=errors,
            description_placeholders={"name": self._title},
            last_step=True,
        )

    def _has_asset_form(self) -> bool:
        """Whether there is more to ask than how the device is reached."""
        return True

    @abstractmethod
    def _asset_fields(self) -> Fields:
        """Return the fields of the asset's form."""

    @abstractmethod
    def _asset_errors(self, values: Mapping[str, Any]) -> Errors:
        """Return what is wrong with the asset's form."""

    @abstractmethod
    def _asset_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the asset's form as it is stored."""

    def _shown_asset(self) -> dict[str, Any]:
        """Return what is stored, in the form's words."""
        shown = dict(self._data)
        if "phases" in shown:
            shown["phases"] = str(shown["phases"])
        return shown

    def _role_fields(self) -> Fields:
        """Return what a device's form asks beyond how it is reached."""
        return {}

    def _role_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields above as they are stored."""
        return {}

    # -------------------------------------------------------------------------- finish

    async def _async_described(self) -> SubentryFlowResult:
        """Go on once it is known how the device is reached."""
        if self._has_asset_form():
            return await self.async_step_asset()
        return self._finish()

    def _finish(self) -> SubentryFlowResult:
        """Store the subentry; the site takes it up without a reload."""
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_and_abort(
                self._get_entry(),
                self._get_reconfigure_subentry(),
                title=self._title,
                data=self._data,
                unique_id=self._unique_id,
            )
        return self.async_create_entry(
            title=self._title, data=self._data, unique_id=self._unique_id
        )

    def _keep(self, name: str, data: dict[str, Any]) -> None:
        self._title = name.strip()
        self._data |= data

    @property
    def _grid_type(self) -> GridType:
        return GridType(self._get_entry().data[CONF_GRID_TYPE])

    def _others(self) -> list[ConfigSubentry]:
        """Return the site's other subentries."""
        own = (
            self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        )
        return [
            item
            for item in self._get_entry().subentries.values()
            if item.subentry_id != own
        ]

    def _name_errors(self, name: str) -> Errors:
        if not name.strip():
            return {CONF_NAME: "name_missing"}
        taken = {item.title.casefold() for item in self._others()}
        return {CONF_NAME: "name_taken"} if name.strip().casefold() in taken else {}

    def _asset_for_test(self) -> Asset | None:
        """Return an asset of the right nature; a test looks at nothing else of it."""
        if self.nature is Nature.METER:
            return None
        return Asset(
            id="test",
            name="test",
            nature=self.nature,
            category=Category.FLEXIBLE_CONSUMPTION,
        )


def _identifying(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: params[key] for key in IDENTIFYING_PARAMS if key in params}


def _unique_id(result: ProbeResult | None, params: Mapping[str, Any]) -> str | None:
    """Return what identifies an asset wherever it is reached, None where unknown."""
    if result is None or not result.serial:
        return None
    parts = [f"{key}{value}" for key, value in _identifying(params).items()]
    return "_".join([result.serial, *parts])
