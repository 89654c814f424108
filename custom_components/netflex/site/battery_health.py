"""What is wrong with a battery for so long that somebody should look.

A battery that is locked out for maintenance is left alone: whoever did that looks.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..model.asset import Asset, AssetState, Nature
from ..model.phrase import Phrase, listed
from .config import DEFAULT_HEALTH, HealthLimits
from .lasting import Lasting
from .view import SiteProblem

LOW_FOR: Final = 300.0
"""s for which it must be low."""
SILENT_FOR: Final = 300.0
"""s without a good answer."""
FAULT_FOR: Final = 10.0
"""s for which a fault or a temperature must stand: one bad reading is none."""

BATTERY_LOW: Final = "battery_low"
BATTERY_SILENT: Final = "battery_silent"
BATTERY_HOT: Final = "battery_hot"
BATTERY_FAULT: Final = "battery_fault"
NOT_FOLLOWED: Final = "setpoint_not_followed"
"""Found for every asset, where what they do with what they are told is looked at."""
BATTERY_ALERTS: Final = (
    BATTERY_LOW,
    BATTERY_SILENT,
    NOT_FOLLOWED,
    BATTERY_HOT,
    BATTERY_FAULT,
)

_TEMPERATURES: Final = ("temperature", "battery_temperature", "cell_temperature_max")
_FAULTS: Final = {
    "fault": Phrase("device_fault", "fault"),
    "faults": Phrase("device_faults", "faults"),
    "fault_code": Phrase("device_fault_code", "fault code"),
    "alarm": Phrase("device_alarm", "alarm"),
    "alarms": Phrase("device_alarms", "alarms"),
    "error": Phrase("device_error", "error"),
}
"""Names by which profiles tell of a temperature in degC, and of faults; 0 is none."""


_WORDS: Final = {
    "fault": Phrase("device_in_fault", "in fault"),
    "high temperature": Phrase("device_hot", "high temperature"),
}
"""What profiles say in words; a device's own words stay as they are."""


class BatteryHealth:
    """Watches the batteries of a site; times are monotonic s."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._lasting = Lasting[tuple[str, str]]()
        self.problems: tuple[SiteProblem, ...] = ()
        """What is wrong now."""

    def look(
        self,
        assets: Mapping[str, Asset],
        states: Mapping[str, AssetState],
        limits: Mapping[str, HealthLimits],
        locked: frozenset[str],
        now: float,
    ) -> None:
        """Note what is wrong, and what has been for long enough."""
        found = {
            (asset.id, key): (text, lasting)
            for asset in assets.values()
            if asset.nature is Nature.BATTERY and asset.id not in locked
            for key, text, lasting in _wrong(
                asset, states[asset.id], limits.get(asset.id, DEFAULT_HEALTH), now
            )
        }
        self._lasting.take(found, now)
        self.problems = tuple(
            SiteProblem(key=key, subject=asset_id, text=text)
            for (asset_id, key), (text, lasting) in found.items()
            if self._lasting.seconds((asset_id, key), now) >= lasting
        )


def _wrong(
    asset: Asset, state: AssetState, limits: HealthLimits, now: float
) -> Iterator[tuple[str, str, float]]:
    """Yield what is wrong now: its key, its words, and the s that it must last."""
    silent = not state.available or (
        state.at is not None and now - state.at >= SILENT_FOR
    )
    if silent:
        # What it said before is not what it is now.
        yield BATTERY_SILENT, _silence(asset.name, state.problem), SILENT_FOR
        return
    charge = state.state_of_charge
    if charge is not None and charge < limits.low_charge:
        yield (
            BATTERY_LOW,
            Phrase(
                "battery_holds",
                "{battery} holds {charge}, less than {least}",
                battery=asset.name,
                charge=f"{charge:.0f} %",
                least=f"{limits.low_charge:.0f} %",
            ),
            LOW_FOR,
        )
    hottest = max(_temperatures(state), default=None)
    if hottest is not None and limits.hot is not None and hottest >= limits.hot:
        yield (
            BATTERY_HOT,
            Phrase(
                "battery_temperature",
                "{battery} has {temperature}, the limit is {most}",
                battery=asset.name,
                temperature=f"{hottest:.0f} °C",
                most=f"{limits.hot:.0f} °C",
            ),
            FAULT_FOR,
        )
    faults = [
        _fault(name, value)
        for name in _FAULTS
        if (value := state.details.get(name)) not in (None, False, 0, "", "none", "ok")
    ]
    if faults:
        yield (
            BATTERY_FAULT,
            Phrase(
                "battery_reports",
                "{battery} reports {faults}",
                battery=asset.name,
                faults=listed(*faults),
            ),
            FAULT_FOR,
        )


def _fault(name: str, value: object) -> str:
    """Return what a device says of a fault, its own words as they are."""
    what = _FAULTS[name]
    if value is True:
        return what
    words = str(value)
    return Phrase(
        "device_says", "{name}: {value}", name=what, value=_WORDS.get(words, words)
    )


def _silence(name: str, problem: str | None) -> str:
    """Say that a battery is silent, and why where that is known."""
    if problem is None:
        return Phrase("battery_silent", "{battery} does not answer", battery=name)
    return Phrase(
        "battery_silent_since",
        "{battery} does not answer: {problem}",
        battery=name,
        problem=problem,
    )


def _temperatures(state: AssetState) -> Iterator[float]:
    """Yield every temperature that it tells of, in degC."""
    for value in (state.temperature, *map(state.details.get, _TEMPERATURES)):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)
