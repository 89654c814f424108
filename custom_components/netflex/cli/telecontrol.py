"""Runs the bare telecontrol station, so that an RTU's cable can be tested.

Prints every order and every decoded APDU until it is interrupted. Nothing is stored
and nothing is driven: a stop is reported as carried out at once. `--list-points`
prints the point table as CSV, `--points` reads one. `--engine c104` runs it on
lib60870 where the package c104 is installed.
"""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
import signal
import sys
import textwrap

from ..iec104 import ConnectionInfo, Direction as WireDirection, describe_apdu
from ..iec104.engine import Engine
from ..iec104.lib60870_deviations import DEVIATIONS
from ..model.orders import STOP_ORDERS, GridOrders, LinkState, OrderEvent
from ..telecontrol.point import PointTableError
from ..telecontrol.point_csv import read_points, write_points
from ..telecontrol.points import DEFAULT_POINTS, PointTable
from ..telecontrol.settings import TelecontrolSettings, Timing
from ..telecontrol.station import TelecontrolStation

_ARROWS = {WireDirection.RECEIVED: "<-", WireDirection.SENT: "->"}


class _Printer:
    """Prints what happens at the station, a line each."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.station: TelecontrolStation | None = None
        self._link = LinkState()

    def line(self, text: str) -> None:
        """Print a line with the time; a reader that has left ends the station."""
        now = datetime.now(UTC).astimezone()
        try:
            print(f"{now:%H:%M:%S}.{now.microsecond // 1000:03} {text}", flush=True)
        except BrokenPipeError:
            sys.stderr.close()
            self.done.set()

    def on_wire(
        self, connection: ConnectionInfo, direction: WireDirection, apdu: bytes
    ) -> None:
        """Print an APDU in words."""
        peer = f"{connection.address}:{connection.port}"
        self.line(f"{_ARROWS[direction]} {peer} {describe_apdu(apdu)}")

    def on_order(self, event: OrderEvent, orders: GridOrders) -> None:
        """Print an order; a stop counts as carried out: there is no plant."""
        value = event.value
        shown = ("on" if value else "off") if isinstance(value, bool) else value
        if not event.accepted:
            self.line(f"ORDER {event.name} = {shown} refused: {event.reason}")
            return
        self.line(f"ORDER {event.name} = {shown} accepted from {event.client}")
        direction = STOP_ORDERS.get(event.name)
        if direction is not None and value is True and self.station is not None:
            self.station.stop_written(direction, ())

    def on_link(self, link: LinkState) -> None:
        """Print what has changed at the link."""
        before, self._link = self._link, link
        if link.problem is not None and link.problem != before.problem:
            self.line(f"LINK {link.problem}; trying again")
        if link.connected != before.connected:
            client = link.client or before.client
            state = "started" if link.connected else "stopped"
            self.line(f"LINK data transfer {state}, {client}")
        if link.last_close_reason not in (None, before.last_close_reason):
            self.line(f"LINK connection closed: {link.last_close_reason}")
        if link.last_refused_client not in (None, before.last_refused_client):
            self.line(f"LINK {link.last_refused_client} was refused: not allowed")

    def on_problem(self, key: str, text: str | None) -> None:
        """Print a problem, or its end."""
        self.line(f"PROBLEM {key}: {'has ended' if text is None else text}")


async def run(settings: TelecontrolSettings) -> None:
    """Run a station until it is interrupted."""
    printer = _Printer()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, printer.done.set)
    station = TelecontrolStation(
        settings,
        None,
        on_order=printer.on_order,
        on_link=printer.on_link,
        on_problem=printer.on_problem,
        wire_log=printer.on_wire,
    )
    printer.station = station
    station.set_measurements({})
    await station.start()
    if station.address is not None:
        host, port = station.address
        confirmed = "" if settings.points.confirmed else ", addresses not confirmed"
        printer.line(
            f"listening on {host} port {port}, common address "
            f"{settings.common_address}, points {settings.points.profile}{confirmed}"
        )
    try:
        await printer.done.wait()
    finally:
        await station.stop()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.telecontrol",
        description="Run the telecontrol station alone and print what it is told.",
        epilog=_differences(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=2404, help="TCP port, 0: any free")
    parser.add_argument(
        "--address", default="0.0.0.0", help="address of this machine to listen on"
    )
    parser.add_argument("--common-address", type=int, default=100)
    parser.add_argument(
        "--allow",
        action="append",
        metavar="ADDRESS",
        help="a client that may connect, may be repeated; without it any may",
    )
    parser.add_argument(
        "--engine",
        type=Engine,
        choices=tuple(Engine),
        default=Engine.BUILTIN,
        help="the stack that carries the station: our own, or c104 where it is "
        "installed; see below for what c104 does differently",
    )
    parser.add_argument(
        "--points", type=Path, metavar="FILE", help="point table as CSV"
    )
    parser.add_argument(
        "--list-points", action="store_true", help="print the point table as CSV"
    )
    return parser


def _differences() -> str:
    """Say in lines of a terminal what c104 does differently."""
    lines = ["what c104 does differently from the built-in engine:"]
    for deviation in DEVIATIONS:
        lines += textwrap.wrap(
            deviation.text, 78, initial_indent="  - ", subsequent_indent="    "
        )
    return "\n".join(lines)


def _read(path: Path | None) -> PointTable:
    if path is None:
        return DEFAULT_POINTS
    return read_points(path.read_text(encoding="utf-8"), profile=path.stem)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the arguments say; exit with 2 when they cannot be used."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    try:
        table = _read(options.points)
    except (OSError, UnicodeDecodeError, PointTableError) as err:
        print(f"{options.points}: {err}", file=sys.stderr)
        sys.exit(2)
    if options.list_points:
        print(write_points(table), end="")
        return
    try:
        settings = TelecontrolSettings(
            bind_address=options.address,
            port=options.port,
            common_address=options.common_address,
            allowed_clients=None if options.allow is None else frozenset(options.allow),
            points=table,
            engine=options.engine,
            # There is no plant whose values could grow old.
            timing=Timing(measurement_timeout=None),
        )
    except ValueError as err:
        parser.error(str(err))
    asyncio.run(run(settings))
