"""Runs the decision over a scenario and says what it decides, and why.

`replay SCENARIO.jsonl` prints every setpoint that changes with its causes, one line
each, then peaks, energy and violations. The format is described in `control/scenario.py`
and printed by `schema`. `--set NAME=VALUE` puts another value in place: a time or margin
of the decision (`raise_delay=20`) or a part of the site by its place
(`connection.main_fuse=25`, `assets.car.maximum_current=16`). The exit status is 0 if
the scenario could be run, 1 if not.

`backtest --days FILE --mode MODE` runs a battery's modes over days that were and prints
what each would have brought; `days` prints the format of the file.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import Any

from ..control import scenario
from ..control.replay import ChangeError, Summary, changes, changes_of, replay
from ..control.tuning import Tuning
from ..model.plan import Plan
from ..telemetry import days
from ..telemetry.store import TelemetryStoreError
from . import backtest


def _changes(given: Sequence[str]) -> tuple[Tuning, dict[str, str]]:
    """Return the decision's times and the places of the site that are changed."""
    named = {}
    for entry in given:
        name, separator, value = entry.partition("=")
        if not separator or not name:
            raise ChangeError(f"{entry}: must be NAME=VALUE")
        named[name] = value
    return changes_of(named)


def _replay(options: argparse.Namespace) -> int:
    tuning, places = _changes(options.set)
    summary = Summary()
    before: Plan | None = None
    with Path(options.scenario).open(encoding="utf-8") as file:
        head, moments = scenario.open_scenario(file, places)
        for step in replay(moments, repeat=head.repeat, tuning=tuning):
            summary.add(step)
            _print(step.clock.monotonic, changes(step, before), quiet=options.quiet)
            before = step.plan
    print()
    for line in summary.lines():
        print(line)
    return 0


def _print(at: float, lines: Any, *, quiet: bool) -> None:
    for line in lines:
        if not quiet:
            print(f"{at:10.1f} s  {line}")


def _backtest(options: argparse.Namespace) -> int:
    return backtest.run(options, *_changes(options.set))


def _schema(_options: argparse.Namespace) -> int:
    print(scenario.__doc__)
    return 0


def _columns(_options: argparse.Namespace) -> int:
    print(days.__doc__)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="netflex.control",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("replay", help="run the decision over a scenario")
    run.add_argument("scenario", metavar="SCENARIO.jsonl")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--quiet", action="store_true", help="print the summary only")
    run.set_defaults(run=_replay)
    schema = commands.add_parser("schema", help="print the format of scenarios")
    schema.set_defaults(run=_schema)
    backtest.add_to(commands, _backtest)
    columns = commands.add_parser("days", help="print the format of days")
    columns.set_defaults(run=_columns)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (TelemetryStoreError, ValueError, OSError) as err:
        print(err, file=sys.stderr)
        return 1
    return status
