"""Why a mode wishes what it wishes, in a user's words.

The texts name what was set, not what is measured: a setpoint whose cause changes is
told again.
"""

from datetime import datetime
from functools import lru_cache

from ....model.dispatch import DispatchAction
from ....model.plan import Cause, Source
from ... import explain


def _economic(key: str, text: str) -> Cause:
    return Cause(source=Source.ECONOMIC, key=key, text=text)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


@lru_cache(maxsize=1)
def avoids_import() -> Cause:
    """Return the cause of a battery that avoids import."""
    return _economic("import_avoidance", "Avoids import")


@lru_cache(maxsize=1)
def avoids_export() -> Cause:
    """Return the cause of a battery that avoids injection."""
    return _economic("export_avoidance", "Avoids injection")


@lru_cache(maxsize=1)
def avoids_import_short() -> Cause:
    """Return the cause of a battery that avoids import while the system is short."""
    return _economic(
        "import_avoidance_when_short", "Avoids import: the system is short of energy"
    )


@lru_cache(maxsize=64)
def charges_to(charge: float, end: datetime) -> Cause:
    """Return the cause of charging up to % by a time."""
    return _economic("charge_to", f"Charges to {charge:g} % by {_time(end)}")


@lru_cache(maxsize=64)
def discharges_to(charge: float, end: datetime) -> Cause:
    """Return the cause of discharging down to % by a time."""
    return _economic("discharge_to", f"Discharges to {charge:g} % by {_time(end)}")


@lru_cache(maxsize=256)
def chases(price: float, *, charging: bool) -> Cause:
    """Return the cause of following the imbalance price, per MWh with rates."""
    does = "Charges" if charging else "Discharges"
    return _economic("imbalance_chase", f"{does} at an imbalance price of {price:.2f}")


@lru_cache(maxsize=64)
def peak_discharge(charge: float, end: datetime) -> Cause:
    """Return the cause of what is done in a peak."""
    return _economic(
        "peak_discharge",
        f"Spends what is above {charge:g} % in the peak until {_time(end)}",
    )


@lru_cache(maxsize=64)
def peak_approach(charge: float, peak: datetime, *, long: bool) -> Cause:
    """Return the cause of charging towards a peak."""
    why = ", and the system has too much energy" if long else ""
    return _economic(
        "peak_approach",
        f"Charges to {charge:g} % before the peak of {_time(peak)}{why}",
    )


_ACTIONS = {
    DispatchAction.CHARGE_MAX: "to charge as much as it can",
    DispatchAction.DISCHARGE_MAX: "to discharge as much as it can",
    DispatchAction.AVOID_IMPORT: "to avoid import",
    DispatchAction.AVOID_EXPORT: "to avoid injection",
    DispatchAction.POWER: "for a power",
}


@lru_cache(maxsize=64)
def dispatched(source: str, action: DispatchAction) -> Cause:
    """Return the cause of following a command."""
    return Cause(
        source=Source.DISPATCH,
        key="dispatch",
        text=f"Dispatch of {source} asks {_ACTIONS[action]}",
    )


@lru_cache(maxsize=64)
def shaves(limit: float | None) -> Cause:
    """Return the cause of holding import below W, or below the capacity tariff's."""
    below = "what the capacity tariff leaves" if limit is None else explain.power(limit)
    return _economic("peak_shaving", f"Holds import below {below}")


@lru_cache(maxsize=1)
def holds() -> Cause:
    """Return the cause of a battery that does nothing by its programme."""
    return _economic("hold", "Its programme holds it")


@lru_cache(maxsize=1)
def rests() -> Cause:
    """Return the cause of a battery none of whose modes wants anything."""
    return _economic("programme_rests", "No mode of its programme wants anything now")


@lru_cache(maxsize=64)
def keeps_backup(charge: float) -> Cause:
    """Return the cause of keeping % for an outage."""
    return _economic("backup_reserve", f"Keeps {charge:g} % for an outage")


@lru_cache(maxsize=2)
def responds(*, high: bool) -> Cause:
    """Return the cause of helping the frequency of the grid."""
    what = "high" if high else "low"
    return _economic("frequency_response", f"The frequency of the grid is {what}")


@lru_cache(maxsize=64)
def cheap(threshold: float) -> Cause:
    """Return the cause of charging below a price."""
    return _economic("price_threshold", f"The price is below {threshold:g} per MWh")


@lru_cache(maxsize=64)
def dear(threshold: float) -> Cause:
    """Return the cause of discharging above a price."""
    return _economic("price_threshold", f"The price is above {threshold:g} per MWh")


@lru_cache(maxsize=64)
def cheapest(hours: float) -> Cause:
    """Return the cause of charging in the cheapest hours."""
    return _economic("cheapest_hours", f"One of the {hours:g} cheapest hours")
