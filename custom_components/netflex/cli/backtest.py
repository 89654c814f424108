"""Runs modes of a battery over days that were, and compares what they would have brought.

Each `--mode` is a programme: modes by priority, joined by `+`, each with its parameters
and its daily window:

    --mode self_consumption
    --mode 'cheapest_hours:hours=3,charge=90@22:00-06:00+self_consumption:reserve=20'
    --mode 'imbalance_chase:{"charge_curve": [...], "discharge_curve": [...]}'
    --mode @programme.json

Names and parameters are those of `model/programme.py`; values are JSON. The site is one
battery behind a connection of 3 x 40 A unless `--site` names a JSON file (`SiteModel`,
as in the head of a replay); `--set` changes parts of it and times of the decision:
`--set assets.battery.capacity=20000`, `--set dead_band=0`, `--set tariff.price=52`.
Money is in the currency of the prices.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import time
import json
from pathlib import Path
import re
from typing import Any, Final

from ..control.backtest import Options, backtest, with_programme
from ..control.codec import decode
from ..control.scenario import site_of
from ..control.tuning import Tuning
from ..model.asset import Nature
from ..model.flows import Conditions
from ..model.programme import PARAMETERS, ModeEntry, Programme, ProgrammeMode
from ..model.schedule import Period, Schedule, zone_of
from ..model.snapshot import SiteModel
from ..telemetry.days import read_days, with_prices
from ..telemetry.figures import NO_TOTALS, Figures, Totals, by_day, by_month, figures

NO_BATTERY: Final = "no battery"
_SITE: Final[dict[str, Any]] = {
    "connection": {"grid_type": "3N400", "main_fuse": 40.0},
    "assets": {
        "battery": {
            "id": "battery",
            "name": "Battery",
            "nature": "battery",
            "category": "storage",
            "rated_consumption": 5000.0,
            "rated_production": 5000.0,
            "phases": 3,
            "lines": ["L1", "L2", "L3"],
            "capacity": 10000.0,
        }
    },
}
_ENTRY: Final = re.compile(
    r"(?P<mode>\w+)(?::(?P<parameters>\{.*\}|[^@{]*))?"
    r"(?:@(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d))?",
    re.DOTALL,
)
_NEXT: Final = re.compile(r"\+(?=[a-z_]+(?:[:@+]|$))")
_PERIODS: Final = ("all", "month", "day")


class ModeError(ValueError):
    """A mode that cannot be read, in words."""


def programme_of(text: str, zone: str) -> Programme:
    """Return the programme that a `--mode` describes.

    Raises ModeError for what is none, OSError for a file that cannot be read.
    """
    try:
        if text.startswith("@"):
            data = json.loads(Path(text[1:]).read_text(encoding="utf-8"))
            return decode(Programme, data)
        entries = tuple(_entry(part, zone) for part in _NEXT.split(text))
        return Programme(entries=entries)
    except ValueError as err:
        raise ModeError(f"{text}: {err}") from err


def _entry(text: str, zone: str) -> ModeEntry:
    found = _ENTRY.fullmatch(text.strip())
    if found is None:
        raise ModeError("must be MODE[:NAME=VALUE,...][@HH:MM-HH:MM]")
    try:
        mode = ProgrammeMode(found["mode"])
    except ValueError as err:
        known = ", ".join(ProgrammeMode)
        raise ModeError(f"{found['mode']!r} is no mode; known are {known}") from err
    schedule = None
    if found["start"]:
        start, end = (
            time.fromisoformat(found["start"]),
            time.fromisoformat(found["end"]),
        )
        schedule = Schedule(periods=(Period(start=start, end=end, time_zone=zone),))
    parameters = decode(PARAMETERS[mode], _parameters(found["parameters"] or ""))
    return ModeEntry(mode=mode, parameters=parameters, schedule=schedule)


def _parameters(text: str) -> Any:
    if text.startswith("{"):
        return json.loads(text)
    given = {}
    for part in filter(None, text.split(",")):
        name, separator, value = part.partition("=")
        if not separator:
            raise ModeError(f"{part}: must be NAME=VALUE")
        try:
            given[name.strip()] = json.loads(value)
        except ValueError:
            given[name.strip()] = value
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """One programme over all days: its totals by period, and all of them together."""

    name: str
    periods: dict[str, Totals]
    months: list[tuple[tuple[int, int], Totals]]

    @property
    def all(self) -> Totals:
        return sum((totals for _, totals in self.months), NO_TOTALS)


def _run(
    name: str,
    site: SiteModel,
    rows: Sequence[Conditions],
    options: Options,
    period: str,
) -> _Result:
    days = list(by_day(backtest(site, rows, options), options.zone))
    months = list(by_month(days))
    periods = {f"{year}-{month:02}": totals for (year, month), totals in months}
    if period == "day":
        periods = {day.isoformat(): totals for day, totals in days}
    return _Result(name=name, periods=periods, months=months)


def run(given: argparse.Namespace, tuning: Tuning, places: dict[str, str]) -> int:
    """Run every mode over the days of a file and print their figures side by side."""
    zone = zone_of(given.zone)
    data = _SITE
    if given.site is not None:
        data = json.loads(Path(given.site).read_text(encoding="utf-8"))
    site = site_of(data, places)
    rows = with_prices(
        read_days(Path(given.days), zone), given.import_price, given.export_price
    )
    options = Options(
        zone=zone,
        charge=given.charge,
        charge_step=given.charge_step,
        settlement=given.settlement,
        tuning=tuning,
    )
    programmes = {NO_BATTERY: None} | {
        text: programme_of(text, given.zone) for text in given.mode
    }
    results = [
        _run(name, with_programme(site, programme), rows, options, given.by)
        for name, programme in programmes.items()
    ]
    if given.json:
        print(json.dumps(_as_json(site, results), indent=2))
    else:
        for line in _lines(site, results, given.by):
            print(line)
    return 0


def _capacity(site: SiteModel) -> float:
    return sum(
        asset.capacity or 0.0
        for asset in site.assets.values()
        if asset.nature is Nature.BATTERY
    )


def _whole(site: SiteModel, result: _Result, baseline: _Result) -> Figures:
    """Return the figures of all days; the tariff is of every month for itself."""
    capacity = _capacity(site)
    found = figures(result.all, capacity=capacity, baseline=baseline.all)
    saved = [
        figures(totals, tariff=site.tariff, baseline=before).tariff_saved
        for (_, totals), (_, before) in zip(result.months, baseline.months, strict=True)
    ]
    known = [value for value in saved if value is not None]
    return Figures(**(asdict(found) | {"tariff_saved": sum(known) if known else None}))


def _as_json(site: SiteModel, results: Sequence[_Result]) -> list[dict[str, Any]]:
    baseline = results[0]
    return [
        {
            "mode": result.name,
            "figures": asdict(_whole(site, result, baseline)),
            "totals": asdict(result.all),
            "periods": {
                name: asdict(_of_period(site, totals, baseline.periods[name]))
                for name, totals in result.periods.items()
            },
        }
        for result in results
    ]


def _of_period(site: SiteModel, totals: Totals, baseline: Totals) -> Figures:
    return figures(
        totals, capacity=_capacity(site), tariff=site.tariff, baseline=baseline
    )


_WORDS: Final = (
    ("cost of energy", "cost", 1.0, 2, ""),
    ("saved on energy", "saved", 1.0, 2, ""),
    ("saved on capacity tariff", "tariff_saved", 1.0, 2, ""),
    ("highest quarter hour", "peak", 1000.0, 2, "kW"),
    ("full cycles", "cycles", 1.0, 1, ""),
    ("round trip", "efficiency", 0.01, 1, "%"),
    ("self-use", "self_use", 0.01, 1, "%"),
    ("self-sufficiency", "self_sufficiency", 0.01, 1, "%"),
    ("missed by operator's limits", "missed", 1000.0, 2, "kWh"),
    ("measured", "coverage", 0.01, 1, "%"),
)
_WIDTH: Final = 14


def _lines(site: SiteModel, results: Sequence[_Result], period: str) -> Iterator[str]:
    """Yield the comparison in words, a column for each programme."""
    for number, result in enumerate(results):
        yield f"[{number}] {result.name}"
    yield ""
    yield _line("", [f"[{number}]" for number in range(len(results))])
    for words, name in (("imported", "imported"), ("injected", "exported")):
        values = [getattr(r.all.with_battery, name) / 1000 for r in results]
        yield _line(words, [f"{value:.1f} kWh" for value in values])
    whole = [_whole(site, result, results[0]) for result in results]
    for words, name, unit, digits, unit_name in _WORDS:
        values = [getattr(item, name) for item in whole]
        yield _line(words, [_shown(value, unit, digits, unit_name) for value in values])
    if period == "all":
        return
    yield ""
    yield "saved on energy and capacity tariff"
    for name, before in results[0].periods.items():
        found = [_of_period(site, r.periods[name], before) for r in results]
        yield _line(name, [_money(item) for item in found])


def _money(item: Figures) -> str:
    if item.saved is None and item.tariff_saved is None:
        return "-"
    return f"{(item.saved or 0.0) + (item.tariff_saved or 0.0):.2f}"


def _shown(value: float | None, unit: float, digits: int, name: str) -> str:
    if value is None:
        return "-"
    return f"{value / unit:.{digits}f} {name}".strip()


def _line(words: str, cells: Sequence[str]) -> str:
    return f"{words:<28}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def add_to(commands: Any, runs: Any) -> None:
    """Add the command to a parser's commands; `runs` runs it."""
    parser = commands.add_parser(
        "backtest",
        help="compare modes of a battery over days that were",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", required=True, metavar="FILE")
    parser.add_argument("--mode", action="append", required=True)
    parser.add_argument("--site", metavar="SITE.json")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--zone", default="Europe/Brussels", help="time zone (IANA)")
    parser.add_argument("--charge", type=float, default=50.0, help="%% at the start")
    parser.add_argument(
        "--charge-step",
        type=float,
        default=2.0,
        help="%% that a battery moves by at most between two decisions",
    )
    parser.add_argument(
        "--settlement", type=float, default=900.0, help="s of a settlement period"
    )
    parser.add_argument(
        "--import-price", type=float, help="per MWh, where none is given"
    )
    parser.add_argument(
        "--export-price", type=float, help="per MWh, where none is given"
    )
    parser.add_argument("--by", choices=_PERIODS, default="all")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=runs)
