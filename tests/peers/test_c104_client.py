"""c104's client, an independent implementation, against the controlled station."""

import asyncio
from pathlib import Path

import pytest

from custom_components.netflex.iec104 import (
    Cause,
    ControlledStation,
    LinkState,
    MonitorObject,
    Quality,
    StationConfig,
    TypeId,
)
from tests.iec104.bench import (
    FEEDBACK,
    MEASUREMENT,
    Q_MODE,
    SELECTED_SETPOINT,
    SETPOINT,
    SETPOINTS,
    STOP_PRODUCTION,
    Plant,
    Watcher,
)

from .c104 import start_rtu

pytestmark = pytest.mark.peer


async def test_c104_client_uses_every_service(peer_python: Path, socket_enabled: None):
    plant, watcher = Plant(), Watcher()
    station = ControlledStation(
        StationConfig(host="127.0.0.1", port=0), plant, observer=watcher
    )
    await station.start()
    try:
        async with start_rtu(peer_python) as rtu:
            await rtu.connect(*station.address)

            await rtu.interrogate()
            await rtu.wait_point(MEASUREMENT + 13)
            received = {point.ioa: point for point in rtu.points.values()}
            assert set(received) == set(plant.values)
            assert received[SETPOINT + FEEDBACK].value == 100.0
            assert received[Q_MODE + FEEDBACK].value == "OFF"
            assert {point.quality for point in received.values()} == {0}
            assert await rtu.clock_sync()
            assert abs(station.status.clock_offset) < 1
            assert await rtu.test_command()

            for ioa, type_name, value, feedback in (
                (STOP_PRODUCTION, "C_SC_NA_1", 1, 1.0),
                (STOP_PRODUCTION, "C_SC_TA_1", 0, 0.0),
                (Q_MODE, "C_DC_NA_1", 2, "ON"),
                (Q_MODE, "C_DC_TA_1", 1, "OFF"),
                (SETPOINT, "C_SE_NC_1", 40.0, 40.0),
                (SETPOINT, "C_SE_TC_1", 60.0, 60.0),
            ):
                answer = await rtu.command(ioa, type_name, value)
                assert answer.accepted, (type_name, answer)
                assert answer.terminated
                point = await rtu.wait_point(
                    ioa + FEEDBACK, lambda point, v=feedback: point.value == v
                )
                assert point.cause == "RETURN_INFO_REMOTE"
                assert point.recorded_at is not None

            assert not (await rtu.command(SETPOINT, "C_SE_NC_1", 101.0)).accepted
            assert not (await rtu.command(Q_MODE, "C_DC_NA_1", 3)).accepted
            unknown = await rtu.command(9, "C_SC_NA_1", 1)
            assert (unknown.cause, unknown.negative) == (47, True)
            selected = await rtu.command(
                SELECTED_SETPOINT, "C_SE_NC_1", 30.0, select=True
            )
            assert selected.accepted
            assert plant.executed[-1].value == 30.0
            direct = await rtu.command(SELECTED_SETPOINT, "C_SE_NC_1", 31.0)
            assert (direct.cause, direct.negative) == (7, True)

            station.report(
                MonitorObject(
                    type_id=TypeId.M_ME_NC_1,
                    ioa=MEASUREMENT,
                    value=-12.5,
                    quality=Quality.NOT_TOPICAL,
                ),
                Cause.PERIODIC,
            )
            point = await rtu.wait_point(
                MEASUREMENT, lambda point: point.value == -12.5
            )
            assert (point.cause, point.quality) == ("PERIODIC", Quality.NOT_TOPICAL)

            for ioa in SETPOINTS[:3]:
                station.report(plant.put(TypeId.M_ME_TF_1, ioa + FEEDBACK, 7.0))
            for ioa in SETPOINTS[:3]:
                await rtu.wait_point(ioa + FEEDBACK, lambda point: point.value == 7.0)
            told = [one.ioa - FEEDBACK for one in rtu.history if one.value == 7.0]
            assert told == list(SETPOINTS[:3])
            assert rtu.asdus[-1][:3] == bytes((TypeId.M_ME_TF_1, 3, Cause.SPONTANEOUS))
            # c104 takes feedback of setpoints and remarks that the standard's table
            # has return information for single and double points only.
            assert {octets[:11] for octets in rtu.unexpected} == {"INVALID_COT"}
            assert {
                bytes.fromhex(octets.split(": ")[1])[6] for octets in rtu.unexpected
            } == {TypeId.M_ME_TF_1}

            await rtu.disconnect()
            station.report(
                MonitorObject(type_id=TypeId.M_SP_TB_1, ioa=11001, value=True)
            )
            while station.status.state is LinkState.STARTED:
                await asyncio.sleep(0.01)
            await rtu.connect(*station.address)
            await rtu.wait_point(11001, lambda point: point.value == 1.0)
            assert station.status.counters.connections == 2
    finally:
        await station.stop()
