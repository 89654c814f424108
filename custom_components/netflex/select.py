"""Modes: how a user wants chargers, batteries and loads to be used."""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final, override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import State
from homeassistant.helpers.restore_state import RestoreEntity

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, platform_setup
from .entry_data import SubentryType
from .model.modes import BatteryMode, ChargerMode, LoadMode, Mode
from .model.snapshot import NO_USER_LIMITS
from .view_values import Attributes

# One command at a time: each builds on what the one before left.
PARALLEL_UPDATES = 1


MAINTENANCE: Final = "maintenance"
"""Locked out: it outranks whatever else a battery is used for."""


def _modes(kind: str, modes: type[StrEnum], *more: str) -> SelectEntityDescription:
    return SelectEntityDescription(
        key="mode",
        translation_key=f"{kind}_mode",
        options=[*(mode.value for mode in modes), *more],
    )


MODES: Final[dict[SubentryType, tuple[SelectEntityDescription, Mode]]] = {
    SubentryType.CHARGER: (_modes("charger", ChargerMode), ChargerMode.FAST),
    SubentryType.BATTERY: (
        _modes("battery", BatteryMode, MAINTENANCE),
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
        select = BatterySelect if kind is SubentryType.BATTERY else ModeSelect
        yield select(coordinator, description, subentry, default)


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
        if (last := await self.async_get_last_state()) is not None:
            await self._async_restore(last)

    async def _async_restore(self, last: State) -> None:
        """Take up what was in force before a restart."""
        if last.state in (self.options or ()) and last.state != self._default.value:
            await self.async_select_option(last.state)

    @override
    async def async_select_option(self, option: str) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, mode=self._kind(option))
        )


class BatterySelect(ModeSelect):
    """How a battery is used: until its user chooses, by its programme if it has one.

    Maintenance is the lock-out of every asset, which the site itself keeps; leaving it
    goes back to what was chosen before.
    """

    @property
    def _chosen(self) -> Mode | None:
        return self.view.user.get(self.subject, NO_USER_LIMITS).mode

    @property
    @override
    def current_option(self) -> str:
        if self.view.user.get(self.subject, NO_USER_LIMITS).locked:
            return MAINTENANCE
        if self._chosen is None and self.subject in self.view.programmes:
            return BatteryMode.PROGRAMME.value
        return super().current_option

    @property
    @override
    def extra_state_attributes(self) -> Attributes:
        return {"chosen": None if self._chosen is None else self._chosen.value}

    @override
    async def _async_restore(self, last: State) -> None:
        # What was shown may have come from the lock-out or from the programme.
        chosen = last.attributes.get("chosen", last.state)
        if chosen in set(BatteryMode):
            limits = self.view.user.get(self.subject, NO_USER_LIMITS)
            await self.coordinator.async_set_user_limits(
                self.subject, replace(limits, mode=BatteryMode(chosen))
            )

    @override
    async def async_select_option(self, option: str) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        if option == MAINTENANCE:
            changed = replace(limits, locked=True)
        else:
            changed = replace(limits, locked=False, mode=BatteryMode(option))
        await self.coordinator.async_set_user_limits(self.subject, changed)
