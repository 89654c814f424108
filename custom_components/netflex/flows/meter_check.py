"""What a meter says in its test, held against what the site knows already."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntryState

from ..coordinator import NetflexConfigEntry
from ..devices.device import ProbeResult
from ..devices.natures import meter_reading
from ..devices.profile_parts import LOAD_NEGATIVE
from ..devices.values import number_of
from ..entry_data import CONF_ROLE, CONF_SOURCE, DeviceSource
from ..entry_meter import CONF_DIRECTION
from ..entry_site import connection_point
from ..model.reading import MeterReading, MeterRole
from ..site.meter_doubts import doubts

_POWERS = ("power", "power_l1", "power_l2", "power_l3")


def meter_doubts(
    entry: NetflexConfigEntry,
    meter_id: str | None,
    data: Mapping[str, Any],
    reading: MeterReading,
) -> tuple[str, ...]:
    """Return in words what speaks against a meter that was tested.

    `meter_id` is its own where it is on the site already, `data` what is to be stored,
    `reading` its first. A smart meter is not held against others: it is the one that is
    billed. Nothing is said of meters elsewhere.
    """
    if data[CONF_ROLE] != MeterRole.CONNECTION_POINT:
        return ()
    connection = connection_point(entry.data)
    if (
        data[CONF_SOURCE] in {DeviceSource.P1, DeviceSource.DLMS}
        or entry.state is not ConfigEntryState.LOADED
    ):
        return doubts(reading, others=(), states=(), connection=connection)
    view = entry.runtime_data.coordinator.data
    return doubts(
        reading,
        others=[
            meter.reading
            for key, meter in view.meters.items()
            if key != meter_id
            and meter.available
            and meter.role is MeterRole.CONNECTION_POINT
            and meter.reading is not None
        ],
        states=view.states.values(),
        connection=connection,
    )


def first_reading(data: Mapping[str, Any], result: ProbeResult) -> MeterReading:
    """Return the values of a test as a reading, import positive."""
    values = dict(result.values)
    if data[CONF_SOURCE] == DeviceSource.ENTITY:
        if data[CONF_DIRECTION] == LOAD_NEGATIVE:
            for key in _POWERS:
                if (power := number_of(values.get(key))) is not None:
                    values[key] = -power
        power = number_of(values.get("power"))
        injected = number_of(values.get("power_export"))
        if power is not None and injected is not None:
            values["power"] = power - injected
    return meter_reading("test", values, 0.0)
