"""Rehearsing a whole site in Home Assistant, beside an independent RTU (S07)."""

import asyncio
from pathlib import Path
from typing import Any

from homeassistant.exceptions import ServiceValidationError
import pytest

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.model.orders import NO_ORDERS, OrderName
from custom_components.netflex.site.rehearsal import ENDS
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS
from custom_components.netflex.telecontrol.rehearsal import CHAPTERS, Chapter
from custom_components.netflex.telecontrol.rehearsal_run import Pace, Run
from custom_components.netflex.telecontrol.rehearsal_station import RehearsalEnd

from .bench import LOOPBACK, SiteBench

pytestmark = pytest.mark.peer


def only(monkeypatch: pytest.MonkeyPatch, *chapters: Chapter) -> None:
    """Rehearse these parts of the list, without dwelling on them."""
    monkeypatch.setattr(
        "custom_components.netflex.site.rehearsal.SiteRehearsal.run.__kwdefaults__",
        {"pace": Pace(poll=0.05, dwell=0.0, recover=0.0), "chapters": chapters},
    )


def parts(*words: str) -> tuple[Chapter, ...]:
    return tuple(
        chapter
        for chapter in CHAPTERS
        if any(chapter.title.startswith(word) for word in words)
    )


async def rehearse(bench: SiteBench, **options: Any) -> dict[str, Any]:
    response = await bench.hass.services.async_call(
        DOMAIN,
        "rehearse",
        {"config_entry_id": bench.entry.entry_id, **options},
        blocking=True,
        return_response=True,
    )
    assert isinstance(response, dict)
    return response


async def test_S07_a_connected_rtu_keeps_its_link(
    bench: SiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, *parts("Link", "Points", "Clock", "Reason", "Test", "What"))
    with pytest.raises(ServiceValidationError) as refused:
        await rehearse(bench, real=True, confirmed=True)
    assert refused.value.translation_key == "operator_connected"
    response = await rehearse(bench)
    assert response["outcome"] == "passed", response["failed_steps"]
    report = Path(response["html"]).read_text(encoding="utf-8")
    assert "Nothing was written to any device or relay" in report
    # The same connection still gives orders.
    answer = await bench.rtu.command(
        DEFAULT_POINTS.by_name["maxsetp"].ioa, "C_SE_NC_1", 90.0
    )
    assert answer.accepted


async def test_S07_real_orders_stop_the_site_until_the_operator_comes(
    bench: SiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.rtu.disconnect()
    await bench.until(lambda: bench.state("binary_sensor", "operator_link") == "off")
    held = asyncio.Event()

    async def hold(run: Run) -> None:
        await run.client.order(OrderName.EMERGENCY_STOP_PRODUCTION, True, feedback=20.0)
        held.set()
        while True:
            await run.pause()

    stop = Chapter(title="Hold a stop", shows="", steps=hold)
    only(monkeypatch, *parts("Link", "Reason"), stop)
    task = asyncio.create_task(rehearse(bench, real=True, confirmed=True))
    async with asyncio.timeout(40):
        await held.wait()
    await bench.until(bench.coil)
    await bench.until(lambda: bench.plant.solar.power == 0)
    await bench.until(lambda: bench.state("sensor", "rehearsal") == "running")
    await bench.rtu.connect(LOOPBACK, bench.port)
    async with asyncio.timeout(40):
        response = await task
    assert response["outcome"] == "ended_early"
    assert response["ended_early"] == ENDS[RehearsalEnd.OPERATOR_CONNECTED]
    await bench.until(lambda: not bench.coil())
    await bench.until(
        lambda: bench.entry.runtime_data.coordinator.data.orders == NO_ORDERS
    )
    await bench.until(lambda: bench.plant.solar.power < -1_000)
    assert bench.state("sensor", "rehearsal") == "ended_early"
