"""The tree of a Direct Control site (GOFLEX), made from the site's own description.

Nodes, objects and OBIS labels are those of the GOFLEX gateways: `SmartMeterBilling`,
`SmartMeterEnergy`, `SmartMeterTechnical`, `ambientSensor-#`, `boilerSensor-#`,
`powerMeter-#` and `gateway`. Chargers, batteries, inverters and relays, which those
gateways did not have, get nodes made in the same manner.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ..model.asset import Asset, Nature
from ..model.connection import Line
from ..model.reading import MeterRole
from .values import ON_CHANGE, Attribute, Constraint, Pace, Tree, ValueType

DATAPOINT: Final = "datapoint"
PARAMETER: Final = "parameter"
GATEWAY: Final = "gateway"
_KILO: Final = 0.001


class Thermometer(StrEnum):
    """What a load's thermometer measures."""

    ROOM = "ambientSensor"
    WATER = "boilerSensor"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPart:
    """One meter of the site."""

    id: str
    role: MeterRole
    lines: tuple[Line, ...] = (Line.L1, Line.L2, Line.L3)
    reactive: bool = False
    """Whether it counts reactive energy by quadrant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDescription:
    """A site as it is installed, as far as its consumers see it.

    `thermometers` says of which loads the temperature is known, and of what; the loads
    of `local_switches` have an on/auto switch. `relays` are the emergency outputs.
    """

    meters: tuple[MeterPart, ...] = ()
    assets: tuple[Asset, ...] = ()
    relays: tuple[str, ...] = ()
    thermometers: Mapping[str, Thermometer] = field(
        default_factory=lambda: MappingProxyType({})
    )
    local_switches: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """Periods in s and dead bands in K of the groups of values (GOFLEX, tables 2, 3)."""

    room: float = 900.0
    water: float = 60.0
    temperature_band: float = 0.5
    sub_meter: float = 15.0
    technical: float = 5.0
    energy: float = 300.0
    billing: float = 86_400.0


DEFAULT_PACES: Final = Paces()

type Numbers = Mapping[str, int]
"""Numbers of nodes by their kind and the id of what they show ("powerMeter/<id>")."""


def direct_control_tree(
    site: SiteDescription, paces: Paces = DEFAULT_PACES, numbers: Numbers | None = None
) -> tuple[Tree, Numbers]:
    """Return the tree of a site, and the numbers of its nodes to be kept.

    What has a number keeps it; who is new gets one that nobody has had: a history
    belongs to a label for good.
    """
    numbering = _Numbering(numbers or {})
    tree = {
        item.path: item
        for item in (
            *_meters(site, paces, numbering),
            *_assets(site, paces, numbering),
            *_gateway(site, numbering),
        )
    }
    return tree, numbering.numbers


class _Numbering:
    """Gives numbers from 1 on, by kind."""

    def __init__(self, known: Numbers) -> None:
        self.numbers = dict(known)
        self._newest: dict[str, int] = {}
        for key, number in known.items():
            kind = key.partition("/")[0]
            self._newest[kind] = max(number, self._newest.get(kind, 0))

    def label(self, kind: str, subject: str, separator: str = "-") -> str:
        """Return the label of a node or object that shows `subject`."""
        return f"{kind}{separator}{self.of(kind, subject)}"

    def of(self, kind: str, subject: str) -> int:
        """Return the number of `subject` among those of its kind."""
        key = f"{kind}/{subject}"
        if key not in self.numbers:
            self.numbers[key] = self._newest[kind] = self._newest.get(kind, 0) + 1
        return self.numbers[key]


def _measure(
    node: str, label: str, point: str, unit: str, pace: Pace, scale: float = 1.0
) -> Attribute:
    return Attribute(
        node=node,
        object=label,
        name=DATAPOINT,
        point=point,
        type=ValueType.NUMBER,
        constraint=Constraint.MEASURE,
        pace=pace,
        unit=unit,
        scale=scale,
    )


def _state(node: str, label: str, point: str) -> Attribute:
    return Attribute(
        node=node,
        object=label,
        name=DATAPOINT,
        point=point,
        type=ValueType.BOOLEAN,
        constraint=Constraint.STATUS,
        pace=ON_CHANGE,
    )


# ------------------------------------------------------------------------------ meters


def _meters(
    site: SiteDescription, paces: Paces, numbering: _Numbering
) -> Iterator[Attribute]:
    shown = False
    for meter in site.meters:
        if meter.role is MeterRole.CONNECTION_POINT and not shown:
            # A second meter of the connection point only stands in for the first.
            shown = True
            yield from _smart_meter(paces, reactive=meter.reactive)
        elif meter.role is not MeterRole.CONNECTION_POINT:
            node = numbering.label("powerMeter", meter.id)
            yield from _sub_meter(node, f"meter.{meter.id}", meter.lines, paces)


def _smart_meter(paces: Paces, *, reactive: bool) -> Iterator[Attribute]:
    """Yield the three groups of the meter that measures the connection point now."""
    technical, energy = Pace(period=paces.technical), Pace(period=paces.energy)
    billing = Pace(period=paces.billing)
    for obis, side in (("1_0_1_7_0_255_2", "import"), ("1_0_2_7_0_255_2", "export")):
        yield _measure(
            "SmartMeterTechnical", f"obis_{obis}", f"grid.{side}_power", "W", technical
        )
    for obis, point in (
        ("1_1_1_8_0_255_2", "energy_import"),
        ("1_1_2_8_0_255_2", "energy_export"),
    ):
        yield _measure(
            "SmartMeterEnergy", f"obis_{obis}", f"grid.{point}", "kWh", energy, _KILO
        )
    for quadrant in range(1, 5) if reactive else ():
        yield _measure(
            "SmartMeterEnergy",
            f"obis_1_1_{quadrant + 4}_8_0_255_2",
            f"grid.reactive_energy_{quadrant}",
            "kvarh",
            energy,
            _KILO,
        )
    for side, group in (("import", 1), ("export", 2)):
        for tariff in (1, 2):
            yield _measure(
                "SmartMeterBilling",
                f"obis_1_1_{group}_8_{tariff}_255_2",
                f"grid.energy_{side}_tariff_{tariff}",
                "kWh",
                billing,
                _KILO,
            )


def _sub_meter(
    node: str, place: str, lines: tuple[Line, ...], paces: Paces
) -> Iterator[Attribute]:
    """Yield a sub-meter: a clamp for each line, and the whole."""
    power = Pace(period=paces.sub_meter, only_changes=True)
    always = Pace(period=paces.sub_meter)
    yield _measure(node, "wattsTotal", f"{place}.power", "W", power)
    yield _measure(node, "kWhTotal", f"{place}.energy_import", "kWh", always, _KILO)
    for line in lines:
        clamp = f"Clamp{line.value[1:]}"
        yield _measure(node, f"watts{clamp}", f"{place}.line_power.{line}", "W", power)
        yield _measure(node, f"amps{clamp}", f"{place}.current.{line}", "A", power)
        yield _measure(node, f"volts{clamp}", f"{place}.voltage.{line}", "V", always)


# ------------------------------------------------------------------------------ assets


_NODES: Final[Mapping[Nature, str]] = {
    Nature.LOAD: "powerMeter",
    Nature.CHARGER: "charger",
    Nature.BATTERY: "battery",
    Nature.INVERTER: "inverter",
}


def _assets(
    site: SiteDescription, paces: Paces, numbering: _Numbering
) -> Iterator[Attribute]:
    for asset in site.assets:
        if (kind := _NODES.get(asset.nature)) is not None:
            yield from _asset(asset, numbering.label(kind, asset.id), paces)
        if (thermometer := site.thermometers.get(asset.id)) is not None:
            room = thermometer is Thermometer.ROOM
            yield _measure(
                numbering.label(thermometer.value, asset.id),
                "temperature",
                f"asset.{asset.id}.temperature",
                "°C",
                Pace(
                    period=paces.room if room else paces.water,
                    dead_band=paces.temperature_band,
                ),
            )


def _asset(asset: Asset, node: str, paces: Paces) -> Iterator[Attribute]:
    place = f"asset.{asset.id}"
    power = Pace(period=paces.sub_meter, only_changes=True)
    always = Pace(period=paces.sub_meter)
    yield _measure(node, "wattsTotal", f"{place}.power", "W", power)
    if asset.consumes:
        yield _measure(
            node, "kWhTotal", f"{place}.energy_consumed", "kWh", always, _KILO
        )
    if asset.produces:
        yield _measure(
            node, "kWhProduced", f"{place}.energy_produced", "kWh", always, _KILO
        )
    for line in asset.lines:
        yield _measure(
            node,
            f"ampsClamp{line.value[1:]}",
            f"{place}.current.{line}",
            "A",
            power,
        )
    if asset.nature is Nature.BATTERY:
        yield _measure(node, "stateOfCharge", f"{place}.state_of_charge", "%", power)


# ----------------------------------------------------------------------------- gateway


def _gateway(site: SiteDescription, numbering: _Numbering) -> Iterator[Attribute]:
    """Yield the relays: those of loads may be set, emergency outputs are only shown."""
    for asset in site.assets:
        if asset.nature is not Nature.LOAD:
            continue
        relay = numbering.label("relay", asset.id, "")
        yield _state(GATEWAY, f"{relay}State", f"asset.{asset.id}.enabled")
        if asset.controllable:
            yield Attribute(
                node=GATEWAY,
                object=f"{relay}Control",
                name=PARAMETER,
                point=f"asset.{asset.id}.remote_enabled",
                type=ValueType.BOOLEAN,
                constraint=Constraint.PARAMETER,
                commands=asset.id,
            )
    for asset_id in site.relays:
        relay = numbering.label("relay", asset_id, "")
        yield _state(GATEWAY, f"{relay}State", f"asset.{asset_id}.enabled")
    switches = [item.id for item in site.assets if item.id in site.local_switches]
    for position, asset_id in enumerate(switches):
        # The first is the one that GOFLEX knows; a gateway had no second switch.
        number = "" if position == 0 else str(numbering.of("switch", asset_id))
        yield _state(GATEWAY, f"switch{number}State", f"asset.{asset_id}.automatic")
