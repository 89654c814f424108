"""A button of the site: go through the operator's list in shadow."""

from typing import Final, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.exceptions import Unauthorized

from .entity import NetflexEntity, platform_setup
from .rehearsals import async_rehearse

# A second press while one runs is refused with a reason, not kept waiting.
PARALLEL_UPDATES = 0

DESCRIPTION: Final = ButtonEntityDescription(
    key="rehearse",
    translation_key="rehearse",
    entity_category=EntityCategory.CONFIG,
)


class RehearseButton(NetflexEntity, ButtonEntity):
    """Rehearses in shadow: nothing is written to any device. Administrators only."""

    @property
    @override
    def exists(self) -> bool:
        return self.view.telecontrol

    @override
    async def async_press(self) -> None:
        context = self._context
        if context is not None and context.user_id is not None:
            user = await self.hass.auth.async_get_user(context.user_id)
            if user is None or not user.is_admin:
                raise Unauthorized(context=context, entity_id=self.entity_id)
        await async_rehearse(self.hass, self.coordinator.config_entry, real=False)


async_setup_entry = platform_setup(
    of_site=lambda coordinator: [RehearseButton(coordinator, DESCRIPTION)]
)
