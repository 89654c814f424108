"""What the whole chain leaves in the journal, with its causes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_verify import read_records, verify

from .bench import Bench, running

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.plant.solar.sun = 0.8
        bench.plant.car.plugged = True
        await bench.connect()
        await bench.until(lambda: bench.charger_register() >= 6.0)
        yield bench


def records(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [
        (record.kind, dict(record.data))
        for _line, record in read_records(list_segments(folder))
    ]


async def test_S01_a_stop_leaves_its_whole_story(bench: Bench, tmp_path: Path) -> None:
    await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, True)
    await bench.until(lambda: bench.plant.solar.power == 0)
    await bench.rtu.order(OrderName.EMERGENCY_STOP_PRODUCTION, False)
    journal = bench.host.journal
    assert journal is not None
    assert await journal.settled(2.0)
    found = records(journal.folder)
    kinds = [kind for kind, _data in found]
    assert kinds[:2] == ["segment", "started"]
    link = [data["event"] for kind, data in found if kind == "link"]
    assert link == ["opened", "started"]

    at = next(
        index
        for index, (kind, data) in enumerate(found)
        if kind == "order" and data["value"] is True
    )
    story = found[at:]
    order = story[0][1]
    assert order["name"] == "emergency_stop_production"
    assert order["source"] == "operator"
    assert order["client"] == "127.0.0.1"
    assert not order["relaxes"]

    def first(kind: str, **wanted: object) -> int:
        return next(
            index
            for index, (each, data) in enumerate(story)
            if each == kind and wanted.items() <= data.items()
        )

    def written(device: str) -> dict[str, Any]:
        return story[first("write", device=device, emergency=True)][1]

    # The proof counts only once everything was written, feedback only after that.
    confirmation = first("confirmation", accepted=True)
    proof = first("stop_proof", complete=True)
    feedback = first("feedback", value=True)
    assert confirmation > 0
    assert max(first("write", device=d) for d in ("relay", "solar")) < proof
    assert proof < feedback < first("termination")
    assert written("relay")["causes"] == [
        "The grid operator's emergency stop of production"
    ]
    assert written("relay")["readback"] == 1.0
    assert written("solar")["confirmed"]
    assert written("solar")["value"] == 0.0
    assert written("solar")["causes"] == [
        "Emergency stop of production by the grid operator"
    ]
    release = first("order", value=False)
    assert story[release][1]["relaxes"]
    assert first("feedback", value=False) > release


async def test_local_stops_and_limits_are_recorded(bench: Bench) -> None:
    bench.plant.solar.sun = 0.0
    bench.site.set_local_stop(Direction.CONSUMPTION, "Button", held=True)
    await bench.until(lambda: bench.charger_register() == 0)
    bench.site.set_local_stop(Direction.CONSUMPTION, "Button", held=False)
    await bench.rtu.order(OrderName.MAXSETP, 25.0)
    await bench.rtu.order(OrderName.MAXSETP, 101.0)
    journal = bench.host.journal
    assert journal is not None

    def held(kind: str, **wanted: object) -> bool:
        return any(
            each == kind and wanted.items() <= data.items()
            for each, data in records(journal.folder)
        )

    await bench.until(lambda: held("compliance", limit=5000.0, kept=True))
    await bench.until(lambda: held("confirmation", name="maxsetp", accepted=False))
    assert held("local_stop", direction="consumption", holder="Button", value=True)
    assert held("local_stop", direction="consumption", holder="Button", value=False)
    assert held("order", name="maxsetp", value=25.0)
    assert held("order_refused", name="maxsetp", value=101.0, accepted=False)


async def test_the_chain_of_a_site_holds_after_it_has_stopped(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        await bench.connect()
        await bench.rtu.order(OrderName.MAXSETP, 50.0)
    for _ in range(2):
        async with running(tmp_path / "orders"):
            pass
    segments = list_segments(tmp_path / "journal")
    verdict = verify(segments, pause=lambda: True)
    assert verdict is not None
    assert verdict.sound
    kinds = [kind for kind, _data in records(tmp_path / "journal")]
    assert kinds.count("started") == kinds.count("stopped") == 3
    assert "order_recovered" not in kinds
    assert "order_lost" not in kinds
