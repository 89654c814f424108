"""Every shipped profile: it loads, plans within the device's limits, says all it must."""

from collections.abc import Iterator
import itertools
import re

import pytest
import yaml

from custom_components.netflex.devices.blocks import plan_polls
from custom_components.netflex.devices.device import ParamValue
from custom_components.netflex.devices.natures import NATURES
from custom_components.netflex.devices.profile import (
    Area,
    Control,
    Persistence,
    Profile,
    Release,
    Status,
)
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileFile,
    read_file,
)
from custom_components.netflex.model.asset import Nature

from . import test_chargers, test_inverters, test_meters, test_relays, test_storage

PATHS = sorted(BUILT_IN.glob("*.yaml"))
ELSEWHERE = {
    "acuvim_ii": "test_acuvim.py",
    "alfen_ng9xx": "test_alfen.py",
    "generic_battery": "test_battery.py",
    "moxa_iologik_e1214": "test_moxa.py",
    "sunspec_inverter": "test_sunspec.py",
}
"""Profiles with a test file of their own."""


@pytest.fixture(params=[pytest.param(path, id=path.stem) for path in PATHS])
def file(request: pytest.FixtureRequest) -> ProfileFile:
    path = request.param
    return read_file(path.read_text(encoding="utf-8"), path.name)


_BOUND: dict[str, list[Profile]] = {}


def bound(file: ProfileFile) -> list[Profile]:
    """Return the profile with every choice, and with every optional parameter."""
    if file.id not in _BOUND:
        _BOUND[file.id] = list(_bind(file))
    return _BOUND[file.id]


def _bind(file: ProfileFile) -> Iterator[Profile]:
    values: dict[str, list[ParamValue | None]] = {}
    for name, spec in file.params.items():
        some = spec.default if spec.default is not None else spec.minimum or 0
        values[name] = list(spec.choices) or (
            [some] if spec.default is not None or spec.required else [None, some]
        )
    combinations = itertools.product(*values.values())
    for combination in itertools.islice(combinations, 64):
        given = dict(zip(values, combination, strict=True))
        yield file.bind({k: v for k, v in given.items() if v is not None})


def controls(profile: Profile) -> list[Control]:
    return [c for alternatives in profile.controls.values() for c in alternatives]


def test_it_says_what_it_rests_on(file: ProfileFile) -> None:
    assert file.name == f"{file.id}.yaml"
    assert file.vendor
    assert file.models
    assert file.requires
    source = yaml.safe_load((BUILT_IN / file.name).read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", source["revision"])
    assert len(source["sources"]) >= 1
    assert file.status in Status


def test_it_says_what_happens_when_we_are_gone(file: ProfileFile) -> None:
    if file.kind is not Nature.METER:
        assert file.when_silent
    for profile in bound(file):
        assert profile.when_silent == file.when_silent


def test_it_states_the_persistence_of_every_write(file: ProfileFile) -> None:
    source = yaml.safe_load((BUILT_IN / file.name).read_text())
    for alternatives in source.get("controls", {}).values():
        for control in (
            alternatives if isinstance(alternatives, list) else [alternatives]
        ):
            assert "persistence" in control


def test_memory_that_wears_is_never_written_in_a_cycle(file: ProfileFile) -> None:
    for profile in bound(file):
        for control in controls(profile):
            if control.persistence is Persistence.EEPROM:
                assert control.keepalive is None
                assert 1 <= control.daily_writes <= 100


def test_it_offers_what_its_nature_is_driven_by(file: ProfileFile) -> None:
    for profile in bound(file):
        if file.kind is Nature.METER:
            assert not profile.controls
            assert {"power"} <= set(profile.points)
        else:
            assert set(profile.controls) - {"reactive"} == {NATURES[file.kind].control}


def test_reads_are_within_the_limits_of_the_device(file: ProfileFile) -> None:
    for profile in bound(file):
        link = profile.link
        for reads in plan_polls(profile.points, link, profile.blocks).values():
            for read in reads:
                blocks = {(block.at, block.count) for block in profile.blocks}
                limit = 2000 if read.area.bits else link.max_read
                assert read.count <= limit
                assert read.at + read.count <= 65536
                if link.per_register_reads:
                    assert len({point.register.at for point in read.points}) == 1
                if (read.at, read.count) not in blocks:
                    wanted = {
                        at
                        for point in read.points
                        for at in range(
                            point.register.at or 0,
                            (point.register.at or 0) + point.register.count,
                        )
                    }
                    assert read.at in wanted
                    assert read.at + read.count - 1 in wanted
                for first, last in link.forbidden:
                    assert last < read.at or first >= read.at + read.count


def test_nothing_is_written_to_a_forbidden_register(file: ProfileFile) -> None:
    for profile in bound(file):
        for control in controls(profile):
            for step in control.steps:
                at, count = step.register.at, step.register.count
                assert step.register.area in {Area.HOLDING, Area.COIL}
                if at is None:
                    continue
                for first, last in profile.link.forbidden:
                    assert last < at or first >= at + count


def test_a_stop_is_always_possible(file: ProfileFile) -> None:
    """Zero is in the range, and a charger pauses below its minimum."""
    for profile in bound(file):
        for control in controls(profile):
            assert control.write
            if control.low is not None:
                value = control.low.value
                assert value <= 0 if value is not None else control.low.factor < 0
            if file.kind is Nature.CHARGER:
                assert control.min_active >= 6 or file.status is Status.UNVERIFIED


def test_a_release_without_a_keep_alive_gives_control_back(file: ProfileFile) -> None:
    """Where nothing runs out by itself, a limit that is given up must be lifted."""
    for profile in bound(file):
        for control in controls(profile):
            if file.kind is Nature.INVERTER and control.keepalive is None:
                assert control.release is not Release.NOTHING


def test_a_short_fallback_is_refreshed_in_time(file: ProfileFile) -> None:
    if file.vendor == "Generic":
        return  # The user fills in both times.
    for profile in bound(file):
        for control in controls(profile):
            after = control.fallback.after if control.fallback else None
            if after is None:
                continue
            refreshed = [
                period
                for period in (
                    control.keepalive.every if control.keepalive else None,
                    control.heartbeat.every if control.heartbeat else None,
                )
                if period is not None
            ]
            assert not refreshed or min(refreshed) <= after / 2, (
                min(refreshed),
                after,
            )


def test_every_family_has_a_table_of_its_own() -> None:
    """No profile is shipped that was never read and written."""
    families = [
        family
        for module in (
            test_chargers,
            test_inverters,
            test_meters,
            test_relays,
            test_storage,
        )
        for family in module.FAMILIES
    ]
    read = {family.profile for family in families if family.state}
    written = {family.profile for family in families if family.told}
    for path in PATHS:
        if path.stem in ELSEWHERE:
            continue
        kind = read_file(path.read_text(encoding="utf-8"), path.name).kind
        assert path.stem in read
        assert kind is Nature.METER or path.stem in written


def test_the_example_of_the_readme_is_a_file_as_it_is_shipped() -> None:
    readme = (BUILT_IN.parents[3] / "README.md").read_text(encoding="utf-8")
    _, section = readme.split("\n## Add a device\n")
    (example,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert example == (BUILT_IN / "mennekes_hcc3.yaml").read_text(encoding="utf-8")
