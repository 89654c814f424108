"""Who answers: conditions that the right device fulfils, and its layouts."""

from collections.abc import Sequence
from dataclasses import replace
import re

from .profile import Check, Control, PhaseSwitch, Profile, Register, Step, Variant
from .registers import Value
from .values import number_of


class NotIdentified(Exception):
    """Someone answers who is not the device of this profile."""

    def __init__(self, key: str, text: str) -> None:
        """`key` is `wrong_device` or `not_enabled`."""
        super().__init__(text)
        self.key = key
        self.text = text


def with_variant(profile: Profile, variant: Variant) -> Profile:
    """Return a profile in another layout of the same map."""

    def move(register: Register) -> Register:
        if register.at is None:
            return register
        return replace(
            register, at=register.at + variant.shift, encoding=variant.encoding
        )

    def steps(entries: Sequence[Step]) -> tuple[Step, ...]:
        return tuple(replace(entry, register=move(entry.register)) for entry in entries)

    def phase_switch(entry: PhaseSwitch | None) -> PhaseSwitch | None:
        return None if entry is None else replace(entry, write=steps(entry.write))

    def control(entry: Control) -> Control:
        beat = entry.heartbeat
        return replace(
            entry,
            arm=steps(entry.arm),
            write=steps(entry.write),
            stop=steps(entry.stop),
            emergency=steps(entry.emergency),
            release_steps=steps(entry.release_steps),
            heartbeat=None
            if beat is None
            else replace(beat, register=move(beat.register)),
        )

    return replace(
        profile,
        variants=(),
        points={
            key: replace(point, register=move(point.register))
            for key, point in profile.points.items()
        },
        checks=tuple(
            replace(
                check, point=replace(check.point, register=move(check.point.register))
            )
            for check in profile.checks
        ),
        blocks=tuple(
            replace(block, at=block.at + variant.shift) for block in profile.blocks
        ),
        controls={
            name: tuple(control(entry) for entry in alternatives)
            for name, alternatives in profile.controls.items()
        },
        phase_switch=phase_switch(profile.phase_switch),
    )


def passes(check: Check, value: Value | None) -> bool:
    """Whether any of a check's conditions holds."""
    if value is None:
        return check.or_absent
    if check.match is not None and re.match(check.match, str(value)):
        return True
    if value in check.one_of:
        return True
    number = number_of(value)
    if check.between is None or number is None:
        return False
    return check.between[0] <= number <= check.between[1]
