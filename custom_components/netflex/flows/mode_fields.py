"""The fields of a battery's mode, and its periods, as forms show and store them.

The stored form is the one of `control.codec`: what a form holds is the same, but for
prices per kWh, single predictions, and periods, which are flat in a form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Final

from homeassistant.helpers.selector import (
    BooleanSelector,
    ObjectSelector,
    ObjectSelectorConfig,
    ObjectSelectorField,
    SelectOptionDict,
    Selector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TimeSelector,
)
import voluptuous as vol

from ..model.phrase import Phrase
from ..model.programme import PARAMETERS, ProgrammeMode
from ..model.schedule import DayGroup, MonthDay, Weekday
from .fields import Fields, choice, number

CONF_PERIODS: Final = "periods"
DAYS: Final = [*(item.value for item in DayGroup), *(item.value for item in Weekday)]

_UNITS: Final[Mapping[str, str]] = {
    "charge": "%",
    "recharge_to": "%",
    "reserve": "%",
    "force_charge": "%",
    "encourage_charge": "%",
    "power": "W",
    "limit": "W",
    "assumed_power": "W",
    "cushion": "s",
    "hours": "h",
    "nominal": "Hz",
    "dead_band": "Hz",
    "full_at": "Hz",
}
_PER_KWH: Final = frozenset({"charge_below", "discharge_above"})
"""Prices that a user knows from an invoice; all others are the market's, per MWh."""
_PER_MWH: Final = frozenset({"shift_long", "shift_short"})
_CURVES: Final = frozenset({"charge_curve", "discharge_curve"})
_RATES: Final = frozenset({"import_rates", "export_rates", "default_prices"})
_PREDICTIONS: Final = frozenset({"prediction", "when_short", "when_long"})
_SCHEDULES: Final = frozenset({"peak"})
_SOURCES: Final = "sources"
_RARE: Final = frozenset(
    {
        "trusted_after",
        "settlement_period",
        "cushion",
        "force_factor",
        "encourage_factor",
    }
    | {"nominal", "dead_band"}
)


class PeriodError(ValueError):
    """A period that a form cannot mean; `args` say why."""


def object_list(
    shown: Mapping[str, tuple[Any, bool]], key: str, label: str, detail: str
) -> ObjectSelector:
    """Return a field for a list of rows; each of its fields may be required."""
    return ObjectSelector(
        ObjectSelectorConfig(
            fields={
                name: ObjectSelectorField(selector=field, required=required)
                for name, (field, required) in shown.items()
            },
            multiple=True,
            label_field=label,
            description_field=detail,
            translation_key=key,
        )
    )


def _period_fields(*, required: bool) -> dict[str, tuple[Any, bool]]:
    return {
        "start": (TimeSelector(), required),
        "end": (TimeSelector(), required),
        "days": (choice(DAYS, "schedule_days", multiple=True), False),
        "first_day": (TextSelector(), False),
        "last_day": (TextSelector(), False),
        "time_zone": (TextSelector(), False),
    }


def periods_field() -> ObjectSelector:
    """Return the field for the periods of a schedule."""
    return object_list(_period_fields(required=True), "schedule_period", "start", "end")


def _selector(
    name: str, currency: str, sources: Iterable[SelectOptionDict]
) -> Selector[Any]:
    """Return the field of one parameter."""
    if name in _CURVES:
        rows = {
            "price": (number(f"{currency}/MWh"), True),
            "charge": (number("%"), True),
        }
        return object_list(rows, "price_curve", "price", "charge")
    if name in _RATES:
        rows = {
            "value": (number(f"{currency}/MWh"), True),
            **_period_fields(required=False),
        }
        return object_list(rows, "timed_price", "value", "start")
    if name in _PREDICTIONS:
        return ObjectSelector(
            ObjectSelectorConfig(
                fields={
                    "allow": ObjectSelectorField(selector=BooleanSelector()),
                    "volume_cutoff": ObjectSelectorField(selector=number("MW")),
                    "time_cutoff": ObjectSelectorField(selector=number("s")),
                },
                multiple=False,
                translation_key="imbalance_prediction",
            )
        )
    if name in _SCHEDULES:
        return periods_field()
    if name == _SOURCES:
        return SelectSelector(
            SelectSelectorConfig(
                options=list(sources), mode=SelectSelectorMode.DROPDOWN, multiple=True
            )
        )
    if name in _PER_KWH:
        return number(f"{currency}/kWh")
    return number(f"{currency}/MWh" if name in _PER_MWH else _UNITS.get(name))


def parameter_fields(
    mode: ProgrammeMode,
    currency: str,
    sources: Iterable[SelectOptionDict],
    *,
    rare: bool,
) -> Fields:
    """Return the fields of a mode's parameters, the rare ones or the others."""
    found: Fields = {}
    for item in fields(PARAMETERS[mode]):
        if rare is not (item.name in _RARE):
            continue
        selector = (
            BooleanSelector()
            if item.type is bool
            else _selector(item.name, currency, sources)
        )
        found[_marker(item)] = selector
    return found


def _marker(item: Field[Any]) -> vol.Marker:
    if item.default is MISSING:
        return vol.Required(item.name)
    if isinstance(item.default, bool | int | float):
        factor = 0.001 if item.name in _PER_KWH else 1
        default = item.default
        return vol.Required(
            item.name,
            default=default if isinstance(default, bool) else default * factor,
        )
    return vol.Optional(item.name)


def stored_parameters(
    mode: ProgrammeMode, values: Mapping[str, Any], time_zone: str
) -> dict[str, Any]:
    """Return a form's parameters as they are stored; PeriodError for a period."""
    stored: dict[str, Any] = {}
    for item in fields(PARAMETERS[mode]):
        value = values.get(item.name)
        if value is None or value in ("", [], {}):
            continue
        if item.name in _PER_KWH:
            value = value * 1000
        elif item.name in _SCHEDULES:
            value = {"periods": [stored_period(row, time_zone) for row in value]}
        elif item.name in _RATES:
            value = [_stored_rate(row, time_zone) for row in value]
        stored[item.name] = value
    return stored


def shown_parameters(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored parameters as a form shows them."""
    shown = dict(stored)
    for name, value in stored.items():
        if value is None:
            del shown[name]
        elif name in _PER_KWH:
            shown[name] = value / 1000
        elif name in _SCHEDULES:
            shown[name] = [shown_period(row) for row in value.get("periods", ())]
        elif name in _RATES:
            shown[name] = [_shown_rate(row) for row in value]
    return shown


def _stored_rate(row: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    rate: dict[str, Any] = {"value": row["value"]}
    if row.get("start") and row.get("end"):
        rate["schedule"] = {"periods": [stored_period(row, time_zone)]}
    return rate


def _shown_rate(row: Mapping[str, Any]) -> dict[str, Any]:
    schedule = row.get("schedule") or {}
    periods = schedule.get("periods", ())
    return {"value": row["value"]} | (shown_period(periods[0]) if periods else {})


def stored_period(row: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    """Return a row of a form as a stored period.

    Raises:
        PeriodError: Its days or its season cannot be what it means.
    """
    days = list(row.get("days") or ())
    groups = [day for day in days if day in set(DayGroup)]
    if groups and len(days) > 1:
        raise PeriodError(
            Phrase(
                "days_alone",
                "{group} stands alone: choose no other day with it",
                group=groups[0],
            )
        )
    period: dict[str, Any] = {
        "start": row["start"],
        "end": row["end"],
        "time_zone": row.get("time_zone") or time_zone,
        "days": groups[0] if groups else (days or DayGroup.ALL.value),
    }
    edges = [row.get("first_day"), row.get("last_day")]
    if any(edges):
        if not all(edges):
            raise PeriodError(
                Phrase("season_edges", "a season has a first and a last day")
            )
        first, last = (_month_day(str(edge)) for edge in edges)
        period["season"] = {"first": first, "last": last}
    return period


def shown_period(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored period as a row of a form."""
    days = stored.get("days", DayGroup.ALL.value)
    shown = {
        "start": stored["start"],
        "end": stored["end"],
        "days": [days] if isinstance(days, str) else list(days),
        "time_zone": stored["time_zone"],
    }
    if season := stored.get("season"):
        for key, edge in (("first_day", "first"), ("last_day", "last")):
            shown[key] = f"{season[edge]['day']:02d}-{season[edge]['month']:02d}"
    return shown


def _month_day(text: str) -> dict[str, int]:
    """Return a day of every year from day-month, as in 31-10."""
    day, separator, month = text.strip().replace("/", "-").partition("-")
    if not separator or not (day.isdecimal() and month.isdecimal()):
        raise PeriodError(
            Phrase("no_day_month", "{text} is no day and month, as in 31-10", text=text)
        )
    try:
        found = MonthDay(month=int(month), day=int(day))
    except ValueError as err:
        raise PeriodError(
            Phrase("no_day", "{text} is no day of a year", text=text)
        ) from err
    return {"month": found.month, "day": found.day}
