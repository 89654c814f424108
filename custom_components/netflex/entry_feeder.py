"""The stored form of a feeder: its fuse, what it hangs on and what hangs on it.

Currents in A per line. `parent` and `meter` are ids of subentries; one that is gone
is the main fuse, or no meter.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.config_entries import ConfigSubentry

from .model.connection import Feeder
from .site.config import MeterConfig

CONF_FEEDER_FUSE: Final = "feeder_fuse"
CONF_PARENT: Final = "parent"
CONF_MEMBERS: Final = "members"
CONF_FEEDER_METER: Final = "feeder_meter"
CONF_OTHER_LOADS: Final = "other_loads"


def feeders(
    subentries: Iterable[ConfigSubentry], meters: Iterable[MeterConfig]
) -> tuple[Feeder, ...]:
    """Return the feeders of a site; what is gone is left out."""
    found = tuple(subentries)
    known = {item.subentry_id for item in found}
    patience = {meter.meter_id: meter.stale_after for meter in meters}
    return tuple(feeder_of(item, known, patience) for item in found)


def feeder_of(
    subentry: ConfigSubentry, known: set[str], patience: Mapping[str, float]
) -> Feeder:
    """Return one feeder; `known` are the ids of all, `patience` s by meter."""
    data: Mapping[str, Any] = subentry.data
    parent, meter = data.get(CONF_PARENT), data.get(CONF_FEEDER_METER)
    timed = patience.get(meter) if meter else None
    return Feeder(
        id=subentry.subentry_id,
        name=subentry.title,
        fuse=float(data[CONF_FEEDER_FUSE]),
        parent=parent if parent in known else None,
        members=frozenset(data.get(CONF_MEMBERS, ())),
        meter=None if timed is None else meter,
        other_loads=float(data.get(CONF_OTHER_LOADS, 0.0)),
        **({} if timed is None else {"meter_timeout": timed}),
    )
