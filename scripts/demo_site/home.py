"""What makes the demonstration's house flexible: an aggregator and a broker.

The aggregator's FlexOffer manager runs in the demonstration's own process, the broker
(mosquitto, where it is installed) in one of its own. A quarter hour of offers takes
15 s here.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any, Final

from custom_components.netflex.northbound.flexoffer import Schedule
from custom_components.netflex.simulation.flexoffer_manager import (
    Assign,
    SeenOffer,
    hold_back,
)

ENDPOINT: Final = "goflex-dc-001"
MINUTE: Final = 1.0
"""s that a minute of the FlexOffers takes."""
MINUTE_VARIABLE: Final = "NETFLEX_DEMO_MINUTE"
"""Environment variable that tells Home Assistant's process so."""
BRISK_VARIABLE: Final = "NETFLEX_DEMO_BRISK"
"""Environment variable that tells Home Assistant's process to wait less."""
USER: Final = "demo"
PASSWORD: Final = "demo"
LOST_AFTER: Final = 3.0
"""s after which what a lost broker asked ends."""
REST: Final = 8.0
"""s that a flexible load stays off at least; without it that would be a minute."""


def home_options(
    broker: int | None, manager: int, assets: list[str], now: datetime
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the options as the forms would have stored them; ports of 127.0.0.1."""
    consent = {"by": "Demo", "at": now.isoformat()}
    yield (
        "flexoffers",
        {
            "enabled": True,
            "url": f"http://127.0.0.1:{manager}",
            "username": USER,
            "password": PASSWORD,
            "assets": assets,
            "hold": 15.0,
            "window": 0.0,
            "consent": consent,
        },
    )
    if broker is not None:
        yield (
            "northbound",
            {
                "enabled": True,
                "protocol": "cloudio_v0_2",
                "broker": "127.0.0.1",
                "broker_port": broker,
                "endpoint": ENDPOINT,
                "use_tls": False,
                "control": True,
                "lost_after": LOST_AFTER,
                "sub_meter": 1.0,
                "technical": 1.0,
                "consent": consent,
            },
        )


def now_and_then() -> Assign:
    """Return an aggregator that makes use of every fourth offer."""
    offers = count(1)

    def assign(offer: SeenOffer) -> Schedule | None:
        return None if next(offers) % 4 else hold_back(offer)

    return assign


def never(_offer: SeenOffer) -> Schedule | None:
    """Make use of no offer any more."""
    return None
