"""A relay that cuts off what does not obey: from the meter to the coil and back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.model.plan import Cause, Source
from custom_components.netflex.model.snapshot import ComplianceRules
from custom_components.netflex.simulation.inverter import SunSpecInverter
from custom_components.netflex.site.config import SiteRules

from .bench import Bench, running

pytestmark = pytest.mark.usefixtures("socket_enabled")

RULES = SiteRules(
    compliance=ComplianceRules(
        retry=0.2,
        tighten=0.4,
        open_loop=0.6,
        relay=1.0,
        repair=1.5,
        relay_allowed=True,
        deadline=1.0,
        calm=0.5,
        relay_back=1.0,
    )
)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path / "orders") as bench:
        bench.site.set_rules(RULES)
        bench.plant.solar.sun = 0.8
        await bench.connect()
        await bench.until(lambda: bench.plant.solar.power < -5000.0, 15.0)
        yield bench


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An inverter that takes its limit, says so, and produces on."""
    tick = SunSpecInverter.tick

    def produce(self: SunSpecInverter, now: float) -> None:
        tick(self, now)
        self.inverter.ceiling = self.inverter.rated_power

    monkeypatch.setattr(SunSpecInverter, "tick", produce)
    return monkeypatch


async def test_S19_the_relay_acts_and_gives_back_once_the_limit_is_kept(
    deaf: pytest.MonkeyPatch, bench: Bench
) -> None:
    await bench.rtu.order(OrderName.MAXSETAP, 10.0)
    await bench.until(bench.coil, 20.0)
    assert bench.grid_power() > -100.0
    problems = {problem.key for problem in bench.site.view.problems}
    assert "cut_off_by_relay" in problems
    # The operator's stop is no part of it: nothing is stopped.
    assert not bench.site.view.plan.stopped  # type: ignore[union-attr]
    deaf.undo()
    await bench.rtu.order(OrderName.MAXSETAP, 100.0)
    await bench.until(lambda: not bench.coil(), 20.0)
    await bench.until(lambda: bench.plant.solar.power < 0, 20.0)


async def test_a_stop_and_a_cut_off_each_need_their_own_end(bench: Bench) -> None:
    cause = Cause(source=Source.GRID_OPERATOR, key="cut_off", text="Not kept")
    bench.host.set_cut_off({"relay": cause})
    await bench.until(bench.coil)
    bench.site.set_local_stop(Direction.PRODUCTION, "button", held=True)
    await bench.until(lambda: bool(bench.site.view.proofs))
    bench.site.set_local_stop(Direction.PRODUCTION, "button", held=False)
    await bench.until(lambda: not bench.site.view.proofs)
    assert bench.coil()
    # A site that goes away for a reload gives nothing back.
    bench.host.detach()
    assert bench.coil()
    bench.host.set_cut_off({})
    await bench.until(lambda: not bench.coil())


async def test_without_the_users_word_no_relay_acts(
    deaf: pytest.MonkeyPatch, bench: Bench
) -> None:
    compliance = replace(RULES.compliance, relay_allowed=False)
    bench.site.set_rules(replace(RULES, compliance=compliance))
    await bench.rtu.order(OrderName.MAXSETAP, 10.0)
    await bench.until(
        lambda: any(p.key == "limit_not_kept" for p in bench.site.view.problems), 20.0
    )
    assert not bench.coil()
