"""The next 48 hours of a programme: what is scheduled, and what is known to act."""

from itertools import pairwise

from custom_components.netflex.control.preview import preview
from custom_components.netflex.model.dispatch import DispatchAction, DispatchCommand
from custom_components.netflex.model.market import Market
from custom_components.netflex.model.programme import (
    CheapestHours,
    Dispatch,
    Hold,
    PreviewSlot,
    PriceThreshold,
    Programme,
    ProgrammeMode,
    SelfConsumption,
)
from custom_components.netflex.model.schedule import Schedule, Window
from custom_components.netflex.model.snapshot import Snapshot

from .programmes import HOUR, between, entry, prices, programme
from .sites import START

OWN = ProgrammeMode.SELF_CONSUMPTION


def looked(
    given: Programme, snapshot: Snapshot | None = None, hours: float = 48.0
) -> list[tuple[float, float, tuple[ProgrammeMode, ...]]]:
    """Return what is foreseen, in h from now on."""
    slots = preview(given, "battery", snapshot or Snapshot(), START, hours)
    assert slots[0].start == START
    assert slots[-1].end == START + hours * HOUR
    assert all(a.end == b.start for a, b in pairwise(slots))
    return [((s.start - START) / HOUR, (s.end - START) / HOUR, s.modes) for s in slots]


def test_it_is_without_gaps_and_the_most_important_mode_comes_first() -> None:
    given = programme(entry(Hold(), between("13:00", "14:00")), SelfConsumption())
    hold = ProgrammeMode.HOLD
    assert looked(given) == [
        (0, 1, (OWN,)),
        (1, 2, (hold, OWN)),
        (2, 25, (OWN,)),
        (25, 26, (hold, OWN)),
        (26, 48, (OWN,)),
    ]


def test_nothing_scheduled_is_a_slot_without_modes() -> None:
    given = programme(entry(Hold(), between("13:00", "14:00")))
    assert looked(given, hours=3.0) == [
        (0, 1, ()),
        (1, 2, (ProgrammeMode.HOLD,)),
        (2, 3, ()),
    ]
    assert preview(Programme(entries=()), "battery", Snapshot(), START, 1.0) == (
        PreviewSlot(start=START, end=START + HOUR, modes=()),
    )


def test_a_dispatch_is_shown_when_it_is_for_this_battery() -> None:
    def command(source: str, at: float, **options: object) -> DispatchCommand:
        return DispatchCommand(
            source=source,
            action=DispatchAction.CHARGE_MAX,
            start=START + at * HOUR,
            end=START + (at + 1) * HOUR,
            **options,  # type: ignore[arg-type]
        )

    snapshot = Snapshot(
        dispatches=(
            command("axle", -0.5),
            command("axle", 3.0, assets=frozenset({"battery"})),
            command("axle", 5.0, assets=frozenset({"other"})),
            command("flex", 7.0),
        )
    )
    given = programme(Dispatch(sources=frozenset({"axle"})))
    on = (ProgrammeMode.DISPATCH,)
    assert looked(given, snapshot, 9.0) == [
        (0, 0.5, on), (0.5, 3, ()), (3, 4, on), (4, 9, ()),
    ]  # fmt: skip


def test_prices_show_what_is_chosen_as_far_as_they_are_known() -> None:
    market = Market(import_price=prices(30.0, 10.0, 20.0, 15.0, 90.0, -5.0))
    given = programme(
        entry(CheapestHours(hours=1.5), between("12:00", "16:00")),
        PriceThreshold(charge_below=0.0, discharge_above=80.0),
    )
    cheap, beyond = (ProgrammeMode.CHEAPEST_HOURS,), (ProgrammeMode.PRICE_THRESHOLD,)
    assert looked(given, Snapshot(market=market)) == [
        (0, 1, ()), (1, 2, cheap), (2, 3, ()), (3, 3.5, cheap), (3.5, 4, ()),
        (4, 6, beyond), (6, 48, ()),
    ]  # fmt: skip
    stale = Market(import_price=prices(1.0, received=START - 7 * HOUR))
    assert looked(given, Snapshot(market=stale)) == [(0, 48, ())]


def test_what_an_entity_says_is_shown() -> None:
    given = programme(entry(Hold(), Schedule(entity="calendar.x")))
    event = Window(start=START + HOUR, end=START + 2 * HOUR)
    snapshot = Snapshot(entity_windows={"calendar.x": (event,)})
    assert looked(given, snapshot, 4.0) == [
        (0, 1, ()), (1, 2, (ProgrammeMode.HOLD,)), (2, 4, ()),
    ]  # fmt: skip
    assert looked(given, hours=1.0) == [(0, 1, ())]
