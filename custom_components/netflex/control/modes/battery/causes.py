"""Why a mode wishes what it wishes, in a user's words.

The texts name what was set, not what is measured: a setpoint whose cause changes is
told again.
"""

from datetime import datetime
from functools import lru_cache

from ....model.dispatch import DispatchAction
from ....model.phrase import Moment, Phrase
from ....model.plan import Cause, Source
from ... import explain


def _economic(key: str, text: Phrase) -> Cause:
    return Cause(source=Source.ECONOMIC, key=key, text=text)


def _percent(charge: float) -> str:
    return f"{charge:g} %"


@lru_cache(maxsize=1)
def avoids_import() -> Cause:
    """Return the cause of a battery that avoids import."""
    return _economic("import_avoidance", Phrase("avoids_import", "Avoids import"))


@lru_cache(maxsize=1)
def avoids_export() -> Cause:
    """Return the cause of a battery that avoids injection."""
    return _economic("export_avoidance", Phrase("avoids_injection", "Avoids injection"))


@lru_cache(maxsize=1)
def avoids_import_short() -> Cause:
    """Return the cause of a battery that avoids import while the system is short."""
    return _economic(
        "import_avoidance_when_short",
        Phrase("avoids_import_short", "Avoids import: the system is short of energy"),
    )


@lru_cache(maxsize=64)
def charges_to(charge: float, end: datetime) -> Cause:
    """Return the cause of charging up to % by a time."""
    return _economic(
        "charge_to",
        Phrase(
            "charges_to",
            "Charges to {charge} by {time}",
            charge=_percent(charge),
            time=Moment(end),
        ),
    )


@lru_cache(maxsize=64)
def discharges_to(charge: float, end: datetime) -> Cause:
    """Return the cause of discharging down to % by a time."""
    return _economic(
        "discharge_to",
        Phrase(
            "discharges_to",
            "Discharges to {charge} by {time}",
            charge=_percent(charge),
            time=Moment(end),
        ),
    )


@lru_cache(maxsize=256)
def chases(price: float, *, charging: bool) -> Cause:
    """Return the cause of following the imbalance price, per MWh with rates."""
    return _economic(
        "imbalance_chase",
        Phrase(
            "chases_charging" if charging else "chases_discharging",
            ("Charges" if charging else "Discharges")
            + " at an imbalance price of {price}",
            price=f"{price:.2f}",
        ),
    )


@lru_cache(maxsize=64)
def peak_discharge(charge: float, end: datetime) -> Cause:
    """Return the cause of what is done in a peak."""
    return _economic(
        "peak_discharge",
        Phrase(
            "peak_discharge",
            "Spends what is above {charge} in the peak until {time}",
            charge=_percent(charge),
            time=Moment(end),
        ),
    )


@lru_cache(maxsize=64)
def peak_approach(charge: float, peak: datetime, *, long: bool) -> Cause:
    """Return the cause of charging towards a peak."""
    return _economic(
        "peak_approach",
        Phrase(
            "peak_approach_long" if long else "peak_approach",
            "Charges to {charge} before the peak of {time}"
            + (", and the system has too much energy" if long else ""),
            charge=_percent(charge),
            time=Moment(peak),
        ),
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
        text=Phrase(
            f"dispatch_{action.value}",
            f"Dispatch of {{source}} asks {_ACTIONS[action]}",
            source=source,
        ),
    )


@lru_cache(maxsize=64)
def shaves(limit: float | None) -> Cause:
    """Return the cause of holding import below W, or below the capacity tariff's."""
    return _economic(
        "peak_shaving",
        Phrase("shaves_to_tariff", "Holds import below what the capacity tariff leaves")
        if limit is None
        else Phrase("shaves", "Holds import below {power}", power=explain.power(limit)),
    )


@lru_cache(maxsize=1)
def holds() -> Cause:
    """Return the cause of a battery that does nothing by its programme."""
    return _economic("hold", Phrase("programme_holds", "Its programme holds it"))


@lru_cache(maxsize=1)
def rests() -> Cause:
    """Return the cause of a battery none of whose modes wants anything."""
    return _economic(
        "programme_rests",
        Phrase("programme_rests", "No mode of its programme wants anything now"),
    )


@lru_cache(maxsize=64)
def keeps_backup(charge: float) -> Cause:
    """Return the cause of keeping % for an outage."""
    return _economic(
        "backup_reserve",
        Phrase("keeps_backup", "Keeps {charge} for an outage", charge=_percent(charge)),
    )


@lru_cache(maxsize=2)
def responds(*, high: bool) -> Cause:
    """Return the cause of helping the frequency of the grid."""
    return _economic(
        "frequency_response",
        Phrase("frequency_high", "The frequency of the grid is high")
        if high
        else Phrase("frequency_low", "The frequency of the grid is low"),
    )


@lru_cache(maxsize=64)
def cheap(threshold: float) -> Cause:
    """Return the cause of charging below a price."""
    return _economic(
        "price_threshold",
        Phrase(
            "price_below", "The price is below {price} per MWh", price=f"{threshold:g}"
        ),
    )


@lru_cache(maxsize=64)
def dear(threshold: float) -> Cause:
    """Return the cause of discharging above a price."""
    return _economic(
        "price_threshold",
        Phrase(
            "price_above", "The price is above {price} per MWh", price=f"{threshold:g}"
        ),
    )


@lru_cache(maxsize=64)
def cheapest(hours: float) -> Cause:
    """Return the cause of charging in the cheapest hours."""
    return _economic(
        "cheapest_hours",
        Phrase("cheapest", "One of the {hours} cheapest hours", hours=f"{hours:g}"),
    )
