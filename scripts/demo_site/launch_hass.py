"""Starts Home Assistant as `hass` does, with a way to hold up its event loop.

`python -m scripts.demo_site.launch_hass CONTROL_PORT [ARGUMENTS OF hass]`. On the
control port, `{"do": "block", "seconds": 5}` blocks the loop for that long: what a
badly written integration does to all others. `{"do": "announce", "service": …,
"port": …}` has Home Assistant hear a device of this machine announce itself over mDNS.
Where the environment says how long a minute of FlexOffers takes, it takes that long, and
loads come back after some of them. Where it says that all is to be brisk, a
commissioning waits less, and so does what comes back after a stop.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
import os
import signal
import sys
import threading
import time
from typing import Any

# Before our package: without Home Assistant it opens only its lower layers' door.
from homeassistant import runner
from homeassistant.__main__ import main as run_home_assistant
from homeassistant.config_entries import SOURCE_ZEROCONF
from homeassistant.core import async_get_hass
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.simulation.remote import RemoteServer

from .home import BRISK_VARIABLE, MINUTE_VARIABLE
from .processes import end_with_parent

# Home Assistant replaces time.sleep by one that complains inside its loop.
_SLEEP = time.sleep
_BRISK_LEVEL = 3.0
"""s for which values must be steady around a small step."""
_GRACE = 25.0
"""s that Home Assistant gets for an orderly end once its starter is gone."""


def main() -> int:
    """Run Home Assistant; return its exit status."""
    end_with_parent(signal.SIGTERM)
    threading.Thread(target=_end_late, args=(os.getppid(),), daemon=True).start()
    port = int(sys.argv[1])
    sys.argv = ["hass", *sys.argv[2:]]

    set_up_and_run = runner.setup_and_run_hass

    async def with_control(runtime_config: runner.RuntimeConfig) -> int:
        if minute := os.environ.get(MINUTE_VARIABLE):
            _hurry(float(minute))
        if os.environ.get(BRISK_VARIABLE):
            _be_brisk()
        server = RemoteServer({"block": _block, "announce": _announce})
        await server.start(port)
        try:
            return await set_up_and_run(runtime_config)
        finally:
            await server.stop()

    runner.setup_and_run_hass = with_control
    return run_home_assistant()


def _hurry(minute: float) -> None:
    """Let minutes of FlexOffers take that many s, and loads wait less for room."""
    # Only here: it brings a good part of Home Assistant along.
    from custom_components.netflex import runtime, site_flexoffers  # noqa: PLC0415
    from custom_components.netflex.northbound.flexoffer_making import OfferTimes  # noqa: PLC0415

    site_flexoffers.TIMES = OfferTimes.hurried(minute)
    runtime.TUNING = replace(runtime.TUNING, resume_delay=5 * minute)


def _be_brisk() -> None:
    """Have a commissioning wait less, and what was stopped come back sooner."""
    from custom_components.netflex import runtime  # noqa: PLC0415
    from custom_components.netflex.site import commissioning_stage  # noqa: PLC0415

    commissioning_stage.DEFAULT_PACE = replace(
        commissioning_stage.DEFAULT_PACE, level=_BRISK_LEVEL
    )
    runtime.TUNING = replace(
        runtime.TUNING, resume_delay=5.0, minimum_off=5.0, ramp_time=15.0
    )


async def _block(request: Mapping[str, Any]) -> Mapping[str, Any]:
    begun = time.monotonic()
    _SLEEP(float(request["seconds"]))
    return {"begun": begun, "ended": time.monotonic()}


async def _announce(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Begin the flow that Home Assistant's own listening would begin."""
    service: str = request["service"]
    address = ip_address("127.0.0.1")
    result = await async_get_hass().config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_ZEROCONF},
        data=ZeroconfServiceInfo(
            ip_address=address,
            ip_addresses=[address],
            port=request["port"],
            hostname="device.local.",
            type=service,
            name=f"device.{service}",
            properties={},
        ),
    )
    return {"type": result["type"], "reason": result.get("reason")}


def _end_late(parent: int) -> None:
    """Make sure of the end when the starter died and a stop hangs."""
    while os.getppid() == parent:
        _SLEEP(1)
    _SLEEP(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
