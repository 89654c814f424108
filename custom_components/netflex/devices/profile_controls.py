"""The strict reader of controls in a profile's file."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from .profile import (
    Beat,
    Bound,
    Control,
    Fallback,
    Heartbeat,
    KeepAlive,
    Match,
    Persistence,
    PhaseSwitch,
    Point,
    ReadBack,
    Release,
    Step,
)
from .profile_parts import RATED, PointReader, read_function
from .yaml_nodes import Reader

type _Name = Callable[[Reader], str]
_BEATS: Mapping[Beat, Sequence[int]] = MappingProxyType(
    {
        Beat.COUNTER: range(65536),
        Beat.TOGGLE: (0xAA55, 0x55AA),
        Beat.CONSTANT: (1,),
    }
)
type _Steps = Callable[[Reader | None], tuple[Step, ...]]


def read_control(
    name: str, reader: Reader, points: PointReader, known: Mapping[str, Point]
) -> Control:
    """Read one entry of `controls:`."""

    def steps(entry: Reader | None) -> tuple[Step, ...]:
        if entry is None:
            return ()
        return tuple(points.step(item, known) for item in entry.one_or_more())

    def point(entry: Reader) -> str:
        if (key := entry.text()) not in known:
            entry.fail(f"there is no point {key}")
        return key

    with reader.section() as section:
        ends = section.get("range")
        percent = section.get("percent_of")
        release, release_steps = _release(section.get("release"), steps)
        persistence = section.get("persistence")
        budget = section.get("daily_writes")

        def number(key: str) -> float:
            return 0.0 if (entry := section.get(key)) is None else entry.number()

        low, high = _range(ends, point)
        return Control(
            name=name,
            write=steps(section.need("write")),
            percent_of=()
            if percent is None
            else tuple(
                entry.text() if entry.text() == RATED else point(entry)
                for entry in percent.one_or_more()
            ),
            low=low,
            high=high,
            min_active=number("min_active"),
            step=number("step"),
            deadband=number("deadband"),
            min_interval=number("min_interval"),
            persistence=Persistence.RAM
            if persistence is None
            else persistence.choice(Persistence),
            daily_writes=50 if budget is None else budget.integer(1),
            arm=steps(section.get("arm")),
            stop=steps(section.get("stop")),
            emergency=steps(section.get("emergency")),
            release=release,
            release_steps=release_steps,
            keepalive=_keepalive(section.get("keepalive"), point),
            heartbeat=_heartbeat(section.get("heartbeat"), points),
            readback=_readback(section.get("readback"), point),
            fallback=_fallback(section.get("fallback"), point),
            errors=_errors(section.get("errors")),
        )


def read_phase_switch(
    reader: Reader | None, points: PointReader, known: Mapping[str, Point]
) -> PhaseSwitch | None:
    """Read how the number of phases is changed."""
    if reader is None:
        return None
    with reader.section() as section:
        idle = section.need("idle")
        for entry in idle.one_or_more():
            if entry.text() not in known:
                entry.fail(f"there is no point {entry.text()}")
        return PhaseSwitch(
            write=tuple(
                points.step(item, known) for item in section.need("write").one_or_more()
            ),
            choices=tuple(
                item.integer(1, 3) for item in section.need("choices").items()
            ),
            idle=tuple(entry.text() for entry in idle.one_or_more()),
            below=section.need("below").positive(),
            patience=section.need("patience_s").positive(),
            settle=section.need("settle_s").positive(),
            cooldown=section.need("cooldown_s").positive(),
            errors=_errors(section.get("errors")),
        )


def _bound(reader: Reader, point: _Name) -> Bound:
    if not reader.is_mapping:
        return Bound(value=float(reader.number()))
    with reader.section() as section:
        factor = section.get("times")
        return Bound(
            point=point(section.need("point")),
            factor=1.0 if factor is None else factor.number(),
        )


def _range(reader: Reader | None, point: _Name) -> tuple[Bound | None, Bound | None]:
    if reader is None:
        return None, None
    ends = reader.items()
    if len(ends) != 2:
        reader.fail("must be [low, high]")
    return _bound(ends[0], point), _bound(ends[1], point)


def _release(reader: Reader | None, steps: _Steps) -> tuple[Release, tuple[Step, ...]]:
    if reader is None:
        return Release.NOTHING, ()
    if reader.is_list:
        return Release.STEPS, steps(reader)
    if (release := reader.choice(Release)) is Release.STEPS:
        reader.fail("must be nothing, maximum or a list of steps")
    return release, ()


def _keepalive(reader: Reader | None, point: _Name) -> KeepAlive | None:
    if reader is None:
        return None
    with reader.section() as section:
        validity, warn = section.get("learn_validity_from"), section.get("warn_below_s")
        return KeepAlive(
            every=section.need("every_s").positive(),
            validity_point=None if validity is None else point(validity),
            warn_below=0.0 if warn is None else warn.number(),
        )


def _heartbeat(reader: Reader | None, points: PointReader) -> Heartbeat | None:
    if reader is None:
        return None
    with reader.section() as section:
        register = points.register(section)
        function, values = section.get("fc"), section.get("values")
        kind = section.need("kind").choice(Beat)
        beats: Sequence[int] = _BEATS[kind]
        if values is not None:
            beats = tuple(item.integer(0, 65535) for item in values.items())
            if kind is Beat.COUNTER and len(beats) == 2:
                beats = range(beats[0], beats[1] + 1)
        if not beats:
            reader.fail("has nothing to write")
        return Heartbeat(
            every=section.need("every_s").positive(),
            register=register,
            function=None if function is None else read_function(function, register),
            values=beats,
        )


def _readback(reader: Reader | None, point: _Name) -> ReadBack | None:
    if reader is None:
        return None
    with reader.section() as section:
        match, also = section.get("match"), section.get("also")
        stopped = section.get("stopped")
        tolerance, mismatch = section.get("tolerance"), section.get("mismatch")
        written = section.get("written")
        return ReadBack(
            point=point(section.need("point")),
            tolerance=0.0 if tolerance is None else tolerance.number(),
            within=section.need("within_s").positive(),
            match=Match.EQUAL if match is None else match.choice(Match),
            also=None if also is None else point(also),
            stopped=None if stopped is None else point(stopped),
            written=None if written is None else point(written),
            mismatch=None if mismatch is None else mismatch.hint(),
        )


def _fallback(reader: Reader | None, point: _Name) -> Fallback | None:
    if reader is None:
        return None
    with reader.section() as section:
        value, source = section.get("value"), section.get("point")
        after, left = section.get("after_s"), section.get("left")
        if value is not None and source is not None:
            reader.fail("has either value or point")
        if value is None and source is None and after is None:
            reader.fail("needs value, point or after_s")
        return Fallback(
            value=None if value is None else float(value.number()),
            point=None if source is None else point(source),
            after=None if after is None else after.positive(),
            left=None if left is None else point(left),
        )


def _errors(reader: Reader | None) -> Mapping[int, str]:
    if reader is None:
        return MappingProxyType({})
    texts = {}
    for code, entry in reader.section().entries():
        if not code.isdecimal():
            entry.fail("the key must be the number of a Modbus exception")
        texts[int(code)] = entry.hint()
    return MappingProxyType(texts)
