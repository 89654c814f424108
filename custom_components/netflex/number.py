"""The user's own limits: one more source for the decision, never a setpoint."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntityDescription,
    NumberMode,
    RestoreNumber,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import (
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
)

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, platform_setup
from .entry_data import CONF_MAX_CURRENT, SubentryType
from .model.snapshot import NO_USER_LIMITS

# One command at a time: each builds on the limits that the one before left.
PARALLEL_UPDATES = 1

CHARGER_LIMIT: Final = NumberEntityDescription(
    key="user_limit",
    translation_key="user_limit",
    device_class=NumberDeviceClass.CURRENT,
    entity_category=EntityCategory.CONFIG,
    native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
    native_min_value=0,
    native_step=1,
    mode=NumberMode.BOX,
)

CHARGER_ENERGY: Final = NumberEntityDescription(
    key="charge_energy",
    translation_key="charge_energy",
    device_class=NumberDeviceClass.ENERGY,
    entity_category=EntityCategory.CONFIG,
    native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    native_min_value=0,
    native_max_value=200,
    native_step=0.5,
    mode=NumberMode.BOX,
)
PEAK_TARGET: Final = NumberEntityDescription(
    key="peak_target",
    translation_key="peak_target",
    device_class=NumberDeviceClass.POWER,
    entity_category=EntityCategory.CONFIG,
    native_unit_of_measurement=UnitOfPower.KILO_WATT,
    native_min_value=0,
    native_max_value=1000,
    native_step=0.1,
    mode=NumberMode.BOX,
)


def _of_site(coordinator: SiteCoordinator) -> Iterable[NetflexEntity]:
    yield PeakTarget(coordinator, PEAK_TARGET)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    if subentry.subentry_type == SubentryType.CHARGER:
        yield ChargerLimit(coordinator, CHARGER_LIMIT, subentry)
        yield ChargerEnergy(coordinator, CHARGER_ENERGY, subentry)


async_setup_entry = platform_setup(of_site=_of_site, of_subentry=_of_subentry)


class ChargerLimit(NetflexEntity, RestoreNumber):
    """What the user lets a charger draw at most, in A per line; 0 pauses it.

    It is there while the charger is not: it is ours, and restored after a restart.
    """

    @property
    @override
    def native_max_value(self) -> float:
        subentry = self.coordinator.config_entry.subentries.get(self.subject)
        if subentry is None:
            return super().native_max_value
        return float(subentry.data[CONF_MAX_CURRENT])

    @property
    @override
    def native_value(self) -> float:
        """Without a limit of the user's, the installation's is shown."""
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        if limits.current is None:
            return self.native_max_value
        return min(limits.current, self.native_max_value)

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if self.view.user.get(self.subject, NO_USER_LIMITS).current is not None:
            return
        stored = await self.async_get_last_number_data()
        if stored is not None and stored.native_value is not None:
            await self.async_set_native_value(stored.native_value)

    @override
    async def async_set_native_value(self, value: float) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        # At the installation's own limit the user asks for nothing more.
        current = None if value >= self.native_max_value else value
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, current=current)
        )


class ChargerEnergy(NetflexEntity, RestoreNumber):
    """What a charger in the mode "by deadline" is to deliver, in kWh; 0: nothing set."""

    @property
    @override
    def native_value(self) -> float:
        energy = self.view.user.get(self.subject, NO_USER_LIMITS).energy
        return 0.0 if energy is None else energy / 1000

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if self.view.user.get(self.subject, NO_USER_LIMITS).energy is not None:
            return
        stored = await self.async_get_last_number_data()
        if stored is not None and stored.native_value:
            await self.async_set_native_value(stored.native_value)

    @override
    async def async_set_native_value(self, value: float) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        energy = value * 1000 if value else None
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, energy=energy)
        )


class PeakTarget(NetflexEntity, RestoreNumber):
    """What a quarter hour should stay below, in kW; 0: as the meter's form says."""

    @property
    @override
    def exists(self) -> bool:
        return self.view.demand is not None

    @property
    @override
    def native_value(self) -> float | None:
        if self.view.demand is None:
            return None
        return (self.view.demand.tariff.target or 0.0) / 1000

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        stored = await self.async_get_last_number_data()
        if stored is not None and stored.native_value:
            await self.async_set_native_value(stored.native_value)

    @override
    async def async_set_native_value(self, value: float) -> None:
        await self.coordinator.async_set_peak_target(value * 1000 if value else None)
