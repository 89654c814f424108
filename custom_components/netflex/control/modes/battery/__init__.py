"""Modes of a battery's programme: one file each, a pure function from a view to a wish.

`wish(view, parameters)` looks at one battery and its moment and returns what it wishes
(a target, a lower and an upper bound, a cause), nothing, or what it lacks to act at
all: no mode acts on prices, imbalance or a frequency that are out of date. A mode knows
nothing of the other modes of its programme, of the site's limits, or of other
batteries: they come after it and win. A new mode is a new file, its parameters in
`model/programme.py`, and a line here.
"""

from collections.abc import Callable
from typing import Any, Final

from ....model.programme import ProgrammeMode
from . import (
    backup_reserve,
    charge_to,
    cheapest_hours,
    discharge_to,
    dispatch,
    export_avoidance,
    frequency_response,
    hold,
    imbalance_chase,
    import_avoidance,
    import_avoidance_when_short,
    peak_approach,
    peak_discharge,
    peak_shaving,
    price_threshold,
    self_consumption,
    solar_charge,
)
from .view import Answer, BatteryView

# The parameters are those of the mode: `ModeEntry` refuses any others.
WISHES: Final[dict[ProgrammeMode, Callable[[BatteryView, Any], Answer]]] = {
    ProgrammeMode.IMPORT_AVOIDANCE: import_avoidance.wish,
    ProgrammeMode.EXPORT_AVOIDANCE: export_avoidance.wish,
    ProgrammeMode.IMPORT_AVOIDANCE_WHEN_SHORT: import_avoidance_when_short.wish,
    ProgrammeMode.CHARGE_TO: charge_to.wish,
    ProgrammeMode.DISCHARGE_TO: discharge_to.wish,
    ProgrammeMode.IMBALANCE_CHASE: imbalance_chase.wish,
    ProgrammeMode.PEAK_DISCHARGE: peak_discharge.wish,
    ProgrammeMode.PEAK_APPROACH: peak_approach.wish,
    ProgrammeMode.DISPATCH: dispatch.wish,
    ProgrammeMode.SELF_CONSUMPTION: self_consumption.wish,
    ProgrammeMode.PEAK_SHAVING: peak_shaving.wish,
    ProgrammeMode.HOLD: hold.wish,
    ProgrammeMode.BACKUP_RESERVE: backup_reserve.wish,
    ProgrammeMode.FREQUENCY_RESPONSE: frequency_response.wish,
    ProgrammeMode.SOLAR_CHARGE: solar_charge.wish,
    ProgrammeMode.PRICE_THRESHOLD: price_threshold.wish,
    ProgrammeMode.CHEAPEST_HOURS: cheapest_hours.wish,
}
