"""What the system information page says about the sites of this installation."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import NetflexConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what to tell."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return counts over all sites that run."""
    entries: list[NetflexConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    views = [entry.runtime_data.coordinator.data for entry in entries]
    return {
        "sites": len(views),
        "stations_listening": sum(view.link.listening for view in views),
        "operators_connected": sum(view.link.connected for view in views),
        "assets_answering": sum(
            state.available for view in views for state in view.states.values()
        ),
        "assets": sum(len(view.states) for view in views),
        "problems": sum(len(view.problems) for view in views),
        "loop_lag": f"{max((view.loop_lag or 0.0 for view in views), default=0.0):.2f} s",
    }
