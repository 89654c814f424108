"""Switches: the site's own stops, and what the user wants of a load."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.components.switch.const import SwitchDeviceClass
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_ON, EntityCategory
from homeassistant.helpers.restore_state import RestoreEntity

from .coordinator import SiteCoordinator
from .entity import HOLDER, NetflexEntity, platform_setup
from .entry_data import ASSET_TYPES, SubentryType
from .model.asset import Direction
from .model.snapshot import NO_USER_LIMITS
from .view_values import Attributes, setpoint_attributes, state_of

# One command at a time: each builds on what the one before left.
PARALLEL_UPDATES = 1


@dataclass(frozen=True, kw_only=True)
class LocalStopDescription(SwitchEntityDescription):
    """The site's own stop of one direction."""

    direction: Direction


LOCAL_STOPS: Final = tuple(
    LocalStopDescription(
        key=f"local_stop_{direction.value}",
        translation_key=f"local_stop_{direction.value}",
        device_class=SwitchDeviceClass.SWITCH,
        direction=direction,
    )
    for direction in Direction
)

LOAD: Final = SwitchEntityDescription(
    key="user_switch",
    translation_key="user_switch",
    device_class=SwitchDeviceClass.SWITCH,
)


LOCK_OUT: Final = SwitchEntityDescription(
    key="lock_out",
    translation_key="lock_out",
    device_class=SwitchDeviceClass.SWITCH,
    entity_category=EntityCategory.CONFIG,
)


def _of_site(coordinator: SiteCoordinator) -> Iterable[NetflexEntity]:
    for description in LOCAL_STOPS:
        yield LocalStopSwitch(coordinator, description)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    if subentry.subentry_type == SubentryType.LOAD:
        yield LoadSwitch(coordinator, LOAD, subentry)
    if subentry.subentry_type in ASSET_TYPES:
        yield LockOutSwitch(coordinator, LOCK_OUT, subentry)


async_setup_entry = platform_setup(of_site=_of_site, of_subentry=_of_subentry)


class LocalStopSwitch(NetflexEntity, SwitchEntity):
    """Stops one direction of the site, beside whatever the operator orders.

    It shows and releases its own stop only; what else holds one is named (S06).
    """

    entity_description: LocalStopDescription

    @property
    def _holders(self) -> frozenset[str]:
        return self.view.local_stops.holders(self.entity_description.direction)

    @property
    @override
    def is_on(self) -> bool:
        return HOLDER in self._holders

    @property
    @override
    def extra_state_attributes(self) -> Attributes:
        return {"other_holders": sorted(self._holders - {HOLDER})}

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self._hold(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self._hold(False)

    async def _hold(self, held: bool) -> None:
        await self.coordinator.async_set_local_stop(
            self.entity_description.direction, HOLDER, held=held
        )


class LoadSwitch(NetflexEntity, SwitchEntity, RestoreEntity):
    """What the user wants of a load; stops, fuse and operator come first.

    It is there while the load is not: it is ours, and restored after a restart.
    """

    _unrecorded_attributes = frozenset({"cause", "causes"})

    @property
    @override
    def is_on(self) -> bool | None:
        """Without a wish of the user's, what the load does is shown."""
        wish = self.view.user.get(self.subject, NO_USER_LIMITS).switch
        if wish is not None:
            return wish
        state = state_of(self.view, self.subject)
        return None if state is None else state.enabled

    @property
    @override
    def extra_state_attributes(self) -> Attributes:
        wish = self.view.user.get(self.subject, NO_USER_LIMITS).switch
        return {"wish": wish, **setpoint_attributes(self.view, self.subject)}

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if self.view.user.get(self.subject, NO_USER_LIMITS).switch is not None:
            return
        last = await self.async_get_last_state()
        # Only a wish is restored: what the load did by itself was never asked for.
        if last is not None and last.attributes.get("wish") is not None:
            await self._wish(last.state == STATE_ON)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self._wish(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self._wish(False)

    async def _wish(self, on: bool) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, switch=on)
        )


class LockOutSwitch(NetflexEntity, SwitchEntity):
    """Locks an asset out for maintenance: no release starts it (S21)."""

    @property
    @override
    def is_on(self) -> bool:
        return self.view.user.get(self.subject, NO_USER_LIMITS).locked

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self._lock(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self._lock(False)

    async def _lock(self, locked: bool) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, locked=locked)
        )
