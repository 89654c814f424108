"""Values of the model as plain JSON, and back, strictly.

What has its default is left out. Reading refuses whatever is not known, is missing or
has another type, and names the place (`states.car.power`).
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum, IntEnum
from functools import cache
from math import isfinite
from types import MappingProxyType, UnionType
from typing import (
    Any,
    Final,
    TypeAliasType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ..model.failure import reason_of
from ..model.phrase import Moment, Phrase
from ..model.programme import PARAMETERS, ModeEntry

NO_OBJECT: Final = Phrase("must_be_object", "must be an object")
_NUMBER: Final = Phrase("must_be_number", "must be a number")
_WHOLE: Final = Phrase("must_be_whole", "must be a whole number")
_KINDS: Final[Mapping[Any, Phrase]] = {
    bool: Phrase("must_be_truth", "must be true or false"),
    int: _WHOLE,
    str: Phrase("must_be_text", "must be a text"),
}
_DAY: Final = Phrase("must_be_iso_day", "must be a day in ISO 8601")
_TIME_OF_DAY: Final = Phrase(
    "must_be_iso_time_of_day", "must be a time of the day in ISO 8601"
)


def not_known(known: str) -> Phrase:
    """Return that a name has no meaning at its place."""
    return Phrase("not_known_here", "is not known here; known are {known}", known=known)


def must_be(wanted: str) -> Phrase:
    """Return what a value must be."""
    return Phrase("must_be", "must be {wanted}", wanted=wanted)


class CodecError(ValueError):
    """A value that is not what its place demands, with the place in front."""

    def __init__(self, place: str, problem: str) -> None:
        """Name the place, and what is wrong there."""
        self.place = place
        super().__init__(
            Phrase("point_problem", "{place}: {problem}", place=place, problem=problem)
            if place
            else problem
        )


def encode(value: Any) -> Any:
    """Return a value as JSON knows it; mappings and tuples become objects and lists."""
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(encode(key)): encode(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(encode(item) for item in value)
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if is_dataclass(value):
        return {
            name: encode(item)
            for name, default in _defaults(value.__class__)
            if (item := getattr(value, name)) is not default and item != default
        }
    raise TypeError(f"{type(value).__name__} cannot be written")


@cache
def _defaults(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((item.name, _default(item)) for item in fields(kind))


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def stored_text(text: str) -> Any:
    """Return a text as JSON; a phrase with all that it was made from."""
    if isinstance(text, Moment):
        return {"at": text.at.isoformat()}
    if not isinstance(text, Phrase):
        return text
    figures = {name: stored_text(item) for name, item in text.figures.items()}
    return {"key": text.key, "text": str(text), "figures": figures}


def kept_text(stored: Any, place: str) -> str:
    """Return a text from its JSON; CodecError says where it is none."""
    if isinstance(stored, str):
        return stored
    if isinstance(stored, dict) and stored.keys() == {"at"}:
        return Moment(decode(datetime, stored["at"], f"{place}.at"))
    if not isinstance(stored, dict) or stored.keys() != {"key", "text", "figures"}:
        raise CodecError(place, Phrase("must_be_phrase", "must be a text or a phrase"))
    figures = stored["figures"]
    if not isinstance(figures, dict):
        raise CodecError(f"{place}.figures", NO_OBJECT)
    return Phrase.kept(
        decode(str, stored["key"], f"{place}.key"),
        decode(str, stored["text"], f"{place}.text"),
        {
            name: kept_text(item, f"{place}.figures.{name}")
            for name, item in figures.items()
        },
    )


def decode[T](kind: type[T], value: Any, place: str = "") -> T:
    """Return a value of a type from its JSON; CodecError says where it is not one."""
    result: T = _decode(kind, value, place)
    return result


def _decode(kind: Any, value: Any, place: str) -> Any:
    if isinstance(kind, TypeAliasType):
        kind = kind.__value__
    origin = get_origin(kind)
    if origin in {UnionType, Union}:
        return _union(get_args(kind), value, place)
    if origin in {tuple, frozenset}:
        return _sequence(kind, value, place)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(kind, value, place)
    if origin is not None and is_dataclass(origin):
        return _dataclass(origin, value, place, get_args(kind))
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, value, place, ())
    return _scalar(kind, value, place)


def _union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None:
        if type(None) in kinds:
            return None
        raise CodecError(place, Phrase("must_not_be_null", "must not be null"))
    problems = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _decode(kind, value, place)
        except CodecError as err:
            problems.append(err)
    # Of several kinds the one that came furthest says most.
    raise max(problems, key=lambda err: len(err.place))


def _sequence(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, list):
        raise CodecError(place, Phrase("must_be_a_list", "must be a list"))
    kinds = get_args(kind)
    if get_origin(kind) is frozenset:
        return frozenset(
            _decode(kinds[0], item, f"{place}[{index}]")
            for index, item in enumerate(value)
        )
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise CodecError(
            place,
            Phrase(
                "must_have_entries",
                "must have {number} entries",
                number=str(len(kinds)),
            ),
        )
    return tuple(
        _decode(item_kind, item, f"{place}[{index}]")
        for index, (item_kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _mapping(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise CodecError(place, NO_OBJECT)
    key_kind, item_kind = get_args(kind)
    return MappingProxyType(
        {
            _decode(key_kind, key, place): _decode(item_kind, item, f"{place}.{key}")
            for key, item in value.items()
        }
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _dataclass(kind: Any, value: Any, place: str, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict):
        raise CodecError(place, NO_OBJECT)
    hints = _hints(kind)
    filled = dict(zip(kind.__type_params__, arguments, strict=True))
    if unknown := sorted(value.keys() - hints.keys()):
        known = ", ".join(sorted(hints))
        raise CodecError(_join(place, unknown[0]), not_known(known))
    given: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in value:
            hint = hints[item.name]
            if isinstance(hint, TypeVar):
                hint = filled[hint]
            elif kind is ModeEntry and item.name == "parameters":
                # What they are is said by the mode, which comes before them.
                hint = PARAMETERS[given["mode"]]
            given[item.name] = _decode(hint, value[item.name], _join(place, item.name))
        elif item.default is MISSING and item.default_factory is MISSING:
            raise CodecError(
                _join(place, item.name), Phrase("is_missing", "is missing")
            )
    try:
        return kind(**given)
    except ValueError as err:
        raise CodecError(place, reason_of(err)) from err


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _scalar(kind: Any, value: Any, place: str) -> Any:
    if kind is datetime:
        return _time(value, place)
    if kind is date or kind is time:
        return _day_or_time(kind, value, place)
    if issubclass(kind, Enum):
        return _word(kind, value, place)
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CodecError(place, _NUMBER)
        if not isfinite(value):
            raise CodecError(place, Phrase("must_be_finite", "must be a finite number"))
        return float(value)
    if kind is int and isinstance(value, bool):
        raise CodecError(place, _WHOLE)
    if not isinstance(value, kind):
        raise CodecError(place, _KINDS.get(kind) or must_be(kind.__name__))
    return value


def _time(value: Any, place: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError) as err:
        raise CodecError(
            place, Phrase("must_be_iso_time", "must be a time in ISO 8601")
        ) from err
    if time.tzinfo is None:
        raise CodecError(
            place, Phrase("must_be_utc", "must be a time with its offset to UTC")
        )
    return time


def _day_or_time(kind: type[date | time], value: Any, place: str) -> date | time:
    try:
        return kind.fromisoformat(value)
    except (TypeError, ValueError) as err:
        raise CodecError(place, _DAY if kind is date else _TIME_OF_DAY) from err


def _word(kind: type[Enum], value: Any, place: str) -> Enum:
    for member in kind:
        if encode(member) == value:
            return member
    known = ", ".join(str(encode(member)) for member in kind)
    raise CodecError(
        place,
        Phrase(
            "value_one_of",
            "{value} must be one of {known}",
            value=repr(value),
            known=known,
        ),
    )
