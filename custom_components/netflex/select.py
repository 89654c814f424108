"""Modes: how a user wants chargers, batteries and loads to be used."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final, override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers.restore_state import RestoreEntity

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, platform_setup
from .entry_data import SubentryType
from .model.modes import BatteryMode, ChargerMode, LoadMode, Mode
from .model.snapshot import NO_USER_LIMITS

# One command at a time: each builds on what the one before left.
PARALLEL_UPDATES = 1


def _modes(kind: str, modes: type[StrEnum]) -> SelectEntityDescription:
    return SelectEntityDescription(
        key="mode",
        translation_key=f"{kind}_mode",
        options=[mode.value for mode in modes],
    )


MODES: Final[dict[SubentryType, tuple[SelectEntityDescription, Mode]]] = {
    SubentryType.CHARGER: (_modes("charger", ChargerMode), ChargerMode.FAST),
    SubentryType.BATTERY: (
        _modes("battery", BatteryMode),
        BatteryMode.SELF_CONSUMPTION,
    ),
    SubentryType.LOAD: (_modes("load", LoadMode), LoadMode.ALWAYS),
}


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    kind = SubentryType(subentry.subentry_type)
    if kind in MODES:
        description, default = MODES[kind]
        yield ModeSelect(coordinator, description, subentry, default)


async_setup_entry = platform_setup(of_subentry=_of_subentry)


class ModeSelect(NetflexEntity, SelectEntity, RestoreEntity):
    """The mode of one asset: a wish, inside every limit.

    It is there while the device is not: it is ours, and restored after a restart.
    """

    def __init__(
        self,
        coordinator: SiteCoordinator,
        description: SelectEntityDescription,
        subentry: ConfigSubentry,
        default: Mode,
    ) -> None:
        """Give the mode its place; `default` is in force until a user chooses."""
        super().__init__(coordinator, description, subentry)
        self._default = default
        self._kind = type(default)

    @property
    @override
    def current_option(self) -> str:
        mode = self.view.user.get(self.subject, NO_USER_LIMITS).mode
        return (mode if isinstance(mode, self._kind) else self._default).value

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if self.view.user.get(self.subject, NO_USER_LIMITS).mode is not None:
            return
        last = await self.async_get_last_state()
        if last is not None and last.state in (self.options or ()):
            if last.state != self._default.value:
                await self.async_select_option(last.state)

    @override
    async def async_select_option(self, option: str) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, mode=self._kind(option))
        )
