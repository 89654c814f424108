"""Runs one side of the wires: a simulated site, or the grid operator's RTU.

`devices` serves a site's meter, charger, inverter, battery and relays on loopback;
`operator` is the RTU: it plays a day of orders (`--day-length`) and takes requests.
Each prints one JSON line with its ports once it is ready, and ends with its parent.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
import json
import logging
import signal
import sys
import time
from typing import Any

from ..model.connection import GridType
from ..model.orders import OrderName
from ..simulation.day import Day, clock_text
from ..simulation.household import SimulatedSite, SiteSettings
from ..simulation.operator import OrderResult, OrderValue, Rtu
from ..simulation.operator_day import DayOrder, operator_day
from ..simulation.remote import Handler, RemoteError, RemoteServer, wait_for_parent
from ..simulation.site_remote import site_requests

_RECONNECT_DELAY = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    run = _devices if options.side == "devices" else _operator
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_until_told(run(options)))
    except (OSError, RuntimeError) as error:
        print(f"{options.side}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.simulation", description=__doc__
    )
    sides = parser.add_subparsers(dest="side", required=True)
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--control-port", type=int, default=0)
    both.add_argument("--day-length", type=float, default=0.0, help="s, 0: no day")
    both.add_argument("--day-origin", type=float, help="monotonic s of the start hour")
    both.add_argument("--start-hour", type=float, default=6.5)
    devices = sides.add_parser("devices", parents=[both])
    devices.add_argument("--seed", type=int, default=1)
    devices.add_argument(
        "--grid-type", choices=[str(item) for item in GridType], default=GridType.STAR
    )
    devices.add_argument(
        "--port", action="append", default=[], type=_wire_port, metavar="WIRE=PORT"
    )
    devices.add_argument("--validity", type=float, default=60.0)
    devices.add_argument("--safe-current", type=float, default=6.0)
    devices.add_argument("--inverter-controls", type=int, choices=(123, 704))
    devices.add_argument("--annexe", action="store_true", help="with an annexe")
    operator = sides.add_parser("operator", parents=[both])
    operator.add_argument("--host", default="127.0.0.1")
    operator.add_argument("--iec104-port", type=int, default=2404)
    operator.add_argument("--common-address", type=int, default=100)
    return parser


def _wire_port(text: str) -> tuple[str, int]:
    """Read which port a wire is to have."""
    wire, _, port = text.partition("=")
    if not wire or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} must be WIRE=PORT")
    return wire, int(port)


async def _until_told(work: Any) -> None:
    """Run until the work ends, a signal asks for it, or the parent is gone."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    tasks = [
        asyncio.create_task(work),
        asyncio.create_task(told.wait()),
        asyncio.create_task(wait_for_parent()),
    ]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def _day(options: argparse.Namespace) -> Day | None:
    if options.day_length <= 0:
        return None
    origin = time.monotonic() if options.day_origin is None else options.day_origin
    return Day(origin=origin, length=options.day_length, start_hour=options.start_hour)


async def _devices(options: argparse.Namespace) -> None:
    settings = SiteSettings(
        seed=options.seed,
        grid_type=GridType(options.grid_type),
        ports=dict(options.port),
        validity=options.validity,
        safe_current=options.safe_current,
        inverter_controls=options.inverter_controls or 123,
        annexe=options.annexe,
    )
    site = SimulatedSite(settings, day=_day(options))
    remote = RemoteServer(site_requests(site))
    try:
        await site.start()
        await remote.start(options.control_port)
        _say_ready(control=remote.port, **site.ports)
        await site.run()
    finally:
        await remote.stop()
        await site.stop()


async def _operator(options: argparse.Namespace) -> None:
    rtu = Rtu(common_address=options.common_address)
    remote = RemoteServer(_rtu_requests(rtu, options))
    day = _day(options)
    try:
        await remote.start(options.control_port)
        _say_ready(control=remote.port)
        if day is None:
            await asyncio.Event().wait()
        else:
            await _play(rtu, day, options)
    finally:
        await remote.stop()
        await rtu.disconnect()


def _say_ready(**ports: int) -> None:
    print(json.dumps({"ready": ports}), flush=True)


async def _play(rtu: Rtu, day: Day, options: argparse.Namespace) -> None:
    """Stay connected and give each order at its hour, day after day."""
    keeper = asyncio.create_task(_stay_connected(rtu, day, options))
    try:
        while True:
            for order in operator_day():
                await _wait_for_hour(day, order.hour)
                if rtu.connected:
                    await _give(rtu, day, order)
                else:
                    _narrate(day, f"not connected: {order.name} is not given")
            # Past midnight, so that the first hours of the next day lie ahead.
            await _wait_for_hour(day, 0.5)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _wait_for_hour(day: Day, hour: float) -> None:
    ahead = (hour - day.hour(time.monotonic())) % 24
    if ahead < 23.5:
        await asyncio.sleep(ahead / 24 * day.length)


async def _stay_connected(rtu: Rtu, day: Day, options: argparse.Namespace) -> None:
    refused: str | None = None
    while True:
        try:
            welcome = await rtu.connect(options.host, options.iec104_port)
        except (OSError, TimeoutError) as error:
            if refused != str(error):
                _narrate(day, f"no connection yet: {error}")
            refused = str(error)
            await asyncio.sleep(_RECONNECT_DELAY / 5)
            continue
        refused = None
        _narrate(
            day,
            f"connected to {options.host}:{options.iec104_port}; end of initialization "
            f"{_took(welcome.initialized)}, {welcome.points} points interrogated "
            f"{_took(welcome.interrogated)}, clock set {_took(welcome.synchronized)}",
        )
        reason = await rtu.lost()
        _narrate(day, f"the connection ended: {reason}")
        await asyncio.sleep(_RECONNECT_DELAY)


async def _give(rtu: Rtu, day: Day, order: DayOrder) -> None:
    _narrate(day, f"{order.name.upper()} {_value_text(order.value)}: {order.words}")
    try:
        result = await rtu.order(order.name, order.value)
    except ConnectionError as error:
        _narrate(day, f"  the connection ended meanwhile: {error}")
        return
    if not result.accepted:
        _narrate(day, f"  REFUSED after {_took(result.confirmed)}")
        return
    mirrored = rtu.feedback(order.name)
    _narrate(
        day,
        f"  confirmed {_took(result.confirmed)}, in force "
        f"{_took(result.terminated)}, the site reports "
        f"{'nothing' if mirrored is None else _value_text(mirrored.value)}",
    )


def _narrate(day: Day, words: str) -> None:
    print(f"[{clock_text(day.hour(time.monotonic()))}] RTU: {words}", flush=True)


def _took(milliseconds: float | None) -> str:
    return "never" if milliseconds is None else f"after {milliseconds:.0f} ms"


def _value_text(value: OrderValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}"


def _rtu_requests(rtu: Rtu, options: argparse.Namespace) -> Mapping[str, Handler]:
    """Return the requests that the RTU takes, by name."""

    async def connect(request: Mapping[str, Any]) -> Mapping[str, Any]:
        deadline = time.monotonic() + float(request.get("within", 0))
        while True:
            try:
                return asdict(await rtu.connect(options.host, options.iec104_port))
            except (OSError, TimeoutError) as error:
                if time.monotonic() >= deadline:
                    raise RemoteError(str(error)) from error
                await asyncio.sleep(0.1)

    async def disconnect(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        await rtu.disconnect()
        return {}

    async def order(request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = OrderName(request["name"])
        result: OrderResult = await rtu.order(
            name,
            request["value"],
            tagged=bool(request.get("tagged", False)),
            wait=bool(request.get("wait", True)),
        )
        return asdict(result)

    async def round_trip(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"ms": await rtu.test_link()}

    async def status(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "connected": rtu.connected,
            "close_reason": rtu.close_reason,
            "asdus": rtu.asdus,
            "heard": {name: asdict(heard) for name, heard in rtu.heard.items()},
        }

    return {
        "connect": connect,
        "disconnect": disconnect,
        "order": order,
        "round_trip": round_trip,
        "status": status,
    }
