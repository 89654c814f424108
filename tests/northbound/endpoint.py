"""An endpoint as a program of its own, to be killed: `endpoint.py PORT FOLDER`.

Tells a new power every 10 ms, counted from where it is told to begin, and prints how
far it is.
"""

import asyncio
from pathlib import Path
import sys

from custom_components.netflex.northbound.settings import NorthboundSettings
from tests.northbound.homes import ENDPOINT, home, points


async def run(port: int, folder: Path, first: int) -> None:
    """Tell powers until killed."""
    settings = NorthboundSettings(host="127.0.0.1", port=port, endpoint=ENDPOINT)
    async with home(settings, folder) as house:
        number = first
        while True:
            house.take(points(float(number)), 5.0)
            sys.stdout.write(f"{number} {house.bridge.state.stored}\n")
            sys.stdout.flush()
            number += 1
            await asyncio.sleep(0.01)


asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
