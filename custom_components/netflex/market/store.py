"""What is kept of dispatch over a restart: orders by action, and the days before."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store

from ..const import DOMAIN, LOGGER
from ..control.codec import CodecError, decode, encode
from ..model.dispatch import DispatchCommand
from ..site.dispatch_proof import DispatchLedger

STORE_VERSION: Final = 1
SAVE_DELAY: Final = 10.0
"""s that a change waits for others before it is stored."""


def dispatch_store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    """Return the file of one site."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.{entry_id}.dispatch")


def stored_dispatch(
    commands: Iterable[DispatchCommand], ledger: DispatchLedger
) -> dict[str, Any]:
    """Return what is stored."""
    return {
        "commands": [encode(item) for item in commands],
        "days_before": ledger.to_dict(),
    }


def read_dispatch(
    stored: dict[str, Any] | None, ledger: DispatchLedger, now: datetime
) -> list[DispatchCommand]:
    """Give the ledger its days before, and return the orders that are not over."""
    if stored is None:
        return []
    try:
        ledger.restore(stored.get("days_before", {}))
        commands = [
            decode(DispatchCommand, item, "commands")
            for item in stored.get("commands", ())
        ]
    except (CodecError, ValueError, TypeError, AttributeError) as err:
        LOGGER.warning("What was stored of dispatch is not used: %s", err)
        return []
    return [item for item in commands if item.end > now]
