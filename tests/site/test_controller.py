"""The site's own task: on the loop, and off it where a site is large."""

import asyncio
import threading
from typing import Any

import pytest

from custom_components.netflex.control.memory import EMPTY
from custom_components.netflex.control.tuning import DEFAULT
from custom_components.netflex.model.plan import Plan
from custom_components.netflex.model.snapshot import SiteModel, Snapshot
from custom_components.netflex.site import controller as controller_module
from custom_components.netflex.site.controller import Controller
from tests.control.sites import charger, clock, site


def _controller(model: SiteModel, plans: list[Plan], snapshot: Any) -> Controller:
    return Controller(
        model=lambda: model,
        snapshot=snapshot,
        clock=lambda: clock(100.0),
        carry_out=plans.append,
        memory=EMPTY,
        tuning=DEFAULT,
    )


async def test_a_small_site_decides_before_anything_else_happens() -> None:
    plans: list[Plan] = []
    small = _controller(site(charger()), plans, Snapshot)
    small.start()
    assert len(plans) == 1
    small.decide()
    assert len(plans) == 2
    await small.stop()


async def test_a_large_site_decides_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller_module, "LARGE", 2)
    threads: list[threading.Thread] = []
    decide = controller_module.decide

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return decide(*arguments)

    monkeypatch.setattr(controller_module, "decide", watched)
    plans: list[Plan] = []
    large = _controller(site(*(charger(n) for n in "abc")), plans, Snapshot)
    large.start()
    async with asyncio.timeout(10):
        while not plans:
            await asyncio.sleep(0.005)
    large.decide()
    async with asyncio.timeout(10):
        while len(plans) < 2:
            await asyncio.sleep(0.005)
    await large.stop()
    assert threading.current_thread() not in threads
    assert set(plans[0].setpoints) == {"a", "b", "c"}


@pytest.mark.parametrize("limit", [0, 1000])
async def test_a_decision_that_fails_leaves_the_last_plan_and_is_said(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_module, "LARGE", limit)
    plans: list[Plan] = []
    broken = [True]

    def decide(*_: Any) -> Any:
        if broken:
            raise ValueError("no such line")
        return Plan(at=1.0), EMPTY

    monkeypatch.setattr(controller_module, "decide", decide)
    task = _controller(site(charger()), plans, Snapshot)
    task.start()
    async with asyncio.timeout(10):
        while task.fault is None:
            await asyncio.sleep(0.005)
    assert task.fault == "ValueError: no such line"
    assert task.plan is None
    broken.clear()
    task.decide()
    async with asyncio.timeout(10):
        while not plans:
            await asyncio.sleep(0.005)
    assert task.fault is None
    await task.stop()
