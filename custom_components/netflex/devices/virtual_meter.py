"""A virtual meter: what a charger is told that the connection point carries.

A charger in its own load balancing mode draws what its meter leaves below its
configured maximum: own current + maximum - meter. It is told the real meter, moved
by so much that this comes to what the decision leaves it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from ..model.asset import Asset, AssetState
from ..model.connection import NOMINAL_VOLTAGE, GridType, Line, LineValues
from ..model.phrase import Phrase
from ..model.plan import Setpoint, Source
from ..model.reading import MeterReading
from .countis import Measured, measured_by

OWN_TIMEOUT = 60.0
"""s after which a charger's own measurement is too old to be relied on."""
SETPOINT_TIMEOUT = 30.0
"""s without the decision standing by its setpoint after which that is stale."""
_HISTORY = 90.0
"""s of site readings that are kept to be compared with the charger's own."""
_LONGEST_STEP = 2.0
"""s: the headroom does not make up for a longer pause."""
_BEYOND = 1.0
"""A above what any charger would still draw with: the fuse counts as full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMeterConfig:
    """One virtual meter and what its charger was configured with.

    `installation_current` A is what the charger keeps its meter below, `safe_current`
    A what it draws at most without its meter. `order` are the lines of the site that
    it sees as L1, L2, L3. With `fold` the decision's setpoint is folded into what it
    is told; without it only stops, the fuse and the grid operator are. `ramp` is A/s.
    """

    meter_id: str
    name: str
    allowed: tuple[str, ...]
    installation_current: float
    safe_current: float
    grid_type: GridType = GridType.STAR
    host: str = "0.0.0.0"
    port: int = 502
    unit: int = 5
    order: tuple[Line, Line, Line] = (Line.L1, Line.L2, Line.L3)
    fold: bool = True
    stale_after: float = 10.0
    ramp: float = 0.5


class Report(StrEnum):
    """What a charger is told now."""

    MEASURED = "measured"
    """The real meter."""
    HEADROOM = "headroom"
    """The real meter, moved by what the decision leaves."""
    FUSE_FULL = "fuse_full"
    """That nothing is left, whatever the charger draws."""
    SILENT = "silent"
    """Nothing: its own safe current takes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown at one moment. `granted` A per line is what this leaves.

    `why` says in a user's words why the real meter is not what is shown.
    """

    report: Report
    measured: Measured | None = None
    granted: float | None = None
    why: str | None = None
    trouble: bool = False
    """The real meter cannot be shown, for what is missing."""


class Headroom:
    """Turns readings, the charger's own current and setpoints into what is shown."""

    def __init__(
        self,
        config: VirtualMeterConfig,
        asset: Asset,
        reading: Callable[[], MeterReading | None],
    ) -> None:
        """Know nothing yet; `reading` returns the site meter's newest."""
        self._config = config
        self._asset = asset
        self._reading = reading
        self._history: deque[tuple[float, LineValues]] = deque(maxlen=200)
        self._base: dict[Line, float] = {}
        """A, import positive: what everything but the charger draws, by line."""
        self._own_at: float | None = None
        self._setpoint: Setpoint | None = None
        self._stood_by = 0.0
        self._at: float | None = None
        # Nobody has answered the charger so far: it is on its safe current.
        self._ceiling: float | None = config.safe_current

    @property
    def setpoint(self) -> Setpoint | None:
        """What the decision wants, None before the first."""
        return self._setpoint

    def told(self, setpoint: Setpoint, now: float) -> None:
        """Take over what the decision wants, or that it still does."""
        self._setpoint, self._stood_by = setpoint, now

    def measured_own(self, state: AssetState, now: float) -> None:
        """Take over what the charger says that it draws."""
        at = state.at
        if at is None or not state.available or now - at > OWN_TIMEOUT:
            return
        if at == self._own_at or (own := self._own_currents(state)) is None:
            return
        self._note(now)
        if (site := self._site_at(at)) is None:
            return
        self._own_at = at
        self._base = {
            line: current - own.get(line, 0.0) for line, current in site.items()
        }

    def _own_currents(self, state: AssetState) -> dict[Line, float] | None:
        currents = dict(state.currents.items())
        if currents:
            return currents
        if state.power is None:
            return None
        lines = self._asset.lines
        share = state.power / NOMINAL_VOLTAGE / max(1, len(lines))
        return dict.fromkeys(lines, share)

    def _note(self, now: float) -> None:
        """Keep the newest reading for comparison with the charger's own."""
        reading = self._reading()
        if reading is None or (
            self._history and self._history[-1][0] >= reading.received
        ):
            return
        currents = measured_by(reading, self._config.grid_type).currents
        self._history.append((reading.received, currents))
        while now - self._history[0][0] > _HISTORY:
            self._history.popleft()

    def _site_at(self, at: float) -> LineValues | None:
        """Return what the site drew when the charger was measured."""
        if not self._history:
            return None
        return min(self._history, key=lambda item: abs(item[0] - at))[1]

    # ------------------------------------------------------------------------- showing

    def show(self, now: float) -> Shown:
        """Return what the charger is told at monotonic `now`."""
        self._note(now)
        elapsed = 0.0 if self._at is None else min(now - self._at, _LONGEST_STEP)
        self._at = now
        trouble = self._trouble(now)
        if trouble is not None:
            return self._without_meter(trouble)
        reading, setpoint = self._reading(), self._setpoint
        assert reading is not None
        assert setpoint is not None
        true = measured_by(reading, self._config.grid_type)
        wanted = self._maximum if setpoint.value is None else setpoint.value
        granted = self._ramped(wanted, elapsed)
        if wanted <= 0:
            return self._full(true, _cause(setpoint))
        if not (self._config.fold or _binding(setpoint)):
            return Shown(report=Report.MEASURED, measured=self._ordered(true))
        moved = self._moved(true, granted, now)
        if not self._config.fold:
            # Somebody else's headroom only tightens what the meter itself leaves.
            moved = {
                line: max(current, true.currents[line] or 0.0)
                for line, current in moved.items()
            }
        return Shown(
            report=Report.HEADROOM,
            measured=self._with_currents(true, moved),
            granted=granted,
            why=_cause(setpoint),
        )

    def _trouble(self, now: float) -> str | None:
        """Return why nothing may be shown but that, None where all is well."""
        reading = self._reading()
        if reading is None:
            return Phrase("site_meter_new", "the site meter has brought no reading yet")
        if (age := now - reading.received) > self._config.stale_after:
            return Phrase(
                "site_meter_silent",
                "the site meter has been silent for {time}",
                time=f"{age:.0f} s",
            )
        currents = measured_by(reading, self._config.grid_type).currents
        if any(
            currents[line] is None
            for line in self._asset.lines
            if line in self._config.grid_type.lines
        ):
            return Phrase(
                "site_meter_no_current",
                "the site meter names no current on a line of the charger",
            )
        if self._setpoint is None:
            return Phrase("nothing_decided", "nothing has been decided yet")
        if now - self._stood_by > SETPOINT_TIMEOUT:
            return Phrase(
                "charger_orphaned", "nobody stands by the charger's setpoint any more"
            )
        return None

    def may_be_silent(self) -> bool:
        """Whether the charger's own safe current is within what is left (S10)."""
        setpoint = self._setpoint
        if setpoint is None:
            return True
        if setpoint.emergency:
            return False
        return setpoint.value is None or self._config.safe_current <= setpoint.value

    def _without_meter(self, trouble: str) -> Shown:
        if self.may_be_silent():
            self._ceiling = self._config.safe_current
            return Shown(report=Report.SILENT, why=trouble, trouble=True)
        self._ceiling = 0.0
        why = Phrase(
            "safe_current_too_high",
            "{trouble}, and its safe current of {current} is more than stops and limits "
            "leave",
            trouble=trouble,
            current=f"{self._config.safe_current:g} A",
        )
        return replace(self._full(Measured(), why), trouble=True)

    def _ramped(self, wanted: float, elapsed: float) -> float:
        """Return what is granted: after a trouble it comes back slowly."""
        if self._ceiling is None:
            return wanted
        self._ceiling += self._config.ramp * elapsed
        if self._ceiling < wanted:
            return self._ceiling
        self._ceiling = None
        return wanted

    @property
    def _maximum(self) -> float:
        known = self._asset.maximum_current
        return self._config.installation_current if known is None else known

    def _moved(self, true: Measured, granted: float, now: float) -> dict[Line, float]:
        """Return the currents that leave the charger what it is granted."""
        target = self._config.installation_current - granted
        known = self._own_at is not None and now - self._own_at <= OWN_TIMEOUT
        moved = {}
        for line in self._config.grid_type.lines:
            site = true.currents[line] or 0.0
            if line not in self._asset.lines:
                moved[line] = max(0.0, target)
            elif known:
                moved[line] = max(0.0, target + site - self._base.get(line, 0.0))
            else:
                # It may draw anything up to its maximum: that counts as drawn.
                moved[line] = max(0.0, target + self._maximum)
        return moved

    def _full(self, true: Measured, why: str | None) -> Shown:
        """Return the fuse as full: no more is left than what anybody may draw."""
        level = self._config.installation_current + self._maximum + _BEYOND
        moved = {
            line: max(level, true.currents[line] or 0.0)
            for line in self._config.grid_type.lines
        }
        return Shown(
            report=Report.FUSE_FULL,
            measured=self._with_currents(true, moved),
            granted=0.0,
            why=why,
        )

    def _with_currents(self, true: Measured, currents: dict[Line, float]) -> Measured:
        """Return the meter with other currents, and the powers that go with them."""
        delta = self._config.grid_type is GridType.DELTA
        factor = 3**-0.5 if delta else 1.0
        between = true.line_to_line if delta else true.voltages
        powers = {
            line: current * (between[line] or NOMINAL_VOLTAGE) * factor
            for line, current in currents.items()
        }
        return self._ordered(
            Measured(
                voltages=true.voltages,
                line_to_line=true.line_to_line,
                currents=LineValues.of(currents),
                powers=LineValues.of(powers),
                power=sum(powers.values()),
                reactive_power=0.0,
                frequency=true.frequency,
                energy_import=true.energy_import,
                energy_export=true.energy_export,
            )
        )

    def _ordered(self, measured: Measured) -> Measured:
        """Return the meter with its lines in the order that the charger is wired."""
        order = self._config.order
        if order == tuple(Line):
            return measured

        def turned(values: LineValues) -> LineValues:
            pairs = zip(Line, order, strict=True)
            return LineValues.of(
                {
                    seen: value
                    for seen, line in pairs
                    if (value := values[line]) is not None
                }
            )

        return Measured(
            voltages=turned(measured.voltages),
            line_to_line=_between_turned(measured.line_to_line, order),
            currents=turned(measured.currents),
            powers=turned(measured.powers),
            power=measured.power,
            reactive_power=measured.reactive_power,
            frequency=measured.frequency,
            energy_import=measured.energy_import,
            energy_export=measured.energy_export,
        )


def _between_turned(values: LineValues, order: tuple[Line, Line, Line]) -> LineValues:
    """Return the voltages between lines, for lines in another order."""
    lines = tuple(Line)
    between = {
        frozenset((lines[index], lines[(index + 1) % 3])): values[lines[index]]
        for index in range(3)
    }
    turned = {}
    for index, seen in enumerate(lines):
        value = between[frozenset((order[index], order[(index + 1) % 3]))]
        if value is not None:
            turned[seen] = value
    return LineValues.of(turned)


def _binding(setpoint: Setpoint) -> bool:
    """Whether a stop, the fuse, missing data or the grid operator bound it."""
    return any(cause.source <= Source.GRID_OPERATOR for cause in setpoint.causes)


def _cause(setpoint: Setpoint) -> str | None:
    return setpoint.causes[0].text if setpoint.causes else None
