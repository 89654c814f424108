"""Goes through the grid operator's list against any IEC 60870-5-104 station.

Only the station's answers are judged: what the plant behind it does is not seen from
here. The orders are real for that station, and the last values stay with it.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
import sys
from typing import Any, Final

from ..telecontrol.point import PointTableError
from ..telecontrol.point_csv import read_points
from ..telecontrol.points import DEFAULT_POINTS
from ..telecontrol.rehearsal import Rehearsal
from ..telecontrol.rehearsal_files import write_evidence
from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import Evidence, Outcome, RehearsalResult
from ..telecontrol.rehearsal_run import Progress
from ..telecontrol.settings import TelecontrolSettings


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.telecontrol rehearse",
        description=__doc__.splitlines()[0] if __doc__ else None,
    )
    parser.add_argument("--host", required=True, help="address of the station")
    parser.add_argument("--port", type=int, default=2404)
    parser.add_argument("--common-address", type=int, default=100)
    parser.add_argument(
        "--points", type=Path, metavar="FILE", help="point table as CSV"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="write HTML and JSON into it"
    )
    parser.add_argument(
        "--real-orders",
        action="store_true",
        required=True,
        help="needed: limits and emergency stops are ordered from that station",
    )
    return parser


class _Printer:
    """Prints every chapter and every step as it comes."""

    def __init__(self) -> None:
        self._chapter = ""

    def progress(self, progress: Progress) -> None:
        """Print the title of a new chapter."""
        if progress.chapter != self._chapter:
            self._chapter = progress.chapter
            print(f"\n{progress.done + 1}/{progress.total} {progress.chapter}")

    def step(self, step: Mapping[str, Any]) -> None:
        """Print one step."""
        mark = _MARKS[step["passed"]]
        print(f"  {mark} {step['title']}: {step['seen']}", flush=True)


_MARKS: Final[Mapping[bool | None, str]] = {True: "ok  ", False: "FAIL", None: "-   "}


async def _rehearse(
    address: tuple[str, int], settings: TelecontrolSettings
) -> RehearsalResult:
    printer = _Printer()

    return await Rehearsal(
        address,
        settings,
        RehearsalMode.WIRE,
        None,
        on_progress=printer.progress,
        on_step=printer.step,
    ).run()


def main(arguments: Sequence[str] | None = None) -> None:
    """Rehearse; exit with 1 where a step failed, with 2 where nothing could begin."""
    options = _arguments().parse_args(arguments)
    points = DEFAULT_POINTS
    try:
        if options.points is not None:
            text = options.points.read_text(encoding="utf-8")
            points = read_points(text, profile=options.points.stem)
        settings = TelecontrolSettings(
            common_address=options.common_address, points=points
        )
    except (OSError, UnicodeDecodeError, PointTableError, ValueError) as err:
        print(f"{err}", file=sys.stderr)
        sys.exit(2)
    address = (options.host, options.port)
    result = asyncio.run(_rehearse(address, settings))
    if result.ended_early is not None:
        print(f"\nEnded early: {result.ended_early}", file=sys.stderr)
    print(f"\n{result.count(True)} passed, {result.count(False)} not passed")
    if options.report is not None:
        evidence = Evidence(
            site=f"{options.host} port {options.port}",
            result=result,
            facts={
                "The station": {
                    "Address": f"{options.host} port {options.port}",
                    "Common address": str(options.common_address),
                    "Point table": f"{points.profile}, {len(points.points)} points",
                }
            },
        )
        files = write_evidence(options.report, evidence)
        print(files.html)
    if not result.steps:
        sys.exit(2)
    sys.exit(0 if result.outcome is Outcome.PASSED else 1)
