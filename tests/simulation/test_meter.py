"""The P1 port: telegrams as a Belgian meter prints them, on a socket."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import random

from dsmr_parser import obis_references
from dsmr_parser.parsers import TelegramParser
from dsmr_parser.telegram_specifications import BELGIUM_FLUVIUS
import pytest

from custom_components.netflex.model.connection import GridType
from custom_components.netflex.simulation.meter import (
    MeterIdentity,
    P1Wire,
    Registers,
    build_telegram,
    crc16_arc,
    quarter_of,
    tariff,
    timestamp,
)
from custom_components.netflex.simulation.physics import (
    STEP,
    Boiler,
    Contactor,
    Inverter,
    Plant,
)

AT = datetime(2026, 11, 20, 9, 7, 30, tzinfo=UTC)


def objects(telegram: bytes) -> dict[str, list[str]]:
    rows = {}
    for line in telegram.decode("ascii").split("\r\n"):
        code, _, rest = line.partition("(")
        if ":" in code and rest:
            rows[code] = rest.rstrip(")").split(")(")
    return rows


def loaded_plant(grid_type: GridType = GridType.STAR) -> Plant:
    plant = Plant(
        grid_type,
        (
            Boiler(Contactor("boiler"), 2_400, branch=1),
            Inverter(6_000, Contactor("solar"), sun=1.0),
        ),
        random.Random(1),
    )
    for _ in range(round(10 / STEP)):
        plant.step(STEP)
    return plant


def wire(plant: Plant, version: int = 21) -> P1Wire:
    return P1Wire(
        plant=plant,
        identity=MeterIdentity(version=version, grid_type=plant.grid_type),
        utc=lambda: AT,
    )


def test_crc_is_the_one_of_the_check_value() -> None:
    assert crc16_arc(b"123456789") == 0xBB3D


@pytest.mark.parametrize("version", [17, 21])
def test_an_independent_parser_reads_the_telegram(version: int) -> None:
    telegram = wire(loaded_plant(), version).send()
    parsed = TelegramParser(BELGIUM_FLUVIUS).parse(telegram.decode("ascii"))
    values = {
        reference: parsed[getattr(obis_references, reference)].value
        for reference in (
            "CURRENT_ELECTRICITY_USAGE",
            "CURRENT_ELECTRICITY_DELIVERY",
            "INSTANTANEOUS_CURRENT_L1",
            "INSTANTANEOUS_ACTIVE_POWER_L2_POSITIVE",
            "INSTANTANEOUS_ACTIVE_POWER_L1_NEGATIVE",
            "P1_MESSAGE_TIMESTAMP",
        )
    }
    assert values == {
        "CURRENT_ELECTRICITY_USAGE": Decimal("0.000"),
        "CURRENT_ELECTRICITY_DELIVERY": Decimal("3.600"),
        "INSTANTANEOUS_CURRENT_L1": Decimal("8.70"),
        "INSTANTANEOUS_ACTIVE_POWER_L2_POSITIVE": Decimal("0.400"),
        "INSTANTANEOUS_ACTIVE_POWER_L1_NEGATIVE": Decimal("2.000"),
        "P1_MESSAGE_TIMESTAMP": AT,
    }


def test_telegram_carries_its_own_crc() -> None:
    telegram = wire(loaded_plant()).send()
    body, _, crc = telegram.rpartition(b"!")
    assert int(crc, 16) == crc16_arc(body + b"!")
    assert telegram.startswith(b"/FLU5\\")
    assert telegram.endswith(b"\r\n")


def test_newer_meter_names_its_grid_type_and_the_older_does_not() -> None:
    assert objects(wire(loaded_plant()).send())["1-0:94.32.1"] == ["400"]
    delta = loaded_plant(GridType.DELTA)
    assert objects(wire(delta).send())["1-0:94.32.1"] == ["230"]
    assert "1-0:94.32.1" not in objects(wire(delta, 17).send())


def test_delta_meter_prints_no_voltage_and_no_power_for_the_second_line() -> None:
    rows = objects(wire(loaded_plant(GridType.DELTA)).send())
    assert rows["1-0:52.7.0"] == ["000.0*V"]
    assert rows["1-0:41.7.0"] == ["00.000*kW"]
    assert float(rows["1-0:51.7.0"][0].removesuffix("*A")) > 0


def test_single_phase_meter_prints_one_line() -> None:
    rows = objects(wire(loaded_plant(GridType.SINGLE_PHASE)).send())
    assert "1-0:31.7.0" in rows
    assert "1-0:51.7.0" not in rows


def test_thresholds_that_are_not_active_are_all_nines() -> None:
    newer = objects(wire(loaded_plant()).send())
    older = objects(wire(loaded_plant(), 17).send())
    assert (newer["0-0:17.0.0"], newer["1-0:31.4.0"]) == (["99.999*kW"], ["999.99*A"])
    assert (older["0-0:17.0.0"], older["1-0:31.4.0"]) == (["999.9*kW"], ["999*A"])


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "261025023000S"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "261025023000W"),
        (datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC), "260701140005S"),
    ],
)
def test_time_stamp_tells_summer_from_winter(at: datetime, expected: str) -> None:
    assert timestamp(at) == expected


def test_tariff_is_day_on_a_working_day_and_night_at_the_weekend() -> None:
    assert tariff(datetime(2026, 11, 20, 9, tzinfo=UTC)) == 1
    assert tariff(datetime(2026, 11, 20, 21, 30, tzinfo=UTC)) == 2
    assert tariff(datetime(2026, 11, 21, 9, tzinfo=UTC)) == 2


def test_quarter_demand_is_a_ramp_over_the_clock_quarter() -> None:
    registers = Registers()
    registers.count(0, 0, AT)
    registers.count(250, 90, AT + timedelta(seconds=60))
    assert registers.quarter_demand == 1_000
    registers.count(0, 0, AT + timedelta(minutes=8))
    assert registers.quarter_demand == 0


def test_a_higher_quarter_becomes_the_peak_of_the_month_with_its_end() -> None:
    registers = Registers()
    registers.count(0, 0, AT)
    registers.count(2_500, 0, AT + timedelta(seconds=1))
    registers.count(0, 0, AT + timedelta(minutes=10))
    assert registers.month_peak == (quarter_of(AT) + timedelta(minutes=15), 10_000)


def test_a_new_month_moves_the_peak_into_the_history() -> None:
    registers = Registers()
    end = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
    registers.count(0, 0, end)
    before = len(registers.history)
    assert registers.month_peak is not None
    peak = registers.month_peak[1]
    registers.count(100, 0, end + timedelta(seconds=2))
    assert len(registers.history) == before + 1
    assert registers.history[-1][2] == peak
    assert timestamp(registers.history[-1][0]) == "261201000000W"
    assert registers.month_peak[1] == 0


def test_history_is_as_long_as_it_says() -> None:
    registers = Registers()
    registers.count(0, 0, AT)
    plant = loaded_plant()
    rows = objects(build_telegram(MeterIdentity(), registers, plant.connection, AT))
    count, *rest = rows["0-0:98.1.0"]
    assert len(rest) == 2 + 3 * int(count)


async def read_for(
    port: int, send: P1Wire, telegrams: int
) -> tuple[bytes, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not send.clients:
        await asyncio.sleep(0.005)
    for _ in range(telegrams):
        send.send()
    data = b""
    while data.count(b"!") < telegrams:
        data += await asyncio.wait_for(reader.read(4096), 1)
    return data, writer


@pytest.mark.usefixtures("socket_enabled")
async def test_unplugged_port_drops_its_reader_and_comes_back_on_its_number() -> None:
    target = wire(loaded_plant())
    await target.plug()
    port = target.port
    data, writer = await read_for(port, target, 2)
    assert data.count(b"/FLU5") == 2
    await target.unplug()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)
    await target.plug()
    assert target.port == port
    data, second = await read_for(port, target, 1)
    assert data.startswith(b"/FLU5")
    for open_writer in (writer, second):
        open_writer.close()
    for _ in range(2):
        await target.unplug()
    assert not target.plugged


@pytest.mark.usefixtures("socket_enabled")
async def test_what_a_reader_sends_is_ignored() -> None:
    target = wire(loaded_plant())
    await target.plug()
    _, writer = await read_for(target.port, target, 1)
    writer.write(b"hello\r\n")
    await writer.drain()
    # Another reader's telegram shows that the words of the first have been read.
    data, other = await read_for(target.port, target, 1)
    assert data.startswith(b"/FLU5")
    assert target.clients == 2
    for open_writer in (writer, other):
        open_writer.close()
    await target.unplug()


@pytest.mark.usefixtures("socket_enabled")
async def test_damage_spoils_that_many_telegrams_and_silence_sends_none() -> None:
    target = wire(loaded_plant())
    await target.plug()
    target.damage = 1
    bad, good = target.send(), target.send()
    assert max(bad) > 127
    assert max(good) < 128
    target.silent = True
    before = target.sent
    target.send()
    assert target.sent == before
    await target.unplug()
