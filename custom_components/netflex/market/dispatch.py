"""What dispatch sources command: entities, calendars, and the action.

A source that says nothing, or something that is not understood, commands nothing; it
takes nobody else's command along (S14).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import math
from typing import Final

from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfPower,
)
from homeassistant.core import State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import PowerConverter

from ..entry_dispatch import DispatchSource, SourceKind
from ..model.dispatch import DispatchAction, DispatchCommand
from ..model.phrase import Phrase
from ..model.schedule import Window

DIRECTIONS: Final[Mapping[str, DispatchAction]] = {
    "import": DispatchAction.CHARGE_MAX,
    "charge": DispatchAction.CHARGE_MAX,
    "charge_max": DispatchAction.CHARGE_MAX,
    "consume": DispatchAction.CHARGE_MAX,
    "export": DispatchAction.DISCHARGE_MAX,
    "discharge": DispatchAction.DISCHARGE_MAX,
    "discharge_max": DispatchAction.DISCHARGE_MAX,
    "produce": DispatchAction.DISCHARGE_MAX,
    "avoid_import": DispatchAction.AVOID_IMPORT,
    "avoid_export": DispatchAction.AVOID_EXPORT,
}
"""Words of a direction entity: import is what the site is asked to do."""
_NOTHING: Final = frozenset({"none", "idle", "off", STATE_UNKNOWN, ""})
"""Words that say that nothing is asked for."""


class UnusableSourceError(Exception):
    """A source that says something that nobody understands, or is not there."""

    def __init__(self, text: str) -> None:
        """Give the reason."""
        super().__init__(text)
        self.text = text


def read_source(
    source: DispatchSource,
    state: Callable[[str], State | None],
    windows: Mapping[str, Iterable[Window]],
) -> tuple[DispatchCommand, ...]:
    """Return what one source commands now and later.

    Raises:
        UnusableSourceError: It is not there, or is not understood.
    """
    if source.kind is SourceKind.CALENDAR:
        assert source.calendar is not None
        if (events := windows.get(source.calendar)) is None:
            raise UnusableSourceError(
                Phrase(
                    "source_calendar_silent",
                    "{source}: its calendar says nothing",
                    source=source.name,
                )
            )
        return tuple(_of_events(source, events))
    command = _of_entities(source, state)
    return () if command is None else (command,)


def _of_events(
    source: DispatchSource, events: Iterable[Window]
) -> Iterable[DispatchCommand]:
    assert source.action is not None
    for window in events:
        if window.start is not None and window.end is not None:
            yield _command(source, source.action, window.start, window.end, None)


def _of_entities(
    source: DispatchSource, state: Callable[[str], State | None]
) -> DispatchCommand | None:
    values: dict[str, str] = {}
    for name in ("direction", "start", "end"):
        reference = getattr(source, name)
        found = None if reference is None else state(reference)
        if found is None or found.state == STATE_UNAVAILABLE:
            raise UnusableSourceError(_missing(source, reference or name))
        values[name] = found.state
    word = values["direction"].strip().casefold().replace(" ", "_")
    if word in _NOTHING:
        return None
    if (action := DIRECTIONS.get(word)) is None:
        raise UnusableSourceError(
            Phrase(
                "source_direction_unknown",
                "{source}: {word} is no direction that is known",
                source=source.name,
                word=values["direction"],
            )
        )
    start, end = (_time(source, values[name]) for name in ("start", "end"))
    if start is None or end is None or end <= start:
        return None
    power = None if source.power is None else _power(source, state(source.power))
    return _command(source, action, start, end, power)


def _time(source: DispatchSource, text: str) -> datetime | None:
    """Return a time in UTC; an input_datetime without a zone is local."""
    if text == STATE_UNKNOWN:
        return None
    if (parsed := dt_util.parse_datetime(text)) is None:
        raise UnusableSourceError(
            Phrase(
                "source_time_unknown",
                "{source}: {word} is no time",
                source=source.name,
                word=text,
            )
        )
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=dt_util.get_default_time_zone())
    return parsed.astimezone(UTC)


def _power(source: DispatchSource, state: State | None) -> float:
    """Return the size of what is asked for in W; one that is not said is no maximum."""
    if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        raise UnusableSourceError(_missing(source, source.power or "power"))
    unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    try:
        value = abs(PowerConverter.convert(float(state.state), unit, UnitOfPower.WATT))
    except (ValueError, HomeAssistantError) as err:
        value = math.nan
        cause: Exception | None = err
    else:
        cause = None
    if not math.isfinite(value):
        raise UnusableSourceError(
            Phrase(
                "source_power_unknown",
                "{source}: {word} is no power",
                source=source.name,
                word=f"{state.state} {unit or ''}".strip(),
            )
        ) from cause
    return value


def _missing(source: DispatchSource, what: str) -> Phrase:
    return Phrase(
        "source_entity_missing",
        "{source}: {entity} is not available",
        source=source.name,
        entity=what,
    )


def _command(
    source: DispatchSource,
    action: DispatchAction,
    start: datetime,
    end: datetime,
    power: float | None,
) -> DispatchCommand:
    """Return a command; a power makes the most of a direction exactly so much."""
    if power is not None and action is DispatchAction.CHARGE_MAX:
        action = DispatchAction.POWER
    elif power is not None and action is DispatchAction.DISCHARGE_MAX:
        action, power = DispatchAction.POWER, -power
    else:
        power = None
    return DispatchCommand(
        source=source.id,
        action=action,
        start=start,
        end=end,
        assets=source.batteries,
        power=power,
        allow_deviation=source.allow_deviation,
        priority=source.priority,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """What all sources command, and why some of them command nothing, by source."""

    commands: tuple[DispatchCommand, ...]
    problems: Mapping[str, str]


def read_sources(
    sources: Iterable[DispatchSource],
    state: Callable[[str], State | None],
    windows: Mapping[str, Iterable[Window]],
) -> Commanded:
    """Return what all sources command; one that fails costs only its own."""
    commands: list[DispatchCommand] = []
    problems: dict[str, str] = {}
    for source in sources:
        try:
            commands.extend(read_source(source, state, windows))
        except UnusableSourceError as err:
            problems[source.id] = err.text
    return Commanded(commands=tuple(commands), problems=problems)
