"""A station in a process of its own is killed the moment it confirms an order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import sys

from custom_components.netflex.iec104 import ControllingConfig, ControllingStation
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS

from .bench import ORDERS, Rtu

ROOT = Path(__file__).parents[2]
STATION = """
import asyncio, sys
from pathlib import Path
from custom_components.netflex.telecontrol.order_store import OrderStore
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.station import TelecontrolStation

async def main():
    station = TelecontrolStation(
        TelecontrolSettings(bind_address="127.0.0.1", port=0, allowed_clients=None),
        OrderStore(Path(sys.argv[1])),
        on_order=lambda event, orders: None,
        on_link=lambda link: None,
        on_problem=lambda key, text: None,
    )
    await station.start()
    print(station.address[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def _killed_in_the_end(path: Path) -> AsyncIterator[Rtu]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        STATION,
        str(path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    client = ControllingStation(ControllingConfig())
    try:
        await client.connect("127.0.0.1", port)
        await client.start_dt()
        yield Rtu(client, [], DEFAULT_POINTS)
    finally:
        process.kill()
        await process.wait()
        await client.close()


async def test_A28_S04_kill_9_right_after_a_confirmation(tmp_path: Path) -> None:
    path = tmp_path / "orders"
    confirmed: dict[str, float | bool] = {}
    for name in ("emergency_stop_production", "maxsetp", "q_mode", "minsetq"):
        async with _killed_in_the_end(path) as rtu:
            for earlier, value in confirmed.items():
                assert (await rtu.feedback(earlier)).value == value
            binding, loose = ORDERS[name]
            for value in (binding, loose, binding):
                # Not waiting for the termination: the confirmation has to be enough.
                result = await rtu.order(name, value, wait_termination=False)
                assert result.accepted
            confirmed[name] = binding
    async with _killed_in_the_end(path) as rtu:
        for name, value in confirmed.items():
            assert (await rtu.feedback(name)).value == value
