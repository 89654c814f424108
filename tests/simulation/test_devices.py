"""Every simulated device through an independent Modbus client."""

import asyncio
from collections.abc import AsyncIterator
import struct

from pymodbus.client import AsyncModbusTcpClient
import pytest

from custom_components.netflex.simulation.annexe import DOOR_OPEN
from custom_components.netflex.simulation.household import (
    ANNEXE,
    BATTERY,
    BOILER,
    CHARGER,
    INVERTER,
    RELAY,
    SITE_METER,
    SimulatedSite,
    SiteSettings,
)
from custom_components.netflex.simulation.physics import STEP

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Bench:
    """A site whose time passes only when a test says so."""

    def __init__(self, **settings: object) -> None:
        self.now = 1_000.0
        self.site = SimulatedSite(SiteSettings(**settings), clock=lambda: self.now)  # type: ignore[arg-type]
        self.clients: list[AsyncModbusTcpClient] = []

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self.site.tick(self.now)

    async def client(self, wire: str) -> AsyncModbusTcpClient:
        client = AsyncModbusTcpClient(
            "127.0.0.1",
            port=self.site.wires[wire].port,
            timeout=0.5,
            retries=0,
            reconnect_delay=0,
        )
        self.clients.append(client)
        await client.connect()
        return client


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    target = Bench(seed=3)
    await target.site.start()
    yield target
    for client in target.clients:
        client.close()
    await target.site.stop()


async def holding(client: AsyncModbusTcpClient, at: int, form: str, unit: int = 1):
    answer = await client.read_holding_registers(
        at, count=struct.calcsize(f">{form}") // 2, device_id=unit
    )
    assert not answer.isError(), answer
    raw = struct.pack(f">{len(answer.registers)}H", *answer.registers)
    return struct.unpack(f">{form}", raw)[0]


def words(form: str, value: float) -> list[int]:
    raw = struct.pack(f">{form}", value)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


async def set_current(client: AsyncModbusTcpClient, current: float) -> None:
    answer = await client.write_registers(1210, words("f", current), device_id=1)
    assert not answer.isError()


# Charger.


async def test_station_tells_who_it_is(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    answer = await client.read_holding_registers(140, count=17, device_id=200)
    text = struct.pack(">17H", *answer.registers).rstrip(b"\0").decode()
    assert text == "NG910"
    assert await holding(client, 1105, "H", 200) == 1
    assert await holding(client, 336, "f") == 50


async def test_written_current_is_applied_until_its_validity_ends(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    assert await holding(client, 1206, "f") == 6
    assert await holding(client, 1214, "H") == 0
    await set_current(client, 13.5)
    assert await holding(client, 1206, "f") == 13.5
    assert await holding(client, 1208, "I") == 60
    assert await holding(client, 1214, "H") == 1
    bench.run(59)
    assert await holding(client, 1206, "f") == 13.5
    assert bench.site.car.current == 13.5
    bench.run(2)
    assert await holding(client, 1206, "f") == 6
    assert await holding(client, 1208, "I") == 0
    bench.run(2)
    assert bench.site.car.current == 6


async def test_writing_the_same_current_again_restarts_the_validity(
    bench: Bench,
) -> None:
    client = await bench.client(CHARGER)
    await set_current(client, 10)
    bench.run(50)
    await set_current(client, 10)
    bench.run(50)
    assert await holding(client, 1206, "f") == 10


async def test_zero_pauses_the_car_and_the_state_says_so(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    await set_current(client, 16)
    bench.run(5)
    state = await client.read_holding_registers(1201, count=5, device_id=1)
    assert state.registers[0] == int.from_bytes(b"C2")
    assert await holding(client, 344, "f") == pytest.approx(16 * 230 * 3)
    await set_current(client, 0)
    bench.run(1)
    state = await client.read_holding_registers(1201, count=5, device_id=1)
    assert state.registers[0] == int.from_bytes(b"B1")
    assert await holding(client, 320, "f") == 0


async def test_more_current_than_a_station_has_is_refused(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    answer = await client.write_registers(1210, words("f", 80.5), device_id=1)
    assert answer.exception_code == 3
    assert await holding(client, 1206, "f") == 6


async def test_car_charges_on_as_many_phases_as_are_written(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    await set_current(client, 10)
    assert (await client.write_registers(1215, [2], device_id=1)).exception_code == 3
    for phases in (1, 3):
        answer = await client.write_registers(1215, [phases], device_id=1)
        assert not answer.isError()
        bench.run(5)
        assert await holding(client, 344, "f") == pytest.approx(10 * 230 * phases)


async def test_station_itself_takes_no_writes(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    answer = await client.write_registers(1104, [0], device_id=200)
    assert answer.exception_code == 2


async def test_reboot_forgets_the_setpoint(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    await set_current(client, 0)
    bench.site.socket.reboot()
    assert await holding(client, 1206, "f") == 6
    assert await holding(client, 1210, "f") == 0


async def test_station_limit_bounds_what_is_applied(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    await set_current(client, 63)
    assert await holding(client, 1210, "f") == 63
    assert await holding(client, 1206, "f") == 32


@pytest.mark.parametrize(
    ("address", "count"), [(1207, 2), (1206, 1), (300, 127), (425, 2), (307, 4)]
)
async def test_reads_that_cut_a_value_or_leave_the_map_are_refused(
    bench: Bench, address: int, count: int
) -> None:
    client = await bench.client(CHARGER)
    count = min(count, 125)
    answer = await client.read_holding_registers(address, count=count, device_id=1)
    assert answer.isError()
    assert answer.exception_code == 2


@pytest.mark.parametrize(
    ("address", "values"), [(1212, [0, 0]), (1210, [0]), (1206, [0, 0]), (5, [1])]
)
async def test_writes_to_what_is_not_writable_are_refused(
    bench: Bench, address: int, values: list[int]
) -> None:
    client = await bench.client(CHARGER)
    answer = await client.write_registers(address, values, device_id=1)
    assert answer.exception_code == 2
    assert not bench.site.wires[CHARGER].writes


async def test_third_client_is_turned_away_and_the_inspection_socket_stays_open(
    bench: Bench,
) -> None:
    first, second, third = [await bench.client(CHARGER) for _ in range(3)]
    for client in (first, second):
        assert await holding(client, 1212, "f") == 6
    await asyncio.sleep(0.02)
    assert not third.connected
    inspector = await bench.client(f"{CHARGER}.inspection")
    assert await holding(inspector, 1212, "f") == 6


async def test_idle_client_is_dropped_after_a_minute(bench: Bench) -> None:
    client = await bench.client(CHARGER)
    await holding(client, 1212, "f")
    bench.run(59)
    await asyncio.sleep(0.01)
    assert client.connected
    bench.run(3)
    await asyncio.sleep(0.01)
    assert not client.connected


# Inverter.


async def find_model(client: AsyncModbusTcpClient, wanted: int) -> int:
    assert await holding(client, 40_000, "I") == 0x53756E53
    at = 40_002
    while (model := await holding(client, at, "H")) != 0xFFFF:
        if model == wanted:
            return at
        at += await holding(client, at + 1, "H") + 2
    raise AssertionError(f"no model {wanted}")


async def test_models_can_be_walked_to_their_end(bench: Bench) -> None:
    client = await bench.client(INVERTER)
    for model in (1, 103, 120, 121, 123):
        assert await find_model(client, model)


async def test_percentage_acts_only_once_it_is_enabled(bench: Bench) -> None:
    bench.site.solar.sun = 1.0
    bench.run(10)
    client = await bench.client(INVERTER)
    at = await find_model(client, 123)
    measured = await find_model(client, 103) + 14
    await client.write_register(at + 5, 250, device_id=1)
    bench.run(2)
    assert await holding(client, measured, "h") == 12_000
    await client.write_register(at + 9, 1, device_id=1)
    bench.run(2)
    assert await holding(client, measured, "h") == 3_000
    assert await holding(client, measured + 24, "H") == 5
    await client.write_register(at + 9, 0, device_id=1)
    bench.run(10)
    assert await holding(client, measured, "h") == 12_000


async def test_limit_reverts_after_its_time_unless_it_is_written_again(
    bench: Bench,
) -> None:
    client = await bench.client(INVERTER)
    at = await find_model(client, 123)
    await client.write_registers(at + 5, [0, 0, 20, 0, 1], device_id=1)
    bench.run(15)
    assert bench.site.solar.ceiling == 0
    await client.write_registers(at + 5, [0, 0, 20, 0, 1], device_id=1)
    bench.run(15)
    assert bench.site.solar.ceiling == 0
    bench.run(6)
    assert bench.site.solar.ceiling == 12_000
    assert await holding(client, at + 9, "H") == 0


async def test_disconnection_reverts_after_its_time(bench: Bench) -> None:
    bench.site.solar.sun = 1.0
    client = await bench.client(INVERTER)
    at = await find_model(client, 123)
    await client.write_registers(at + 3, [10, 0], device_id=1)
    bench.run(5)
    assert bench.site.solar.power == 0
    bench.run(12)
    assert bench.site.solar.power < -10_000
    assert await holding(client, at + 4, "H") == 1


async def test_more_than_a_hundred_percent_is_refused(bench: Bench) -> None:
    client = await bench.client(INVERTER)
    at = await find_model(client, 123)
    answer = await client.write_register(at + 5, 1001, device_id=1)
    assert answer.exception_code == 3
    assert await holding(client, at + 5, "H") == 1000


async def test_model_704_limits_and_reverts_too() -> None:
    bench = Bench(inverter_controls=704)
    await bench.site.start()
    client = await bench.client(INVERTER)
    at = await find_model(client, 704)
    await client.write_registers(at + 18, words("I", 30), device_id=1)
    await client.write_registers(at + 14, [1, 400], device_id=1)
    bench.run(10)
    assert bench.site.solar.ceiling == 4_800
    assert await holding(client, at + 20, "I") == 20
    bench.run(25)
    assert bench.site.solar.ceiling == 12_000
    assert await holding(client, at + 14, "H") == 0
    client.close()
    await bench.site.stop()


# Battery.


async def test_battery_follows_only_in_remote_mode(bench: Bench) -> None:
    client = await bench.client(BATTERY)
    await client.write_registers(100, words("i", -3_000), device_id=1)
    bench.run(2)
    assert await holding(client, 2, "i") == 0
    await client.write_register(102, 1, device_id=1)
    bench.run(2)
    assert await holding(client, 2, "i") == -3_000
    assert await holding(client, 4, "i") == -3_000
    assert await holding(client, 1, "H") == 2


async def test_silence_makes_the_battery_stand_by(bench: Bench) -> None:
    client = await bench.client(BATTERY)
    await client.write_registers(100, [*words("i", 2_000), 1, 0, 10], device_id=1)
    bench.run(8)
    assert await holding(client, 2, "i") == 2_000
    await client.write_register(103, 1, device_id=1)
    bench.run(8)
    assert await holding(client, 2, "i") == 2_000
    bench.run(4)
    assert await holding(client, 2, "i") == 0
    assert await holding(client, 14, "H") == 0


async def test_half_a_setpoint_is_refused(bench: Bench) -> None:
    client = await bench.client(BATTERY)
    assert (await client.write_register(100, 1, device_id=1)).exception_code == 3
    assert (await client.write_register(0, 1, device_id=1)).exception_code == 2


# Relays.


async def test_energised_relay_opens_the_contactor_and_the_input_proves_it(
    bench: Bench,
) -> None:
    bench.site.solar.sun = 1.0
    bench.run(10)
    client = await bench.client(RELAY)
    await client.write_coil(0, True, device_id=1)
    bench.run(STEP)
    assert bench.site.solar.power == 0
    assert (await client.read_coils(0, count=6, device_id=1)).bits[:6] == [
        True,
        *[False] * 5,
    ]
    assert (await client.read_discrete_inputs(0, count=1, device_id=1)).bits[0]
    assert await holding(client, 32, "H") == 1


async def test_output_word_moves_the_same_relays(bench: Bench) -> None:
    client = await bench.client(RELAY)
    for _ in range(2):
        await client.write_register(32, 0b100001, device_id=1)
    bits = (await client.read_coils(0, count=6, device_id=1)).bits[:6]
    assert bits == [True, False, False, False, False, True]
    assert not bench.site.solar_contactor.closed
    await client.write_coils(0, [False] * 6, device_id=1)
    assert bench.site.solar_contactor.closed
    cycles = await client.read_input_registers(64, count=12, device_id=1)
    assert cycles.registers == [0, 1, *[0] * 9, 1]


async def test_rebooting_module_lets_its_relays_fall(bench: Bench) -> None:
    client = await bench.client(RELAY)
    await client.write_coil(0, True, device_id=1)
    bench.site.relays.reboot()
    assert bench.site.solar_contactor.closed
    assert not (await client.read_coils(0, count=1, device_id=1)).bits[0]


async def test_the_stop_button_opens_its_circuit_while_it_is_held(
    bench: Bench,
) -> None:
    client = await bench.client(RELAY)
    for held in (False, True, False):
        bench.site.relays.button_held = held
        inputs = await client.read_discrete_inputs(0, count=6, device_id=1)
        assert inputs.bits[:6] == [False, not held, *[False] * 4]
        assert not (await client.read_coils(0, count=6, device_id=1)).bits[0]


async def test_there_is_no_seventh_relay(bench: Bench) -> None:
    client = await bench.client(RELAY)
    assert (await client.write_coil(6, True, device_id=1)).exception_code == 2
    answer = await client.write_coils(4, [True] * 4, device_id=1)
    assert answer.exception_code == 2


async def test_boiler_relay_switches_and_measures(bench: Bench) -> None:
    client = await bench.client(BOILER)
    bench.run(1)
    answer = await client.read_input_registers(0, count=1, device_id=1)
    assert answer.registers == [2_400]
    await client.write_coil(0, False, device_id=1)
    bench.run(1)
    answer = await client.read_input_registers(0, count=1, device_id=1)
    assert answer.registers == [0]


# Meter.


async def test_acuvim_shows_the_connection_point_behind_its_transformers() -> None:
    bench = Bench(seed=3, current_ratio=40)
    await bench.site.start()
    bench.run(5)
    client = await bench.client(SITE_METER)
    connection = bench.site.plant.connection
    power = await holding(client, 0x4000 + 34, "f")
    assert 40 * power == pytest.approx(connection.total_power)
    current = await holding(client, 0x4000 + 18, "f")
    assert 40 * current == pytest.approx(connection.current[0])
    assert await holding(client, 0x4000, "f") == pytest.approx(50, abs=0.2)
    client.close()
    await bench.site.stop()


# Wires.


async def test_unplugged_device_drops_its_clients_and_returns(bench: Bench) -> None:
    client = await bench.client(RELAY)
    await client.write_coil(0, True, device_id=1)
    wire = bench.site.wires[RELAY]
    port = wire.port
    await wire.unplug()
    await asyncio.sleep(0.02)
    assert not client.connected
    assert not await (await bench.client(RELAY)).connect()
    for _ in range(2):
        await wire.plug()
    assert wire.port == port
    again = await bench.client(RELAY)
    assert (await again.read_coils(0, count=1, device_id=1)).bits[0]


async def test_silent_device_keeps_the_connection_and_answers_nothing(
    bench: Bench,
) -> None:
    client = await bench.client(RELAY)
    bench.site.wires[RELAY].silent = True
    with pytest.raises(Exception, match="No response"):
        await client.read_coils(0, count=1, device_id=1)
    assert client.connected


async def test_writes_are_remembered_with_their_time(bench: Bench) -> None:
    client = await bench.client(RELAY)
    await client.write_coil(0, True, device_id=1)
    bench.run(5)
    await client.write_coil(0, False, device_id=1)
    first, second = bench.site.wires[RELAY].writes
    assert (first.space, first.address, first.values) == ("coils", 0, (1,))
    assert second.at - first.at == pytest.approx(5)


@pytest.fixture
async def annexe() -> AsyncIterator[Bench]:
    target = Bench(seed=3, annexe=True)
    await target.site.start()
    yield target
    for client in target.clients:
        client.close()
    await target.site.stop()


async def test_annexe_follows_its_controllers_registers_and_its_meter_sees_it(
    annexe: Bench,
) -> None:
    client = await annexe.client(ANNEXE)
    parts = annexe.site.annexe
    assert parts is not None
    annexe.site.solar.sun = 1.0
    annexe.run(10)
    does = (await client.read_input_registers(0, count=3, device_id=1)).registers
    assert does == [2300, 0x10000 - 2000, 0]
    await client.write_register(0, 0, device_id=1)
    await client.write_register(1, 50, device_id=1)
    await client.write_register(2, 0x10000 - 500, device_id=1)
    annexe.run(10)
    does = (await client.read_input_registers(0, count=3, device_id=1)).registers
    assert does == [0, 0x10000 - 1000, 0x10000 - 500]
    words = (
        await client.read_holding_registers(0x4022, count=2, device_id=3)
    ).registers
    (power,) = struct.unpack(">f", struct.pack(">2H", *words))
    assert power == pytest.approx(-1500, abs=1)


async def test_annexes_contactor_takes_the_grid_from_its_inverter(
    annexe: Bench,
) -> None:
    client = await annexe.client(ANNEXE)
    annexe.site.solar.sun = 1.0
    annexe.run(10)
    await client.write_coil(0, False, device_id=1)
    annexe.run(1)
    assert (await client.read_input_registers(1, count=1, device_id=1)).registers == [0]


async def test_cold_store_takes_a_request_or_refuses_it_with_a_cause(
    annexe: Bench,
) -> None:
    client = await annexe.client(ANNEXE)
    parts = annexe.site.annexe
    assert parts is not None

    async def words() -> list[int]:
        answer = await client.read_holding_registers(0, count=5, device_id=2)
        registers: list[int] = answer.registers
        return registers

    assert await words() == [0, 1, 0, 0, 0]
    await client.write_register(0, 1, device_id=2)
    assert await words() == [1, 1, 0, 0, 600]
    parts.units[1].door_open = True
    assert await words() == [1, 0, DOOR_OPEN, 0, 0]
    assert (await client.write_register(4, 1, device_id=2)).isError()


async def test_a_site_has_an_annexe_only_where_it_is_asked_for(bench: Bench) -> None:
    assert ANNEXE not in bench.site.ports
