"""Commissioning on real wires: what is tried, what it shows, and what ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from custom_components.netflex.model.asset import Direction, Nature
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import NO_ORDERS, OrderName
from custom_components.netflex.model.snapshot import Override, UserLimits
from custom_components.netflex.site.commissioning import CommissioningRefusedError
from custom_components.netflex.site.commissioning_checklist import Item, Standing
from custom_components.netflex.site.commissioning_record import (
    Check,
    Outcome,
    Result,
    from_dict,
    to_dict,
)
from custom_components.netflex.site.commissioning_report import KEYS, to_html, to_json
from custom_components.netflex.site.commissioning_stage import CommissioningPace
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import RecordKind, decode

from .bench import Bench, running, site_config

pytestmark = [pytest.mark.usefixtures("socket_enabled"), pytest.mark.timeout(180)]

QUICK = CommissioningPace(
    look=0.05, level=2.2, ready=60.0, answer=30.0, confirm=20.0, press=30.0
)
CONNECTION = ("charger", "solar", "battery")


@asynccontextmanager
async def commissioned(tmp_path: Path) -> AsyncIterator[Bench]:
    """A running site with sun and a car, whose meter and devices have spoken."""
    async with running(tmp_path / "orders") as bench:
        bench.site.commissioning.set_pace(QUICK)
        bench.plant.solar.sun = 0.5
        bench.plant.car.plugged = True
        await bench.until(lambda: bench.station[-1].address is not None)
        await bench.until(lambda: metered(bench) and answering(bench))
        yield bench


def metered(bench: Bench) -> bool:
    plan = bench.site.look().plan
    return plan is not None and plan.metered


def answering(bench: Bench) -> bool:
    states = bench.site.look().snapshot.states
    return all(key in states and states[key].available for key in CONNECTION)


async def run(bench: Bench, *checks: tuple[str, Check]) -> dict[str, Result]:
    """Go through checks to the end of the run; return what they showed."""
    commissioning = bench.site.commissioning
    commissioning.start(checks)
    assert commissioning.running
    async with asyncio.timeout(150):
        await commissioning.finished()
    assert commissioning.status is not None
    assert commissioning.status.ended_early is None
    assert commissioning.status.done == commissioning.status.total == len(checks)
    return {result.subject: result for result in commissioning.status.results}


def items(bench: Bench) -> dict[tuple[str, str], Item]:
    connection = bench.site.look().model.connection
    found = bench.site.commissioning.checklist(bench.site.view, connection)
    return {(item.key, item.subject): item for item in found}


def overridden(bench: Bench) -> list[str]:
    return [
        key
        for key, limits in bench.site.look().snapshot.user.items()
        if limits.override is not None
    ]


@pytest.mark.slow
async def test_small_steps_show_response_sign_and_lines(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        before = items(bench)
        assert before["response", "charger"].standing is Standing.CONFIGURED
        assert before["meter", "meter"].standing is Standing.CONFIGURED
        found = await run(bench, *((key, Check.RESPONSE) for key in CONNECTION))
        for key in CONNECTION:
            result = found[key]
            assert result.outcome is Outcome.PROVEN, result.text
            response = result.response
            assert response is not None
            # The pace is quicker than the charger is asked: half a ramp may be seen.
            assert response.device == pytest.approx(response.told, rel=0.4)
            assert response.meter == pytest.approx(response.told, rel=0.3)
            assert response.lines == tuple(Line)
            assert response.lines_agree is True
            assert response.turned is None
            assert response.meter_seconds is not None
        # Everything is put back: nobody is told anything any more.
        assert overridden(bench) == []
        after = items(bench)
        for key in CONNECTION:
            assert after["response", key].standing is Standing.PROVEN
            assert after["lines", key].standing is Standing.PROVEN
            assert after["response", key].at is not None
        assert after["meter", "meter"].standing is Standing.PROVEN
        assert after["contract", "site"].standing is Standing.CONFIGURED
        assert after["rehearsal", "site"].standing is Standing.CONFIGURED


@pytest.mark.slow
async def test_stops_and_the_relay_are_measured(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        bench.plant.boiler.contactor.closed = True
        checks = [(key, Check.SOFTWARE_STOP) for key in ("charger", "solar")]
        found = await run(bench, *checks, ("relay", Check.RELAY))
        for key in ("charger", "solar"):
            assert found[key].outcome is Outcome.PROVEN, found[key].text
            assert "meter of the connection point shows it" in found[key].text
        assert found["relay"].outcome is Outcome.PROVEN, found["relay"].text
        assert "what is behind it fell from" in found["relay"].text
        await bench.until(lambda: not bench.coil())
        await bench.until(lambda: bench.plant.solar.power < -3_000)
        journal = bench.host.journal
        assert journal is not None
        await journal.settled(2.0)
        records = [
            decode(line)
            for segment in list_segments(journal.folder)
            for line in segment.path.read_bytes().rstrip(b"\0").splitlines()
            if line
        ]
        mine = [r.data for r in records if r.kind == RecordKind.COMMISSIONING]
        assert [data["event"] for data in mine] == [
            "begin",
            "result",
            "result",
            "result",
            "end",
        ]
        assert mine[-1]["proven"] == 3
        assert mine[-1]["reason"] is None


async def test_S06_an_order_ends_it_and_everything_is_put_back(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        commissioning.start([("battery", Check.RESPONSE), ("solar", Check.RESPONSE)])
        await bench.until(lambda: "battery" in overridden(bench))
        await bench.connect()
        await bench.rtu.order(OrderName.MAXSETP, 30.0)
        await bench.until(lambda: not commissioning.running)
        assert commissioning.status is not None
        assert commissioning.status.ended_early == (
            "an order of the grid operator is in force"
        )
        assert overridden(bench) == []
        with pytest.raises(CommissioningRefusedError) as caught:
            commissioning.start([("battery", Check.RESPONSE)])
        assert caught.value.key == "commissioning_not_now"


async def test_a_stop_ends_a_relay_s_test_and_keeps_the_relay(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        commissioning.start([("relay", Check.RELAY)])
        await bench.until(bench.coil)
        bench.site.set_local_stop(Direction.PRODUCTION, "fire panel", held=True)
        await bench.until(lambda: not commissioning.running)
        assert commissioning.status is not None
        assert commissioning.status.ended_early == (
            "a local stop is held by fire panel"
        )
        # What the test has told is gone, the stop holds.
        assert overridden(bench) == []
        await bench.until(lambda: bench.site.view.proofs != ())
        assert bench.coil()
        bench.site.set_local_stop(Direction.PRODUCTION, "fire panel", held=False)
        await bench.until(lambda: not bench.coil())


@pytest.mark.slow
async def test_a_connected_operator_sees_no_stop_that_is_none(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        await bench.connect()
        await bench.until(lambda: bench.site.view.link.connected)
        commissioning = bench.site.commissioning
        with pytest.raises(CommissioningRefusedError, match="operator is connected"):
            commissioning.start([("relay", Check.RELAY)])
        # A small step is none of its business.
        found = await run(bench, ("battery", Check.RESPONSE))
        assert found["battery"].outcome is Outcome.PROVEN, found["battery"].text


async def test_a_stop_button_is_pressed_by_hand(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        commissioning.set_stop_inputs({"binary_sensor.button": "Stop button"})
        assert items(bench)["stop_input", "binary_sensor.button"].standing is (
            Standing.CONFIGURED
        )
        commissioning.start([("binary_sensor.button", Check.STOP_INPUT)])

        def prompt() -> str:
            status = commissioning.status
            return "" if status is None else status.prompt or ""

        await bench.until(lambda: prompt().startswith("Press"))
        assert bench.site.view.commissioning is not None
        assert bench.site.view.commissioning.prompt == prompt()
        bench.site.set_local_stop(
            Direction.PRODUCTION, "binary_sensor.button", held=True
        )
        await bench.until(lambda: prompt().startswith("Release"))
        assert bench.coil()
        bench.site.set_local_stop(
            Direction.PRODUCTION, "binary_sensor.button", held=False
        )
        await commissioning.finished()
        (result,) = commissioning.status.results if commissioning.status else ()
        assert result.outcome is Outcome.PROVEN, result.text
        assert result.text.startswith("It stops production: everything confirmed")
        assert result.seconds is not None


async def test_nobody_presses(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        commissioning.set_pace(replace(QUICK, press=0.2))
        commissioning.set_stop_inputs({"binary_sensor.button": "Stop button"})
        found = await run(bench, ("binary_sensor.button", Check.STOP_INPUT))
        result = found["binary_sensor.button"]
        assert result.outcome is Outcome.NOT_SHOWN
        assert "Nobody pressed it" in result.text


async def test_what_cannot_be_tried_says_why(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        commissioning.set_pace(replace(QUICK, ready=1.0, confirm=1.0))
        bench.plant.car.plugged = False
        bench.plant.solar.sun = 0.0
        bench.site.set_user_limits(
            "battery", UserLimits(override=Override(target_power=100.0))
        )
        states = bench.site.look
        await bench.until(
            lambda: (
                states().snapshot.states["charger"].charger_state == "idle"
                and states().snapshot.states["solar"].power == 0
            )
        )
        found = await run(bench, *((key, Check.RESPONSE) for key in CONNECTION))
        assert {key: result.outcome for key, result in found.items()} == dict.fromkeys(
            CONNECTION, Outcome.NOT_SHOWN
        )
        assert found["charger"].text == "No car is connected"
        assert "too little" in found["solar"].text
        assert found["battery"].text == "An override of Battery is in force"
        assert items(bench)["response", "solar"].standing is Standing.NOT_SHOWN
        assert items(bench)["lines", "solar"].standing is Standing.CONFIGURED
        stopped = await run(bench, ("solar", Check.SOFTWARE_STOP))
        assert stopped["solar"].outcome is Outcome.NOT_SHOWN
        assert "nothing flowed" in stopped["solar"].text


async def test_it_is_refused_where_it_may_not_be(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        with pytest.raises(CommissioningRefusedError) as caught:
            commissioning.start([("nobody", Check.RELAY)])
        assert caught.value.key == "nothing_to_try"
        commissioning.start([("battery", Check.RESPONSE)])
        with pytest.raises(CommissioningRefusedError) as caught:
            commissioning.start([("solar", Check.RESPONSE)])
        assert caught.value.key == "commissioning_running"
        await bench.until(lambda: "battery" in overridden(bench))
        await commissioning.cancel()
        assert commissioning.status is not None
        assert commissioning.status.ended_early == "It was cancelled"
        assert overridden(bench) == []
        assert bench.site.look().snapshot.orders == NO_ORDERS
        await bench.site.set_shadow(True)
        with pytest.raises(CommissioningRefusedError, match="in shadow"):
            commissioning.start([("battery", Check.RESPONSE)])


async def test_a_rehearsal_is_its_last_part(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        rehearsed = asyncio.Event()

        async def rehearse() -> None:
            assert commissioning.status is not None
            assert commissioning.status.step.startswith("Rehearsal")
            rehearsed.set()

        commissioning.start([], rehearse)
        await commissioning.finished()
        assert rehearsed.is_set()
        assert commissioning.status is not None
        assert commissioning.status.ended_early is None
        assert commissioning.status.done == 1

        async def faulty() -> None:
            raise ValueError("broken")

        commissioning.start([], faulty)
        await commissioning.finished()
        assert commissioning.status is not None
        assert "fault of its own" in (commissioning.status.ended_early or "")


@pytest.mark.slow
async def test_the_rehearsal_waits_until_what_was_stopped_is_back(
    tmp_path: Path,
) -> None:
    async with commissioned(tmp_path) as bench:
        await bench.until(lambda: produced(bench) > 5_000)
        before = produced(bench)
        seen: list[float] = []

        async def rehearse() -> None:
            seen.append(produced(bench))

        bench.site.commissioning.start([("relay", Check.RELAY)], rehearse)
        await bench.until(lambda: bench.coil())
        async with asyncio.timeout(150):
            await bench.site.commissioning.finished()
        assert seen
        # All the way: it still rises at four fifths.
        assert seen[0] >= 0.9 * before


def produced(bench: Bench) -> float:
    """Return the W that the site knows its inverter to produce."""
    return -(bench.site.look().snapshot.states["solar"].power or 0.0)


async def test_results_are_kept_forgotten_and_outdated(tmp_path: Path) -> None:
    async with commissioned(tmp_path) as bench:
        commissioning = bench.site.commissioning
        await run(bench, ("battery", Check.RESPONSE))
        stored = to_dict(commissioning.results.values())
        assert from_dict(stored) == commissioning.results
        with pytest.raises(ValueError, match="version"):
            from_dict({"version": 2, "results": []})
        connection = bench.site.look().model.connection
        listed = commissioning.checklist(bench.site.view, connection)
        results = tuple(commissioning.results.values())
        data = to_json("Site", results[0].at, listed, results, {"Netflex": "1"})
        assert {item["key"] for item in data["checklist"]} <= KEYS.keys()
        page = to_html("<Site>", results[0].at, listed, {"Netflex": "1"}, "abc")
        assert "&lt;Site&gt;" in page
        assert "✓ proven" in page
        # Another device in its place: the proof was of the one before.
        config = next(
            device
            for device in site_config(bench.plant).devices
            if device.device_id == "battery"
        )
        await bench.site.add_device(
            replace(config, params=MappingProxyType({**config.params, "silence": 30.0}))
        )
        assert items(bench)["response", "battery"].standing is Standing.OUTDATED
        assert items(bench)["lines", "battery"].standing is Standing.CONFIGURED
        # Another name or priority is none.
        assert config.asset is not None
        assert config.asset.nature is Nature.BATTERY
        await bench.site.add_device(
            replace(config, asset=replace(config.asset, priority=3))
        )
        assert items(bench)["response", "battery"].standing is Standing.PROVEN
        commissioning.forget("battery")
        assert commissioning.results == {}
        assert items(bench)["response", "battery"].standing is Standing.CONFIGURED
