"""Runs the demonstration or its check; `scripts/demo` enters here."""

import argparse
import asyncio
from collections.abc import Coroutine
import os
from pathlib import Path
import shutil
import signal
import sys
from typing import Any, Final

from .check import run_check
from .home_check import run_home_check
from .processes import DemoError
from .show import run_show
from .stage import StageSettings, demo_folder

_SITE: Final = "site"
_HOME: Final = "home"


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    # Checks run side by side; a demonstration is where its users expect it.
    first_port = 16_000 + os.getpid() % 16_000 if options.check else 15_020
    folder = demo_folder(f"check-{os.getpid()}" if options.check else "site")
    settings = StageSettings(
        folder=folder,
        http_port=options.port,
        iec104_port=options.iec104_port,
        python=options.python,
        seed=options.seed,
        day_length=options.day_length,
        first_port=first_port,
        flexible=options.check != _SITE,
    )
    if options.check == _SITE:
        work = run_check(settings, options.json)
    elif options.check == _HOME:
        work = run_home_check(settings, options.json)
    else:
        work = run_show(settings)
    try:
        told, status = asyncio.run(_until_told(work))
    except DemoError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        print(f"Logs are in {folder}", file=sys.stderr)
        return 1
    if told is not None:
        # Ctrl-C is how a demonstration ends; a check that was interrupted has failed.
        return 0 if told is signal.SIGINT and not options.check else 128 + told
    if options.check and status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--check",
        nargs="?",
        const=_SITE,
        choices=[_SITE, _HOME],
        help="run a fixed scenario: the site's (default) or the flexible home's",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    parser.add_argument("--port", type=int, default=8123, help="of Home Assistant")
    parser.add_argument("--iec104-port", type=int, help="of the station, else 2404")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument(
        "--day-length", type=float, default=300.0, help="s that a whole day takes"
    )
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    return parser


async def _until_told(
    work: Coroutine[Any, Any, int],
) -> tuple[signal.Signals | None, int]:
    """Run until the end or a signal; everything is taken down either way.

    Returns the signal, if one came, and the exit status of the work.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    told: list[signal.Signals] = []

    def tell(number: signal.Signals) -> None:
        if not told:
            print("\nStopping ...", flush=True)
            task.cancel()
        told.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, tell, number)
    try:
        return None, await task
    except asyncio.CancelledError:
        if not told:
            raise
        return told[0], 0


if __name__ == "__main__":
    sys.exit(main())
