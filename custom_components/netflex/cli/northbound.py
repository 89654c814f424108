"""Tries and watches a broker from the command line, before a site is told to use it.

`test BROKER` connects once, as the form of the site does, and says what is wrong.
`watch BROKER` prints one JSON line for each message, CBOR and zipped JSON decoded; it
sends nothing. The exit status is 0 if the broker could be reached.
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
import json
from pathlib import Path
import sys
from typing import Any

from ..northbound.codec import PayloadError, decode
from ..northbound.connection import LINK_ERRORS, connected, explain, probe
from ..northbound.settings import DEFAULT_PORT, NorthboundSettings, TlsFiles


def _settings(options: argparse.Namespace) -> NorthboundSettings:
    tls = None
    if not options.no_tls:
        tls = TlsFiles(
            authorities=options.authorities,
            certificate=options.certificate,
            key=options.key,
        )
    password = options.password
    if password is not None and password.startswith("@"):
        password = Path(password[1:]).read_text().strip()
    return NorthboundSettings(
        host=options.broker,
        port=options.port,
        endpoint=options.name,
        tls=tls,
        username=options.user,
        password=password,
    )


async def _test(options: argparse.Namespace) -> int:
    problem = await probe(_settings(options))
    if problem is not None:
        print(f"{problem.key}: {problem.text}", file=sys.stderr)
        return 1
    print(f"{options.broker}:{options.port} lets us in")
    return 0


async def _watch(options: argparse.Namespace) -> int:
    try:
        async with connected(
            _settings(options), None, f"{options.name}-watch"
        ) as client:
            await client.subscribe(options.topic, qos=0)
            with suppress(TimeoutError):
                async with asyncio.timeout(options.seconds):
                    count = 0
                    async for message in client.messages:
                        _print(message.topic.value, message.payload, message.retain)
                        count += 1
                        if count == options.count:
                            break
    except LINK_ERRORS as err:
        problem = explain(err)
        print(f"{problem.key}: {problem.text}", file=sys.stderr)
        return 1
    return 0


def _print(topic: str, payload: object, retained: bool) -> None:
    octets = payload if isinstance(payload, bytes) else b""
    line: dict[str, Any] = {"topic": topic, "retained": retained}
    if octets:
        try:
            line["data"] = decode(octets)
        except PayloadError as err:
            line |= {"octets": octets[:1000].hex(), "problem": str(err)}
    print(json.dumps(line, default=repr), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.northbound",
        description="Tries and watches a broker.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    test = commands.add_parser("test", help="connect once and say what is wrong")
    test.set_defaults(run=_test)
    watch = commands.add_parser("watch", help="print what the broker passes on")
    watch.add_argument("--topic", default="#", help="what to listen to (all of it)")
    watch.add_argument("--seconds", type=float, help="end after so long")
    watch.add_argument("--count", type=int, help="end after so many messages")
    watch.set_defaults(run=_watch)
    for command in (test, watch):
        command.add_argument("broker", metavar="BROKER", help="name or address")
        command.add_argument("--port", type=int, default=DEFAULT_PORT)
        command.add_argument("--name", default="netflex", help="the endpoint's name")
        command.add_argument("--no-tls", action="store_true")
        for name in ("authorities", "certificate", "key"):
            command.add_argument(f"--{name}", type=Path, metavar="PEM")
        command.add_argument("--user")
        command.add_argument(
            "--password", help="or @FILE, which no list of processes shows"
        )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = asyncio.run(options.run(options))
    except OSError as err:
        print(err, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return status
