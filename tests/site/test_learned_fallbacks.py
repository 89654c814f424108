"""What devices were seen to do when they were left alone: kept, and one test each."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.netflex.devices.device import Device, DeviceConfig
from custom_components.netflex.devices.silence import SilenceFacts
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.site.actors import AssetActor
from custom_components.netflex.site.availability import AvailabilityLog
from custom_components.netflex.site.learned_fallbacks import LearnedFallbacks
from custom_components.netflex.site.seats import Seat
from custom_components.netflex.site.silence_test import SilenceRefusedError
from custom_components.netflex.site.view import LearnedFallback
from custom_components.netflex.telecontrol.journal_format import RecordKind
from tests.virtual_time import now, virtual_time

from .fakes import FakeDevice, until
from .test_silence import CHARGER, Alone, plan, setpoint

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KNOWN = LearnedFallback(value=8.0, after=20.0, at=AT)


class Impatient(Alone):
    """A charger that goes to 6 A after 2 s in which nobody speaks to it."""

    def fall_silent(self) -> None:
        super().fall_silent()
        self._timer = asyncio.get_running_loop().call_later(2.0, self._apply, 6.0)

    def speak(self) -> None:
        super().speak()
        self._timer.cancel()
        self._apply(16.0)

    def _apply(self, current: float) -> None:
        self.state = replace(self.state, current_limit=current)


@dataclass
class Bench:
    """One charger that follows 16 A, and what is kept of it."""

    fallbacks: LearnedFallbacks
    seat: Seat
    saved: list[Mapping[str, LearnedFallback]]
    records: list[tuple[RecordKind, Mapping[str, Any]]]

    async def test(self, seconds: float | None = None) -> None:
        await self.fallbacks.test(self.seat, GridType.STAR, seconds)


def seat_of(device: Device) -> Seat:
    return Seat(
        config=DeviceConfig(device_id="charger", name="Charger", asset=CHARGER),
        asset=CHARGER,
        device=device,
        actor=AssetActor(device, "Charger", lambda: None),
        availability=AvailabilityLog("Charger"),
    )


@asynccontextmanager
async def bench(device: Device, **decided: Any) -> AsyncIterator[Bench]:
    seat = seat_of(device)
    saved: list[Mapping[str, LearnedFallback]] = []
    records: list[tuple[RecordKind, Mapping[str, Any]]] = []
    fallbacks = LearnedFallbacks(
        {"other": KNOWN},
        save=saved.append,
        record=lambda kind, data: records.append((kind, data)),
        plan=lambda: plan(**decided),
        monotonic=now,
        utcnow=lambda: AT,
    )
    seat.actor.start()
    seat.actor.post(setpoint(16.0))
    await until(lambda: seat.actor.done)
    try:
        yield Bench(fallbacks, seat, saved, records)
    finally:
        await seat.actor.stop()


@virtual_time
async def test_what_it_fell_back_to_is_kept_saved_and_recorded() -> None:
    async with bench(Impatient(SilenceFacts(after=2.0, fallback=6.0))) as one:
        await one.test()

        learned = one.fallbacks.known["charger"]
        assert learned.value == 6.0
        assert learned.after == pytest.approx(2.0, abs=0.3)
        assert learned.at == AT
        assert one.saved == [{"other": KNOWN, "charger": learned}]
        ((kind, data),) = one.records
        assert kind is RecordKind.SILENCE_TEST
        assert data["fallback"] == 6.0

        one.fallbacks.drop("charger")
        assert one.fallbacks.known == {"other": KNOWN}


@virtual_time
async def test_of_one_that_held_its_setpoint_nothing_is_learned() -> None:
    async with bench(Alone(SilenceFacts(after=2.0, fallback=6.0))) as one:
        await one.test(5.0)

        assert one.fallbacks.known == {"other": KNOWN}
        assert one.saved == []
        ((_kind, data),) = one.records
        assert data["fell_back_after"] is None


@virtual_time
async def test_a_second_test_of_the_same_device_is_refused_until_the_first_has_ended() -> (
    None
):
    async with bench(Impatient(SilenceFacts(after=2.0, fallback=6.0))) as one:
        first = asyncio.create_task(one.test())
        await until(lambda: one.fallbacks.testing)
        with pytest.raises(SilenceRefusedError, match="runs already") as caught:
            await one.test()
        assert caught.value.key == "running"
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        # It is spoken to again, and may be tried again.
        assert not one.fallbacks.testing
        await one.test()
        assert one.fallbacks.known["charger"].value == 6.0


@virtual_time
async def test_a_refusal_leaves_no_test_behind() -> None:
    stopped = frozenset({Direction.PRODUCTION})
    device = Alone(SilenceFacts(fallback=6.0))
    async with bench(device, stopped=stopped) as one:
        with pytest.raises(SilenceRefusedError, match="emergency stop"):
            await one.test()
        assert not one.fallbacks.testing
        assert not device.silent
        assert one.records == []


@virtual_time
@pytest.mark.parametrize("known", [True, False])
async def test_where_nothing_is_refreshed_nothing_can_be_left_out(known: bool) -> None:
    async with bench(Alone(None)) as one:
        seat = seat_of(FakeDevice()) if known else None
        with pytest.raises(SilenceRefusedError, match="nothing is refreshed") as caught:
            await one.fallbacks.test(seat, GridType.STAR, None)
        assert caught.value.key == "not_refreshed"
