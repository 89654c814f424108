"""Profiles from files: the strict reader of a file, and the library of all files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Self

import yaml

from ..model.asset import Nature
from .device import ParamValue
from .profile import (
    Area,
    Block,
    Check,
    Freshness,
    Identity,
    LinkSettings,
    Poll,
    Profile,
    Status,
    SunSpec,
    Variant,
)
from .profile_controls import read_control
from .profile_params import Binder, ParamSpec, ParamType, fill_in, read_params
from .profile_parts import Layout, PointReader
from .registers import Encoding, Order
from .yaml_nodes import ProfileError, Reader, Section, parse

SCHEMA = 1
BUILT_IN = Path(__file__).parent / "profiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFile:
    """One file, with what a form needs before its parameters are known."""

    id: str
    kind: Nature
    vendor: str
    models: tuple[str, ...]
    status: Status
    requires: tuple[str, ...]
    params: Mapping[str, ParamSpec]
    port: int
    max_clients: int | None
    stays_stopped: bool
    name: str
    """The file's name, for messages."""
    node: yaml.MappingNode

    def bind(self, params: Mapping[str, ParamValue]) -> Profile:
        """Return the profile for one device. Raises ProfileError.

        Parameters that the file does not name are left alone: they belong to the
        device, not to its profile.
        """
        values = fill_in(self.name, self.params, params)
        bound = Binder(self.name, self.params, values).bind(self.node)
        if bound is None:
            raise ProfileError(self.name, 1, "only_if", "the whole file is optional")
        return _read_profile(Reader(self.name, bound))


def read_file(text: str, name: str) -> ProfileFile:
    """Read a file's text and check all of it with its default parameters."""
    reader = Reader(name, parse(text, name))
    if not isinstance(reader.node, yaml.MappingNode):
        reader.fail("must have keys")
    section = reader.section()
    if (version := section.need("schema")).integer() != SCHEMA:
        version.fail(f"this version reads schema {SCHEMA} only")
    params = read_params(section.get("params"))
    body = yaml.MappingNode(
        reader.node.tag,
        [(key, value) for key, value in reader.node.value if key.value != "params"],
        reader.node.start_mark,
        reader.node.end_mark,
    )
    profile = None
    for values in _trials(name, params):
        bound = Binder(name, params, values).bind(body)
        if bound is None:
            reader.fail("the whole file is optional")
        read = _read_profile(Reader(name, bound))
        profile = profile or read
    assert profile is not None, "there is always a first trial"
    return ProfileFile(
        id=profile.id,
        kind=profile.kind,
        vendor=profile.vendor,
        models=profile.models,
        status=profile.status,
        requires=profile.requires,
        params=params,
        port=profile.link.port,
        max_clients=profile.link.max_clients,
        stays_stopped=profile.stays_stopped,
        name=name,
        node=body,
    )


def _trials(
    name: str, params: Mapping[str, ParamSpec]
) -> Iterable[dict[str, ParamValue]]:
    """Yield sets of parameters that together show every optional part of a file.

    A parameter without a default gets some value that it allows.
    """
    required = {key: _some(spec) for key, spec in params.items() if spec.required}
    yield fill_in(name, params, required)
    every = {key: _some(spec) for key, spec in params.items()}
    yield fill_in(name, params, every)
    for key, spec in params.items():
        for choice in spec.choices:
            yield fill_in(name, params, {**every, key: choice})


def _some(spec: ParamSpec) -> ParamValue:
    if spec.default is not None:
        return spec.default
    if spec.choices:
        return spec.choices[0]
    if spec.type is ParamType.STR:
        return "x"
    return spec.minimum if spec.minimum is not None else 0


class ProfileLibrary:
    """All profiles that there are: ours, and the user's own, which win."""

    def __init__(self, files: Iterable[ProfileFile]) -> None:
        """Keep files; a later one of the same id replaces an earlier one."""
        self._files = {file.id: file for file in files}

    @classmethod
    def load(cls, user_folder: Path | None = None) -> Self:
        """Read all files; blocking. Raises ProfileError for the first bad one."""
        folders = [BUILT_IN, *([user_folder] if user_folder else [])]
        return cls(
            read_file(path.read_text(encoding="utf-8"), path.name)
            for folder in folders
            if folder.is_dir()
            for path in sorted(folder.glob("*.yaml"))
        )

    def ids(self) -> tuple[str, ...]:
        """Return all ids in order."""
        return tuple(sorted(self._files))

    def of_kind(self, kind: Nature) -> tuple[ProfileFile, ...]:
        """Return the files of one nature in order of their ids."""
        return tuple(
            self._files[id_] for id_ in self.ids() if self._files[id_].kind is kind
        )

    def get(self, profile_id: str) -> ProfileFile:
        """Return one file. Raises KeyError."""
        return self._files[profile_id]


def _texts(reader: Reader | None) -> tuple[str, ...]:
    return () if reader is None else tuple(item.text() for item in reader.items())


def _read_profile(reader: Reader) -> Profile:
    with reader.section() as top:
        top.need("schema")
        link = _link(top.get("link"))
        units = _units(top.get("units"))
        shift, encoding = _encoding(top.get("encoding"))
        points = PointReader(
            Layout(units=units, shift=shift, encoding=encoding),
            _ratios(top.get("ratios")),
        )
        identity = _identity(top.get("identity"))
        read = {
            key: points.point(key, entries[0])
            for key, entry in top.need("points").section().entries()
            if (entries := entry.one_or_more())
        }
        controls = {
            name: tuple(
                read_control(name, entry, points, read)
                for entry in alternatives.one_or_more()
            )
            for name, alternatives in _entries(top.get("controls"))
        }
        fast, slow = _polls(top.get("polls"))
        checks = top.get("identify")
        variants = top.get("variants")
        blocks = top.get("blocks")
        stays = top.get("stays_stopped")
        profile = Profile(
            id=top.need("id").text(),
            kind=top.need("kind").choice(Nature),
            vendor=top.need("vendor").text(),
            models=_texts(top.need("models")),
            status=top.need("status").choice(Status),
            sources=_texts(top.need("sources")),
            revision=top.need("revision").text(),
            requires=_texts(top.get("requires")),
            stays_stopped=stays is not None and stays.boolean(),
            link=link,
            units=units,
            variants=()
            if variants is None
            else tuple(_variant(entry, shift) for entry in variants.items()),
            checks=()
            if checks is None
            else tuple(_check(entry, points) for entry in checks.items()),
            identity=identity,
            fast=fast,
            slow=slow,
            blocks=()
            if blocks is None
            else tuple(_block(entry, units, shift) for entry in blocks.items()),
            points=read,
            freshness=_freshness(top.get("freshness"), read),
            sunspec=_sunspec(top.get("sunspec"), units),
            controls=controls,
        )
    _cross_check(reader, profile)
    return profile


def _entries(reader: Reader | None) -> Iterable[tuple[str, Reader]]:
    return () if reader is None else reader.section().entries()


def _link(reader: Reader | None) -> LinkSettings:
    if reader is None:
        return LinkSettings()
    default = LinkSettings()
    with reader.section() as link:

        def number(key: str, value: float) -> float:
            return value if (entry := link.get(key)) is None else entry.number()

        def integer(key: str, value: int, low: int, high: int) -> int:
            entry = link.get(key)
            return value if entry is None else entry.integer(low, high)

        idle, clients = link.get("idle_close"), link.get("max_clients")
        single = link.get("per_register_reads")
        forbidden = link.get("forbidden")
        return LinkSettings(
            port=integer("port", default.port, 1, 65535),
            timeout=number("timeout", default.timeout),
            connect_timeout=number("connect_timeout", default.connect_timeout),
            connect_delay=number("connect_delay", default.connect_delay),
            spacing=number("spacing", default.spacing),
            max_clients=None if clients is None else clients.integer(1, 64),
            idle_close=None if idle is None else idle.positive(),
            max_read=integer("max_read", default.max_read, 1, 125),
            max_gap=integer("max_gap", default.max_gap, 0, 124),
            per_register_reads=single is not None and single.boolean(),
            forbidden=()
            if forbidden is None
            else tuple(_span(entry) for entry in forbidden.items()),
        )


def _span(reader: Reader) -> tuple[int, int]:
    ends = [entry.integer(0, 65535) for entry in reader.one_or_more()]
    if len(ends) > 2 or ends[0] > ends[-1]:
        reader.fail("must be an address or [first, last]")
    return ends[0], ends[-1]


def _units(reader: Reader | None) -> dict[str, int]:
    if reader is None:
        return {"main": 1}
    units = {name: entry.integer(0, 255) for name, entry in _entries(reader)}
    if not units:
        reader.fail("must name at least one unit")
    return units


def _encoding(reader: Reader | None) -> tuple[int, Encoding]:
    if reader is None:
        return 0, Encoding()
    with reader.section() as section:
        base = section.get("base")
        word, byte = section.get("word"), section.get("byte")
        # Documents that count from 1 name the register after its address.
        shift = 0 if base is None else -base.integer(0, 1)
        return shift, Encoding(
            word=Order.BIG if word is None else word.choice(Order),
            byte=Order.BIG if byte is None else byte.choice(Order),
        )


def _variant(reader: Reader, shift: int) -> Variant:
    with reader.section() as section:
        own_shift, encoding = _encoding(section.get("encoding"))
        return Variant(
            id=section.need("id").text(),
            shift=own_shift - shift,
            encoding=encoding,
            text=section.need("text").text(),
        )


def _ratios(reader: Reader | None) -> dict[str, float]:
    ratios = {}
    for name, entry in _entries(reader):
        ends = [item.positive() for item in entry.items()]
        if len(ends) != 2:
            entry.fail("must be [primary, secondary]")
        ratios[name] = ends[0] / ends[1]
    return ratios


def _identity(reader: Reader | None) -> Identity:
    if reader is None:
        return Identity()
    with reader.section() as section:
        names = {
            key: None if (entry := section.get(key)) is None else entry.text()
            for key in ("serial", "model", "firmware")
        }
    return Identity(**names)


def _polls(reader: Reader | None) -> tuple[float, float]:
    if reader is None:
        return 5.0, 30.0
    with reader.section() as section:
        fast, slow = section.need("fast"), section.get("slow")
        seconds = fast.positive()
        return seconds, 6 * seconds if slow is None else slow.positive()


def _check(reader: Reader, points: PointReader) -> Check:
    with reader.section() as section:
        match, one_of = section.get("match"), section.get("one_of")
        or_absent, text = section.get("or_absent"), section.get("text")
        check = Check(
            point=points.body("identify", section),
            match=None if match is None else _expression(match),
            one_of=()
            if one_of is None
            else tuple(item.plain() for item in one_of.items()),
            between=points.limits(section.get("must_be")),
            or_absent=or_absent is not None and or_absent.boolean(),
            text=None if text is None else text.text(),
        )
    if check.match is None and check.between is None and not check.one_of:
        reader.fail("needs match, one_of or must_be")
    return check


def _expression(reader: Reader) -> str:
    text = reader.text()
    try:
        re.compile(text)
    except re.error as err:
        reader.fail(f"is not a regular expression: {err}")
    return text


def _block(reader: Reader, units: Mapping[str, int], shift: int) -> Block:
    with reader.section() as section:
        area, poll, unit = section.get("area"), section.get("poll"), section.get("unit")
        return Block(
            unit=_unit(unit, units, section),
            area=Area.HOLDING if area is None else area.choice(Area),
            at=section.need("at").integer(0, 65535) + shift,
            count=section.need("n").integer(1, 125),
            poll=Poll.FAST if poll is None else poll.choice(Poll),
        )


def _unit(reader: Reader | None, units: Mapping[str, int], section: Section) -> str:
    if reader is None:
        if len(units) > 1:
            section.place.fail("needs the key unit: there are several")
        return next(iter(units))
    if (name := reader.text()) not in units:
        reader.fail(f"is not one of the units {', '.join(units)}")
    return name


def _freshness(reader: Reader | None, points: Mapping[str, object]) -> Freshness | None:
    if reader is None:
        return None
    with reader.section() as section:
        covers = section.need("covers")
        fresh = Freshness(
            point=section.need("point").text(),
            maximum=section.need("max_s").positive(),
            covers=frozenset(_texts(covers)),
        )
    for name in {fresh.point, *fresh.covers} - set(points):
        reader.fail(f"there is no point {name}")
    return fresh


def _sunspec(reader: Reader | None, units: Mapping[str, int]) -> SunSpec | None:
    if reader is None:
        return None
    with reader.section() as section:
        bases = section.get("bases")
        unit = _unit(section.get("unit"), units, section)
        if bases is None:
            return SunSpec(unit=unit)
        return SunSpec(
            unit=unit, bases=tuple(item.integer(0, 65535) for item in bases.items())
        )


def _cross_check(reader: Reader, profile: Profile) -> None:
    section = reader.section()

    def known(name: str | None, key: str) -> None:
        if name is not None and name not in profile.points:
            place = section.get(key) or reader
            place.fail(f"there is no point {name}")

    for name in (
        profile.identity.serial,
        profile.identity.model,
        profile.identity.firmware,
    ):
        known(name, "identity")
    for point in profile.points.values():
        known(point.scaling.scale_point, "points")
    for alternatives in profile.controls.values():
        for control in alternatives:
            for step in control.steps:
                known(step.scaling.scale_point, "controls")
    uses_sunspec = [
        point.register for point in profile.points.values() if point.register.sunspec
    ]
    if uses_sunspec and profile.sunspec is None:
        reader.fail("has SunSpec points and so needs the key sunspec")
    for block in profile.blocks:
        for point in profile.points.values():
            at, count = point.register.at, point.register.count
            if (
                at is None
                or point.register.unit != block.unit
                or point.register.area is not block.area
            ):
                continue
            end, block_end = at + count, block.at + block.count
            if at < block_end < end or at < block.at < end:
                (section.get("blocks") or reader).fail(
                    f"block {block.at}+{block.count} cuts the value of {point.key}"
                )
