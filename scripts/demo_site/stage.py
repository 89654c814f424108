"""Puts everything on stage: devices, RTU, Home Assistant; takes it all down again."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
import shutil
import sys
import time

from custom_components.netflex.simulation.flexoffer_manager import SimulatedManager
from custom_components.netflex.simulation.household import S1
from custom_components.netflex.simulation.remote import RemoteClient

from .broker import find_broker
from .home import BRISK_VARIABLE, MINUTE, MINUTE_VARIABLE, PASSWORD, USER
from .home_assistant import HomeAssistant
from .processes import ROOT, Child, ClaimedPorts, DemoError
from .seed import Ports, seed

_SIMULATION = "custom_components.netflex.simulation"
_WIRES = (
    "meter",
    "charger",
    "inverter",
    "battery",
    "relay",
    "boiler",
    "site_meter",
    "annexe",
)
_INSPECTION = ".inspection"
_START_HOUR = 6.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """What can be chosen. `iec104_port` None takes 2404 or the next free one."""

    folder: Path
    http_port: int = 8123
    iec104_port: int | None = None
    python: str = sys.executable
    """Interpreter of the Home Assistant to run."""
    seed: int = 1
    first_port: int = 15_020
    """Devices, an aggregator and a broker listen from it on."""
    day_length: float = 300.0
    """s that a whole day takes, where one is played."""
    site: bool = True
    """Whether the site is set up already."""
    flexible: bool = False
    """Whether there are an aggregator and, if mosquitto is installed, a broker."""
    brisk: bool = False
    """Whether a commissioning, and what comes back after a stop, wait less."""


class Stage:
    """Everything that runs, by name."""

    def __init__(self, settings: StageSettings) -> None:
        """Choose the ports; nothing runs yet."""
        self.settings = settings
        self._claims = claims = ClaimedPorts()
        iec104 = settings.iec104_port
        if iec104 is None:
            iec104 = claims.claim(2404)
        elif claims.claim(iec104) != iec104:
            claims.release()
            raise DemoError(f"port {iec104} is in use; choose another --iec104-port")
        http = claims.claim(settings.http_port)
        names = [*_WIRES, *(f"{name}{_INSPECTION}" for name in _WIRES[1:]), S1]
        wires = {name: claims.claim(settings.first_port) for name in names}
        self._broker_program = find_broker() if settings.flexible else None
        manager = claims.claim(settings.first_port)
        broker = claims.claim(settings.first_port)
        self.ports = Ports(
            http=http,
            iec104=iec104,
            wires=wires,
            manager=manager if settings.flexible else None,
            broker=None if self._broker_program is None else broker,
        )
        self.manager = SimulatedManager(users={USER: PASSWORD}, port=manager)
        """The aggregator's, where the house is flexible."""
        self._block_port = claims.claim(settings.first_port)
        self.log = settings.folder / "home-assistant.log"
        self.token = ""
        self.children: list[Child] = []
        self._remotes: list[RemoteClient] = []
        self.hass: Child | None = None
        self.broker: Child | None = None

    @property
    def config(self) -> Path:
        """Home Assistant's configuration folder."""
        return self.settings.folder / "config"

    def prepare(self) -> None:
        """Write the configuration folder anew."""
        folder = self.settings.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.token = seed(self.config, self.ports, site=self.settings.site)

    async def start_devices(self) -> RemoteClient:
        """Start the simulated site, standing still; return its remote control."""
        ports = [f"--port={name}={port}" for name, port in self.ports.wires.items()]
        _, remote = await self._simulation(
            "devices",
            f"--seed={self.settings.seed}",
            "--annexe",
            *ports,
        )
        return remote

    async def start_operator(self) -> tuple[Child, RemoteClient]:
        """Start the RTU, which waits to be told; return it and its remote control."""
        return await self._simulation("operator", f"--iec104-port={self.ports.iec104}")

    async def start_day(self, site: RemoteClient) -> Child:
        """Let the day begin, at the site and at an RTU that plays it."""
        day = {
            "origin": time.monotonic(),
            "length": self.settings.day_length,
            "start_hour": _START_HOUR,
        }
        await site.ask("day", **day)
        operator, _ = await self._simulation(
            "operator",
            f"--iec104-port={self.ports.iec104}",
            f"--day-length={day['length']}",
            f"--day-origin={day['origin']}",
            f"--start-hour={day['start_hour']}",
        )
        return operator

    async def start_broker(self) -> None:
        """Start the broker, if there is one; also anew after its end."""
        if self._broker_program is None:
            return
        self.broker = await Child.start(
            "broker",
            "-m",
            "scripts.demo_site.broker",
            self._broker_program,
            str(self.ports.broker),
            str(self.settings.folder),
            log=self.settings.folder / "broker.log",
        )

    async def start_home_assistant(self) -> Child:
        """Start Home Assistant; it is not up yet when this returns."""
        child = await Child.start(
            "Home Assistant",
            "-m",
            "scripts.demo_site.launch_hass",
            str(self._block_port),
            "--config",
            str(self.config),
            "--skip-pip",
            log=self.log,
            program=self.settings.python,
            environment=self._environment(),
        )
        child.pass_on(lambda _line: None)
        self.children.append(child)
        self.hass = child
        return child

    def _environment(self) -> dict[str, str]:
        """Return the environment variables that `launch_hass` looks for."""
        variables = {}
        if self.settings.flexible:
            variables[MINUTE_VARIABLE] = str(MINUTE)
        if self.settings.brisk:
            variables[BRISK_VARIABLE] = "1"
        return variables

    def home_assistant(self) -> HomeAssistant:
        """Return a client of the instance."""
        return HomeAssistant(self.ports.http, self.token)

    async def inside(self) -> RemoteClient:
        """Return the remote control inside Home Assistant: see `launch_hass`."""
        remote = await RemoteClient.connect(self._block_port)
        self._remotes.append(remote)
        return remote

    async def stop(self) -> None:
        """End everything, Home Assistant first."""
        for remote in self._remotes:
            await remote.close()
        for child in reversed(self.children):
            await child.stop()
        if self.broker is not None:
            await self.broker.stop()
        self._claims.release()

    async def _simulation(
        self, side: str, *arguments: str
    ) -> tuple[Child, RemoteClient]:
        child = await Child.start(
            side,
            "-m",
            _SIMULATION,
            side,
            *arguments,
            log=self.settings.folder / f"{side}.log",
        )
        self.children.append(child)
        ports = await child.ready()
        remote = await RemoteClient.connect(ports["control"])
        self._remotes.append(remote)
        return child, remote


@asynccontextmanager
async def staged(settings: StageSettings) -> AsyncIterator[Stage]:
    """Give a prepared stage and take everything down at the end."""
    stage = Stage(settings)
    stage.prepare()
    async with AsyncExitStack() as stack:
        if settings.flexible:
            await stack.enter_async_context(stage.manager)
        stack.push_async_callback(stage.stop)
        yield stage


def demo_folder(name: str) -> Path:
    """Return a folder for one kind of run, in the checkout."""
    return ROOT / ".demo" / name
