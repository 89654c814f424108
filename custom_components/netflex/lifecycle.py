"""Sets up and unloads sites."""

from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .actions import async_register_actions
from .activity import async_tell_activity
from .backup import async_join_backup
from .const import DOMAIN, ENTRY_MINOR_VERSION, ENTRY_VERSION, LOGGER
from .coordinator import NetflexConfigEntry
from .devices.yaml_nodes import ProfileError
from .entity import sub_meter_identifier
from .frontend import async_register_frontend
from .left_loads import async_give_back_loads
from .profiles import async_profiles
from .rehearsals import async_register_rehearsals
from .repairs import async_forget_settings, async_sync_problems
from .runtime import NetflexRuntime, async_close_parked, async_forget_orders
from .simulated_entry import CONF_SIMULATION
from .simulated_site import SimulatedWires
from .site_readings import ReadingsView
from .telecontrol.order_store import OrderStoreError, StoreInUseError
from .telecontrol_options import OptionsError
from .words import said

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.DATETIME,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions and the cards, whether or not a site is loaded."""
    async_register_actions(hass)
    async_register_rehearsals(hass)
    await async_register_frontend(hass)
    hass.http.register_view(ReadingsView)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: NetflexConfigEntry) -> bool:
    """Set up a site; waits for no device but those that are simulated here."""
    if CONF_SIMULATION in entry.data:
        wires = SimulatedWires(hass, dict(entry.data))
        entry.async_on_unload(wires.stop)
        await wires.start()
    try:
        runtime = NetflexRuntime(hass, entry, await async_profiles(hass))
        await runtime.async_start()
    except ProfileError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="profile_error",
            translation_placeholders={"error": said(hass, err)},
        ) from err
    except OptionsError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="options_error",
            translation_placeholders={"error": said(hass, err)},
        ) from err
    except (StoreInUseError, OSError) as err:
        # A disk or a mount that is not there yet, or a process that is still ending.
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="files_not_usable",
            translation_placeholders={"error": said(hass, err)},
        ) from err
    except OrderStoreError as err:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="order_store_error",
            translation_placeholders={"error": said(hass, err)},
        ) from err
    entry.runtime_data = runtime

    async def stop(_event: Event) -> None:
        """Close the site: stopping Home Assistant unloads no entries."""
        if entry.state is ConfigEntryState.LOADED:
            await runtime.async_stop(park=False)

    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    entry.async_on_unload(entry.add_update_listener(_async_entry_changed))
    async_tell_activity(hass, entry)
    entry.async_create_background_task(
        hass, async_join_backup(hass, runtime), "netflex join a backup"
    )
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def _async_entry_changed(hass: HomeAssistant, entry: NetflexConfigEntry) -> None:
    """Follow a change of the entry or of its subentries."""
    await entry.runtime_data.async_entry_changed()


async def async_unload_entry(hass: HomeAssistant, entry: NetflexConfigEntry) -> bool:
    """Unload a site; its station waits some seconds for it to come back."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    leaving = entry.disabled_by is not None or hass.is_stopping
    await entry.runtime_data.async_stop(park=not leaving)
    if entry.disabled_by is not None:
        async_sync_problems(hass, entry, ())
    return True


async def async_remove_entry(hass: HomeAssistant, entry: NetflexConfigEntry) -> None:
    """Close the station of a site that was removed, and forget its orders."""
    async_sync_problems(hass, entry, ())
    async_forget_settings(hass, entry)
    await async_close_parked(hass, entry.entry_id)
    await async_give_back_loads(hass, entry)
    await async_forget_orders(hass, entry.entry_id)


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: NetflexConfigEntry, device: DeviceEntry
) -> bool:
    """Let a user delete a meter behind a smart meter that is not read any more.

    The site itself, and all that is set up in it, go with their own entries.
    """
    in_use = {entry.entry_id, *entry.subentries}
    if entry.state is ConfigEntryState.LOADED:
        in_use |= {
            sub_meter_identifier(meter.meter_id, item.channel)
            for meter in entry.runtime_data.coordinator.data.meters.values()
            if meter.reading is not None
            for item in meter.reading.sub_meters
        }
    return in_use.isdisjoint(name for _domain, name in device.identifiers)


async def async_migrate_entry(hass: HomeAssistant, entry: NetflexConfigEntry) -> bool:
    """Accept the versions that are known; a newer one is refused, never guessed."""
    if (entry.version, entry.minor_version) > (ENTRY_VERSION, ENTRY_MINOR_VERSION):
        LOGGER.error(
            "%s was stored by a newer version (%s.%s) of the integration",
            entry.title,
            entry.version,
            entry.minor_version,
        )
        return False
    return True
