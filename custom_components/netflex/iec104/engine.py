"""Which stack carries a controlled station: our own, or lib60870 through c104."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from importlib.util import find_spec
from typing import Protocol

from .application import Application, StationObserver
from .asdu import Cause
from .config import StationConfig
from .controlled_station import ControlledStation, StationStatus, StationWireHook
from .information_objects import MonitorObject
from .parameters import ParameterError, ParameterRule
from .time_tag import utc_now


class Engine(StrEnum):
    """The stack behind a controlled station."""

    BUILTIN = "builtin"
    C104 = "c104"


class Station(Protocol):
    """What every engine's controlled station does; see ControlledStation."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port that are listened on, None while closed."""

    @property
    def status(self) -> StationStatus:
        """Return what the station is doing now."""

    async def start(self) -> None:
        """Listen. Raises OSError when that is not possible."""

    async def stop(self) -> None:
        """Close listener and connections."""

    def report(
        self,
        obj: MonitorObject,
        cause: int = Cause.SPONTANEOUS,
        *,
        at: datetime | None = None,
    ) -> None:
        """Report a value. Raises ValueError when it does not fit its type."""

    def set_allowed_clients(self, clients: frozenset[str] | None) -> None:
        """Change who may connect."""

    async def reload_certificates(self) -> None:
        """Read the TLS files anew. Raises OSError and keeps the old ones otherwise."""


def is_installed(engine: Engine) -> bool:
    """Whether an engine can be imported here."""
    return engine is Engine.BUILTIN or find_spec("c104") is not None


def check_engine(engine: Engine, config: StationConfig) -> None:
    """Raise ParameterError when an engine is not installed or cannot do a setting."""
    if engine is Engine.BUILTIN:
        return
    if not is_installed(engine):
        raise ParameterError(
            "engine",
            engine,
            "the package c104 is not installed for this Python. Use the built-in "
            "engine, which needs nothing, or install c104 where there is a wheel or a "
            "compiler for it",
            ParameterRule.NO_C104,
        )
    if config.tls is not None:
        # Its server reads on for ever when a client leaves in the middle of the
        # handshake, and holds a lock meanwhile for which Python waits with its own.
        raise ParameterError(
            "engine",
            engine,
            "c104 stands still, and Home Assistant with it, once a client leaves in "
            "the middle of its TLS handshake. Use the built-in engine with TLS",
            ParameterRule.C104_NO_TLS,
        )


def make_station(
    engine: Engine,
    config: StationConfig,
    application: Application,
    *,
    command_addresses: Iterable[int],
    observer: StationObserver | None = None,
    wire_log: StationWireHook | None = None,
    time_source: Callable[[], datetime] = utc_now,
) -> Station:
    """Return a station of the wanted engine.

    `command_addresses` are all addresses that the application's `command_point`
    describes: our own engine asks when a command comes, c104 has to know before.
    """
    check_engine(engine, config)
    if engine is Engine.BUILTIN:
        return ControlledStation(
            config,
            application,
            observer=observer,
            wire_log=wire_log,
            time_source=time_source,
        )
    # Imported late: whoever does without this engine never loads any of it.
    from .lib60870_station import Lib60870Station  # noqa: PLC0415

    return Lib60870Station(
        config,
        application,
        command_addresses=command_addresses,
        observer=observer,
        wire_log=wire_log,
        time_source=time_source,
    )
