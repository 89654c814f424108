"""What the demonstration's battery is used for: four modes, two of them by a switch.

The switches are Home Assistant's own helpers, so that whoever looks can go through the
modes by hand, at any time of the day.
"""

from typing import Any, Final

from custom_components.netflex.entry_programme import mode_data
from custom_components.netflex.model.programme import (
    BackupReserve,
    Dispatch,
    Hold,
    ModeEntry,
    ProgrammeMode,
    SelfConsumption,
)
from custom_components.netflex.model.schedule import Schedule

STORM: Final = "input_boolean.storm_warning"
QUIET: Final = "input_boolean.quiet_hours"
RESERVE: Final = 90.0
"""% that the battery is kept at under a storm warning."""

CONFIGURATION: Final = """\
input_boolean:
  storm_warning:
    name: Storm warning
    icon: mdi:weather-lightning
    initial: false
  quiet_hours:
    name: Quiet hours
    icon: mdi:sleep
    initial: false
"""

MARKET: Final[dict[str, Any]] = {
    "import": {"fixed": 0.29},
    "export": {"fixed": 0.04},
}
"""What the demonstration's contract costs and brings per kWh."""

_MODES: Final = (
    ("Dispatch", ModeEntry(mode=ProgrammeMode.DISPATCH, parameters=Dispatch())),
    (
        "Storm reserve",
        ModeEntry(
            mode=ProgrammeMode.BACKUP_RESERVE,
            parameters=BackupReserve(charge=RESERVE),
            schedule=Schedule(entity=STORM),
        ),
    ),
    (
        "Quiet hours",
        ModeEntry(
            mode=ProgrammeMode.HOLD,
            parameters=Hold(),
            schedule=Schedule(entity=QUIET),
        ),
    ),
    (
        "Self-consumption",
        ModeEntry(mode=ProgrammeMode.SELF_CONSUMPTION, parameters=SelfConsumption()),
    ),
)


def mode_subentries(battery_id: str) -> list[dict[str, Any]]:
    """Return the modes of a battery as a site stores them."""
    return [
        {
            "data": mode_data(entry, [battery_id], 10 * number),
            "subentry_id": f"01JNETFLEXDEM0M0DE{number:08d}",
            "subentry_type": "battery_mode",
            "title": name,
            "unique_id": None,
        }
        for number, (name, entry) in enumerate(_MODES, 1)
    ]
