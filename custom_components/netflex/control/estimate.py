"""What the site is doing now: the meter and the devices brought to one picture.

Everything at the connection point that no setpoint moves is the *base*: the meter
less what the movable assets draw. Meter and devices are read at different times,
so an asset's draw at the meter's moment is known only to lie within a hull; the
base is held where it was as long as the hulls explain the meter. A device that
answers late therefore moves nobody else, and what it does not explain moves the
base at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from ..model.asset import ChargerState, Nature
from ..model.connection import NO_LINE_VALUES, GridType, Line
from ..model.reading import MeterReading, line_import_current
from ..model.snapshot import Clock, SiteModel, Snapshot
from .layout import Layout
from .memory import NOTHING_KNOWN, Channels, Memory, fitted
from .tuning import Tuning
from .units import Unit

_ALIKE = 0.95
"""Share of a total power that line currents must make up to have its sign."""


@dataclass(slots=True, kw_only=True)
class Picture:
    """The present flows, in W (channel 0) and A (all other channels).

    `base` is what is believed. `import_base` and `injection_base` are what limits
    of either direction count with: the same while the meter is fresh, the careful
    side of it otherwise. None is unknown.
    """

    measured: Channels
    base: Channels
    quick: Channels
    import_base: Channels
    injection_base: Channels
    steady_base: Channels
    """The least base of two readings: no single sample sheds a load."""
    fresh: bool
    """The site meter is within its time-out."""
    safe: bool
    """It is silent for so long that chargers go to their safe current."""
    new: bool
    """This reading was not seen before."""
    resolution: float
    """A that a coarse meter may hide."""


_COARSE = 0.5
"""A: a meter that prints in steps this wide hides up to a whole step."""


def channels(reading: MeterReading, site: SiteModel) -> Channels:
    """Return what a reading says, import positive; what it does not say is None."""
    grid = site.connection.grid_type
    currents = line_import_current(reading)
    power = reading.power
    if power is None and grid is not GridType.DELTA:
        power = reading.line_power.total()
    lines: list[float | None] = []
    for line in Line:
        value = currents[line]
        line_power = reading.line_power[line]
        if value is None and line_power is not None and grid is not GridType.DELTA:
            value = line_power / 230.0
        if value is None and grid is GridType.SINGLE_PHASE and power is not None:
            value = power / 230.0
        lines.append(value if line in site.connection.lines else None)
    if _injects_on_all_lines(reading, power, lines, grid):
        lines = [None if value is None else -abs(value) for value in lines]
    return (power, lines[0], lines[1], lines[2])


def _injects_on_all_lines(
    reading: MeterReading,
    power: float | None,
    lines: list[float | None],
    grid: GridType,
) -> bool:
    """Return whether unsigned currents can only all be injection.

    The sum of powers equals the sum of magnitudes only where all have one sign.
    """
    if power is None or power >= 0 or reading.signed_currents:
        return False
    if reading.line_power.total() is not None and grid is GridType.STAR:
        return False
    present = [abs(value) for value in lines if value is not None]
    if grid is GridType.DELTA:
        largest = 230.0 * 3**0.5 * (sum(present) / max(1, len(present)))
    else:
        largest = 230.0 * sum(present)
    return largest > 0 and -power >= _ALIKE * largest


def feeder_channels(layout: Layout, snapshot: Snapshot, now: float) -> Channels:
    """Return what the feeders' own meters say now, None where none says it."""
    result: list[float | None] = []
    for branch in layout.branches:
        feeder = branch.feeder
        reading = snapshot.feeder_readings.get(feeder.id)
        if reading is None or now - reading.received > feeder.meter_timeout:
            result += (None, None, None)
        else:
            result += channels(reading, layout.site)[1:]
    return tuple(result)


def assumed_draw(unit: Unit) -> float:
    """Return the W that an asset draws, or is taken to draw where it is silent."""
    state, asset, past = unit.state, unit.asset, unit.past
    if state is not None and state.power is not None:
        return state.power
    if asset.nature is Nature.CHARGER:
        total = None if state is None else state.currents.total()
        if total is not None:
            return total / max(1, len(unit.lines)) * unit.watts
        return (past.value or 0.0) * unit.watts if unit.plugged else 0.0
    if asset.nature is Nature.LOAD:
        on = past.value if state is None or state.enabled is None else state.enabled
        return asset.rated_consumption if on else 0.0
    if asset.nature is Nature.INVERTER:
        return -_ceiling(unit)
    return past.value or 0.0


def _ceiling(unit: Unit) -> float:
    """Return the most that an inverter may produce under its newest setpoint."""
    rated = unit.asset.rated_production
    return rated if unit.past.value is None else min(rated, unit.past.value)


def _in_transition(unit: Unit, now: float, tuning: Tuning) -> bool:
    changed = unit.past.changed
    return changed is not None and now - changed < tuning.settle


def set_hulls(unit: Unit, received: float, now: float, tuning: Tuning) -> None:
    """Set what a unit may have drawn when the meter was read."""
    draw = unit.measured
    low = high = draw
    past, asset = unit.past, unit.asset
    told = past.value
    if _in_transition(unit, now, tuning):
        reach = [draw, *unit.drawn]
        if asset.nature is Nature.CHARGER:
            wanted = (told or 0.0) * unit.watts
            # A car follows downward for certain, upward only if it wants to.
            if wanted < draw or unit.plugged:
                reach.append(wanted)
            if _may_still_rise(unit, now, tuning):
                reach.append((past.before or 0.0) * unit.watts)
        elif asset.nature is Nature.INVERTER:
            reach.append(-_ceiling(unit))
        elif asset.nature is Nature.LOAD:
            reach.append(asset.rated_consumption if told else 0.0)
        elif told is not None:
            reach.append(told)
        low, high = min(low, *reach), max(high, *reach)
    unit.hull = unit.wide = unit.free = (low, high)
    at = None if unit.state is None else unit.state.at
    older = at is not None and 0 < received - at <= unit.doubt
    if asset.nature is Nature.CHARGER and _can_charge(unit):
        ceiling = unit.high if told is None else told * unit.watts
        unit.free = (min(low, 0.0), max(high, ceiling))
    elif asset.nature is Nature.LOAD and (draw > 0 or told):
        unit.free = (min(low, 0.0), max(high, asset.rated_consumption))
    elif asset.nature is Nature.INVERTER and older:
        most = _ceiling(unit)
        if _in_transition(unit, now, tuning):
            # It may not have followed yet, and have risen before that.
            rated = asset.rated_production
            most = max(most, rated if past.before is None else min(rated, past.before))
        unit.free = (min(low, -most), max(high, 0.0))
    if older:
        unit.wide = unit.free


def _may_still_rise(unit: Unit, now: float, tuning: Tuning) -> bool:
    """Return whether a car that was rising may not have heard of its lower limit yet.

    Without this its last steps would count as a load of somebody else.
    """
    past, state = unit.past, unit.state
    if past.changed is None or past.before is None or past.before <= (past.value or 0):
        return False
    if now - past.changed > tuning.follow or not unit.plugged:
        return False
    at = None if state is None else state.at
    heard = at is not None and at > past.changed + 1.0
    return not (heard and unit.measured <= (past.value or 0.0) * unit.watts * 1.05)


def _can_charge(unit: Unit) -> bool:
    return unit.state is None or unit.state.charger_state is not ChargerState.FAULT


def _line_currents(unit: Unit) -> list[float]:
    """Return the present A per channel 1..3 (index 0 is unused), load positive."""
    result = [0.0, 0.0, 0.0, 0.0]
    state = unit.state
    if state is not None and state.currents is not NO_LINE_VALUES:
        sign = -1.0 if unit.measured < 0 else 1.0
        seen = False
        for channel, line in enumerate(Line, start=1):
            if (value := state.currents[line]) is not None:
                result[channel] = sign * abs(value)
                seen = True
        if seen:
            return result
    # Flows are booked on the lines in use only: what else is measured is noise.
    share = unit.measured / unit.watts
    for channel in unit.lines:
        result[channel] = share
    return result


class _Hull:
    """How far from their answers all movable assets together may lie, by channel."""

    __slots__ = ("high", "low")

    def __init__(self, size: int) -> None:
        """Start with no asset."""
        self.low = [0.0] * size
        self.high = [0.0] * size

    def add(self, unit: Unit, hull: tuple[float, float], paths: Sequence[int]) -> None:
        """Add an asset's hull in W, brought to the unit of each of its channels."""
        below, above = hull[0] - unit.measured, hull[1] - unit.measured
        low, high = self.low, self.high
        low[0] += below
        high[0] += above
        below /= unit.watts
        above /= unit.watts
        for channel in paths:
            low[channel] += below
            high[channel] += above

    def explain(
        self, known: Channels, measured: Channels, draws: list[float]
    ) -> Channels:
        """Return the base nearest to the known one that fits the meter."""
        result: list[float | None] = []
        for channel, total in enumerate(measured):
            if total is None:
                result.append(None)
                continue
            rest = total - draws[channel]
            least, most = rest - self.high[channel], rest - self.low[channel]
            before = known[channel]
            if before is None:
                before = (least + most) / 2
            result.append(min(max(before, least), most))
        return tuple(result)


def _minus(measured: Channels, draws: list[float]) -> Channels:
    return tuple(
        None if total is None else total - draws[channel]
        for channel, total in enumerate(measured)
    )


def picture(
    layout: Layout,
    snapshot: Snapshot,
    units: list[Unit],
    memory: Memory,
    clock: Clock,
    tuning: Tuning,
) -> Picture:
    """Return the present flows and set each unit's present draw."""
    now, site, reading = clock.monotonic, layout.site, snapshot.reading
    for unit in units:
        unit.measured = unit.draw = assumed_draw(unit) if unit.movable else 0.0
        unit.currents = _line_currents(unit)
    started = now if memory.started is None else memory.started
    silent = now - (started if reading is None else reading.received)
    fresh = reading is not None and silent <= site.meter_timeout
    known = fitted(memory.base, layout.size)
    safe = not fresh and (
        silent > site.meter_timeout + site.safe_delay
        or (reading is None and memory.base == NOTHING_KNOWN)
    )
    if reading is None:
        return _without_meter(fitted(NOTHING_KNOWN, layout.size), known, safe=safe)
    measured = (
        *channels(reading, site),
        *feeder_channels(layout, snapshot, now),
    )
    if not fresh:
        return _without_meter(measured, known, safe=safe)
    base, quick = _base(measured, reading, units, memory, now, tuning)
    new = memory.received != reading.received
    before = known if new else fitted(memory.base_before, layout.size)
    return Picture(
        measured=measured,
        base=base,
        quick=quick,
        import_base=base,
        injection_base=base,
        steady_base=tuple(
            value if value is None or old is None else min(value, old)
            for value, old in zip(base, before, strict=True)
        ),
        fresh=True,
        safe=False,
        new=new,
        resolution=(
            reading.current_resolution if reading.current_resolution >= _COARSE else 0.0
        ),
    )


def _without_meter(measured: Channels, base: Channels, *, safe: bool) -> Picture:
    """Return the picture on old data.

    Import counts the last known base, but never a base that produces; injection
    counts no consumption that is not measured by the asset itself.
    """
    import_base = tuple(None if value is None else max(value, 0.0) for value in base)
    none = tuple(None if value is None else min(value, 0.0) for value in base)
    injection_base = (none[0] or 0.0, *none[1:])
    return Picture(
        measured=measured,
        base=base,
        quick=fitted(NOTHING_KNOWN, len(base)),
        import_base=import_base if safe else base,
        injection_base=injection_base if safe else base,
        steady_base=import_base if safe else base,
        fresh=False,
        safe=safe,
        new=False,
        resolution=0.0,
    )


def _base(
    measured: Channels,
    reading: MeterReading,
    units: list[Unit],
    memory: Memory,
    now: float,
    tuning: Tuning,
) -> tuple[Channels, Channels]:
    """Return the base, and the quick one behind it; set the units' draws.

    The quick base takes every change that no asset can have made between two
    answers. Cars and loads start and stop by themselves, and some say so seconds
    later: the base itself takes a change that they may have made only when it
    lasts.
    """
    size = len(measured)
    before, wide, free = _Hull(size), _Hull(size), _Hull(size)
    draws = [0.0] * size
    confirm = memory.received is not None and memory.received != reading.received
    metered = any(value is not None for value in measured[4:])
    for unit in units:
        if not unit.movable:
            continue
        set_hulls(unit, reading.received, now, tuning)
        present = unit.measured
        draws[0] += present
        paths = unit.paths if metered else unit.lines
        currents = unit.currents
        for channel in paths:
            draws[channel] += currents[(channel - 1) % 3 + 1]
        nowhere = (present, present)
        if (old := _hull_before(unit, memory.received)) != nowhere:
            before.add(unit, old, paths)
        if unit.wide != nowhere:
            wide.add(unit, unit.wide, paths)
        if unit.free != nowhere:
            free.add(unit, unit.free, paths)
    known = fitted(memory.quick, size)
    if memory.quick == NOTHING_KNOWN:
        known = _minus(measured, draws)
    elif confirm:
        known = before.explain(known, fitted(memory.measured, size), draws)
    quick = wide.explain(known, measured, draws)
    recent = (*memory.recent, quick) if confirm else memory.recent
    base = free.explain(_median(recent or (quick,), size), measured, draws)
    _spread(units, measured[0], base[0], draws[0])
    return base, quick


_MEDIAN_OF = 5
"""Readings: what lasts for less than half of them is no change of the base."""


def _median(recent: tuple[Channels, ...], size: int) -> Channels:
    """Return the median base of the newest readings, None where one is missing."""
    window = [fitted(values, size) for values in recent[-_MEDIAN_OF:]]
    result: list[float | None] = []
    for values in zip(*window, strict=True):
        known = sorted(value for value in values if value is not None)
        if not known:
            result.append(None)
            continue
        middle = len(known) // 2
        result.append(
            known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
        )
    return tuple(result)


def _hull_before(unit: Unit, received: float | None) -> tuple[float, float]:
    """Return between what a unit drew when the meter was read the time before."""
    at = None if unit.state is None else unit.state.at
    if not unit.drawn:
        return unit.hull
    if at is None or received is None or at < received:
        return unit.wide
    drawn = unit.drawn[-1]
    return (min(drawn, unit.measured), max(drawn, unit.measured))


_REACHES = (attrgetter("hull"), attrgetter("wide"), attrgetter("free"))


def _spread(
    units: list[Unit], total: float | None, base: float | None, drawn: float
) -> None:
    """Lay what the base does not explain at the door of those that may have moved."""
    if total is None or base is None:
        return
    rest = total - base - drawn
    # Who was told to move is asked first, then who may have moved by itself.
    for reach in _REACHES:
        if abs(rest) < 1e-6:
            return
        rooms = []
        room = 0.0
        for unit in units:
            if unit.movable:
                low, high = reach(unit)
                own = high - unit.draw if rest > 0 else unit.draw - low
                if own > 0:
                    rooms.append((unit, own))
                    room += own
        if room > 0:
            taken = min(abs(rest), room) * (1.0 if rest > 0 else -1.0)
            for unit, share in rooms:
                unit.draw += taken * share / room
            rest -= taken
