"""A site that shows what a test wants to be seen, under the real coordinator."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import time
from types import SimpleNamespace
from typing import Any

from custom_components.netflex.coordinator import SiteCoordinator
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.entry_site import station_settings
from custom_components.netflex.model.asset import AssetState, ChargerState, Direction
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    LineValues,
)
from custom_components.netflex.model.demand import CapacityTariff, QuarterDemand
from custom_components.netflex.model.northbound import NorthboundState, SetRefusal
from custom_components.netflex.model.orders import (
    GridOrders,
    LinkState,
    Order,
    OrderEvent,
    OrderSource,
    QMode,
)
from custom_components.netflex.model.plan import (
    ALL_ASSETS,
    SITE,
    Cause,
    Headroom,
    Limit,
    Plan,
    Quantity,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.model.reading import (
    BreakerState,
    MeterReading,
    MeterRole,
    MonthPeak,
    SubMeter,
    SubMeterKind,
)
from custom_components.netflex.model.snapshot import SiteModel, Snapshot, UserLimits
from custom_components.netflex.site.commissioning import SiteCommissioning
from custom_components.netflex.site.commissioning_stage import CommissioningPorts
from custom_components.netflex.site.quality_problems import quality_problems
from custom_components.netflex.site.recording import Recording
from custom_components.netflex.site.rehearsal_plant import Look
from custom_components.netflex.site.view import (
    DemandView,
    FiguresView,
    MeterView,
    SiteView,
)
from custom_components.netflex.telecontrol.settings import TelecontrolSettings
from custom_components.netflex.telecontrol.wire_trace import WireEntry
from custom_components.netflex.telemetry.figures import Figures
from custom_components.netflex.telemetry.quality import QualityReport

from . import sites

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FUSE = Cause(source=Source.FUSE, key="fuse", text="Main fuse of L1: 63.0 A")
ORDERED = Cause(
    source=Source.GRID_OPERATOR, key="maxsetp", text="MAXSETP 50 % of 36.00 kW"
)
STOPPED = Cause(
    source=Source.EMERGENCY_STOP, key="stop", text="Emergency stop of production"
)

MONTH = Figures(
    coverage=0.998,
    filled=0.012,
    cycles=12.34,
    efficiency=0.912,
    self_use=0.75,
    self_sufficiency=0.61,
    cost=20.0,
    cost_without=55.5,
    saved=35.5,
    peak=3000.0,
    peak_without=5200.0,
    peak_avoided=2200.0,
    tariff_saved=9.17,
    missed=1500.0,
)
FIGURES = FiguresView(
    today=replace(MONTH, saved=1.5),
    yesterday=replace(MONTH, saved=2.5),
    month=MONTH,
    since={"today": NOW, "month": NOW},
    certification=5400.0,
)


class FakeSite:
    """Stands for a running site; every command is kept in `commands`."""

    def __init__(self, view: SiteView) -> None:
        self.view = view
        self.commands: list[tuple[Any, ...]] = []
        self.recording = Recording()
        self.devices: dict[str, DeviceConfig] = {}
        self.model = SiteModel(
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=40.0)
        )
        self.commissioning = SiteCommissioning(self._commissioning_ports())
        self._on_view: Callable[[SiteView], None] | None = None
        self._on_order: Callable[[OrderEvent], None] | None = None

    def _commissioning_ports(self) -> CommissioningPorts:
        """A real commissioning over what the view shows."""
        return CommissioningPorts(
            look=self._look,
            link=lambda: self.view.link,
            done=lambda _key: True,
            devices=lambda: self.devices,
            outputs=dict,
            busy=lambda: None,
            decide=lambda: None,
            save=lambda: self.commands.append(("save",)),
            record=lambda _kind, _data: None,
            monotonic=time.monotonic,
            utcnow=lambda: NOW,
            on_change=self._follow,
        )

    def _look(self, _orders: GridOrders | None = None) -> Look:
        view = self.view
        assert view.plan is not None
        return Look(
            at=time.monotonic(),
            model=SiteModel(
                connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=63.0)
            ),
            snapshot=Snapshot(
                orders=view.orders, local_stops=view.local_stops, states=view.states
            ),
            plan=view.plan,
            base=None,
            shadow=view.shadow,
            missing={proof.direction: proof.missing for proof in view.proofs},
        )

    def _follow(self) -> None:
        """Show what the commissioning does."""
        if self._on_view is not None:
            self.show(
                commissioning=self.commissioning.status,
                commissioned=tuple(self.commissioning.results.values()),
            )

    def subscribe(
        self,
        on_view: Callable[[SiteView], None],
        on_order: Callable[[OrderEvent], None],
    ) -> None:
        self._on_view, self._on_order = on_view, on_order

    def show(self, **changes: Any) -> None:
        """Change the view and publish it."""
        self.view = replace(self.view, **changes)
        assert self._on_view is not None
        self._on_view(self.view)

    def order(self, event: OrderEvent) -> None:
        """Have an order arrive."""
        assert self._on_order is not None
        self._on_order(event)

    def set_user_limits(self, asset_id: str, limits: UserLimits) -> None:
        self.commands.append(("user", asset_id, limits))
        self.show(user={**self.view.user, asset_id: limits})

    def set_local_stop(self, direction: Direction, holder: str, *, held: bool) -> None:
        self.commands.append(("stop", direction, holder, held))
        self.show(
            local_stops=self.view.local_stops.with_holder(direction, holder, held=held)
        )

    def set_quality(self, report: QualityReport | None) -> None:
        self.show(quality=report, problems=tuple(quality_problems(report)))

    def set_figures(self, figures: FiguresView | None) -> None:
        self.show(figures=figures)

    def set_peak_target(self, target: float | None) -> None:
        self.commands.append(("peak", target))

    async def release_orders(self, name: str, reference: str) -> None:
        self.commands.append(("release", name, reference))


@dataclass
class FakeRuntime:
    """What a config entry's runtime data offers to the platforms."""

    coordinator: SiteCoordinator
    site: FakeSite
    changes: int = 0
    reloads: int = 0
    unusable: OSError | None = None
    wire: tuple[WireEntry, ...] = ()
    readings: Any = field(
        default_factory=lambda: SimpleNamespace(condition={"kept": False})
    )
    """A test of readings puts real ones here."""

    @property
    def settings(self) -> TelecontrolSettings | None:
        return station_settings(self.coordinator.config_entry)

    def wire_log(self) -> tuple[WireEntry, ...]:
        return self.wire

    async def async_reload_certificates(self) -> None:
        if self.unusable is not None:
            raise self.unusable
        self.reloads += 1

    async def async_start(self) -> None:
        """Start nothing."""

    async def async_stop(self, *, park: bool) -> None:
        await self.coordinator.async_shutdown()

    async def async_entry_changed(self) -> None:
        self.changes += 1


def state(asset_id: str, **values: Any) -> AssetState:
    """Return what an asset that answers says."""
    return AssetState(**{"asset_id": asset_id, "available": True, "at": 1.0} | values)


def demand(**changes: Any) -> DemandView:
    """Return a quarter hour that is 300 s old."""
    return DemandView(
        **{
            "quarter": QuarterDemand(
                start=NOW,
                elapsed=300.0,
                average=1800.0,
                power=3600.0,
                complete=True,
                month_peak=MonthPeak(power=5200.0, at=NOW),
            ),
            "tariff": CapacityTariff(price=50.0),
            "target": 5200.0,
            "headroom": 5100.0,
            "history": (
                MonthPeak(power=1800.0, at=NOW, month_end=NOW.replace(day=1, hour=0)),
            ),
            "billed": 3850.0,
            "cost": 192.5,
        }
        | changes
    )


SUB_METERS = (
    SubMeter(
        channel=1,
        kind=SubMeterKind.GAS,
        device_type=3,
        serial="7FLO2123006385",
        ean="541440012345678900",
        value=1234.567,
        unit="m3",
        at=NOW,
        valve=BreakerState.CONNECTED,
    ),
    SubMeter(
        channel=2, kind=SubMeterKind.WATER, device_type=7, value=872.234, unit="m3"
    ),
    SubMeter(channel=3, kind=SubMeterKind.HEAT, device_type=4, value=12.5, unit="GJ"),
    SubMeter(
        channel=4,
        kind=SubMeterKind.ELECTRICITY,
        device_type=2,
        value=2500.0,
        unit="Wh",
        relay=BreakerState.DISCONNECTED,
    ),
)


ORDERED_LIMIT = Limit(
    scope=SITE,
    quantity=Quantity.IMPORT,
    value=18_000.0,
    source=Source.GRID_OPERATOR,
    cause=ORDERED,
    since=NOW,
)


def full_view() -> SiteView:
    """Return a view in which everything has a value."""
    reading = MeterReading(
        meter_id=sites.METER_ID,
        received=1.0,
        grid_type=GridType.STAR,
        power=-1250.4,
        line_power=LineValues(l1=-500, l2=-400, l3=-350),
        line_current=LineValues(l1=2.31, l2=1.9, l3=1.5),
        line_voltage=LineValues(l1=231.2, l2=230.1, l3=229.9),
        energy_import=1_234_567.0,
        energy_export=7_654_321.0,
        energy_import_tariffs=(1_000_000.0, 234_567.0),
        energy_export_tariffs=(7_000_000.0, 654_321.0),
        meter_time=NOW,
        tariff=2,
        breaker=BreakerState.CONNECTED,
        power_threshold=10_000.0,
        fuse_threshold=40.0,
        message="Works in your street",
        version="50217",
        serial="1SAG3105056625",
        ean="541440012345678901",
        sub_meters=SUB_METERS,
    )
    return SiteView(
        telecontrol=True,
        figures=FIGURES,
        link=LinkState(
            listening=True,
            connected=True,
            client="192.0.2.10",
            since=NOW,
            last_interrogation=NOW,
            clock_offset=0.01234,
        ),
        orders=GridOrders(
            maxsetp=Order(value=50.0, source=OrderSource.OPERATOR, at=NOW),
            q_mode=Order(value=QMode.LOCAL, source=OrderSource.OPERATOR, at=NOW),
            redenp=Order(value=3, source=OrderSource.RESTORED, at=NOW),
        ),
        meters={
            sites.METER_ID: MeterView(
                meter_id=sites.METER_ID,
                name="P1 port",
                reading=reading,
                available=True,
                good=12,
                clock_offset=-1.24,
                error_rate=0.17,
                details={"share_readers": 1},
            ),
            sites.SUBMETER_ID: MeterView(
                meter_id=sites.SUBMETER_ID,
                name="Hall meter",
                role=MeterRole.CONNECTION_POINT,
                reading=MeterReading(
                    meter_id=sites.SUBMETER_ID,
                    received=1.0,
                    power=800.0,
                    reactive_power=120.0,
                    frequency=50.012,
                ),
                available=True,
            ),
        },
        site_meter=sites.METER_ID,
        demand=demand(),
        states={
            sites.CHARGER_ID: state(
                sites.CHARGER_ID,
                power=4140.2,
                currents=LineValues(l1=6.02, l2=6.0, l3=6.01),
                current_limit=6.0,
                charger_state=ChargerState.CHARGING,
                energy_consumed=12_000.0,
                follows=True,
                device_fallback=10.0,
                fallback_in=42.0,
            ),
            sites.WALLBOX_ID: state(sites.WALLBOX_ID, power=0.0),
            sites.INVERTER_ID: state(
                sites.INVERTER_ID,
                power=-9000.0,
                power_limit=20_000.0,
                energy_produced=99_000.0,
                writes_left=12,
            ),
            sites.BATTERY_ID: state(
                sites.BATTERY_ID,
                power=-3000.0,
                state_of_charge=55.5,
                max_charge_power=10_000.0,
                max_discharge_power=9_000.0,
                energy_consumed=1000.0,
                energy_produced=900.0,
            ),
            sites.LOAD_ID: state(sites.LOAD_ID, power=5900.0, enabled=True),
            sites.RELAY_ID: state(sites.RELAY_ID, enabled=False),
        },
        northbound=NorthboundState(
            connected=True,
            since=NOW,
            attributes=40,
            stored=7,
            dropped=2,
            sent=1000,
            accepted=3,
            refused={"older": 1},
            last_refusal=SetRefusal(
                subject="gateway/relay1Control/parameter",
                reason="older",
                text="it is late",
                at=NOW,
            ),
            control=True,
            certificate_ends=NOW + timedelta(days=400),
        ),
        plan=Plan(
            at=1.0,
            metered=True,
            setpoints={
                sites.CHARGER_ID: Setpoint(
                    asset_id=sites.CHARGER_ID,
                    kind=SetpointKind.CURRENT,
                    value=6.0,
                    causes=(ORDERED, FUSE),
                ),
                sites.INVERTER_ID: Setpoint(
                    asset_id=sites.INVERTER_ID, kind=SetpointKind.PRODUCTION, value=None
                ),
                sites.BATTERY_ID: Setpoint(
                    asset_id=sites.BATTERY_ID, kind=SetpointKind.POWER, value=-3000.0
                ),
                sites.LOAD_ID: Setpoint(
                    asset_id=sites.LOAD_ID, kind=SetpointKind.SWITCH, value=1.0
                ),
            },
            ordered=(ORDERED_LIMIT,),
            limits=(
                ORDERED_LIMIT,
                Limit(
                    scope=ALL_ASSETS,
                    quantity=Quantity.PRODUCTION,
                    value=29_000.0,
                    source=Source.DEVICE,
                    cause=FUSE,
                ),
            ),
            headroom=Headroom(
                import_power=19_250.0,
                injection_power=21_000.0,
                line_current=LineValues(l1=60.7, l2=61.1, l3=61.5),
            ),
        ),
    )
