"""What the people in the house are told: what is held back, until when, what it is like.

The cards decide what is said first; here is only what they cannot know.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from ..actions_quality import report_message
from ..const import DOMAIN
from ..coordinator import NetflexConfigEntry
from ..model.asset import Asset
from ..model.remote import held_back
from ..model.snapshot import NO_USER_LIMITS, Override
from ..site.view import SiteView
from ..words import Words


def house_message(
    view: SiteView, *, monotonic: float, utc: datetime
) -> dict[str, dict[str, Any]]:
    """Return, by asset, how warm it is and until when somebody has asked for what."""
    return {
        asset_id: {
            "temperature": state.temperature,
            "held_until": _held_until(view, asset_id, monotonic, utc),
            "override_until": _override_until(
                view.user.get(asset_id, NO_USER_LIMITS).override, utc
            ),
        }
        for asset_id, state in view.states.items()
    }


def month_message(view: SiteView) -> dict[str, float | None] | None:
    """Return what this month has brought so far; None where nobody sums it up.

    Money in Home Assistant's currency, W, Wh, shares 0..1; None is not known.
    """
    if view.figures is None:
        return None
    month = view.figures.month
    return {
        "saved": month.saved,
        "peak_avoided": month.peak_avoided,
        "tariff_saved": month.tariff_saved,
        "self_sufficiency": month.self_sufficiency,
        "self_use": month.self_use,
        "missed": month.missed,
        "coverage": month.coverage,
    }


def comfort_of(asset: Asset) -> dict[str, float | None]:
    """Return the temperatures in degC between which an asset is to stay."""
    return {"comfort_low": asset.comfort_low, "comfort_high": asset.comfort_high}


def devices_of(hass: HomeAssistant, entry: NetflexConfigEntry) -> Mapping[str, str]:
    """Return the ids of the devices that actions are told, by the subentry's id."""
    registry = dr.async_get(hass)
    return {
        identifier: device.id
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
        for domain, identifier in device.identifiers
        if domain == DOMAIN
    }


def quality_message(view: SiteView, words: Words) -> dict[str, Any] | None:
    """Return the newest daily report on the data, None where there is none yet."""
    if view.quality is None:
        return None
    message: dict[str, Any] = words.say_all(report_message(view.quality))
    return message


def _held_until(
    view: SiteView, asset_id: str, monotonic: float, utc: datetime
) -> str | None:
    """Return when the command that holds a load back ends by itself."""
    command = held_back(view.remote.get(asset_id, ()), monotonic)
    if command is None or (ends := command.ends) is None:
        return None
    return (utc + timedelta(seconds=round(ends - monotonic))).isoformat()


def _override_until(override: Override | None, utc: datetime) -> str | None:
    """Return when what the user asked for ends; None where nothing holds."""
    if override is None or override.until is None or override.until <= utc:
        return None
    return override.until.isoformat()
