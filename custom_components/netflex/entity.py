"""What all entities share: their device, their names, and how they are added.

Entities read the coordinator's view and compute nothing. An asset's entities come
with its subentry, also when it is added while the site runs, and an entity that
depends on what a device offers comes when the device first says it.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Protocol, cast, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN, NAME
from .coordinator import NetflexConfigEntry, SiteCoordinator
from .entry_data import CONF_PROFILE, SubentryType
from .profiles import DATA_PROFILES
from .site.view import SiteView
from .view_values import Attributes
from .words import words_of

HOLDER: Final = "entity"
"""Name under which a switch holds a local stop."""
_ANY_MAKE: Final = "Generic"
"""Vendor of the profiles that fit any device whose registers are known."""


class NetflexEntity(CoordinatorEntity[SiteCoordinator]):
    """An entity of the site, or of one of its subentries."""

    _attr_has_entity_name = True

    def __init__(
        self,
        coordinator: SiteCoordinator,
        description: EntityDescription,
        subentry: ConfigSubentry | None = None,
    ) -> None:
        """Give the entity its place; `subentry` None is the site itself."""
        super().__init__(coordinator)
        self.entity_description = description
        entry = coordinator.config_entry
        self.subject = entry.entry_id if subentry is None else subentry.subentry_id
        """Id of what the entity is about: the site's, a meter's or an asset's."""
        self.subentry = subentry
        self._attr_unique_id = f"{self.subject}_{description.key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, self.subject)})

    @property
    def view(self) -> SiteView:
        """What is known of the site now."""
        return self.coordinator.data

    @property
    def exists(self) -> bool:
        """Whether there is anything to show; until then it is not added."""
        return True


class Shown(Protocol):
    """A description of an entity that shows a part of the view.

    The text is the id of the entity's subject. `exists_fn` None: it is always there.
    `available_fn` None: always available. `attributes_fn` None: it has none.
    """

    @property
    def attributes_fn(self) -> Callable[[SiteView, str], Attributes] | None:
        """Return what reads the attributes."""

    @property
    def available_fn(self) -> Callable[[SiteView, str], bool] | None:
        """Return what tells whether the value is known now."""

    @property
    def exists_fn(self) -> Callable[[SiteView, str], bool] | None:
        """Return what tells whether there is anything to show."""


class ShownEntity(NetflexEntity):
    """An entity that shows a part of the view and can be absent or unavailable."""

    @property
    def _reads(self) -> Shown:
        return cast(Shown, self.entity_description)

    @property
    @override
    def exists(self) -> bool:
        exists = self._reads.exists_fn
        return exists is None or exists(self.view, self.subject)

    @property
    @override
    def available(self) -> bool:
        available = self._reads.available_fn
        return super().available and (
            available is None or available(self.view, self.subject)
        )

    @property
    @override
    def extra_state_attributes(self) -> Attributes | None:
        if (attributes := self._reads.attributes_fn) is None:
            return None
        said: Attributes = words_of(self.hass).say_all(
            attributes(self.view, self.subject)
        )
        return said


class _Platform:
    """Adds the entities of one platform, those of later subentries too."""

    def __init__(
        self,
        entry: NetflexConfigEntry,
        add: AddConfigEntryEntitiesCallback,
        of_subentry: Callable[
            [SiteCoordinator, ConfigSubentry], Iterable[NetflexEntity]
        ],
    ) -> None:
        """Prepare; nothing is added yet."""
        self._entry = entry
        self._coordinator = entry.runtime_data.coordinator
        self._add = add
        self._of_subentry = of_subentry
        self._known: set[str] = set()
        self._waiting: list[NetflexEntity] = []

    @callback
    def offer(self, entities: Iterable[NetflexEntity]) -> None:
        """Add the entities that have something to show, keep the others waiting."""
        for entity in entities:
            if entity.unique_id in self._known or entity.unique_id is None:
                continue
            self._known.add(entity.unique_id)
            self._waiting.append(entity)
        self.look()

    @callback
    def offer_subentry(self, subentry_id: str) -> None:
        """Offer what a subentry has."""
        if (subentry := self._entry.subentries.get(subentry_id)) is not None:
            self.offer(self._of_subentry(self._coordinator, subentry))

    @callback
    def look(self) -> None:
        """Add what has come to exist since the last look."""
        waiting, self._waiting = self._waiting, []
        for entity in waiting:
            if entity.subentry is None:
                gone, subentry_id = False, None
            else:
                subentry_id = entity.subject
                gone = subentry_id not in self._entry.subentries
            if gone:
                continue
            if entity.exists:
                self._add([entity], config_subentry_id=subentry_id)
            else:
                self._waiting.append(entity)


type SetUp = Callable[
    [HomeAssistant, NetflexConfigEntry, AddConfigEntryEntitiesCallback],
    Coroutine[Any, Any, None],
]


def platform_setup(
    *,
    of_site: Callable[[SiteCoordinator], Iterable[NetflexEntity]] = lambda _site: (),
    of_subentry: Callable[
        [SiteCoordinator, ConfigSubentry], Iterable[NetflexEntity]
    ] = lambda _site, _subentry: (),
) -> SetUp:
    """Return a platform's `async_setup_entry`, which adds what these yield."""

    async def async_setup_entry(
        hass: HomeAssistant,
        entry: NetflexConfigEntry,
        async_add_entities: AddConfigEntryEntitiesCallback,
    ) -> None:
        async_register_devices(hass, entry)
        platform = _Platform(entry, async_add_entities, of_subentry)
        coordinator = entry.runtime_data.coordinator
        platform.offer(of_site(coordinator))
        for subentry_id in entry.subentries:
            platform.offer_subentry(subentry_id)

        @callback
        def added(subentry_id: str) -> None:
            async_register_devices(hass, entry)
            platform.offer_subentry(subentry_id)

        entry.async_on_unload(coordinator.async_on_assets(added))
        entry.async_on_unload(coordinator.async_add_listener(platform.look))

    return async_setup_entry


def sub_meter_identifier(meter_id: str, channel: int) -> str:
    """Return what identifies the device of a meter behind a smart meter."""
    return f"{meter_id}_mbus{channel}"


@callback
def async_register_devices(hass: HomeAssistant, entry: NetflexConfigEntry) -> None:
    """Register the site and, below it, everything that its subentries describe.

    Called again after a change, it brings new names to the registered devices.
    """
    registry = dr.async_get(hass)
    # Registered first: the others can only name it once it has an id.
    site = registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, entry.entry_id)},
        manufacturer=NAME,
        name=entry.title,
    )
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SubentryType.BATTERY_MODE:
            continue  # It belongs to the battery's own device.
        maker, model = _maker_and_model(hass, subentry)
        registry.async_get_or_create(
            config_entry_id=entry.entry_id,
            config_subentry_id=subentry.subentry_id,
            identifiers={(DOMAIN, subentry.subentry_id)},
            manufacturer=maker,
            model=model,
            name=subentry.title,
            via_device_id=site.id,
        )


def _maker_and_model(
    hass: HomeAssistant, subentry: ConfigSubentry
) -> tuple[str | None, str | None]:
    """Return who makes a subentry's device and what it is, as its profile says.

    A profile for devices of any make says neither.
    """
    profiles = hass.data.get(DATA_PROFILES)
    profile_id = subentry.data.get(CONF_PROFILE)
    if profiles is None or profile_id not in profiles.ids():
        return None, None
    profile = profiles.get(profile_id)
    if profile.vendor == _ANY_MAKE:
        return None, None
    return profile.vendor, profile.models[0] if profile.models else None
