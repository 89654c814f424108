"""Sags, swells, interruptions, steps, inrush and overloads of synthesised waveforms."""

from collections.abc import Callable
from math import cos, radians, sin, sqrt

import pytest

from custom_components.netflex.metering.overload import OverloadLimits
from custom_components.netflex.metering.s1_analysis import S1Analysis, S1Settings
from custom_components.netflex.metering.step_events import StepLimits
from custom_components.netflex.model.connection import Line, LineValues
from custom_components.netflex.model.power_quality import (
    Inrush,
    Overload,
    PowerEvent,
    StepEvent,
    VoltageEvent,
    VoltageEventKind,
)

from .s1_waves import (
    DELTA,
    PER_SECOND,
    SINGLE,
    STAR,
    ZERO,
    Channel,
    Tone,
    pieces,
    sine,
    star,
    stream,
)

_HALF = 0.010
_BLOCKS = pytest.mark.parametrize("size", [450, 5850, 23400, 10**9])


def _between(first: float, last: float, level: float) -> Callable[[float], float]:
    """Return a factor that is another one between two times; borders are samples."""
    return lambda time: level if first - 1e-9 <= time < last - 1e-9 else 1.0


def _from(first: float) -> Callable[[float], float]:
    return lambda time: 1.0 if time >= first - 1e-9 else 0.0


def _supply(*levels: Callable[[float], float]) -> list[Channel]:
    """Return three phases with a factor each, without load."""
    first, second, third = levels
    return [
        sine(230, 0, factor=first),
        ZERO,
        sine(230, 120, factor=second),
        ZERO,
        sine(230, 240, factor=third),
        ZERO,
        ZERO,
    ]


def _always(_: float) -> float:
    return 1.0


def _run(
    channels: list[Channel],
    seconds: float,
    *,
    size: int = 5850,
    info: int = STAR,
    rate: int = 52,
    frequency: float = 50.0,
    settings: S1Settings | None = None,
) -> tuple[list[PowerEvent], list[Overload]]:
    analysis = S1Analysis("meter", settings or S1Settings())
    frames = stream(channels, seconds, info=info, rate=rate, frequency=frequency)
    events: list[PowerEvent] = []
    overloads: list[Overload] = []
    for data in pieces(b"".join(frames), size):
        result = analysis.take(data, None)
        events += result.events
        overloads += result.overloads
    return events, overloads


def _voltage(events: list[PowerEvent]) -> list[VoltageEvent]:
    return [event for event in events if isinstance(event, VoltageEvent)]


# One-period values each half period: of an abrupt change, the first value that is
# touched ends half a period after it. A sag to 70 % is seen with its first half (86 %)
# and lasts until both halves are whole again: half a period more than it was deep.


@_BLOCKS
def test_sag_of_one_line(size: int) -> None:
    sag = _between(0.5, 0.8, 0.7)
    events = _voltage(_run(_supply(sag, _always, _always), 1.2, size=size)[0])
    begin, end = events
    assert begin.kind is end.kind is VoltageEventKind.SAG
    assert begin.at == end.at == pytest.approx(0.5 + _HALF, abs=1e-9)
    assert begin.duration is None
    assert end.duration == pytest.approx(0.3 + _HALF, abs=1e-9)
    assert end.ratio == pytest.approx(0.7, abs=1e-4)
    assert end.voltage == pytest.approx(161, abs=0.02)
    assert end.lines == (Line.L1,)


def test_sag_that_wanders_over_the_lines_is_one() -> None:
    events = _voltage(
        _run(
            _supply(
                _between(0.5, 0.6, 0.8),
                _between(0.56, 0.7, 0.6),
                _between(0.9, 1, 0.85),
            ),
            1.3,
        )[0]
    )
    ended = [event for event in events if event.duration is not None]
    assert [event.lines for event in ended] == [(Line.L1, Line.L2), (Line.L3,)]
    # 80 % is seen as 90.6 % with its first half only: the second one tells.
    assert ended[0].at == pytest.approx(0.52, abs=1e-9)
    assert ended[0].duration == pytest.approx(0.2, abs=1e-9)
    assert [event.ratio for event in ended] == pytest.approx([0.6, 0.85], abs=1e-4)


def test_hysteresis_keeps_one_sag_together() -> None:
    def level(time: float) -> float:
        if 0.4 - 1e-9 <= time < 0.5 - 1e-9:
            return 0.88
        return 0.91 if 0.5 - 1e-9 <= time < 0.8 - 1e-9 else 1.0

    events = _voltage(_run(_supply(level, _always, _always), 1.2)[0])
    assert len(events) == 2
    assert events[1].duration == pytest.approx(0.4, abs=0.011)


def test_voltage_at_the_edge_of_its_band_is_no_event() -> None:
    low, high = (lambda _: 0.905), (lambda _: 1.095)
    assert not _voltage(_run(_supply(low, high, _always), 0.5)[0])


@_BLOCKS
def test_swell(size: int) -> None:
    swell = _between(0.4, 0.64, 1.2)
    begin, end = _voltage(_run(_supply(_always, _always, swell), 1.0, size=size)[0])
    assert begin.kind is end.kind is VoltageEventKind.SWELL
    # 120 % is 110.5 % with its first half already.
    assert end.at == pytest.approx(0.4 + _HALF, abs=1e-9)
    assert end.duration == pytest.approx(0.24 + _HALF, abs=1e-9)
    assert end.ratio == pytest.approx(1.2, abs=1e-4)
    assert end.lines == (Line.L3,)


@_BLOCKS
def test_interruption_is_no_sag_as_well(size: int) -> None:
    gone = _between(0.5, 0.9, 0.0)
    events = _voltage(_run(_supply(gone, gone, gone), 1.4, size=size)[0])
    assert [(event.kind, event.duration is None) for event in events] == [
        (VoltageEventKind.SAG, True),
        (VoltageEventKind.INTERRUPTION, True),
        (VoltageEventKind.INTERRUPTION, False),
    ]
    end = events[-1]
    # All of a period has to be dead; the first half that is not ends it.
    assert end.at == pytest.approx(0.52, abs=1e-9)
    assert end.duration == pytest.approx(0.39, abs=1e-9)
    assert end.ratio == pytest.approx(0, abs=1e-6)
    assert end.lines == (Line.L1, Line.L2, Line.L3)
    assert not end.long


def test_one_dead_line_of_three_is_a_sag() -> None:
    events = _voltage(_run(_supply(_always, _between(0.3, 0.5, 0.0), _always), 0.8)[0])
    assert [event.kind for event in events] == [VoltageEventKind.SAG] * 2
    assert events[1].ratio == pytest.approx(0, abs=1e-6)


def test_interruption_of_a_single_phase_at_another_frequency() -> None:
    channels = [sine(230, factor=_between(50 / 49.2, 75 / 49.2, 0.0)), *[ZERO] * 6]
    events = _voltage(_run(channels, 2.5, info=SINGLE, frequency=49.2)[0])
    assert events[-1].kind is VoltageEventKind.INTERRUPTION
    assert events[-1].duration == pytest.approx(24.5 / 49.2, abs=1e-9)


def test_sag_sampled_per_second() -> None:
    sag = _between(0.5, 0.8, 0.7)
    channels = [sine(230, factor=sag), *[ZERO] * 6]
    _, end = _voltage(
        _run(channels, 1.2, info=SINGLE & ~PER_SECOND, rate=25, frequency=49.2)[0]
    )
    # Half periods begin anywhere in the sag: a period of uncertainty, as IEC 61000-4-30
    # grants it.
    assert end.duration == pytest.approx(0.3, abs=2 * _HALF)
    assert end.ratio == pytest.approx(0.7, abs=1e-3)


def test_delta_voltages_are_those_between_lines() -> None:
    # Line 3 is lost: U32 and U31 sink, U12 stays.
    gone = _between(0.4, 0.6, 0.5)
    channels = [
        sine(230, 0), ZERO, ZERO, ZERO, sine(230, 60 + 0, factor=gone), ZERO, ZERO
    ]  # fmt: skip
    *_, end = _voltage(_run(channels, 1.0, info=DELTA)[0])
    assert end.kind is VoltageEventKind.SAG
    # U31 = U32 - U12 of half the length: 86.6 %.
    assert end.lines == (Line.L2, Line.L3)
    assert end.ratio == pytest.approx(0.5, abs=1e-4)


def test_event_over_a_gap_goes_on() -> None:
    sag = _between(0.3, 0.9, 0.7)
    frames = stream([sine(230, factor=sag), *[ZERO] * 6], 1.2, info=SINGLE)
    analysis = S1Analysis("meter")
    events = [
        event
        for data in (frames[:1300], frames[1430:])
        for event in analysis.take(b"".join(data), None).events
    ]
    assert [event.duration for event in _voltage(events)] == [
        None,
        pytest.approx(0.6 + _HALF, abs=0.5 * _HALF),
    ]


# ---------------------------------------------------------------------------- steps


def _steps(events: list[PowerEvent]) -> list[StepEvent]:
    return [event for event in events if isinstance(event, StepEvent)]


def _load(start: float, *tones: Tone, base: float = 1.0) -> Channel:
    """Return a current with a base load that gains some tones at a time."""

    class _Sum(Channel):
        def at(self, time: float, frequency: float) -> float:
            value = sine(base).at(time, frequency)
            if time >= start - 1e-9:
                value += Channel(tones).at(time, frequency)
            return value

    return _Sum()


@_BLOCKS
def test_step_of_a_load_with_harmonics(size: int) -> None:
    current = _load(1.0, Tone(1, 8.0, 25), Tone(3, 1.5, 10), Tone(5, 0.5, 60))
    channels = [sine(230), current, *[ZERO] * 5]
    (step,) = _steps(_run(channels, 2.0, info=SINGLE, size=size)[0])
    assert step.at == pytest.approx(1.0 + _HALF, abs=1e-9)
    assert step.power == pytest.approx(1840 * cos(radians(25)), abs=0.5)
    assert step.reactive_power == pytest.approx(1840 * sin(radians(25)), abs=0.5)
    assert step.line_power.l1 == step.power
    assert [order.l1 for order in step.harmonics] == pytest.approx(
        [1.5, 0.5, 0.0], abs=2e-3
    )
    old = 1.0
    new = sqrt(abs(1 + 8 * (cos(radians(25)) - 1j * sin(radians(25)))) ** 2 + 2.5)
    assert step.line_current.l1 == pytest.approx(new - old, abs=2e-3)
    assert step.duration <= 0.011


def test_switching_off_is_the_same_step_backwards() -> None:
    current = sine(10, 0, factor=lambda time: 0.2 if time >= 1.0 - 1e-9 else 1.0)
    (step,) = _steps(_run([sine(230), current, *[ZERO] * 5], 2.0, info=SINGLE)[0])
    assert step.power == pytest.approx(-1840, abs=0.5)
    assert step.line_current.l1 == pytest.approx(-8, abs=2e-3)


def test_step_on_one_line_of_three_names_it() -> None:
    channels = star(2)
    channels[3] = Channel(
        (Tone(1, 6, 120),), factor=lambda time: 1.0 if time >= 0.8 else 1 / 3
    )
    (step,) = _steps(_run(channels, 1.6)[0])
    assert step.power == pytest.approx(920, abs=1)
    assert step.line_power.l2 == pytest.approx(920, abs=1)
    assert step.line_power.l1 == pytest.approx(0, abs=1)
    assert step.line_current.l3 == pytest.approx(0, abs=1e-3)


def test_two_steps_half_a_second_apart_are_two() -> None:
    current = sine(
        1.0, 0, factor=lambda time: 2.0 + 6 * (time >= 0.7) + 4 * (time >= 1.2)
    )
    steps = _steps(_run([sine(230), current, *[ZERO] * 5], 2.0, info=SINGLE)[0])
    assert [step.power for step in steps] == pytest.approx([1380, 920], abs=1)


def test_step_in_a_delta_grid() -> None:
    # Ten amperes between L1 and L2, in phase with U12.
    channels = [
        sine(230, 0), sine(10, 0, factor=_from(0.8)), ZERO, ZERO,
        sine(230, 60), ZERO, ZERO,
    ]  # fmt: skip
    (step,) = _steps(_run(channels, 1.6, info=DELTA)[0])
    assert step.power == pytest.approx(2300, abs=1)
    currents = [current for _, current in step.line_current.items()]
    assert currents == pytest.approx([10, 10, 0], abs=2e-3)
    assert step.line_power.l2 is None


def test_what_is_below_the_threshold_or_comes_slowly_is_no_step() -> None:
    small = sine(10, 0, factor=lambda time: 1.0 if time < 0.8 else 1.012)
    assert not _run([sine(230), small, *[ZERO] * 5], 1.6, info=SINGLE)[0]
    slow = sine(10, 0, factor=lambda time: 1.0 + 0.03 * time)
    assert not _run([sine(230), slow, *[ZERO] * 5], 3.0, info=SINGLE)[0]


def test_what_does_not_come_to_rest_is_no_step() -> None:
    restless = sine(
        10, 0, factor=lambda time: 1.0 if time < 0.6 else 2.0 + (time * 8 % 2 < 1)
    )
    assert not _run([sine(230), restless, *[ZERO] * 5], 7.0, info=SINGLE)[0]


def test_the_threshold_is_the_users() -> None:
    small = sine(10, 0, factor=lambda time: 1.0 if time < 0.8 else 1.012)
    settings = S1Settings(steps=StepLimits(power=20))
    channels = [sine(230), small, *[ZERO] * 5]
    (step,) = _steps(_run(channels, 1.6, info=SINGLE, settings=settings)[0])
    assert step.power == pytest.approx(27.6, abs=0.5)
    assert not _run(channels, 1.6, info=SINGLE, settings=S1Settings(steps=None))[0]


@_BLOCKS
def test_inrush_before_its_step(size: int) -> None:
    def factor(time: float) -> float:
        if time < 0.8 - 1e-9:
            return 0.1
        return 6.0 if time < 0.98 - 1e-9 else 1.0

    channels = [sine(230), sine(5, 0, factor=factor), *[ZERO] * 5]
    inrush, step = _run(channels, 1.8, info=SINGLE, size=size)[0]
    assert isinstance(inrush, Inrush)
    assert isinstance(step, StepEvent)
    assert inrush.line is Line.L1
    assert inrush.at == pytest.approx(0.8 + _HALF, abs=1e-9)
    assert inrush.current == pytest.approx(30, abs=0.01)
    assert inrush.peak == pytest.approx(30 * sqrt(2), abs=0.05)
    assert inrush.settled == pytest.approx(5, abs=0.01)
    # Half a period more than it lasted, as with every one-period value.
    assert inrush.duration == pytest.approx(0.18 + _HALF, abs=1e-9)
    assert step.power == pytest.approx(4.5 * 230, abs=1)


# ------------------------------------------------------------------------- overloads


def _overload_of(current: float, periods: int = 1) -> S1Settings:
    limits = OverloadLimits(
        current=LineValues(l1=current, l2=current, l3=current), periods=periods
    )
    return S1Settings(overload=limits)


@pytest.mark.parametrize(
    ("periods", "delay"), [(1, 0.010), (2, 0.020), (5, 0.050)], ids=["20", "40", "100"]
)
def test_overload_within_its_periods(periods: int, delay: float) -> None:
    channels = star(20)
    channels[3] = Channel(
        (Tone(1, 40, 120),),
        factor=lambda time: 1.0 if 0.5 - 1e-9 <= time < 0.9 - 1e-9 else 0.5,
    )
    _, overloads = _run(channels, 1.4, settings=_overload_of(31.0, periods), size=1170)
    assert {overload.line for overload in overloads} == {Line.L2}
    first, *others, last = overloads
    assert first.active
    assert first.since == pytest.approx(0.5 + delay, abs=1e-9)
    # A piece of 1170 octets is 10 ms: said at once, and again while it lasts.
    assert first.at - first.since < 0.011
    assert len(others) > 30
    assert all(overload.active for overload in others)
    assert not last.active
    assert max(overload.current for overload in overloads) == pytest.approx(
        40, abs=0.01
    )
    assert others[20].power == pytest.approx(9200, abs=2)
    assert last.since == first.since
    assert last.threshold == 31.0


def test_overload_by_injection_has_its_sign() -> None:
    channels = [sine(230), sine(40, 180), *[ZERO] * 5]
    _, overloads = _run(channels, 0.3, info=SINGLE, settings=_overload_of(25))
    assert overloads[0].power == pytest.approx(-9200, abs=2)
    assert overloads[0].current == pytest.approx(40, abs=0.01)


def test_line_without_a_threshold_is_not_watched() -> None:
    limits = OverloadLimits(current=LineValues(l2=25.0))
    _, overloads = _run(star(30), 0.2, settings=S1Settings(overload=limits))
    assert {overload.line for overload in overloads} == {Line.L2}


def test_overload_over_more_than_100_ms_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        OverloadLimits(current=LineValues(), periods=6)
