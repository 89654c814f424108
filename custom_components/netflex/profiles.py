"""The device profiles, loaded once for all sites."""

from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .devices.profile_loader import ProfileLibrary

DATA_PROFILES: HassKey[ProfileLibrary] = HassKey(f"{DOMAIN}_profiles")


async def async_profiles(hass: HomeAssistant) -> ProfileLibrary:
    """Return the device profiles, loaded once, with the user's own files."""
    if (profiles := hass.data.get(DATA_PROFILES)) is None:
        profiles = await hass.async_add_executor_job(
            ProfileLibrary.load, Path(hass.config.path(DOMAIN, "profiles"))
        )
        hass.data[DATA_PROFILES] = profiles
    return profiles
