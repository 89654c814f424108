"""The actions by which an automation holds a load back, as one more source outside.

It is what a broker's command is: it can only tighten, it names who asks and why, it ends
by itself, and the user, the local switch and comfort outweigh it.
"""

from datetime import timedelta
import time
from typing import Final

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
import voluptuous as vol

from .actions_common import ATTR_DURATION, ATTR_UNTIL, driven_asset, end_of
from .const import DOMAIN
from .coordinator import NetflexConfigEntry
from .entry_data import CONF_NEVER_SHED, SubentryType
from .model.phrase import Moment, Phrase
from .model.plan import Cause, Source
from .model.remote import RemoteCommand

SERVICE_HOLD_BACK: Final = "hold_back"
SERVICE_RELEASE_LOAD: Final = "release_load"
ATTR_SOURCE: Final = "source"
ATTR_REASON: Final = "reason"
LONGEST: Final = timedelta(days=1)
"""Who wants more asks again: an automation that dies must not hold a load forever."""
_PREFIX: Final = "automation "
"""Of the ids of such sources: none can be taken for that of a broker or an agent."""

_filled_in = vol.All(cv.string, str.strip, vol.Length(min=1, max=100))

HOLD_BACK_SCHEMA: Final = vol.All(
    vol.Schema(
        {
            vol.Required(ATTR_DEVICE_ID): cv.string,
            vol.Required(ATTR_SOURCE): _filled_in,
            vol.Optional(ATTR_REASON): _filled_in,
            vol.Exclusive(ATTR_UNTIL, "end"): cv.datetime,
            vol.Exclusive(ATTR_DURATION, "end"): vol.All(
                cv.time_period, cv.positive_timedelta
            ),
        }
    ),
    cv.has_at_least_one_key(ATTR_UNTIL, ATTR_DURATION),
)
RELEASE_LOAD_SCHEMA: Final = vol.Schema(
    {vol.Required(ATTR_DEVICE_ID): cv.string, vol.Optional(ATTR_SOURCE): _filled_in}
)


@callback
def async_register_remote(hass: HomeAssistant) -> None:
    """Register the actions, which exist whether or not a site is loaded."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_HOLD_BACK,
        _async_hold_back,
        schema=HOLD_BACK_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN, SERVICE_RELEASE_LOAD, _async_release_load, schema=RELEASE_LOAD_SCHEMA
    )


async def _async_hold_back(call: ServiceCall) -> ServiceResponse:
    """Hold a load back until a time, for a reason."""
    entry, asset_id = _load(call)
    subentry = entry.subentries[asset_id]
    if subentry.data.get(CONF_NEVER_SHED):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="never_held_back",
            translation_placeholders={"device": subentry.title},
        )
    end = end_of(call)
    now = dt_util.utcnow()
    if end - now > LONGEST:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="held_back_too_long",
            translation_placeholders={"hours": f"{LONGEST / timedelta(hours=1):.0f}"},
        )
    source: str = call.data[ATTR_SOURCE]
    figures = {"host": source, "time": Moment(now)}
    reason: str | None = call.data.get(ATTR_REASON)
    text = (
        Phrase("remote_hold", "{host} holds it back since {time}", **figures)
        if reason is None
        else Phrase(
            "remote_hold_reason",
            "{host} holds it back since {time}: {reason}",
            **figures,
            reason=reason,
        )
    )
    entry.runtime_data.site.give_remote(
        asset_id,
        RemoteCommand(
            source=f"{_PREFIX}{source}",
            enabled=False,
            at=now,
            # It lives in this program: it is never lost without everything else.
            lost_after=0.0,
            until=time.monotonic() + (end - now).total_seconds(),
            cause=Cause(source=Source.DISPATCH, key="remote_hold", text=text),
        ),
    )
    return {"until": end.isoformat()}


async def _async_release_load(call: ServiceCall) -> None:
    """Take back what automations hold a load back for; nothing is no error."""
    entry, asset_id = _load(call)
    site = entry.runtime_data.site
    wanted: str | None = call.data.get(ATTR_SOURCE)
    for command in site.view.remote.get(asset_id, ()):
        name = command.source.removeprefix(_PREFIX)
        if name == command.source or wanted not in {None, name}:
            continue
        now = dt_util.utcnow()
        text = Phrase(
            "remote_enable",
            "{host} lets it run since {time}",
            host=name,
            time=Moment(now),
        )
        site.give_remote(
            asset_id,
            RemoteCommand(
                source=command.source,
                enabled=True,
                at=now,
                lost_after=0.0,
                cause=Cause(source=Source.DISPATCH, key="remote_enable", text=text),
            ),
        )


def _load(call: ServiceCall) -> tuple[NetflexConfigEntry, str]:
    entry, asset_id = driven_asset(call)
    if entry.subentries[asset_id].subentry_type != SubentryType.LOAD:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_load"
        )
    return entry, asset_id
