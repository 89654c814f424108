"""The stored form of a dispatch source: who may order batteries for a while, and how.

Entities are named by their registry id, or by their entity id where they have none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigSubentry

from .entry_data import CONF_PRIORITY
from .model.dispatch import DispatchAction
from .site.economy import Baseline

CONF_KIND: Final = "kind"
CONF_DIRECTION: Final = "direction_entity"
CONF_START: Final = "start_entity"
CONF_END: Final = "end_entity"
CONF_DISPATCH_POWER: Final = "dispatch_power_entity"
CONF_CALENDAR: Final = "calendar_entity"
CONF_ACTION: Final = "action"
CONF_BATTERIES: Final = "batteries"
CONF_ALLOW_DEVIATION: Final = "allow_deviation"
CONF_BASELINE: Final = "baseline"

SOURCE_ENTITIES: Final = (
    CONF_DIRECTION,
    CONF_START,
    CONF_END,
    CONF_DISPATCH_POWER,
    CONF_CALENDAR,
)
"""Keys of the entities that a source may read."""
CALENDAR_ACTIONS: Final = (
    DispatchAction.CHARGE_MAX,
    DispatchAction.DISCHARGE_MAX,
    DispatchAction.AVOID_IMPORT,
    DispatchAction.AVOID_EXPORT,
)
"""What the events of a calendar can ask for."""


class SourceKind(StrEnum):
    """How a dispatch source says what it wants."""

    AXLE = "axle"
    """The three entities of Home Assistant's integration of Axle Energy."""
    ENTITIES = "entities"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSource:
    """One source. `batteries` None: all of them; `power` names an entity."""

    id: str
    name: str
    kind: SourceKind
    direction: str | None = None
    start: str | None = None
    end: str | None = None
    power: str | None = None
    calendar: str | None = None
    action: DispatchAction | None = None
    """What a calendar's events ask for."""
    batteries: frozenset[str] | None = None
    priority: int = 0
    allow_deviation: bool = False
    baseline: Baseline = Baseline.DAYS_BEFORE

    @property
    def entities(self) -> tuple[str, ...]:
        """Return the entities that say it by their state."""
        named = (self.direction, self.start, self.end, self.power)
        return tuple(item for item in named if item is not None)


def dispatch_sources(
    subentries: Iterable[ConfigSubentry],
) -> tuple[DispatchSource, ...]:
    """Return the dispatch sources of a site."""
    return tuple(dispatch_source(item) for item in subentries)


def dispatch_source(subentry: ConfigSubentry) -> DispatchSource:
    """Return one source from its subentry."""
    data = subentry.data
    action = data.get(CONF_ACTION)
    return DispatchSource(
        id=subentry.subentry_id,
        name=subentry.title,
        kind=SourceKind(data[CONF_KIND]),
        direction=data.get(CONF_DIRECTION),
        start=data.get(CONF_START),
        end=data.get(CONF_END),
        power=data.get(CONF_DISPATCH_POWER),
        calendar=data.get(CONF_CALENDAR),
        action=None if action is None else DispatchAction(action),
        batteries=frozenset(data.get(CONF_BATTERIES, ())) or None,
        priority=int(data.get(CONF_PRIORITY, 0)),
        allow_deviation=bool(data.get(CONF_ALLOW_DEVIATION, False)),
        baseline=Baseline(data.get(CONF_BASELINE, Baseline.DAYS_BEFORE)),
    )
