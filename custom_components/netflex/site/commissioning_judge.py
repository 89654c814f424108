"""What small steps of an asset show: whether it follows, how fast, where, which way.

A step is told to one asset; its own reading and the meter of the connection point are
compared before and after it. The house goes on living meanwhile, so steps come in pairs
and only what all of them say counts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from ..model.asset import Asset, Nature
from ..model.connection import (
    NO_LINE_VALUES,
    NOMINAL_VOLTAGE,
    GridType,
    Line,
    LineValues,
)
from ..model.phrase import Phrase, listed, sentences
from .commissioning_record import Outcome, Response, Turned

_FOLLOWS: Final = (0.4, 1.6)
"""What is seen, in what was told, where it follows."""
_STILL: Final = 0.25
"""Share of the step below which nothing moved."""
_RESTLESS: Final = 0.6
"""Share of the step by which the meter may move by itself."""
_LINE: Final = 0.8
"""A on a line that are seen at least."""
_BOUNDS: Final = frozenset({Nature.CHARGER, Nature.INVERTER})
"""They are told the most that they may; less is not disobedience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is known at one moment, W and A, load and import positive."""

    at: float
    device: float | None = None
    currents: LineValues = NO_LINE_VALUES
    """Of the device, unsigned, by the lines that it is configured for."""
    meter: float | None = None
    lines: LineValues = NO_LINE_VALUES
    """Of the connection point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step: what was told at `told_at`, W, with what was seen around it."""

    told: float
    told_at: float
    before: tuple[Sample, ...]
    trail: tuple[Sample, ...]
    """Everything after it, the levelled end included."""
    after: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the steps show."""

    outcome: Outcome
    text: str
    response: Response


def judge(asset: Asset, moves: Sequence[Move], grid_type: GridType) -> Verdict:
    """Return what steps of one asset show."""
    told = _mean(abs(move.told) for move in moves)
    device = _ratio(moves, lambda sample: sample.device)
    meter = _ratio(moves, lambda sample: sample.meter)
    response = Response(
        told=told,
        device=None if device is None else device * told,
        meter=None if meter is None else meter * told,
        device_seconds=_seconds(moves, lambda sample: sample.device),
        meter_seconds=_seconds(moves, lambda sample: sample.meter),
    )
    figures = _figures(response)
    if meter is None:
        return Verdict(
            outcome=Outcome.NOT_SHOWN,
            text=sentences(
                Phrase("step_unmetered", "The meter said nothing meanwhile"), figures
            ),
            response=response,
        )
    noise = max(_noise(move) for move in moves)
    if noise > _RESTLESS * told:
        return Verdict(
            outcome=Outcome.NOT_SHOWN,
            text=sentences(
                Phrase(
                    "step_hidden",
                    "The meter moved by {power} by itself, which hides the step",
                    power=_power(noise),
                ),
                figures,
            ),
            response=response,
        )
    return _judged(asset, moves, grid_type, response, device, meter)


def _judged(
    asset: Asset,
    moves: Sequence[Move],
    grid_type: GridType,
    response: Response,
    device: float | None,
    meter: float,
) -> Verdict:
    figures = _figures(response)
    # What the device itself says that it moved by is the better measure of the step.
    scale = abs(device) if device is not None and abs(device) > _STILL else 1.0
    seen = _way(meter / scale)
    own = None if device is None else _way(device)
    if seen == 0 and (own == 0 or device is None):
        idle = asset.nature in _BOUNDS
        return Verdict(
            outcome=Outcome.NOT_SHOWN if idle else Outcome.FAILED,
            text=sentences(
                Phrase("step_unused", "It did not make use of the step")
                if idle
                else Phrase("step_not_followed", "It did not follow"),
                figures,
            ),
            response=response,
        )
    if (turned := _turned(own, seen)) is not None:
        which, words = turned
        return Verdict(
            outcome=Outcome.FAILED,
            text=sentences(words, figures),
            response=replace(response, turned=which),
        )
    if seen == 0:
        return Verdict(
            outcome=Outcome.FAILED,
            text=sentences(
                Phrase(
                    "step_not_metered",
                    "It moved and the meter did not, it may not be behind this meter",
                ),
                figures,
            ),
            response=response,
        )
    if own == 0:
        return Verdict(
            outcome=Outcome.FAILED,
            text=sentences(
                Phrase("step_own_still", "The meter moved and its own reading did not"),
                figures,
            ),
            response=response,
        )
    if seen is None or (own is None and device is not None):
        return Verdict(
            outcome=Outcome.NOT_SHOWN,
            text=sentences(
                Phrase("step_unfit", "What was seen does not fit what was told"),
                figures,
            ),
            response=response,
        )
    response = _with_lines(response, asset, moves, grid_type)
    return Verdict(
        outcome=Outcome.PROVEN,
        text=sentences(
            Phrase("step_followed", "It follows"),
            figures,
            lines_in_words(response, asset),
        ),
        response=response,
    )


def _turned(own: int | None, seen: int | None) -> tuple[Turned, str] | None:
    if own == -1 and seen == 1:
        return Turned.READING, Phrase(
            "step_reading_turned", "Its own reading moved the other way"
        )
    if own == -1 and seen == -1:
        return Turned.SETPOINT, Phrase(
            "step_setpoint_turned", "It did the opposite of what it was told"
        )
    if own == 1 and seen == -1:
        return Turned.METER, Phrase(
            "step_meter_turned", "It followed, and the meter moved the other way"
        )
    if own is None and seen == -1:
        return (
            Turned.SETPOINT,
            Phrase(
                "step_one_turned",
                "The meter moved the other way: either it looks the other way, or the "
                "asset does the opposite of what it is told",
            ),
        )
    return None


# ------------------------------------------------------------------------------- lines


def _with_lines(
    response: Response, asset: Asset, moves: Sequence[Move], grid_type: GridType
) -> Response:
    """Return the response with the lines that moved, and what that says of the map."""
    lines = _moved(moves, asset, response, grid_type)
    agree: bool | None = None
    order: tuple[Line, ...] | None = None
    if lines:
        own = _own_lines(moves)
        if len(own) == len(lines) == 1 and asset.phases == len(asset.lines) == 3:
            order = _rotated(asset.lines, own[0], lines[0])
        elif len(lines) == _carrying(asset, grid_type):
            order = lines
            if set(lines) == set(asset.lines):
                # Equal steps on all lines do not tell which is which.
                order = asset.lines
        agree = (
            set(lines) <= set(asset.lines) if order is None else order == asset.lines
        )
        if grid_type is GridType.SINGLE_PHASE:
            agree = True
    return replace(
        response, lines=lines, lines_agree=agree, order=None if agree else order
    )


def _carrying(asset: Asset, grid_type: GridType) -> int:
    """Return how many lines an asset can load, however many may be entered."""
    if asset.phases == 3:
        return 3
    return 2 if grid_type is GridType.DELTA else 1


def _moved(
    moves: Sequence[Move], asset: Asset, response: Response, grid_type: GridType
) -> tuple[Line, ...]:
    """Return the lines of the meter that moved; empty where they are not clear."""
    steps = {line: _line_step(moves, line) for line in Line}
    known = {line: abs(step) for line, step in steps.items() if step is not None}
    if not known:
        return ()
    largest = max(known.values())
    drawn = max((abs(value) for _, value in _own_steps(moves)), default=0.0)
    power = abs(response.told if response.device is None else response.device)
    expected = drawn or power / NOMINAL_VOLTAGE / _carrying(asset, grid_type)
    threshold = max(_LINE, 0.5 * min(expected, largest))
    lines = tuple(line for line, step in known.items() if step >= threshold)
    unclear = [
        line for line, step in known.items() if threshold * 0.6 < step < threshold
    ]
    return () if unclear else lines


def _own_steps(moves: Sequence[Move]) -> list[tuple[Line, float]]:
    found = []
    for line in Line:
        value = partial(_own_current, line)
        steps = [_rise(move, value) for move in moves]
        known = [abs(step) for step in steps if step is not None]
        if len(known) == len(moves):
            found.append((line, _mean(known)))
    return found


def _own_current(line: Line, sample: Sample) -> float | None:
    return sample.currents[line]


def _own_lines(moves: Sequence[Move]) -> tuple[Line, ...]:
    """Return the lines, as configured, on which the device says that it moved."""
    steps = _own_steps(moves)
    largest = max((step for _, step in steps), default=0.0)
    if largest < _LINE:
        return ()
    return tuple(line for line, step in steps if step >= 0.5 * largest)


def _line_step(moves: Sequence[Move], line: Line) -> float | None:
    """Return how a line of the meter moves with what is told, A per step."""
    steps = []
    for move in moves:
        step = _rise(move, lambda sample: sample.lines[line])
        if step is None:
            return None
        steps.append(step if move.told > 0 else -step)
    return _mean(steps)


def _rotated(lines: tuple[Line, ...], own: Line, seen: Line) -> tuple[Line, ...]:
    """Return three lines turned so that the phase named `own` is on `seen`.

    Chargers are wired in turn, with the rotation of the field kept.
    """
    ring = tuple(Line)
    first = ring.index(seen) - lines.index(own)
    return tuple(ring[(first + phase) % 3] for phase in range(3))


def lines_in_words(response: Response, asset: Asset) -> str:
    """Return what a response says about lines."""
    configured = " ".join(asset.lines)
    if response.lines_agree is None:
        return Phrase("lines_untold", "On which lines could not be told")
    seen = " ".join(response.lines)
    if response.lines_agree:
        return Phrase(
            "lines_as_configured",
            "It loads {seen}, as configured ({configured})",
            seen=seen,
            configured=configured,
        )
    differ = Phrase(
        "lines_differ",
        "It loads {seen}; configured is {configured}",
        seen=seen,
        configured=configured,
    )
    if response.order is None:
        return differ
    fits = Phrase(
        "lines_fit", "{order} fits what was seen", order=" ".join(response.order)
    )
    return listed(differ, fits)


# ----------------------------------------------------------------------------- figures


def _figures(response: Response) -> str:
    parts = [
        Phrase("step_told", "A step of {power} was told", power=_power(response.told))
    ]
    if response.device is not None:
        own = Phrase(
            "step_own",
            "its own reading moved by {power}",
            power=_power(response.device),
        )
        parts.append(_in_time(own, response.device_seconds))
    if response.meter is not None:
        meter = Phrase(
            "step_meter", "the meter moved by {power}", power=_power(response.meter)
        )
        parts.append(_in_time(meter, response.meter_seconds))
    return listed(*parts)


def _in_time(what: Phrase, seconds: float | None) -> Phrase:
    if seconds is None:
        return what
    return Phrase("after", "{what} after {time}", what=what, time=f"{seconds:.1f} s")


def _power(value: float) -> str:
    return f"{value:.0f} W"


type _Value = Callable[[Sample], float | None]


def level(samples: Iterable[Sample], value: _Value) -> float | None:
    """Return the mean of a value, None where nobody said it."""
    known = [found for sample in samples if (found := value(sample)) is not None]
    return _mean(known) if known else None


def spread(samples: Iterable[Sample], value: _Value) -> float:
    """Return how much a value moves within some samples, 0 where nobody says it."""
    known = [found for sample in samples if (found := value(sample)) is not None]
    return max(known) - min(known) if known else 0.0


def _rise(move: Move, value: _Value) -> float | None:
    before, after = level(move.before, value), level(move.after, value)
    return None if before is None or after is None else after - before


def _ratio(moves: Sequence[Move], value: _Value) -> float | None:
    """Return what was seen in what was told; None where one move did not show it."""
    ratios = []
    for move in moves:
        rise = _rise(move, value)
        if rise is None:
            return None
        ratios.append(rise / move.told)
    return _mean(ratios) if ratios else None


def _way(ratio: float) -> int | None:
    """Return 1 where it follows, -1 the other way, 0 not at all, None: unclear."""
    if abs(ratio) <= _STILL:
        return 0
    if _FOLLOWS[0] <= abs(ratio) <= _FOLLOWS[1]:
        return 1 if ratio > 0 else -1
    return None


def _seconds(moves: Sequence[Move], value: _Value) -> float | None:
    """Return the s until half of a step was seen, the slowest of the moves."""
    slowest = 0.0
    for move in moves:
        before, rise = level(move.before, value), _rise(move, value)
        if before is None or not rise:
            return None
        for sample in move.trail:
            found = value(sample)
            if found is not None and (found - before) / rise >= 0.5:
                slowest = max(slowest, sample.at - move.told_at)
                break
        else:
            return None
    return slowest


def _noise(move: Move) -> float:
    return max(
        spread(move.before, lambda sample: sample.meter),
        spread(move.after, lambda sample: sample.meter),
    )


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)
