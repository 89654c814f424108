"""The simulated S1 port: frames as the standard prints them, and what they carry."""

import asyncio
import random
import time

import numpy as np
import pytest

from custom_components.netflex.metering.s1_analysis import S1Analysis
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.power_quality import PowerQuality
from custom_components.netflex.simulation.household import (
    S1,
    SimulatedSite,
    SiteSettings,
)
from custom_components.netflex.simulation.physics import (
    BaseLoad,
    Boiler,
    Contactor,
    Plant,
)
from custom_components.netflex.simulation.s1_meter import S1Wire, encode, waveform_of
from tests.metering.s1_waves import DELTA, SINGLE, STAR, frame

INFO = {
    GridType.SINGLE_PHASE: SINGLE,
    GridType.STAR: STAR,
    GridType.DELTA: DELTA,
}


@pytest.mark.parametrize("grid_type", GridType)
def test_frames_are_those_of_an_encoder_octet_by_octet(grid_type: GridType) -> None:
    generator = random.Random(3)
    digits = [
        [generator.randint(-30_000, 30_000) for _ in range(7)] for _ in range(300)
    ]
    steps = np.array([0.025, 0.001, 0.025, 0.001, 0.025, 0.001, 0.001])
    encoded = encode(
        np.array(digits) * steps,
        grid_type=grid_type,
        frequency=50.017,
        first=250,
        meter_id="1SAG3100012345",
    )
    assert encoded == b"".join(
        frame(row, sequence=250 + number, info=INFO[grid_type], frequency=50_017)
        for number, row in enumerate(digits)
    )


def measured(wire: S1Wire) -> PowerQuality:
    analysis = S1Analysis("meter")
    found = [
        quality
        for _ in range(12)
        for quality in analysis.take(wire.frames(260), None).qualities
    ]
    return found[-1]


@pytest.mark.parametrize("grid_type", GridType)
def test_it_carries_what_flows_through_the_connection(grid_type: GridType) -> None:
    parts = (
        BaseLoad(random.Random(1), tangent_phi=0.3),
        Boiler(Contactor("boiler"), 2_400, branch=1),
    )
    plant = Plant(grid_type, parts, random.Random(1))
    plant.step(0.05)
    quality = measured(
        S1Wire(
            waveform=lambda: waveform_of(plant.connection, grid_type),
            grid_type=grid_type,
        )
    )
    connection = plant.connection
    assert quality.grid_type is grid_type
    assert quality.power == pytest.approx(connection.total_power, abs=2)
    assert quality.reactive_power == pytest.approx(
        sum(connection.reactive_power), abs=2
    )
    for line, current in zip(quality.lines, connection.current, strict=False):
        # Without reactive power the plant's currents are those of its powers.
        assert line.current == pytest.approx(current, rel=0.05)
    if grid_type is not GridType.SINGLE_PHASE:
        assert quality.reversed_order is False


def test_faults_are_damaged_and_lost_frames() -> None:
    plant = Plant(GridType.STAR, (), random.Random(1))
    wire = S1Wire(waveform=lambda: waveform_of(plant.connection, GridType.STAR))
    analysis = S1Analysis("meter")
    analysis.take(wire.frames(100), None)
    wire.damage = 3
    analysis.take(wire.frames(100), None)
    wire.lose = 4
    analysis.take(wire.frames(100), None)
    counts = analysis.counts
    assert (counts.good, counts.damaged, counts.lost) == (293, 3, 4)


async def test_a_site_sends_at_the_real_rate_to_who_is_there(
    socket_enabled: None,
) -> None:
    site = SimulatedSite(SiteSettings())
    await site.start()
    try:
        begun = time.monotonic()
        assert site.s1.tick(begun) == b""
        reader, writer = await asyncio.open_connection("127.0.0.1", site.ports[S1])
        while not site.s1.clients:
            await asyncio.sleep(0.005)
        site.tick(begun)
        site.tick(begun + 0.5)
        data = await reader.readexactly(45 * 1200)
        assert data[:5].hex() == "7e802bff03"
        assert site.s1.sent == pytest.approx(1300, abs=3)
        writer.close()
    finally:
        await site.stop()
