"""Checks a device profile, and reads a device with it; writes nothing to it.

`check FILE` says what is wrong with a file (file, line, key), or prints its parameters,
the reads that it plans and what it can drive. `read FILE --host ADDRESS` identifies a
device and prints what it says as one JSON object. FILE is a path or the id of a
profile that is shipped. The exit status is 0 if all is well, 1 if not.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
import sys

from ..devices.blocks import plan_polls
from ..devices.dedicated import DedicatedUnits
from ..devices.device import DeviceConfig, ParamValue, ProbeError, ProbeResult
from ..devices.factory import probe
from ..devices.ports import LinkParams, Transport
from ..devices.profile import Control, Profile, Register, Step
from ..devices.profile_loader import ProfileFile, ProfileLibrary, read_file
from ..devices.profile_params import ParamSpec, ParamType
from ..devices.yaml_nodes import ProfileError
from ..model.asset import Asset, Category, Nature


def _file(name: str) -> ProfileFile:
    path = Path(name)
    if path.is_file():
        return read_file(path.read_text(encoding="utf-8"), path.name)
    library = ProfileLibrary.load()
    if name in library.ids():
        return library.get(name)
    known = ", ".join(library.ids())
    raise ProfileError(name, 1, "", f"is neither a file nor one of {known}")


def _params(file: ProfileFile, given: Sequence[str]) -> dict[str, ParamValue]:
    params: dict[str, ParamValue] = {}
    for entry in given:
        name, separator, value = entry.partition("=")
        if not separator or name not in file.params:
            known = ", ".join(file.params)
            raise ProfileError(
                file.name,
                1,
                "params",
                f"{entry}: must be NAME=VALUE with one of {known}",
            )
        params[name] = _value(file.name, file.params[name], value)
    return params


def _value(file: str, spec: ParamSpec, value: str) -> ParamValue:
    if spec.type is ParamType.STR:
        return value
    try:
        return int(value, 0) if spec.type is ParamType.INT else float(value)
    except ValueError:
        raise ProfileError(
            file, 1, f"params.{spec.name}", f"{value} is no {spec.type}"
        ) from None


# -- check -----------------------------------------------------------------------


def _check(file: ProfileFile, params: Mapping[str, ParamValue]) -> None:
    print(f"{file.name}: {file.kind} {file.id}, {file.vendor}, {file.status}")
    if file.when_silent is not None:
        print(f"  when we fall silent: {file.when_silent}")
    for text in file.requires:
        print(f"  needs {text}")
    if file.params:
        print("Parameters:")
    for spec in file.params.values():
        print(f"  {_describe(spec)}")
    missing = [
        spec.name
        for spec in file.params.values()
        if spec.required and spec.name not in params
    ]
    if missing:
        print(f"Reads: fill in {', '.join(missing)} with --param to see them")
        return
    profile = file.bind(params)
    _print_reads(profile)
    for name, alternatives in profile.controls.items():
        for control in alternatives:
            _print_control(name, control)


def _describe(spec: ParamSpec) -> str:
    parts = [f"{spec.name} ({spec.type}"]
    if spec.choices:
        parts.append(f", {'|'.join(map(str, spec.choices))}")
    if spec.required:
        parts.append(", required")
    elif spec.default is not None:
        parts.append(f", default {spec.default}")
    return f"{''.join(parts)}): {spec.text}"


def _print_reads(profile: Profile) -> None:
    print("Reads:")
    for poll, reads in plan_polls(profile.points, profile.link, profile.blocks).items():
        for read in reads:
            keys = ", ".join(point.key for point in read.points)
            print(
                f"  {poll} unit {profile.units[read.unit]} {read.area} "
                f"{read.at}+{read.count}: {keys}"
            )
    if placed := [p.key for p in profile.points.values() if p.register.sunspec]:
        print(f"  where the device's SunSpec models are: {', '.join(placed)}")


def _print_control(name: str, control: Control) -> None:
    print(f"Drives {name} ({control.persistence}):")
    for title, steps in (
        ("arm", control.arm),
        ("write", control.write),
        ("stop", control.stop),
        ("emergency", control.emergency),
        ("release", control.release_steps),
    ):
        for step in steps:
            print(f"  {title}: {_step(step)}")
    if control.keepalive is not None:
        print(f"  again every {control.keepalive.every:g} s")
    if control.readback is not None:
        print(f"  read back from {control.readback.point}")


def _step(step: Step) -> str:
    value = "the setpoint" if step.value is None else f"{step.value:g}"
    return f"{value} to {_place(step.register)}"


def _place(register: Register) -> str:
    if register.at is not None:
        return f"{register.unit} {register.area} {register.at} as {register.type}"
    place = register.sunspec[0]
    return f"model {place.models[0]} offset {place.offset} as {place.type}"


# -- read ------------------------------------------------------------------------


async def _read(
    file: ProfileFile, params: Mapping[str, ParamValue], link: LinkParams
) -> ProbeResult:
    asset = Asset(
        id=file.id,
        name=file.id,
        nature=file.kind,
        category=Category.OTHER_PRODUCTION,
    )
    config = DeviceConfig(
        device_id=file.id,
        name=file.id,
        asset=None if file.kind is Nature.METER else asset,
        profile=file.id,
        link=link,
        params=params,
    )
    units = DedicatedUnits()
    try:
        return await probe(config, units=units, profiles=ProfileLibrary([file]))
    finally:
        await units.close()


def _print_result(result: ProbeResult) -> None:
    print(
        json.dumps(
            {
                "nature": result.nature,
                "serial": result.serial,
                "model": result.model,
                "firmware": result.firmware,
                "values": dict(result.values),
            },
            indent=2,
            ensure_ascii=False,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m custom_components.netflex.devices", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check a profile's file")
    read = commands.add_parser("read", help="read a device with a profile")
    for command in (check, read):
        command.add_argument("file", help="path of a file, or id of a shipped profile")
        command.add_argument(
            "--param", action="append", default=[], metavar="NAME=VALUE"
        )
    read.add_argument("--host", required=True)
    read.add_argument("--port", type=int, help="default: the profile's")
    read.add_argument(
        "--rtu", action="store_true", help="serial frames through a gateway"
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        file = _file(options.file)
        params = _params(file, options.param)
        if options.command == "check":
            _check(file, params)
            return 0
        link = LinkParams(
            host=options.host,
            port=options.port or file.port,
            transport=Transport.RTU_OVER_TCP if options.rtu else Transport.TCP,
        )
        _print_result(asyncio.run(_read(file, params, link)))
    except ProfileError as err:
        print(err, file=sys.stderr)
        return 1
    except ProbeError as err:
        print(f"{err.key}: {err.text}", file=sys.stderr)
        return 1
    return 0
