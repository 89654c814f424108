"""The stored form of a battery's programme: one subentry for each mode.

A subentry names its batteries (none: all of them), its priority (lower comes first) and
one mode with its parameters and its schedule, as `control.codec` writes a `ModeEntry`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry

from .const import LOGGER
from .control.codec import CodecError, decode, encode
from .entry_data import CONF_DEAD_BAND, CONF_PRIORITY, CONF_RAMP
from .entry_dispatch import CONF_BATTERIES
from .model.programme import ImbalanceChase, ModeEntry, PeakApproach, Programme
from .model.schedule import Schedule

CONF_ENTRY: Final = "entry"


def mode_entry(data: Mapping[str, Any]) -> ModeEntry:
    """Return the mode of a subentry; CodecError says what is wrong with it."""
    entry: ModeEntry = decode(ModeEntry, data[CONF_ENTRY], "")
    return entry


def mode_data(
    entry: ModeEntry, batteries: Iterable[str], priority: int
) -> dict[str, Any]:
    """Return a mode as its subentry holds it."""
    return {
        CONF_BATTERIES: sorted(batteries),
        CONF_PRIORITY: priority,
        CONF_ENTRY: encode(entry),
    }


def concerns(data: Mapping[str, Any], battery_id: str) -> bool:
    """Whether a mode is one of a battery's."""
    return not data.get(CONF_BATTERIES) or battery_id in data[CONF_BATTERIES]


def programmes(
    modes: Iterable[ConfigSubentry], batteries: Iterable[ConfigSubentry]
) -> dict[str, Programme]:
    """Return the programmes of batteries, by the battery's id.

    A mode that cannot be read is left out and said: the others are none the worse.
    """
    known: list[tuple[ConfigSubentry, ModeEntry]] = []
    for mode in sorted(modes, key=lambda item: item.data.get(CONF_PRIORITY, 0)):
        try:
            known.append((mode, mode_entry(mode.data)))
        except (CodecError, KeyError, TypeError) as err:
            LOGGER.error("The mode %s of a battery is not used: %s", mode.title, err)
    found = {}
    for battery in batteries:
        entries = tuple(
            entry for mode, entry in known if concerns(mode.data, battery.subentry_id)
        )
        if entries:
            found[battery.subentry_id] = Programme(
                entries=entries,
                dead_band=battery.data.get(CONF_DEAD_BAND),
                ramp=battery.data.get(CONF_RAMP),
            )
    return found


def schedules(programme: Programme) -> Iterable[Schedule]:
    """Yield every schedule of a programme."""
    for entry in programme:
        if entry.schedule is not None:
            yield entry.schedule
        given = entry.parameters
        if isinstance(given, PeakApproach):
            yield given.peak
        if isinstance(given, ImbalanceChase):
            priced = (*given.import_rates, *given.export_rates, *given.default_prices)
            yield from (item.schedule for item in priced if item.schedule is not None)


def followed_entities(found: Mapping[str, Programme]) -> frozenset[str]:
    """Return the entities that say when something in programmes is on."""
    return frozenset(
        schedule.entity
        for programme in found.values()
        for schedule in schedules(programme)
        if schedule.entity is not None
    )


def time_zones(modes: Iterable[ConfigSubentry]) -> frozenset[str]:
    """Return the time zones that modes name, so that they can be read in advance."""
    return frozenset(_zones([item.data.get(CONF_ENTRY) for item in modes]))


def _zones(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        zone = value.get("time_zone")
        if isinstance(zone, str):
            yield zone
        for item in value.values():
            yield from _zones(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _zones(item)
