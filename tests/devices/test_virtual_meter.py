"""The virtual meter in closed loop: a charger that balances itself reads it.

The charger is the simulation's own Modbus client, the sockets are real; time is the
test's, a second a step, and an answer is late only if it does not come at all.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import logging

from pymodbus.client import AsyncModbusTcpClient
import pytest

from custom_components.netflex.control.decide import decide
from custom_components.netflex.control.memory import EMPTY, Memory
from custom_components.netflex.devices.countis import BLOCKS, measured_by, registers
from custom_components.netflex.devices.device import Applied, DeviceError
from custom_components.netflex.devices.meter_server import MeterServers
from custom_components.netflex.devices.metered_charger import (
    MeteredCharger,
    MeterStatus,
)
from custom_components.netflex.devices.virtual_meter import (
    SETPOINT_TIMEOUT,
    Headroom,
    Report,
    Shown,
    VirtualMeterConfig,
)
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    ChargerState,
    Direction,
    Nature,
)
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    Line,
    LineValues,
)
from custom_components.netflex.model.orders import NO_LOCAL_STOPS, LocalStops
from custom_components.netflex.model.plan import Cause, Setpoint, SetpointKind, Source
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import Clock, SiteModel, Snapshot
from custom_components.netflex.simulation.alfen_balancing import (
    BalancingCharger,
    MeterSilentError,
)
from custom_components.netflex.simulation.physics import ChargePoint, Contactor
from tests.virtual_time import virtual_time

LOOPBACK = "127.0.0.1"
FUSE = 25.0

CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22_080.0,
    phases=3,
    lines=tuple(Line),
    maximum_current=32.0,
    safe_current=6.0,
)
CONFIG = VirtualMeterConfig(
    meter_id="virtual",
    name="Virtual meter",
    allowed=(LOOPBACK,),
    installation_current=FUSE,
    safe_current=6.0,
    host=LOOPBACK,
    port=0,
    ramp=1.0,
)


class OwnMeter:
    """What the charger's own connection says, read every five seconds."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._on_state: Callable[[AssetState], None] | None = None
        self.device_id = "charger"
        self.state = AssetState(asset_id="charger", available=False)
        self.applied: list[Setpoint] = []

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        self._on_state = on_state

    async def stop(self) -> None:
        self._on_state = None

    async def apply(self, setpoint: Setpoint) -> Applied:
        self.applied.append(setpoint)
        return Applied(written_at=self._loop.now, confirmed=True)

    def read(self, *, available: bool = True) -> None:
        point = self._loop.point
        drawn = dict.fromkeys(Line, point.current)
        self.state = AssetState(
            asset_id="charger",
            available=available,
            at=self._loop.now,
            power=point.power,
            currents=LineValues.of({line: drawn[line] for line in CHARGER.lines}),
            charger_state=(
                ChargerState.CHARGING if point.current > 1 else ChargerState.CONNECTED
            ),
        )
        if self._on_state is not None:
            self._on_state(self.state)


@dataclass
class Loop:
    """A house, its meter, the decision, the virtual meter and the charger."""

    config: VirtualMeterConfig = CONFIG
    house: tuple[float, float, float] = (5.0, 5.0, 5.0)
    now: float = 1000.0
    point: ChargePoint = field(
        default_factory=lambda: ChargePoint(
            feeder=Contactor("charger"), wanted=32.0, wake_delay=0.0
        )
    )
    meter_works: bool = True
    own_works: bool = True
    local: LocalStops = NO_LOCAL_STOPS
    reading: MeterReading | None = None
    memory: Memory = EMPTY
    highest: float = 0.0
    notes: list[tuple[str, str | None]] = field(default_factory=list)
    own: OwnMeter | None = None
    patience: float = 15.0
    device: MeteredCharger = field(init=False)
    charger: BalancingCharger = field(init=False)
    servers: MeterServers = field(init=False)

    def site(self) -> SiteModel:
        return SiteModel(
            connection=ConnectionPoint(grid_type=GridType.STAR, main_fuse=FUSE),
            assets={"charger": CHARGER},
        )

    def measure(self) -> None:
        if not self.meter_works:
            return
        currents = [house + self.point.current for house in self.house]
        self.highest = max(self.highest, *currents)
        self.reading = MeterReading(
            meter_id="meter",
            received=self.now,
            power=sum(230.0 * current for current in currents),
            line_power=LineValues.of(
                dict(zip(Line, [230.0 * i for i in currents], strict=True))
            ),
            line_current=LineValues.of(
                dict(zip(Line, map(abs, currents), strict=True))
            ),
            line_voltage=LineValues(l1=230.0, l2=231.0, l3=229.0),
            frequency=50.01,
            energy_import=12_345_678.0,
            energy_export=2_345_678.0,
        )

    async def decide(self) -> Setpoint:
        plan, self.memory = decide(
            self.site(),
            Snapshot(
                reading=self.reading,
                states={"charger": self.device.state},
                local_stops=self.local,
            ),
            self.memory,
            Clock(
                monotonic=self.now,
                utc=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now),
            ),
        )
        setpoint = plan.setpoints["charger"]
        task = asyncio.create_task(self.device.apply(setpoint))
        await asyncio.sleep(0)
        self.pending.append(task)
        return setpoint

    pending: list[asyncio.Task[Applied]] = field(default_factory=list)

    async def seconds(self, count: int, *, poll_every: int = 2) -> None:
        """Let time pass: car, meter, decision every second, polls as they come."""
        for _ in range(count):
            self.now += 1.0
            self.point.step(1.0)
            self.measure()
            if self.own is not None and int(self.now) % 5 == 0:
                self.own.read(available=self.own_works)
            await self.decide()
            if int(self.now) % poll_every == 0:
                await self.charger.poll(self.now)
        await self.settle()

    async def tell(self, value: float, *, emergency: bool = False) -> None:
        """Have the device take a setpoint that nothing has bound."""
        setpoint = Setpoint(
            asset_id="charger",
            kind=SetpointKind.CURRENT,
            value=value,
            emergency=emergency,
        )
        self.pending.append(asyncio.create_task(self.device.apply(setpoint)))
        await asyncio.sleep(0)

    async def settle(self) -> None:
        for task in self.pending:
            if not task.done():
                task.cancel()
        await asyncio.gather(*self.pending, return_exceptions=True)
        self.pending.clear()

    @property
    def drawn(self) -> float:
        return self.point.current


@asynccontextmanager
async def closed_loop(**changes: object) -> AsyncIterator[Loop]:
    loop = Loop(**changes)  # type: ignore[arg-type]
    loop.own = OwnMeter(loop)
    loop.servers = MeterServers(lambda: loop.now)
    loop.device = MeteredCharger(
        asset=CHARGER,
        config=loop.config,
        own=loop.own,
        drives=False,
        servers=loop.servers,
        reading=lambda: loop.reading,
        note=lambda status, why: loop.notes.append((status, why)),
        clock=lambda: loop.now,
        patience=loop.patience,
    )
    await loop.device.start(lambda _state: None)
    async with asyncio.timeout(5):
        while loop.device.port is None:
            await asyncio.sleep(0.001)
    loop.charger = BalancingCharger(
        point=loop.point,
        host=LOOPBACK,
        port=loop.device.port,
        installation_current=loop.config.installation_current,
        safe_current=6.0,
        timeout=0.05,
    )
    loop.measure()
    try:
        yield loop
    finally:
        await loop.settle()
        await loop.charger.close()
        await loop.device.stop()


# ------------------------------------------------------------------------- closed loop


@virtual_time
async def test_the_charger_draws_what_the_fuse_leaves_and_no_more(
    socket_enabled: None,
) -> None:
    async with closed_loop() as loop:
        await loop.seconds(90)
        assert loop.drawn == pytest.approx(20.0, abs=1.5)
        assert loop.highest <= FUSE + 0.1
        assert loop.device.state.follows is True
        assert loop.device.meter_view.status is MeterStatus.OK


@virtual_time
async def test_a_kettle_is_made_room_for_and_given_back(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        await loop.seconds(90)
        loop.house = (15.0, 5.0, 5.0)
        await loop.seconds(8)
        assert loop.drawn + 15.0 <= FUSE + 0.1
        loop.house = (5.0, 5.0, 5.0)
        await loop.seconds(120)
        assert loop.drawn == pytest.approx(20.0, abs=1.5)


@virtual_time
async def test_S10_a_stale_meter_silences_us_and_the_safe_current_takes_over(
    socket_enabled: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with closed_loop() as loop:
        await loop.seconds(90)
        loop.meter_works = False
        await loop.seconds(16)
        view = loop.device.meter_view
        assert view.report is Report.SILENT
        assert view.status is MeterStatus.WARNING
        assert "site meter has been silent" in (view.problem or "")
        assert not loop.charger.balanced
        assert loop.point.offered == 6.0
        assert loop.charger.messages[-1][1].startswith("Communication warning")
        await loop.seconds(130, poll_every=10)
        assert loop.device.meter_view.status is MeterStatus.ERROR
        assert loop.charger.messages[-1][1].startswith("Communication error")
        # Recovery: noted, and the headroom comes back along a ramp.
        loop.meter_works = True
        before = loop.drawn
        await loop.seconds(4)
        assert loop.device.meter_view.status is MeterStatus.OK
        assert loop.charger.messages[-1][1].endswith("connected")
        assert loop.device.state.current_limit is not None
        assert loop.device.state.current_limit <= before + 5.0
        await loop.seconds(120)
        assert loop.drawn == pytest.approx(20.0, abs=1.5)
        assert loop.highest <= FUSE + 0.1
        assert [status for status, _ in loop.notes] == ["warning", "error", "recovered"]


@virtual_time
async def test_S10_under_a_stop_a_stale_meter_reports_the_fuse_as_full(
    socket_enabled: None,
) -> None:
    async with closed_loop() as loop:
        await loop.seconds(60)
        loop.local = LocalStops().with_holder(
            Direction.CONSUMPTION, "button", held=True
        )
        await loop.seconds(6)
        assert loop.drawn == 0.0
        assert loop.device.meter_view.report is Report.FUSE_FULL
        loop.meter_works = False
        await loop.seconds(200)
        # Silence would let it draw its safe current: it is kept from that.
        assert loop.charger.balanced
        assert loop.drawn == 0.0
        assert loop.device.meter_view.report is Report.FUSE_FULL
        assert loop.device.meter_view.status is MeterStatus.ERROR
        assert "safe current" in (loop.device.meter_view.problem or "")


@virtual_time
async def test_S10_a_fuse_without_room_for_the_safe_current_is_reported_full(
    socket_enabled: None,
) -> None:
    async with closed_loop(house=(22.0, 5.0, 5.0)) as loop:
        await loop.seconds(30)
        assert loop.drawn == 0.0
        loop.meter_works = False
        await loop.seconds(60)
        assert loop.device.meter_view.report is Report.FUSE_FULL
        assert loop.drawn == 0.0


@virtual_time
async def test_a_released_stop_lets_the_car_charge_again(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        await loop.seconds(60)
        loop.local = LocalStops().with_holder(
            Direction.CONSUMPTION, "button", held=True
        )
        await loop.seconds(10)
        assert loop.drawn == 0.0
        loop.local = NO_LOCAL_STOPS
        await loop.seconds(400)
        assert loop.drawn == pytest.approx(20.0, abs=1.5)
        assert loop.highest <= FUSE + 0.1


@virtual_time
async def test_the_fuse_holds_while_the_charger_is_not_measured(
    socket_enabled: None,
) -> None:
    async with closed_loop() as loop:
        await loop.seconds(60)
        loop.own_works = False
        loop.house = (12.0, 5.0, 5.0)
        await loop.seconds(150)
        assert loop.drawn + 12.0 <= FUSE + 0.1


@virtual_time
async def test_without_folding_the_meter_is_what_the_charger_sees(
    socket_enabled: None,
) -> None:
    plain = replace(CONFIG, fold=False)
    async with closed_loop(config=plain, house=(4.0, 5.0, -3.0)) as loop:
        loop.point.plugged = False
        await loop.tell(32.0)
        await loop.charger.poll(loop.now)
        assert loop.device.meter_view.report is Report.MEASURED
        seen = loop.charger.seen
        image = registers(measured_by(loop.reading, GridType.STAR))  # type: ignore[arg-type]
        assert seen == [image[address] for address in range(50514, 50514 + 54)]
        assert loop.charger.meter_current(2) == 3.0
        loop.charger.subtract_export = True
        assert loop.charger.meter_current(2) == -3.0


# ------------------------------------------------------------------------------ access


@virtual_time
async def test_a_foreign_client_is_refused_and_remembered(socket_enabled: None) -> None:
    async with closed_loop(config=replace(CONFIG, allowed=("10.0.0.0/24",))) as loop:
        await loop.tell(16.0)
        await loop.charger.poll(loop.now)
        assert not loop.charger.balanced
        assert loop.point.offered == 6.0
        view = loop.device.meter_view
        assert view.strangers == ((LOOPBACK, 1),)
        assert view.polls == ()
        assert view.poll_age is None


@virtual_time
async def test_another_unit_gets_no_answer(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        await loop.tell(16.0)
        loop.charger.unit = 6
        await loop.charger.poll(loop.now)
        assert not loop.charger.balanced


@virtual_time
async def test_every_different_poll_is_counted(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        await loop.tell(16.0)
        for _ in range(3):
            await loop.charger.poll(loop.now)
        await loop.charger.read(50000, 4)
        view = loop.device.meter_view
        counts = {
            (poll.function, poll.address, poll.count): number
            for poll, number in view.polls
        }
        assert counts == {(3, 50514, 54): 3, (3, 50000, 4): 1}
        assert {poll.client for poll, _ in view.polls} == {LOOPBACK}
        for address in range(50000, 50070):
            await loop.charger.read(address, 1)
        view = loop.device.meter_view
        assert len(view.polls) == 64
        assert view.further_polls == 8


@virtual_time
async def test_two_chargers_share_the_port_and_are_told_apart_by_unit(
    socket_enabled: None,
) -> None:
    async with closed_loop() as loop:
        await loop.tell(16.0)
        second = MeteredCharger(
            asset=replace(CHARGER, id="second"),
            config=replace(CONFIG, unit=7),
            own=None,
            drives=False,
            servers=loop.servers,
            reading=lambda: loop.reading,
            clock=lambda: loop.now,
        )
        await second.start(lambda _state: None)
        async with asyncio.timeout(5):
            while second.port is None:
                await asyncio.sleep(0.001)
        assert second.port == loop.device.port
        stop = asyncio.create_task(
            second.apply(
                Setpoint(
                    asset_id="second",
                    kind=SetpointKind.CURRENT,
                    value=0.0,
                    emergency=True,
                )
            )
        )
        await asyncio.sleep(0)
        loop.charger.unit = 7
        await loop.charger.poll(loop.now)
        assert loop.point.offered == 0.0
        assert (await stop).confirmed
        await second.stop()
        loop.charger.unit = 5
        await loop.charger.close()
        await loop.charger.poll(loop.now)
        assert loop.charger.balanced


@virtual_time
async def test_a_unit_that_is_taken_is_a_problem_in_words(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        second = MeteredCharger(
            asset=replace(CHARGER, id="second"),
            config=CONFIG,
            own=None,
            drives=False,
            servers=loop.servers,
            reading=lambda: loop.reading,
            clock=lambda: loop.now,
        )
        states: list[AssetState] = []
        await second.start(states.append)
        async with asyncio.timeout(5):
            while not (states and "another virtual meter" in str(states[-1].problem)):
                await asyncio.sleep(0.001)
        await second.stop()
        assert loop.device.port is not None


@virtual_time
async def test_a_stop_that_the_charger_does_not_ask_for_is_not_confirmed(
    socket_enabled: None,
) -> None:
    async with closed_loop(patience=0.02) as loop:
        setpoint = Setpoint(
            asset_id="charger", kind=SetpointKind.CURRENT, value=0.0, emergency=True
        )
        waiting = asyncio.create_task(loop.device.apply(setpoint))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        loop.now += 20.0
        with pytest.raises(DeviceError, match="no charger has asked") as caught:
            await waiting
        assert caught.value.key == "timeout"


@virtual_time
async def test_a_newer_setpoint_supersedes_one_that_waits(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        setpoint = Setpoint(asset_id="charger", kind=SetpointKind.CURRENT, value=10.0)
        waiting = asyncio.create_task(loop.device.apply(setpoint))
        await asyncio.sleep(0.01)
        await loop.tell(0.0)
        with pytest.raises(DeviceError) as caught:
            await waiting
        assert caught.value.key == "superseded"


@virtual_time
async def test_left_without_its_meter_on_purpose_it_is_answered_again_for_less(
    socket_enabled: None,
) -> None:
    async with closed_loop() as loop:
        await loop.seconds(60)
        assert loop.device.silence_facts is not None
        assert loop.device.silence_facts.fallback == 6.0
        loop.device.fall_silent()
        assert loop.device.silent
        await loop.charger.poll(loop.now)
        assert not loop.charger.balanced
        for more in (replace(SETPOINT, value=32.0), replace(SETPOINT, value=None)):
            assert not (await loop.device.apply(more)).confirmed
            assert loop.device.silent
        await loop.tell(0.0, emergency=True)
        assert not loop.device.silent
        await loop.charger.poll(loop.now)
        assert loop.charger.balanced
        assert loop.point.offered == 0.0


@virtual_time
async def test_a_charger_that_no_longer_asks_is_said_to_be_on_its_safe_current(
    socket_enabled: None,
) -> None:
    async with closed_loop(patience=0.0) as loop:
        await loop.seconds(10)
        loop.now += 45.0
        loop.measure()
        with pytest.raises(DeviceError, match="not asked its meter for 4. s") as caught:
            await loop.device.apply(replace(SETPOINT, value=8.0))
        assert caught.value.key == "timeout"
        assert "safe current" in (loop.device.state.problem or "")


@virtual_time
async def test_a_charger_that_draws_more_than_its_meter_leaves_is_said(
    socket_enabled: None,
) -> None:
    stubborn = Stubborn(feeder=Contactor("charger"), wanted=32.0, wake_delay=0.0)
    async with closed_loop(point=stubborn) as loop:
        await loop.seconds(60)
        loop.local = LocalStops().with_holder(
            Direction.CONSUMPTION, "button", held=True
        )
        await loop.seconds(40)
        assert loop.device.state.follows is False
        assert "draws more" in (loop.device.state.problem or "")


async def test_what_is_no_address_is_an_error_of_the_configuration() -> None:
    with pytest.raises(DeviceError, match="everywhere") as caught:
        charger_of(replace(CONFIG, allowed=("everywhere",)), None)
    assert caught.value.key == "config"


async def test_a_charger_takes_currents_only() -> None:
    device = charger_of(CONFIG, None)
    with pytest.raises(DeviceError, match="takes no") as caught:
        await device.apply(replace(SETPOINT, kind=SetpointKind.POWER))
    assert caught.value.key == "config"


@pytest.mark.parametrize("aware", [False, True])
async def test_its_own_driver_is_told_of_an_emergency_output(aware: bool) -> None:
    own = RelayAwareMeter(Loop()) if aware else OwnMeter(Loop())
    device = charger_of(CONFIG, own)
    device.set_behind_relay(True)
    if isinstance(own, RelayAwareMeter):
        assert own.behind


# ------------------------------------------------------------------- what is shown

SETPOINT = Setpoint(asset_id="charger", kind=SetpointKind.CURRENT, value=16.0)
BOUND = replace(
    SETPOINT, causes=(Cause(source=Source.FUSE, key="fuse", text="the fuse"),)
)
READING = MeterReading(
    meter_id="meter",
    received=100.0,
    power=0.0,
    line_current=LineValues(l1=10.0, l2=12.0, l3=14.0),
    line_power=LineValues(l1=2300.0, l2=2760.0, l3=3220.0),
    line_voltage=LineValues(l1=231.0, l2=232.0, l3=233.0),
)


class Stubborn(ChargePoint):
    """A charging station that never offers less than 16 A."""

    def step(self, seconds: float) -> None:
        offered = self.offered
        self.offered = max(offered, 16.0)
        super().step(seconds)
        self.offered = offered


class RelayAwareMeter(OwnMeter):
    """A device of its own that has a budget of writes."""

    behind = False

    def set_behind_relay(self, behind: bool) -> None:
        self.behind = behind


def charger_of(config: VirtualMeterConfig, own: OwnMeter | None) -> MeteredCharger:
    return MeteredCharger(
        asset=CHARGER,
        config=config,
        own=own,
        drives=False,
        servers=MeterServers(lambda: 0.0),
        reading=lambda: None,
    )


def shown(
    setpoint: Setpoint = SETPOINT,
    reading: MeterReading = READING,
    own: AssetState | None = None,
    lines: tuple[Line, ...] = tuple(Line),
    **config: object,
) -> Shown:
    """Return what is shown once everything has been good for a while."""
    headroom = Headroom(
        replace(CONFIG, ramp=100.0, **config),  # type: ignore[arg-type]
        replace(CHARGER, lines=lines),
        lambda: reading,
    )
    headroom.told(setpoint, 101.0)
    headroom.show(100.0)
    if own is not None:
        headroom.measured_own(own, 101.0)
    return headroom.show(101.0)


def own_state(**values: object) -> AssetState:
    return AssetState(asset_id="charger", available=True, at=100.0, **values)  # type: ignore[arg-type]


def test_a_charger_that_is_not_measured_counts_with_all_that_it_may_draw() -> None:
    seen = shown()
    assert seen.measured is not None
    assert seen.measured.currents == LineValues(l1=41.0, l2=41.0, l3=41.0)
    unknown = shown(own=own_state())
    assert unknown.measured == seen.measured


def test_a_charger_that_tells_its_power_only_counts_it_evenly() -> None:
    seen = shown(own=own_state(power=3 * 230.0 * 8.0))
    assert seen.measured is not None
    # 25 A less 16 A granted, and the 8 A that it draws already.
    assert seen.measured.currents == LineValues(l1=17.0, l2=17.0, l3=17.0)


def test_a_line_that_it_is_not_on_shows_the_headroom_alone() -> None:
    own = own_state(currents=LineValues(l2=8.0))
    seen = shown(own=own, lines=(Line.L2,))
    assert seen.measured is not None
    assert seen.measured.currents == LineValues(l1=9.0, l2=17.0, l3=9.0)


def test_what_it_draws_is_not_compared_with_a_site_that_was_not_measured() -> None:
    readings: list[MeterReading] = []
    headroom = Headroom(
        replace(CONFIG, ramp=100.0), CHARGER, lambda: readings[-1] if readings else None
    )
    own = own_state(currents=LineValues(l1=8.0, l2=8.0, l3=8.0))
    headroom.told(SETPOINT, 101.0)
    headroom.measured_own(own, 101.0)
    assert headroom.show(101.0).trouble
    readings.append(READING)
    headroom.show(101.0)
    seen = headroom.show(102.0)
    assert seen.measured is not None
    assert seen.measured.currents == LineValues(l1=41.0, l2=41.0, l3=41.0)


def test_without_folding_a_limit_of_the_house_only_tightens() -> None:
    """The meter is shown as it is, but for the fuse and the grid operator."""
    own = own_state(currents=LineValues(l1=8.0, l2=8.0, l3=8.0))
    assert shown(own=own, fold=False).report is Report.MEASURED
    tight = shown(replace(BOUND, value=12.0), own=own, fold=False)
    wide = shown(replace(BOUND, value=31.0), own=own, fold=False)
    assert tight.report is wide.report is Report.HEADROOM
    assert tight.why == "the fuse"
    assert tight.measured is not None
    assert tight.measured.currents == LineValues(l1=21.0, l2=21.0, l3=21.0)
    assert wide.measured is not None
    assert wide.measured.currents == READING.line_current


@pytest.mark.parametrize("fold", [False, True])
def test_a_charger_that_is_wired_in_another_order_sees_its_own(fold: bool) -> None:
    order = (Line.L2, Line.L3, Line.L1)
    seen = shown(order=order, fold=fold).measured
    straight = shown(fold=fold).measured
    assert seen is not None
    assert straight is not None
    assert seen.voltages == LineValues(l1=232.0, l2=233.0, l3=231.0)
    for line, wired in zip(Line, order, strict=True):
        assert seen.currents[line] == straight.currents[wired]
        assert seen.powers[line] == straight.powers[wired]
        assert seen.line_to_line[line] == straight.line_to_line[wired]
    assert (seen.power, seen.energy_import) == (straight.power, straight.energy_import)


def test_between_lines_another_order_turns_round() -> None:
    """L2 to L1 is the voltage of L1 to L2, wherever it stands."""
    reading = replace(READING, line_voltage=LineValues(l1=400.0, l2=401.0, l3=402.0))
    seen = shown(
        reading=reading,
        order=(Line.L2, Line.L1, Line.L3),
        grid_type=GridType.DELTA,
    ).measured
    assert seen is not None
    assert seen.line_to_line == LineValues(l1=400.0, l2=402.0, l3=401.0)
    missing = replace(reading, line_voltage=LineValues(l1=400.0, l3=402.0))
    seen = shown(
        reading=missing, order=(Line.L2, Line.L1, Line.L3), grid_type=GridType.DELTA
    ).measured
    assert seen is not None
    assert seen.line_to_line == LineValues(l1=400.0, l2=402.0)


def test_a_meter_that_names_no_current_on_a_line_of_the_charger_is_not_shown() -> None:
    partly = replace(READING, line_current=LineValues(l1=10.0), line_power=LineValues())
    seen = shown(reading=partly)
    assert (seen.report, seen.trouble) == (Report.SILENT, True)
    assert "no current on a line of the charger" in (seen.why or "")
    assert not shown(reading=partly, lines=(Line.L1,)).trouble


def test_a_setpoint_that_nobody_stands_by_is_not_shown() -> None:
    later = [READING]
    headroom = Headroom(CONFIG, CHARGER, lambda: later[-1])
    headroom.told(SETPOINT, 101.0)
    later.append(replace(READING, received=100.0 + SETPOINT_TIMEOUT))
    assert not headroom.show(100.0 + SETPOINT_TIMEOUT).trouble
    later.append(replace(READING, received=103.0 + SETPOINT_TIMEOUT))
    seen = headroom.show(103.0 + SETPOINT_TIMEOUT)
    assert (seen.report, seen.trouble) == (Report.SILENT, True)
    assert "nobody stands by" in (seen.why or "")


@virtual_time
async def test_pymodbus_reads_the_whole_map_of_the_meter(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        await loop.tell(16.0)
        client = AsyncModbusTcpClient(LOOPBACK, port=loop.device.port or 0)
        await client.connect()
        for first, count in BLOCKS:
            answer = await client.read_holding_registers(
                first, count=count, device_id=5
            )
            assert not answer.isError(), first
            assert len(answer.registers) == count
            inputs = await client.read_input_registers(first, count=count, device_id=5)
            assert len(inputs.registers) == count
        beyond = await client.read_holding_registers(50574, count=1, device_id=5)
        assert beyond.exception_code == 2
        written = await client.write_register(50528, 1, device_id=5)
        assert written.exception_code == 1
        client.close()


@virtual_time
async def test_an_answer_that_never_comes_is_a_silence(socket_enabled: None) -> None:
    async with closed_loop() as loop:
        loop.reading = None
        with pytest.raises(MeterSilentError):
            await loop.charger.read(50514, 54)
        assert loop.device.meter_view.report is Report.SILENT
