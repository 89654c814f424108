"""Devices that announce themselves: offered to a site, once, after they have answered.

A site is an entry and its devices are subentries. So the question is which site a
device belongs to; its own form follows, filled in. Where there is no site yet, one is
set up first.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, cast, override

from homeassistant.components.usb import get_serial_by_id
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowContext,
    ConfigFlowResult,
    FlowType,
    SubentryFlowContext,
)
from homeassistant.const import CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.usb import UsbServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import voluptuous as vol

from ..const import DOMAIN
from ..devices.device import DeviceConfig
from ..devices.ports import LinkParams
from ..devices.profile_loader import ProfileFile
from ..entry_data import DeviceSource, SubentryType
from ..model.asset import Asset, Category
from ..profiles import async_profiles
from .announced import BY_HARDWARE, BY_SERVICE, Announced, Found, is_what_it_seems
from .fields import Fields, choice
from .known import (
    follow,
    learn_mac,
    members_at,
    members_of,
    members_that_are,
    real_sites,
)
from .probing import async_test_device, async_test_p1
from .spoken import SpokenFlow

CONF_SITE: Final = "site"
CONF_KIND: Final = "kind"


class DiscoverySteps(SpokenFlow[ConfigFlowContext, ConfigFlowResult, str], ConfigFlow):
    """The steps of a flow that a device has begun by announcing itself."""

    def __init__(self) -> None:
        """Nothing is found yet."""
        self._offers: tuple[Found, ...] = ()

    # ------------------------------------------------------------------- announcements

    @override
    async def async_step_zeroconf(
        self, discovery_info: ZeroconfServiceInfo
    ) -> ConfigFlowResult:
        """Take a device that announces a service."""
        announced = BY_SERVICE[discovery_info.type]
        host = discovery_info.hostname.rstrip(".").lower()
        return await self._async_announced(
            announced,
            discovery_info.host,
            names={*discovery_info.addresses, host, host.split(".")[0]},
            port=discovery_info.port if announced.tells_port else None,
        )

    @override
    async def async_step_dhcp(
        self, discovery_info: DhcpServiceInfo
    ) -> ConfigFlowResult:
        """Take a device that has asked for its address."""
        mac = discovery_info.macaddress
        return await self._async_announced(
            BY_HARDWARE[mac[:6]],
            discovery_info.ip,
            names={discovery_info.ip, discovery_info.hostname.lower()},
            mac=mac,
        )

    @override
    async def async_step_usb(self, discovery_info: UsbServiceInfo) -> ConfigFlowResult:
        """Take a cable that names itself after the P1 port, if a meter talks on it."""
        device = discovery_info.device
        path = await self.hass.async_add_executor_job(get_serial_by_id, device)
        await self.async_set_unique_id(f"p1_{discovery_info.serial_number or path}")
        self._abort_if_unique_id_configured()
        if any(
            item.data.get(CONF_PORT) in {path, device}
            for _, item in members_of(self.hass)
        ):
            return self.async_abort(reason="already_configured")
        if self._is_used_elsewhere({path, device}):
            return self.async_abort(reason="port_used_elsewhere")
        telegram, error, _ = await async_test_p1(path)
        if error is not None or telegram is None:
            return self.async_abort(reason="no_telegram")
        found = Found(
            kind=SubentryType.METER,
            source=DeviceSource.P1,
            label="P1",
            port=path,
            serial=telegram.serial,
        )
        return await self._async_offer((found,))

    async def _async_announced(
        self,
        announced: Announced,
        host: str,
        *,
        names: Collection[str],
        port: int | None = None,
        mac: str | None = None,
    ) -> ConfigFlowResult:
        """Offer a device that is new, and has answered over Modbus."""
        await self.async_set_unique_id(f"{announced.profiles[0]}_{mac or host}")
        self._abort_if_unique_id_configured()
        if known := members_at(self.hass, names):
            if mac is not None:
                learn_mac(self.hass, known, mac)
            return self.async_abort(reason="already_configured")
        profiles = await async_profiles(self.hass)
        offers = [
            offer
            for key in announced.profiles
            if key in profiles.ids()
            and (offer := await self._async_ask(profiles.get(key), host, port, mac))
        ]
        if not offers:
            return self.async_abort(reason="no_modbus")
        return await self._async_offer(tuple(offers))

    async def _async_ask(
        self, profile: ProfileFile, host: str, port: int | None, mac: str | None
    ) -> Found | None:
        """Return the device if it answers as this profile's."""
        found = Found(
            kind=SubentryType(profile.kind.value),
            source=DeviceSource.PROFILE,
            profile=profile.id,
            label=profile.vendor,
            host=host,
            port=port or profile.port,
            mac=mac,
        )
        result, error, _ = await async_test_device(
            self.hass,
            DeviceConfig(
                device_id="test",
                name=f"{profile.vendor} {host}",
                asset=Asset(
                    id="test",
                    name="test",
                    nature=profile.kind,
                    category=Category.FLEXIBLE_CONSUMPTION,
                ),
                profile=profile.id,
                link=LinkParams(host=host, port=port or profile.port),
            ),
        )
        if error is not None or result is None:
            return None
        if not is_what_it_seems(found.kind, result):
            return None
        label = f"{profile.vendor} {result.model}" if result.model else profile.vendor
        return replace(found, label=label, serial=result.serial)

    async def _async_offer(self, offers: tuple[Found, ...]) -> ConfigFlowResult:
        """Ask about something new; what is known and has moved is followed."""
        for found in offers:
            if same := members_that_are(self.hass, found):
                follow(self.hass, same, found)
                return self.async_abort(reason="already_configured")
        first = offers[0]
        await self.async_set_unique_id(first.identity)
        self._abort_if_unique_id_configured()
        self._offers = offers
        self.context["title_placeholders"] = {"name": f"{first.label} ({first.place})"}
        if real_sites(self.hass):
            return await self.async_step_discovered()
        return await self.async_step_first_site()

    # ----------------------------------------------------------------------- questions

    async def async_step_first_site(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say that a device needs a site, and offer to set one up."""
        return self.async_show_menu(
            step_id="first_site",
            menu_options=["site", "import_site"],
            description_placeholders=self._described(),
        )

    async def async_step_discovered(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which site the device belongs to, and what it is there."""
        sites = {entry.entry_id: entry for entry in real_sites(self.hass)}
        if not sites:
            return await self.async_step_first_site()
        kinds = {found.kind.value: found for found in self._offers}
        if user_input is not None:
            site = sites.get(user_input.get(CONF_SITE, next(iter(sites))))
            found = kinds[user_input.get(CONF_KIND, next(iter(kinds)))]
            if site is not None:
                return await self._async_hand_over(site, found)
        fields: Fields = {}
        if len(sites) > 1:
            fields[vol.Required(CONF_SITE)] = SelectSelector(
                SelectSelectorConfig(
                    options=[
                        SelectOptionDict(value=key, label=entry.title)
                        for key, entry in sites.items()
                    ],
                    mode=SelectSelectorMode.DROPDOWN,
                )
            )
        if len(kinds) > 1:
            fields[vol.Required(CONF_KIND, default=next(iter(kinds)))] = choice(
                list(kinds), "discovered_kind"
            )
        return self.async_show_form(
            step_id="discovered",
            data_schema=vol.Schema(fields),
            errors={},
            description_placeholders={
                **self._described(),
                "sites": ", ".join(entry.title for entry in sites.values()),
            },
        )

    def _described(self) -> dict[str, str]:
        first = self._offers[0]
        return {"device": first.label, "place": first.place}

    # ----------------------------------------------------------------------- hand over

    async def _async_open_form(self, site: ConfigEntry, found: Found) -> str:
        """Open a site's form for the device; return its flow's id."""
        form = await self.hass.config_entries.subentries.async_init(
            (site.entry_id, found.kind.value),
            context=SubentryFlowContext(source=SOURCE_USER),
            data=found.prefilled(),
        )
        return form["flow_id"]

    async def _async_hand_over(
        self, site: ConfigEntry, found: Found
    ) -> ConfigFlowResult:
        """End with the form of the device on its site open."""
        flow_id = await self._async_open_form(site, found)
        result = self.async_abort(
            reason="goes_on", description_placeholders={"site": site.title}
        )
        result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, flow_id)
        # The dialog takes the entry of the next form from here.
        result["result"] = cast(ConfigEntry, site.as_json_fragment)
        return result

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Go on with the device for which the site was set up."""
        if self._offers:
            flow_id = await self._async_open_form(result["result"], self._offers[0])
            result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, flow_id)
        return result

    async def _async_forget_identity(self) -> None:
        """Leave the identity of the device to the device: a site has none."""
        if self._offers:
            await self.async_set_unique_id(None)

    # ------------------------------------------------------------------------- look up

    @callback
    def _is_used_elsewhere(self, paths: set[str]) -> bool:
        """Whether another integration names the serial port as its own."""
        return any(
            isinstance(value, str) and value in paths
            for entry in self.hass.config_entries.async_entries()
            if entry.domain != DOMAIN
            for value in entry.data.values()
        )
