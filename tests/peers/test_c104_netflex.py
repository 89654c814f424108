"""c104's client, an independent implementation, as the grid operator's RTU."""

import asyncio
from pathlib import Path

import pytest

from custom_components.netflex.iec104 import Cause, TypeId
from custom_components.netflex.model.asset import Category
from custom_components.netflex.model.measurement import CategoryMeasurement
from custom_components.netflex.model.orders import OrderName
from tests.telecontrol.bench import ORDERS, POINTS, Told, running

from .c104 import start_rtu

pytestmark = pytest.mark.peer

TYPES = {45: "C_SC_NA_1", 46: "C_DC_NA_1", 50: "C_SE_NC_1"}
TAGGED = {45: "C_SC_TA_1", 46: "C_DC_TA_1", 50: "C_SE_TC_1"}
DOUBLE = {1: "OFF", 2: "ON"}


@pytest.mark.usefixtures("socket_enabled")
async def test_c104_gives_every_order_and_reads_everything_back(
    peer_python: Path, tmp_path: Path
) -> None:
    told = Told()
    path = tmp_path / "orders"
    async with running(told, path=path) as station, start_rtu(peer_python) as rtu:
        station.set_measurements(
            {Category.STORAGE: CategoryMeasurement(power=2500.0, reactive_power=-100.0)}
        )
        assert station.address is not None
        await rtu.connect(*station.address)
        await rtu.interrogate()
        assert await rtu.clock_sync()
        monitored = {p.ioa for p in POINTS.values() if p.initial is not None}
        assert monitored <= set(rtu.points)
        assert rtu.points[POINTS["minsetp_feedback"].ioa].value == 100.0
        storage = await rtu.wait_point(
            POINTS["p_storage"].ioa, lambda point: point.cause == "PERIODIC"
        )
        assert (storage.value, storage.quality) == (2.5, 0)
        for types in (TYPES, TAGGED):
            for name in OrderName:
                await _give(rtu, types, name)
        assert {event.accepted for event in told.events} == {True}
        refused = await rtu.command(POINTS["maxsetp"].ioa, "C_SE_NC_1", 101.0)
        assert (refused.cause, refused.negative) == (7, True)
        await rtu.disconnect()
        async with asyncio.timeout(2):
            while station.link.connected:
                await asyncio.sleep(0.01)
        orders = station.orders
        # c104 takes cause 11 of a measured value with time, but remarks upon it: the
        # companion standard lists returned information for states only.
        remarks = {_remark(text) for text in rtu.unexpected}
        assert remarks <= {("INVALID_COT", TypeId.M_ME_TF_1, Cause.RETURN_REMOTE)}
    async with running(Told(), path=path) as station:
        assert station.orders.present().keys() == orders.present().keys()


def _remark(text: str) -> tuple[str, int, int]:
    """Return what c104 remarks, and type and cause of the APDU that it means."""
    remark, _, octets = text.partition(": ")
    apdu = bytes.fromhex(octets)
    return remark, apdu[6], apdu[8] & 0x3F


async def _give(rtu, types: dict[int, str], name: OrderName) -> None:
    point, feedback = POINTS[name], POINTS[f"{name}_feedback"]
    for value in ORDERS[name]:
        answer = await rtu.command(point.ioa, types[point.type_id], value)
        assert answer.accepted, (name, value, answer)
        assert answer.terminated
        expected = DOUBLE[value] if name is OrderName.Q_MODE else float(value)
        seen = await rtu.wait_point(
            feedback.ioa, lambda point, expected=expected: point.value == expected
        )
        assert seen.cause == "RETURN_INFO_REMOTE"
        assert seen.recorded_at is not None
