"""What a reader of a rehearsal's report must know of the site, in words."""

from collections.abc import Mapping
from typing import Final

from ..model.asset import Direction
from ..model.connection import ConnectionPoint, GridType
from ..model.snapshot import Sharing, SiteModel
from ..telecontrol.link_loss import LinkLossAction, LinkLossPolicy
from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import RehearsalResult
from ..telecontrol.settings import TelecontrolSettings
from .rehearsal_plant import Look
from .rehearsal_seat import RehearsalAccess

_GRIDS: Final = {
    GridType.SINGLE_PHASE: "single phase, 230 V",
    GridType.STAR: "three phases and neutral, 3 x 400 V",
    GridType.DELTA: "three lines without neutral, 3 x 230 V",
}
_SHARING: Final = {
    Sharing.TOTAL: "over all assets of the direction together",
    Sharing.CATEGORY: "the same percentage for each category",
    Sharing.ASSET: "the same percentage for each asset",
}
UNCONFIRMED: Final = (
    "the addresses and types of all points",
    "polarity of the emergency stops",
    "which value of the double point is remote",
    "unit, sign and scope of reactive power",
    "scope of the limits on assets",
    "whether the contract counts in kVA or kW",
    "the rule for a lost link",
    "whether the end of initialization comes with every connection",
    "how long the RTU waits for a command",
)
"""What the operator has to confirm before certification."""


def rehearsal_facts(
    name: str,
    access: RehearsalAccess,
    look: Look,
    result: RehearsalResult,
    versions: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    """Return sections of labels and values."""
    return {
        "The site": _site(name, look.model),
        "The telecontrol station": _station(access.settings),
        "This rehearsal": {
            "Orders": (
                "carried out by the real assets and outputs"
                if result.mode is RehearsalMode.REAL
                else "decided and explained in shadow; no device or relay was written"
            ),
            "Driven by": "the built-in controlling station, over a TCP connection",
            "Own listener": f"{access.address[0]} port {access.address[1]}, this machine only",
            "Operator's RTU at the start": (
                f"connected from {access.link.client}"
                if access.link.connected
                else "not connected"
            ),
        },
        "Clocks": {
            "Began": result.started.isoformat(timespec="milliseconds"),
            "Ended": result.ended.isoformat(timespec="milliseconds"),
            "Operator's clock against ours": (
                "never synchronized by the operator"
                if access.link.clock_offset is None
                else f"{access.link.clock_offset:+.3f} s at its last synchronization"
            ),
            "The meter's clock at the end": _meter_clock(look),
            "Times in ms and s": "measured with a clock that nobody can change",
        },
        "Versions": dict(versions),
    }


def rehearsal_warnings(
    access: RehearsalAccess, look: Look, result: RehearsalResult
) -> tuple[str, ...]:
    """Return what limits the worth of the report."""
    warnings = []
    if result.mode is RehearsalMode.SHADOW:
        warnings.append(
            "Shadow: no asset was told anything. Powers under orders are predictions: "
            "what would flow if every asset did what it would be told. How fast the "
            "assets obey is not shown."
        )
    if not access.settings.points.confirmed:
        warnings.append(
            "Unconfirmed: nobody has compared this point table with the grid "
            "operator's. To be confirmed by the operator: "
            + "; ".join(UNCONFIRMED)
            + "."
        )
    if look.snapshot.reading is None:
        warnings.append(
            "The meter of the connection point gave no reading: limits there could not "
            "be compared with what flows."
        )
    if access.settings.engine != "builtin":
        warnings.append(
            f"The operator's station runs on {access.settings.engine}; rehearsed was the "
            "built-in engine with the same settings."
        )
    return tuple(warnings)


def _site(name: str, model: SiteModel) -> dict[str, str]:
    connection = model.connection
    assets = "; ".join(
        f"{asset.name} ({asset.nature}, {asset.category})"
        for asset in model.assets.values()
    )
    return {
        "Name": name,
        "Connection": (
            f"{_GRIDS[connection.grid_type]}, main fuse {connection.main_fuse:g} A"
        ),
        "Contract, consumption": _contract(connection, Direction.CONSUMPTION),
        "Contract, injection": _contract(connection, Direction.PRODUCTION),
        "Installed production": _kilowatts(
            sum(asset.rated_production for asset in model.assets.values())
        ),
        "Installed consumption": _kilowatts(
            sum(asset.rated_consumption for asset in model.assets.values())
        ),
        "Limits on assets count": _SHARING[model.sharing],
        "Assets": assets or "none",
        "Emergency outputs": (
            ", ".join(output.name for output in model.outputs) or "none"
        ),
    }


def _station(settings: TelecontrolSettings) -> dict[str, str]:
    link = settings.link
    points = settings.points
    clients = settings.allowed_clients
    return {
        "Listens on": f"{settings.bind_address} port {settings.port}",
        "Common address": str(settings.common_address),
        "May connect": (
            "any address"
            if clients is None
            else ", ".join(sorted(clients)) or "nobody yet"
        ),
        "TLS": "off" if settings.tls is None else "on (not used by the rehearsal)",
        "Engine": str(settings.engine),
        "Link": (
            f"t0 {link.t0:g} s, t1 {link.t1:g} s, t2 {link.t2:g} s, t3 {link.t3:g} s, "
            f"k {link.k}, w {link.w}"
        ),
        "Lost link": _loss(settings.link_loss),
        "Time tags of commands": (
            "not supervised"
            if not settings.max_command_delay
            else f"refused beyond {settings.max_command_delay:g} s"
        ),
        "Point table": (
            f"{points.profile}, {len(points.points)} points, "
            f"{'confirmed' if points.confirmed else 'NOT CONFIRMED'}"
        ),
    }


def _loss(policy: LinkLossPolicy) -> str:
    action = {
        LinkLossAction.HOLD: "limits hold",
        LinkLossAction.FALLBACK: f"limits fall back after {policy.delay:g} s",
        LinkLossAction.RELEASE: f"limits are released after {policy.delay:g} s",
    }[policy.action]
    return f"emergency stops hold, {action}"


def _contract(connection: ConnectionPoint, direction: Direction) -> str:
    value = (
        connection.contract_consumption
        if direction is Direction.CONSUMPTION
        else connection.contract_injection
    )
    return "not known" if value is None else _kilowatts(value)


def _meter_clock(look: Look) -> str:
    reading = look.snapshot.reading
    if reading is None or reading.meter_time is None:
        return "not known"
    return reading.meter_time.isoformat(timespec="seconds")


def _kilowatts(value: float) -> str:
    return f"{value / 1000:.2f} kW"
