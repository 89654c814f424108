"""From three phases to one and back, where a charger and its car can do it.

One phase comes before none: where the minimum on three phases does not fit for a
while and it does on one, the charger goes to one. It comes back when three phases
would have fitted for much longer and one phase cannot give what the car takes. The
device itself pauses, switches and rests; a stop outranks all of it.
"""

from collections.abc import Iterable
from dataclasses import replace

from ..model.asset import Asset, AssetState, ChargerState, Nature
from ..model.plan import Source
from . import explain
from .allocate import Capacities
from .layout import Layout
from .memory import AssetMemory
from .shape import Moment
from .units import Footing, Unit, footing

_ALL = 3
_EPSILON = 1e-6
_SPARE = 1.0
"""A above the minimum that three phases must have room for."""
_WORTH_IT = 1.1
"""So many times as much power must three phases give."""
_TAKES = 0.8
"""Share of what it may draw from which a car counts as wanting it."""


def can_switch(asset: Asset, state: AssetState | None) -> bool:
    """Return whether a charger may be switched between one phase and three."""
    return (
        asset.nature is Nature.CHARGER
        and asset.switches_phases
        and len(asset.lines) == _ALL
        and state is not None
        and {1, _ALL} <= set(state.phase_choices)
    )


def choose(
    layout: Layout,
    units: Iterable[Unit],
    capacities: Capacities,
    pasts: dict[str, AssetMemory],
    moment: Moment,
) -> None:
    """Set the phases of every charger that may be switched, and its memory."""
    for unit in units:
        past = pasts.get(unit.asset.id)
        if past is None or not can_switch(unit.asset, unit.state):
            continue
        pasts[unit.asset.id] = _choose(layout, unit, capacities, past, moment)


def _choose(
    layout: Layout,
    unit: Unit,
    capacities: Capacities,
    past: AssetMemory,
    moment: Moment,
) -> AssetMemory:
    tuning, now = moment.tuning, moment.now
    phases = past.phases or _ALL
    unit.phases = phases
    if not unit.plugged:
        # The next car starts on all phases, with a count of its own.
        if past.phases is None and not past.phase_switches:
            return past
        unit.phases = _ALL
        return replace(past, phases=None, phase_switches=0, phase_since=None)
    other = 1 if phases == _ALL else _ALL
    if (
        unit.held
        or unit.high <= 0
        or not moment.knows(unit)
        or not _wanted(layout, unit, capacities, other)
    ):
        return past if past.phase_since is None else replace(past, phase_since=None)
    since = now if past.phase_since is None else past.phase_since
    delay = tuning.phase_down_delay if other == 1 else tuning.phase_up_delay
    due = since + delay
    if past.phase_changed is not None:
        due = max(due, past.phase_changed + tuning.phase_rest)
    # Contactors wear and some cars mind: after so many it stays on one phase.
    spent = past.phase_switches >= tuning.phase_switches and other != 1
    if spent or now < due:
        if not spent:
            moment.due(due)
        return past if since == past.phase_since else replace(past, phase_since=since)
    unit.phases = other
    unit.told = unit.asset.minimum_current
    unit.causes = (explain.phases(other, _why(unit)), *unit.causes)
    return replace(
        past,
        phases=other,
        phase_since=None,
        phase_changed=now,
        phase_switches=past.phase_switches + 1,
        waiting_since=None,
        off_since=None,
        on_since=now,
        candidate=None,
        candidate_since=None,
    )


def _why(unit: Unit) -> Source:
    return min((cause.source for cause in unit.causes), default=Source.DEVICE)


def _wanted(layout: Layout, unit: Unit, capacities: Capacities, other: int) -> bool:
    """Return whether the other number of phases would be better, and would fit."""
    asset = unit.asset
    if other == 1 and unit.share > 0:
        # Only instead of nothing.
        return False
    if other == _ALL and not _takes_it(unit):
        return False
    lines = asset.lines[:1] if other == 1 else asset.lines
    target = footing(layout, asset, lines)
    room = _room(unit, capacities, target)
    if other == 1:
        return room >= asset.minimum_current - _EPSILON
    # More than the bare minimum, or it would soon have to go back; and more than one
    # phase gives already, which on 32 A is more than three phases at their minimum.
    return room >= asset.minimum_current + _SPARE and (
        room * target.watts > unit.share * unit.watts * _WORTH_IT
    )


def _takes_it(unit: Unit) -> bool:
    """Return whether the car uses what one phase gives; a full one needs no more."""
    state = unit.state
    if state is None or state.charger_state is not ChargerState.CHARGING:
        return False
    return unit.measured >= _TAKES * unit.share * unit.watts


def _room(unit: Unit, capacities: Capacities, target: Footing) -> float:
    """Return the A that it could have on other lines, in place of its share."""
    most = target.ceiling
    if unit.user.current is not None:
        most = min(most, unit.user.current)
    if unit.user.power is not None:
        most = min(most, unit.user.power / target.watts)
    given = {id(capacity): use * unit.share for capacity, use in capacities.uses(unit)}
    return min(
        most,
        *(
            (capacity.left + given.get(id(capacity), 0.0)) / use
            for capacity, use in capacities.uses(unit, target)
        ),
    )
