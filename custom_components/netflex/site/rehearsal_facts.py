"""What a reader of a rehearsal's report must know of the site, in words."""

from collections.abc import Mapping
from typing import Final

from ..model.asset import Asset, Direction
from ..model.connection import ConnectionPoint, GridType
from ..model.phrase import Phrase, listed
from ..model.snapshot import Sharing, SiteModel
from ..telecontrol.link_loss import LinkLossAction, LinkLossPolicy
from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import RehearsalResult
from ..telecontrol.settings import TelecontrolSettings
from .rehearsal_plant import Look
from .rehearsal_seat import RehearsalAccess

_GRIDS: Final = {
    GridType.SINGLE_PHASE: Phrase("grid_single_phase", "single phase, 230 V"),
    GridType.STAR: Phrase("grid_star", "three phases and neutral, 3 x 400 V"),
    GridType.DELTA: Phrase("grid_delta", "three lines without neutral, 3 x 230 V"),
}
_SHARING: Final = {
    Sharing.TOTAL: Phrase("sharing_total", "over all assets of the direction together"),
    Sharing.CATEGORY: Phrase(
        "sharing_category", "the same percentage for each category"
    ),
    Sharing.ASSET: Phrase("sharing_asset", "the same percentage for each asset"),
}
UNCONFIRMED: Final = (
    Phrase("unconfirmed_points", "the addresses and types of all points"),
    Phrase("unconfirmed_stops", "polarity of the emergency stops"),
    Phrase("unconfirmed_double", "which value of the double point is remote"),
    Phrase("unconfirmed_reactive", "unit, sign and scope of reactive power"),
    Phrase("unconfirmed_scope", "scope of the limits on assets"),
    Phrase("unconfirmed_contract", "whether the contract counts in kVA or kW"),
    Phrase("unconfirmed_loss", "the rule for a lost link"),
    Phrase(
        "unconfirmed_initialization",
        "whether the end of initialization comes with every connection",
    ),
    Phrase("unconfirmed_wait", "how long the RTU waits for a command"),
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
        Phrase("facts_site", "The site"): _site(name, look.model),
        Phrase("facts_station", "The telecontrol station"): _station(access.settings),
        Phrase("facts_rehearsal", "This rehearsal"): {
            Phrase("facts_orders", "Orders"): (
                Phrase(
                    "facts_orders_real", "carried out by the real assets and outputs"
                )
                if result.mode is RehearsalMode.REAL
                else Phrase(
                    "facts_orders_shadow",
                    "decided and explained in shadow; no device or relay was written",
                )
            ),
            Phrase("facts_driven", "Driven by"): Phrase(
                "facts_driven_by",
                "the built-in controlling station, over a TCP connection",
            ),
            Phrase("facts_listener", "Own listener"): Phrase(
                "facts_listener_at",
                "{host} port {port}, this machine only",
                host=access.address[0],
                port=str(access.address[1]),
            ),
            Phrase("facts_rtu", "Operator's RTU at the start"): (
                Phrase(
                    "facts_connected",
                    "connected from {host}",
                    host=str(access.link.client),
                )
                if access.link.connected
                else Phrase("facts_not_connected", "not connected")
            ),
        },
        Phrase("facts_clocks", "Clocks"): {
            Phrase("facts_began", "Began"): result.started.isoformat(
                timespec="milliseconds"
            ),
            Phrase("facts_ended", "Ended"): result.ended.isoformat(
                timespec="milliseconds"
            ),
            Phrase("facts_clock_offset", "Operator's clock against ours"): (
                Phrase("facts_never_synchronized", "never synchronized by the operator")
                if access.link.clock_offset is None
                else Phrase(
                    "facts_offset",
                    "{offset} at its last synchronization",
                    offset=f"{access.link.clock_offset:+.3f} s",
                )
            ),
            Phrase("facts_meter_clock", "The meter's clock at the end"): _meter_clock(
                look
            ),
            Phrase("facts_times", "Times in ms and s"): Phrase(
                "facts_times_how", "measured with a clock that nobody can change"
            ),
        },
        Phrase("report_versions", "Versions"): dict(versions),
    }


def rehearsal_warnings(
    access: RehearsalAccess, look: Look, result: RehearsalResult
) -> tuple[str, ...]:
    """Return what limits the worth of the report."""
    warnings = []
    if result.mode is RehearsalMode.SHADOW:
        warnings.append(
            Phrase(
                "warn_shadow",
                "Shadow: no asset was told anything. Powers under orders are predictions: "
                "what would flow if every asset did what it would be told. How fast the "
                "assets obey is not shown.",
            )
        )
    if not access.settings.points.confirmed:
        warnings.append(
            Phrase(
                "warn_unconfirmed",
                "Unconfirmed: nobody has compared this point table with the grid "
                "operator's. To be confirmed by the operator: {what}.",
                what=listed(*UNCONFIRMED),
            )
        )
    if look.snapshot.reading is None:
        warnings.append(
            Phrase(
                "warn_no_reading",
                "The meter of the connection point gave no reading: limits there could "
                "not be compared with what flows.",
            )
        )
    if access.settings.engine != "builtin":
        warnings.append(
            Phrase(
                "warn_engine",
                "The operator's station runs on {engine}; rehearsed was the built-in "
                "engine with the same settings.",
                engine=str(access.settings.engine),
            )
        )
    return tuple(warnings)


def _site(name: str, model: SiteModel) -> dict[str, str]:
    connection = model.connection
    assets = [_described(asset) for asset in model.assets.values()]
    return {
        Phrase("facts_name", "Name"): name,
        Phrase("facts_connection", "Connection"): (
            Phrase(
                "facts_grid",
                "{grid}, main fuse {current}",
                grid=_GRIDS[connection.grid_type],
                current=f"{connection.main_fuse:g} A",
            )
        ),
        Phrase("facts_contract_consumption", "Contract, consumption"): _contract(
            connection, Direction.CONSUMPTION
        ),
        Phrase("facts_contract_injection", "Contract, injection"): _contract(
            connection, Direction.PRODUCTION
        ),
        Phrase("facts_installed_production", "Installed production"): _kilowatts(
            sum(asset.rated_production for asset in model.assets.values())
        ),
        Phrase("facts_installed_consumption", "Installed consumption"): _kilowatts(
            sum(asset.rated_consumption for asset in model.assets.values())
        ),
        Phrase("facts_sharing", "Limits on assets count"): _SHARING[model.sharing],
        Phrase("facts_assets", "Assets"): (
            listed(*assets) if assets else Phrase("facts_none", "none")
        ),
        Phrase("facts_outputs", "Emergency outputs"): (
            ", ".join(output.name for output in model.outputs)
            or Phrase("facts_none", "none")
        ),
    }


def _described(asset: Asset) -> Phrase:
    return Phrase(
        "facts_asset",
        "{name} ({nature}, {category})",
        name=asset.name,
        nature=Phrase(f"nature_{asset.nature}", str(asset.nature)),
        category=Phrase(f"category_{asset.category}", str(asset.category)),
    )


def _station(settings: TelecontrolSettings) -> dict[str, str]:
    link = settings.link
    points = settings.points
    clients = settings.allowed_clients
    return {
        Phrase("facts_listens", "Listens on"): Phrase(
            "facts_host",
            "{host} port {port}",
            host=settings.bind_address,
            port=str(settings.port),
        ),
        Phrase("facts_address", "Common address"): str(settings.common_address),
        Phrase("facts_clients", "May connect"): (
            Phrase("facts_any", "any address")
            if clients is None
            else ", ".join(sorted(clients)) or Phrase("facts_nobody", "nobody yet")
        ),
        "TLS": Phrase("value_off", "off")
        if settings.tls is None
        else Phrase("facts_tls_on", "on (not used by the rehearsal)"),
        Phrase("facts_engine", "Engine"): str(settings.engine),
        Phrase("facts_link", "Link"): (
            f"t0 {link.t0:g} s, t1 {link.t1:g} s, t2 {link.t2:g} s, t3 {link.t3:g} s, "
            f"k {link.k}, w {link.w}"
        ),
        Phrase("facts_loss", "Lost link"): _loss(settings.link_loss),
        Phrase("facts_tags", "Time tags of commands"): (
            Phrase("facts_unsupervised", "not supervised")
            if not settings.max_command_delay
            else Phrase(
                "facts_refused_beyond",
                "refused beyond {time}",
                time=f"{settings.max_command_delay:g} s",
            )
        ),
        Phrase("facts_points", "Point table"): Phrase(
            "facts_table",
            "{profile}, {count} points, {state}",
            profile=points.profile,
            count=str(len(points.points)),
            state=Phrase("facts_confirmed", "confirmed")
            if points.confirmed
            else Phrase("facts_unconfirmed", "NOT CONFIRMED"),
        ),
    }


def _loss(policy: LinkLossPolicy) -> str:
    time = f"{policy.delay:g} s"
    return {
        LinkLossAction.HOLD: Phrase("loss_hold", "emergency stops hold, limits hold"),
        LinkLossAction.FALLBACK: Phrase(
            "loss_fallback",
            "emergency stops hold, limits fall back after {time}",
            time=time,
        ),
        LinkLossAction.RELEASE: Phrase(
            "loss_release",
            "emergency stops hold, limits are released after {time}",
            time=time,
        ),
    }[policy.action]


def _contract(connection: ConnectionPoint, direction: Direction) -> str:
    value = (
        connection.contract_consumption
        if direction is Direction.CONSUMPTION
        else connection.contract_injection
    )
    return Phrase("facts_unknown", "not known") if value is None else _kilowatts(value)


def _meter_clock(look: Look) -> str:
    reading = look.snapshot.reading
    if reading is None or reading.meter_time is None:
        return Phrase("facts_unknown", "not known")
    return reading.meter_time.isoformat(timespec="seconds")


def _kilowatts(value: float) -> str:
    return f"{value / 1000:.2f} kW"
