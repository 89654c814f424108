"""When a charger in the mode "by deadline" is to be done."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, override

from homeassistant.components.datetime import DateTimeEntity, DateTimeEntityDescription
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory
from homeassistant.helpers.restore_state import RestoreEntity
from homeassistant.util import dt as dt_util

from .coordinator import SiteCoordinator
from .entity import NetflexEntity, platform_setup
from .entry_data import SubentryType
from .model.snapshot import NO_USER_LIMITS

# One command at a time: each builds on what the one before left.
PARALLEL_UPDATES = 1

DEADLINE: Final = DateTimeEntityDescription(
    key="charge_deadline",
    translation_key="charge_deadline",
    entity_category=EntityCategory.CONFIG,
)


def _of_subentry(
    coordinator: SiteCoordinator, subentry: ConfigSubentry
) -> Iterable[NetflexEntity]:
    if subentry.subentry_type == SubentryType.CHARGER:
        yield ChargeDeadline(coordinator, DEADLINE, subentry)


async_setup_entry = platform_setup(of_subentry=_of_subentry)


class ChargeDeadline(NetflexEntity, DateTimeEntity, RestoreEntity):
    """The time by which a charger is to have delivered its energy."""

    @property
    @override
    def native_value(self) -> datetime | None:
        return self.view.user.get(self.subject, NO_USER_LIMITS).deadline

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if self.native_value is not None:
            return
        last = await self.async_get_last_state()
        if last is not None and (at := dt_util.parse_datetime(last.state)) is not None:
            await self.async_set_value(at)

    @override
    async def async_set_value(self, value: datetime) -> None:
        limits = self.view.user.get(self.subject, NO_USER_LIMITS)
        await self.coordinator.async_set_user_limits(
            self.subject, replace(limits, deadline=value.astimezone(UTC))
        )
