"""From registers to values in our units, and back.

Values are in W, var, A, V, Wh, s, %, Hz with our sign (power into the device is
positive); codes and texts as their map names them. Unknown is None, never zero.
"""

from collections.abc import Mapping, Sequence

from ..model.phrase import Phrase
from .profile import Point, Scaling, Step
from .registers import FLOATS, RegisterType, Value, decode, encode, is_absent

SCALE_LIMIT = 10
"""SunSpec scale factors are powers of ten within this; the rest is garbage that
inverters send when they fall asleep."""

type Values = Mapping[str, Value | None]

_ANY = "*"
_AS_IT_IS = Scaling()


def point_value(
    point: Point, words: Sequence[int], scales: Mapping[str, int]
) -> Value | None:
    """Return what a point says; `scales` are the powers of ten known by point."""
    register = point.register
    raw = decode(words, register.type, register.encoding)
    if is_absent(words, raw, register.type, point.nan):
        return None
    if point.mask is not None and not isinstance(raw, str):
        raw = (int(raw) & point.mask) // (point.mask & -point.mask)
    if point.equals is not None:
        return raw == point.equals
    if point.map is not None:
        return _mapped(point.map, raw)
    if isinstance(raw, str | bool):
        return raw
    if (number := _scaled(point.scaling, raw, scales)) is None:
        return None
    if point.between and not point.between[0] <= number <= point.between[1]:
        return None
    if register.type is RegisterType.F32 and point.measure is not None:
        # A single has seven digits; more would only be conversion noise.
        return float(f"{number:.7g}")
    return number


def _mapped(names: Mapping[str, Value], raw: float | str | bool) -> Value | None:
    if isinstance(raw, str):
        key = raw
    else:
        key = str(int(raw)) if raw == int(raw) else str(raw)
    return names.get(key, names.get(_ANY))


def _scaled(scaling: Scaling, raw: float, scales: Mapping[str, int]) -> float | None:
    if scaling == _AS_IT_IS:
        # A serial number of 64 bits would lose its last digits as a float.
        return raw
    number = raw * scaling.scale
    if scaling.scale_point is not None:
        if (exponent := scales.get(scaling.scale_point)) is None:
            return None
        # Dividing by a whole power is exact where multiplying by 0.1 is not.
        number = number * 10**exponent if exponent >= 0 else number / 10**-exponent
    number = (number + scaling.offset) * scaling.factor
    return -number if scaling.negate else number


def step_words(step: Step, setpoint: float, scales: Mapping[str, int]) -> list[int]:
    """Return the registers that a step writes for a setpoint in its control's unit.

    A literal `value` of a step is written as it stands in the file, in the
    register's own number. Raises ValueError where it does not fit or the scale is
    not known.
    """
    register = step.register
    if step.pulse is not None:
        return [round(step.pulse * 10)]
    if step.value is not None:
        return encode(step.value, register.type, register.encoding)
    number = abs(setpoint) if step.magnitude else setpoint
    scaling = step.scaling
    if scaling.negate:
        number = -number
    number = number / scaling.factor - scaling.offset
    if scaling.scale_point is not None:
        if (exponent := scales.get(scaling.scale_point)) is None:
            raise ValueError(
                Phrase("no_scale", "the device has not told its scale yet")
            )
        number = number / 10**exponent if exponent >= 0 else number * 10**-exponent
    number = number / scaling.scale
    return encode(
        number if number or register.type not in FLOATS else 0.0,
        register.type,
        register.encoding,
    )


def scale_of(value: Value | None) -> int | None:
    """Return a believable power of ten, None for garbage."""
    if isinstance(value, bool | str) or value is None or value != int(value):
        return None
    return int(value) if abs(value) <= SCALE_LIMIT else None


def number_of(value: Value | None) -> float | None:
    """Return a number, None where it is not one."""
    return None if isinstance(value, bool | str) or value is None else value


def text_of(value: Value) -> str:
    """Return a value as a user writes it: a serial number without decimals."""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def truth_of(value: Value | None) -> bool | None:
    """Return whether a point is on, None where it is unknown."""
    return None if value is None or isinstance(value, str) else bool(value)
