"""From what is known of a site to its points, by keys that never change.

`meter.<id>.…`, `asset.<id>.…`, and `grid.…` for the meter that measures the connection
point now. W, var, A, V, Wh, °C, %; import and consumption positive.
"""

from collections.abc import Iterator, Mapping

from ..model.asset import Asset, AssetState, Nature
from ..model.connection import LineValues
from ..model.reading import MeterReading
from ..telemetry.values import Series, SeriesKind
from .values import Point, Value

type Points = dict[str, Point]


def kept_points(
    values: Mapping[Series, float | None], words: Mapping[Series, str | None]
) -> Points:
    """Return the points of what a site keeps in the house anyway."""
    given: dict[Series, Value | None] = {**values, **words}
    return {
        series.key: Point(
            value=value,
            unit=series.unit,
            counter=series.kind is SeriesKind.COUNTER,
        )
        for series, value in given.items()
    }


def meter_points(meter_id: str, reading: MeterReading | None) -> Points:
    """Return what else a meter says; nothing of it is known without a reading."""
    place = f"meter.{meter_id}"
    seen = reading or MeterReading(meter_id=meter_id, received=0.0)
    return {
        f"{place}.reactive_power": Point(value=seen.reactive_power, unit="var"),
        **_lines(f"{place}.line_power", seen.line_power, "W"),
        **_lines(f"{place}.current", seen.line_current, "A"),
        **_lines(f"{place}.voltage", seen.line_voltage, "V"),
    }


def grid_points(reading: MeterReading | None) -> Points:
    """Return the connection point, whichever meter measures it now."""
    seen = reading or MeterReading(meter_id="", received=0.0)
    power = seen.power
    points = {
        "grid.import_power": Point(
            value=None if power is None else max(0.0, power), unit="W"
        ),
        "grid.export_power": Point(
            value=None if power is None else max(0.0, -power), unit="W"
        ),
    }
    for side in ("import", "export"):
        total = getattr(seen, f"energy_{side}")
        points[f"grid.energy_{side}"] = _counter(total)
        for number, value in enumerate(getattr(seen, f"energy_{side}_tariffs"), 1):
            points[f"grid.energy_{side}_tariff_{number}"] = _counter(value)
    for quadrant, value in enumerate(seen.reactive_energy, 1):
        points[f"grid.reactive_energy_{quadrant}"] = _counter(value, "varh")
    return points


def asset_points(
    asset_id: str, state: AssetState | None, asset: Asset | None, *, held: bool
) -> Points:
    """Return what else a device says; `asset` None for an emergency output.

    `held`: we have it disabled on behalf of who asks northbound.
    """
    place = f"asset.{asset_id}"
    seen = state or AssetState(asset_id=asset_id, available=False)
    known = seen if seen.available else AssetState(asset_id=asset_id, available=False)
    points = {
        f"{place}.available": Point(value=seen.available),
        f"{place}.enabled": Point(value=known.enabled),
        **_lines(f"{place}.current", known.currents, "A"),
    }
    if asset is None:
        return points
    points[f"{place}.name"] = Point(value=asset.name)
    if asset.nature is Nature.LOAD:
        automatic = None if known.local_on is None else not known.local_on
        points |= {
            f"{place}.temperature": Point(value=known.temperature, unit="°C"),
            f"{place}.automatic": Point(value=automatic),
            f"{place}.remote_enabled": Point(value=not held),
        }
    if known.charger_state is not None:
        points[f"{place}.charger_state"] = Point(value=known.charger_state.value)
    return points


def _lines(place: str, values: LineValues, unit: str) -> Points:
    return {
        f"{place}.{line}": Point(value=value, unit=unit)
        for line, value in _known(values)
    }


def _known(values: LineValues) -> Iterator[tuple[str, float | None]]:
    yield from (("L1", values.l1), ("L2", values.l2), ("L3", values.l3))


def _counter(value: float | None, unit: str = "Wh") -> Point:
    return Point(value=value, unit=unit, counter=True)
