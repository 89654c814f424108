"""The steps that the forms of all meters and assets share.

A device is reached through a profile: an address and the profile's parameters, which
are tested. Changing a subentry takes the same steps and reloads nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_HOST, CONF_MAC, CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from ..devices.device import DeviceConfig, ProbeResult
from ..devices.ports import Connection, Transport
from ..devices.profile_loader import ProfileFile
from ..entry_data import (
    CONF_CONNECTION,
    CONF_PARAMS,
    CONF_PROFILE,
    CONF_SOURCE,
    CONF_TRANSPORT,
    DeviceSource,
    SubentryType,
)
from ..entry_device import link_params
from ..model.asset import Asset, Nature
from ..model.phrase import Phrase
from ..profiles import async_profiles
from ..words import words_of
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
from .probing import Tested, async_test_device
from .spoken import SpokenFlow

PARAM_SERIAL: Final = "serial"
"""Parameter that pins a configuration to the device that answered the test."""
IDENTIFYING_PARAMS: Final = ("unit", "socket", "output")
"""Parameters that tell apart several assets behind one serial number."""
TRANSPORTS: Final = (Transport.TCP, Transport.RTU_OVER_TCP)

NOTHING_KNOWN: Final = Phrase("nothing_known", "not known")

type Errors = dict[str, str]


class SubentryFlow(
    SpokenFlow[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Steps through the forms of one kind of subentry."""

    kind: ClassVar[SubentryType]
    nature: ClassVar[Nature]
    sources: ClassVar[tuple[DeviceSource, ...]]
    """Ways to reach the device, in the order of the menu."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._title = ""
        self._data: dict[str, Any] = {}
        self._unique_id: str | None = None
        self._profile: ProfileFile | None = None
        self._announced: Mapping[str, Any] = {}
        """What a device that announced itself said of itself, in the form's words."""

    # --------------------------------------------------------------------- first steps

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask how the device is reached, where there is a choice.

        There is none for a device that announced itself: `user_input` then is what is
        known of it, with its source and profile.
        """
        if user_input is not None:
            return await self._async_step_found(user_input)
        if len(self.sources) == 1:
            return await self._async_step_source(self.sources[0])
        return self.async_show_menu(
            step_id="user", menu_options=[source.value for source in self.sources]
        )

    async def _async_step_found(self, found: Mapping[str, Any]) -> SubentryFlowResult:
        """Show the form of a device that announced itself, filled in."""
        self._announced = found
        source = DeviceSource(found[CONF_SOURCE])
        if source is not DeviceSource.PROFILE:
            return await self._async_step_source(source)
        self._profile = (await async_profiles(self.hass)).get(found[CONF_PROFILE])
        return await self.async_step_device()

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
        """Show the first form of one way to reach the device."""
        return await self.async_step_profile()

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
                value=item.id, label=f"{item.vendor}: {', '.join(item.models)}"
            )
            for item in profiles
        ]
        return self.async_show_form(
            step_id="profile",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_PROFILE): SelectSelector(
                        # Nothing is chosen beforehand, and long names wrap.
                        SelectSelectorConfig(
                            options=options, mode=SelectSelectorMode.LIST
                        )
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
                "requires": _listed(map(words_of(self.hass).say, profile.requires)),
                "when_silent": profile.when_silent or NOTHING_KNOWN,
                "detail": "",
                **details,
            },
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
                        vol.Required(
                            CONF_CONNECTION, default=Connection.SHARED.value
                        ): choice([item.value for item in Connection], "connection"),
                    }
                ),
            }
        )

    def _shown_device(self) -> dict[str, Any]:
        """Return what is stored, in the form's words."""
        if self._profile is None or not self._data:
            return dict(self._announced)
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
            CONF_CONNECTION: values.get(CONF_CONNECTION, Connection.SHARED.value),
            CONF_PARAMS: params,
            **self._role_values(values),
        }
        errors |= self._name_errors(values[CONF_NAME]) | self._role_errors(values)
        if not data[CONF_HOST]:
            errors[CONF_HOST] = "host_missing"
        elif self._is_same_as_another(data):
            errors[CONF_HOST] = "already_configured"
        if errors:
            return errors, details
        result, error, detail = await self._async_test(
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
        self._keep_mac(data)
        self._keep(values[CONF_NAME], data)
        return {}, {}

    def _keep_mac(self, data: dict[str, Any]) -> None:
        """Keep the hardware address only with the address that it was heard with."""
        if self._data.get(CONF_HOST) != data[CONF_HOST]:
            self._data.pop(CONF_MAC, None)
        if (
            CONF_MAC in self._announced
            and self._announced[CONF_HOST] == data[CONF_HOST]
        ):
            data[CONF_MAC] = self._announced[CONF_MAC]

    def _is_same_as_another(self, data: Mapping[str, Any]) -> bool:
        """Whether another subentry names the same device with the same parameters."""
        keys = (CONF_PROFILE, CONF_HOST, CONF_PORT)
        return any(
            all(item.data.get(key) == data[key] for key in keys)
            and _identifying(item.data[CONF_PARAMS]) == _identifying(data[CONF_PARAMS])
            for item in self._others()
        )

    def _role_fields(self) -> Fields:
        """Return what a device's form asks beyond how it is reached."""
        return {}

    def _role_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields above as they are stored."""
        return {}

    def _role_errors(self, values: Mapping[str, Any]) -> Errors:
        """Return what is wrong with the fields above."""
        return {}

    # -------------------------------------------------------------------------- finish

    async def _async_described(self) -> SubentryFlowResult:
        """Go on once it is known how the device is reached."""
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
        """Return what a test needs to know of the asset; a meter is none."""
        return None

    async def _async_test(self, config: DeviceConfig) -> Tested[ProbeResult]:
        return await async_test_device(self.hass, config)


def _listed(texts: Iterable[str]) -> str:
    """Return texts as a list of their own in Markdown."""
    return "".join(f"\n- {text}" for text in texts)


def _identifying(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: params[key] for key in IDENTIFYING_PARAMS if key in params}


def _unique_id(result: ProbeResult | None, params: Mapping[str, Any]) -> str | None:
    """Return what identifies an asset wherever it is reached, None where unknown."""
    if result is None or not result.serial:
        return None
    parts = [f"{key}{value}" for key, value in _identifying(params).items()]
    return "_".join([result.serial, *parts])
