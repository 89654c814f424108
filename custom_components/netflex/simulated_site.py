"""Runs the other end of a simulated site's wires: its devices and the operator's RTU.

Two processes of their own, over loopback, so that nothing of it runs in Home
Assistant's loop and killing them is what unplugging is. They end with Home Assistant.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import os
from pathlib import Path
import socket
import sys
from typing import Any, Final

from homeassistant.core import HomeAssistant

from .const import LOGGER
from .simulated_entry import (
    CONF_DAY_LENGTH,
    CONF_SIMULATION,
    CONF_WIRES,
    DAY_LENGTH,
    LOOPBACK,
    WIRES,
    simulated_data,
    simulated_subentries,
)

_MODULE: Final = "custom_components.netflex.simulation"
_ROOT: Final = Path(__file__).parents[2]
START_LIMIT: Final = 30.0
"""s that the devices get until they listen."""
_START_INTERVAL: Final = 0.1
"""s between two looks at whether one listens."""
RESTARTS: Final = 5
"""Times that a process that ended by itself is started again."""
RESTART_DELAY: Final = 2.0
"""s before the first of them; doubled each time."""
GRACE: Final = 5.0
"""s that a process gets to end."""
_KEPT_ENVIRONMENT: Final = ("PATH", "LANG", "TZ", "PYTHONPYCACHEPREFIX", "VIRTUAL_ENV")


def free_ports(count: int) -> list[int]:
    """Return so many ports of this machine that nobody uses now."""
    holders: list[socket.socket] = []
    try:
        for _ in range(count):
            holder = socket.socket()
            holders.append(holder)
            holder.bind((LOOPBACK, 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def describe_simulated_site(
    name: str, new_id: Callable[[], str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return data and subentries of a new simulated site, on free ports. Blocking.

    Also its station is on any port: the standard's is left to a real site.
    """
    station, *ports = free_ports(1 + len(WIRES))
    wires = dict(zip(WIRES, ports, strict=True))
    data = simulated_data(name, station) | {
        CONF_SIMULATION: {CONF_WIRES: wires, CONF_DAY_LENGTH: DAY_LENGTH}
    }
    return data, simulated_subentries(wires, {wire: new_id() for wire in WIRES})


class SimulatedWires:
    """The two processes of one site; started and stopped with it."""

    def __init__(self, hass: HomeAssistant, data: dict[str, Any]) -> None:
        """Prepare for an entry's data that describes a simulation."""
        simulation = data[CONF_SIMULATION]
        length = str(simulation[CONF_DAY_LENGTH])
        ports = [
            argument
            for wire, port in simulation[CONF_WIRES].items()
            for argument in ("--port", f"{wire}={port}")
        ]
        self._hass = hass
        self._ports: list[int] = list(simulation[CONF_WIRES].values())
        self._commands = {
            "devices": ["devices", "--day-length", length, *ports],
            "operator": [
                "operator",
                "--day-length",
                length,
                "--iec104-port",
                str(data["port"]),
            ],
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start both, each watched by a task of its own; return once devices listen.

        Returns after a limit in any case: a site whose devices do not come says so
        itself, and one whose devices are about to come should not.
        """
        self._tasks = [
            self._hass.async_create_background_task(
                self._keep(name, arguments), f"netflex simulated {name}"
            )
            for name, arguments in self._commands.items()
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT):
                for port in self._ports:
                    await _listened_on(port)

    async def stop(self) -> None:
        """End both and wait for their ends."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, arguments: list[str]) -> None:
        """Run a process until cancelled; start it again some times if it ends."""
        for attempt in range(RESTARTS + 1):
            try:
                ended = await self._run(name, arguments)
            except OSError as err:
                ended = str(err)
            LOGGER.warning("The simulated %s ended by itself: %s", name, ended)
            await asyncio.sleep(RESTART_DELAY * 2**attempt)
        LOGGER.error(
            "The simulated %s is not started again; reload the site to try once more",
            name,
        )

    async def _run(self, name: str, arguments: list[str]) -> str:
        """Run a process to its end; return how it ended."""
        environment = {
            key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            *arguments,
            cwd=_ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        last = ""
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                last = line.decode(errors="replace").strip() or last
                LOGGER.debug("Simulated %s: %s", name, last)
            return f"status {await process.wait()}, {last}"
        finally:
            await _end(process)


async def _listened_on(port: int) -> None:
    """Return once somebody listens on a port of this machine."""
    while True:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_START_INTERVAL)
        else:
            writer.close()
            return


async def _end(process: asyncio.subprocess.Process) -> None:
    """Have a process end, by force if it does not."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
