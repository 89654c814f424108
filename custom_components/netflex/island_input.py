"""The entity that says whether the house is islanded (S20).

What it does not say counts as on the grid: then every order acts.
"""

from homeassistant.const import STATE_ON
from homeassistant.core import HomeAssistant, callback

from .site.site import Site
from .watched import WatchedEntities


class IslandWatch:
    """Tells the site whether it is islanded."""

    def __init__(self, hass: HomeAssistant, site: Site) -> None:
        """Watch nothing yet."""
        self._site = site
        self._reference: str | None = None
        self._entities = WatchedEntities(hass, self._look)

    @callback
    def async_set(self, reference: str | None) -> None:
        """Watch this entity, by registry id or entity id; None: none."""
        self._reference = reference
        self._entities.async_set(() if reference is None else (reference,))
        self._look()

    @callback
    def async_stop(self) -> None:
        """Watch nothing any more."""
        self._entities.async_stop()

    @callback
    def _look(self) -> None:
        reference = self._reference
        state = None if reference is None else self._entities.state(reference)
        self._site.set_islanded(state is not None and state.state == STATE_ON)
