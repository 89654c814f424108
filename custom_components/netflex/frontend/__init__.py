"""The dashboard's own cards: served from the house, fed over the websocket."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http.server import StaticPathConfig
from homeassistant.core import HomeAssistant

from ..const import DOMAIN
from .feed import async_register_feed

_FOLDER: Final = Path(__file__).parent / "www"
_ENTRY: Final = "netflex.js"


async def async_register_frontend(hass: HomeAssistant) -> None:
    """Serve the cards and their data; without Home Assistant's frontend only those."""
    async_register_feed(hass)
    if "http" not in hass.config.components:
        return
    # The address changes with the contents: no browser keeps an old card.
    version = await hass.async_add_executor_job(_digest)
    address = f"/{DOMAIN}_frontend/{version}"
    await hass.http.async_register_static_paths(
        [StaticPathConfig(address, str(_FOLDER), cache_headers=True)]
    )
    if "frontend" in hass.config.components:
        add_extra_js_url(hass, f"{address}/{_ENTRY}")


def _digest() -> str:
    """Return what identifies the contents of all files together."""
    digest = sha256()
    for path in sorted(_FOLDER.glob("*.js")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
