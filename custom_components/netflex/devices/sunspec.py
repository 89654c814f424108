"""SunSpec: finding the models of a device and placing a profile's points on them.

Source: SunSpec Device Information Model Specification; the map begins with the
characters "SunS", then models of an ID, a length and a body, until ID 0xFFFF.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from .profile import Control, Point, Poll, Profile, Register, Scaling, Step
from .registers import RegisterType

MARKER = [0x5375, 0x6E53]
_END = 0xFFFF
_MOST_MODELS = 64
SCALE_SUFFIX = ".sf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model as found: the address of its ID register, and its length."""

    id: int
    at: int
    length: int


class ReadWords(Protocol):
    """Reads holding registers of the device's SunSpec unit."""

    async def __call__(self, at: int, count: int) -> Sequence[int]:
        """Return `count` registers from `at`."""


class NotSunSpec(Exception):
    """No SunSpec map where one may be."""


async def scan(
    read: ReadWords, bases: Iterable[int], is_refusal: type[Exception]
) -> tuple[Model, ...]:
    """Return the models of a device in the order of its map.

    `is_refusal` is the error that says that a base is not there; other errors
    pass. Raises NotSunSpec.
    """
    for base in bases:
        try:
            marker = list(await read(base, 2))
        except is_refusal:
            continue
        if marker == MARKER:
            return await _walk(read, base + 2)
    raise NotSunSpec


async def _walk(read: ReadWords, at: int) -> tuple[Model, ...]:
    models: list[Model] = []
    while len(models) < _MOST_MODELS and at <= 0xFFFE:
        model_id, length = await read(at, 2)
        if model_id == _END:
            break
        models.append(Model(id=model_id, at=at, length=length))
        at += length + 2
    return tuple(models)


def resolve(profile: Profile, models: Sequence[Model]) -> Profile:
    """Return a profile with addresses for the models that a device has.

    A point takes the first of its places whose model is there; points without one
    are dropped, and controls of which a step that is not optional has none.
    """
    placed: dict[str, Point] = {}
    for key, point in profile.points.items():
        if (found := _place_register(point.register, models)) is None:
            continue
        register, scale_at = found
        scaling = point.scaling
        if scale_at is not None:
            scaling = _with_scale(placed, register, scale_at, scaling, point)
        placed[key] = replace(point, register=register, scaling=scaling)
    controls = {}
    for name, alternatives in profile.controls.items():
        usable = [
            control
            for alternative in alternatives
            if (control := _place_control(alternative, models, placed)) is not None
        ]
        if usable:
            controls[name] = tuple(usable)
    return replace(profile, points=placed, controls=controls)


def _place_register(
    register: Register, models: Sequence[Model]
) -> tuple[Register, int | None] | None:
    if not register.sunspec:
        return register, None
    for place in register.sunspec:
        for model in models:
            if model.id not in place.models or model.length < place.min_length:
                continue
            if place.offset + place.count > model.length + 2:
                continue
            scale = place.scale_offset
            return (
                replace(
                    register,
                    at=model.at + place.offset,
                    type=place.type,
                    count=place.count,
                    sunspec=(),
                ),
                None if scale is None else model.at + scale,
            )
    return None


def _with_scale(
    placed: dict[str, Point],
    register: Register,
    scale_at: int,
    scaling: Scaling,
    point: Point | None,
) -> Scaling:
    key = f"{scale_at}{SCALE_SUFFIX}"
    poll = Poll.SLOW if point is None else point.poll
    if (known := placed.get(key)) is not None:
        poll = min(poll, known.poll, key=list(Poll).index)
    placed[key] = Point(
        key=key,
        register=replace(register, at=scale_at, type=RegisterType.S16, count=1),
        # Some inverters change a scale with the value, so both are read together.
        poll=poll,
    )
    return replace(scaling, scale_point=key)


def _place_control(
    control: Control, models: Sequence[Model], placed: dict[str, Point]
) -> Control | None:
    added: dict[str, Point] = dict(placed)

    def place(steps: Sequence[Step]) -> tuple[Step, ...] | None:
        found: list[Step] = []
        for step in steps:
            if (place := _place_register(step.register, models)) is None:
                if step.optional:
                    continue
                return None
            register, scale_at = place
            scaling = step.scaling
            if scale_at is not None:
                scaling = _with_scale(added, register, scale_at, scaling, None)
            found.append(replace(step, register=register, scaling=scaling))
        return tuple(found)

    arm, write, stop = place(control.arm), place(control.write), place(control.stop)
    emergency, release = place(control.emergency), place(control.release_steps)
    if (
        arm is None
        or write is None
        or stop is None
        or emergency is None
        or release is None
        or (control.readback is not None and control.readback.point not in placed)
    ):
        return None
    placed.update(added)
    return replace(
        control,
        arm=arm,
        write=write,
        stop=stop,
        emergency=emergency,
        release_steps=release,
    )
