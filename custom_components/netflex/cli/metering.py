"""Reads a meter from the command line, so that a cable can be tested.

`p1 FILE|URL` prints one JSON line for each good telegram, and a last one that sums up:
good telegrams, damaged ones, lost ones (missing on the meter's clock), the seconds
between two of them, and bytes that belong to none. Problems go to standard error. The
exit status is 0 if there was a good telegram. `s1 FILE|URL` does the same for frames
and seconds (see `metering_s1`), `dlms FILE|URL` for pushes (see `metering_dlms`).
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, replace
from datetime import datetime
import logging
import os
from pathlib import Path
import sys
import time

from ..metering.demand import NO_MEMORY, follow
from ..metering.dlms_port import DlmsLine
from ..metering.p1_framer import TelegramFramer
from ..metering.p1_reader import P1Source
from ..metering.p1_reading import GridRecognition, to_reading
from ..model.reading import MeterReading
from . import metering_dlms, metering_s1
from .meter_lines import LinePrinter, follow_source

_METER_ID = "p1"
_KINDS = {
    "p1": "the P1 user port of a smart meter",
    "s1": "the S1 user port, with the samples of voltage and current",
    "dlms": "a DLMS meter that pushes at its consumer interface",
}
_UNPRINTED = ("meter_id", "received", "measured", "outdated", "estimated")
_LONGEST_GAP = 3600.0
"""s: a longer step of the meter's clock is another recording, not lost telegrams."""
_ENOUGH_STEPS = 3


class _Printer(LinePrinter):
    """Prints readings as JSON lines and counts what is missing between them."""

    def __init__(self, count: int | None) -> None:
        super().__init__(count)
        self._steps: Counter[int] = Counter()
        self._newest: datetime | None = None
        self._memory = NO_MEMORY

    def take(self, reading: MeterReading) -> None:
        """Print one reading with the quarter hour that it shows."""
        # Of one telegram all values are equally old; a view of times has no copy.
        line = asdict(replace(reading, measured={}))
        for name in _UNPRINTED:
            del line[name]
        self._memory, demand = follow(self._memory, reading)
        if demand is not None:
            line["quarter"] = {
                "start": demand.start,
                "average": round(demand.average, 1),
                "forecast": round(demand.forecast, 1),
                "complete": demand.complete,
            }
        self.reading(line)
        if reading.meter_time is not None:
            if self._newest is not None:
                step = (reading.meter_time - self._newest).total_seconds()
                if 0 < step < _LONGEST_GAP:
                    self._steps[max(round(step), 1)] += 1
            self._newest = reading.meter_time

    @property
    def _period(self) -> int | None:
        """The s between telegrams on the meter's clock, None with too few of them."""
        steps = self._steps
        return min(steps) if steps.total() >= _ENOUGH_STEPS else None

    def sum_up(
        self, good: int, damaged: int, **more: float | str | bool | None
    ) -> None:
        """Print the last line."""
        # A meter whose telegrams are too few to tell sends every second.
        period = self._period or 1
        missing = sum(
            times * (round(step / period) - 1) for step, times in self._steps.items()
        )
        counts = {
            "good": good,
            "damaged": damaged,
            "lost": max(missing - damaged, 0),
            "period": self._period,
            **more,
        }
        self.summary(counts)


def read_file(path: Path, count: int | None = None) -> int:
    """Print the telegrams of a recording; return the exit status."""
    printer = _Printer(count)
    framer = TelegramFramer()
    recognition = GridRecognition()
    for telegram in framer.feed(path.read_bytes()):
        recognition = recognition.after(telegram)
        reading = to_reading(
            telegram,
            meter_id=_METER_ID,
            received=time.monotonic(),
            recognition=recognition,
        )
        if not printer.done.is_set():
            printer.take(reading)
    framer.close()
    if framer.encrypted:
        print("The meter encrypts its telegrams.", file=sys.stderr)
    printer.sum_up(framer.good, framer.damaged, dropped_bytes=framer.dropped)
    return 0 if framer.good else 1


async def read_port(url: str, seconds: float | None, count: int | None) -> int:
    """Print the telegrams of a port until told to stop; return the exit status."""
    printer = _Printer(count)
    source = P1Source(url, meter_id=_METER_ID)
    status = await follow_source(source, printer, printer.take, seconds)
    printer.sum_up(status.good, status.damaged, **status.details)
    return 0 if status.good else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.metering",
        description="Read a meter and print its readings as JSON lines.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, about in _KINDS.items():
        meter = kinds.add_parser(kind, help=about)
        meter.add_argument(
            "source",
            metavar="FILE|URL",
            help="a recording, a serial port (/dev/ttyUSB0), or socket://, tcp://, "
            "rfc2217:// or esphome:// with host and port",
        )
        meter.add_argument("--seconds", type=float, help="stop after this time")
        meter.add_argument("--count", type=int, help="stop after this many readings")
        if kind == "dlms":
            meter.add_argument("--key", help="digits of the key, or @FILE with them")
            meter.add_argument(
                "--authentication-key", help="the same of the second key"
            )
            meter.add_argument(
                "--line",
                type=DlmsLine,
                choices=list(DlmsLine),
                default=DlmsLine.M_BUS,
                help="rate and parity of a serial port",
            )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Read the meter that the arguments name; return the exit status."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    # Problems are printed here; as warnings they would stand there twice.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    try:
        match options.kind:
            case "dlms":
                try:
                    return _dlms(options)
                except ValueError as error:
                    parser.error(str(error))
            case "s1":
                return _read(options, metering_s1.read_file, metering_s1.read_port)
        return _read(options, read_file, read_port)
    except BrokenPipeError:
        # Whoever reads the lines has enough of them (head). What is still buffered
        # for them must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _read(
    options: argparse.Namespace,
    from_file: Callable[[Path, int | None], int],
    from_port: Callable[[str, float | None, int | None], Coroutine[None, None, int]],
) -> int:
    """Read a recording or a port, whichever the source is."""
    if (path := Path(options.source)).is_file():
        return from_file(path, options.count)
    return asyncio.run(from_port(options.source, options.seconds, options.count))


def _dlms(options: argparse.Namespace) -> int:
    """Read a DLMS meter.

    Raises:
        ValueError: A key is none.
    """
    keys = metering_dlms.keys_of(options.key, options.authentication_key)
    return _read(
        options,
        lambda path, count: metering_dlms.read_file(path, keys, count),
        lambda url, seconds, count: metering_dlms.read_port(
            url, keys, options.line, seconds, count
        ),
    )
