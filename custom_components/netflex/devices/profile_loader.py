"""Profiles from files: the strict reader of a file, and the library of all files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from ..model.asset import Nature
from .device import ParamValue
from .natures import NATURES
from .profile import Persistence, Profile, Status
from .profile_controls import read_control, read_phase_switch
from .profile_params import Binder, ParamSpec, ParamType, fill_in, read_params
from .profile_parts import Layout, PointReader
from .profile_sections import (
    entries_of,
    hints_of,
    read_block,
    read_check,
    read_encoding,
    read_freshness,
    read_identity,
    read_link,
    read_polls,
    read_ratios,
    read_sunspec,
    read_units,
    read_variant,
    texts_of,
)
from .writer import REACTIVE
from .yaml_nodes import ProfileError, Reader, parse

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
    when_silent: str | None
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
        when_silent=profile.when_silent,
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


def _read_profile(reader: Reader) -> Profile:
    with reader.section() as top:
        top.need("schema")
        link = read_link(top.get("link"))
        units = read_units(top.get("units"))
        shift, encoding = read_encoding(top.get("encoding"))
        points = PointReader(
            Layout(units=units, shift=shift, encoding=encoding),
            read_ratios(top.get("ratios")),
        )
        identity = read_identity(top.get("identity"))
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
            for name, alternatives in entries_of(top.get("controls"))
        }
        fast, slow = read_polls(top.get("polls"))
        checks = top.get("identify")
        variants = top.get("variants")
        blocks = top.get("blocks")
        stays, silent = top.get("stays_stopped"), top.get("when_silent")
        profile = Profile(
            id=top.need("id").text(),
            kind=top.need("kind").choice(Nature),
            vendor=top.need("vendor").text(),
            models=texts_of(top.need("models")),
            status=top.need("status").choice(Status),
            sources=texts_of(top.need("sources")),
            revision=top.need("revision").text(),
            requires=hints_of(top.get("requires")),
            stays_stopped=stays is not None and stays.boolean(),
            when_silent=None if silent is None else silent.hint(),
            link=link,
            units=units,
            variants=()
            if variants is None
            else tuple(read_variant(entry, shift) for entry in variants.items()),
            checks=()
            if checks is None
            else tuple(read_check(entry, points) for entry in checks.items()),
            identity=identity,
            fast=fast,
            slow=slow,
            blocks=()
            if blocks is None
            else tuple(read_block(entry, units, shift) for entry in blocks.items()),
            points=read,
            freshness=read_freshness(top.get("freshness"), read),
            sunspec=read_sunspec(top.get("sunspec"), units),
            controls=controls,
            phase_switch=read_phase_switch(top.get("phase_switch"), points, read),
        )
    _cross_check(reader, profile)
    return profile


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
    for key, point in profile.points.items():
        scale = point.scaling.scale_point
        if scale is not None and scale not in profile.points:
            place = section.need("points").section().need(key)
            place.fail(f"there is no point {scale}")
    spec = NATURES.get(profile.kind)
    controls = section.get("controls")
    for name, alternatives in profile.controls.items():
        if spec is None or name not in {spec.control, REACTIVE}:
            assert controls is not None, "it has this control"
            controls.section().need(name).fail(
                f"a {profile.kind} is not driven by {name}"
            )
        for control in alternatives:
            if control.persistence is Persistence.EEPROM and control.keepalive:
                assert controls is not None, "it has this control"
                controls.section().need(name).fail(
                    "memory that wears must not be written in a cycle: "
                    "persistence eeprom and keepalive exclude each other"
                )
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
