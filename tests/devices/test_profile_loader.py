"""The strict reader: every error names file, line and key."""

from contextlib import suppress
from pathlib import Path
import textwrap

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.yaml_nodes import ProfileError
from custom_components.netflex.model.asset import Nature

GOOD = textwrap.dedent("""\
    schema: 1
    id: test
    kind: relay
    vendor: Test
    models: [One]
    status: documented
    revision: "2026-01-01"
    sources: [a document]
    params:
      output: {type: int, default: 0, min: 0, max: 7, text: Output}
      extra: {type: int, text: Extra}
    points:
      enabled: {area: coil, at: {param: output, times: 2, plus: 100}}
      more: {only_if: extra, at: {param: extra}, t: u16}
    controls:
      switch:
        write: [{area: coil, at: {param: output}}]
        readback: {point: enabled, within_s: 1}
    """)


def test_good() -> None:
    file = read_file(GOOD, "good.yaml")
    assert file.kind is Nature.RELAY
    assert list(file.params) == ["output", "extra"]
    profile = file.bind({"output": 3})
    assert profile.points["enabled"].register.at == 106
    assert "more" not in profile.points
    assert file.bind({"extra": 5}).points["more"].register.at == 5


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "text"),
    [
        ("vendor: Test", "vendro: Test", 1, "", "needs the key vendor"),
        ("models: [One]", "models: One", 5, "models", "must be a list"),
        ("schema: 1", "schema: 2", 1, "schema", "schema 1 only"),
        ("kind: relay", "kind: toaster", 3, "kind", "must be one of charger"),
        ("status: documented", "status: sure", 6, "status", "must be one of"),
        ("area: coil, at: {param: output, t", "area: oil, at: {param: output, t", 13, "points.enabled.area", "must be one of"),
        ("t: u16", "t: u17", 14, "points.more.t", "must be one of"),
        ("t: u16", "t: u16, sgin: load_negative", 14, "points.more.sgin", "did you mean sign"),
        ("t: u16", "t: u16, u: pint", 14, "points.more.u", "must be one of"),
        ("t: u16", "t: u16, scale: 0", 14, "points.more.scale", "not be zero"),
        ("t: u16", "t: str", 14, "points.more", "needs the key n"),
        ("t: u16", "t: u32, n: 3", 14, "points.more.n", "u32 takes 2"),
        ("t: u16", "t: u16, scale_point: gone", 14, "points.more", "no point gone"),
        ("t: u16", "t: u16, ratio: ct", 14, "points.more.ratio", "ratios"),
        ("t: u16", "t: u16, between: [2, 1]", 14, "points.more.between", "[low, high]"),
        ("only_if: extra", "only_if: extr", 14, "points.more", "no parameter extr"),
        ("times: 2", "time: 2", 13, "points.enabled.at.time", "unknown key"),
        ("point: enabled", "point: enable", 18, "controls.switch.readback.point", "no point enable"),
        ("within_s: 1", "within_s: 0", 18, "controls.switch.readback.within_s", "above zero"),
        ("{area: coil, at: {param: output}}]", "{area: coil, at: 70000}]", 17, "controls.switch.write[0].at", "0..65535"),
        ("{area: coil, at: {param: output}}]", "{area: discrete, at: 1}]", 17, "controls.switch.write[0]", "cannot be written"),
        ("{area: coil, at: {param: output}}]", "{area: coil, at: 1, fc: 6}]", 17, "controls.switch.write[0].fc", "5 or 15"),
        ("default: 0", "default: 9", 10, "params.output", "at most 7"),
        ("default: 0", "default: x", 10, "params.output.default", "whole number"),
        ("id: test", "id: test\nid: test", 3, "id", "stands here twice"),
        ("sources: [a", "sources: [a]]", 8, "", ""),
    ],
)  # fmt: skip
def test_errors_name_their_place(
    old: str, new: str, line: int, key: str, text: str
) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        read_file(GOOD.replace(old, new), "bad.yaml")
    err = caught.value
    assert (err.file, err.line, err.key) == ("bad.yaml", line, key), str(err)
    assert text in err.text


def test_optional_parts_are_checked_without_their_parameter() -> None:
    with pytest.raises(ProfileError, match=r"points\.more\.t"):
        read_file(GOOD.replace("t: u16}", "t: nothing}"), "bad.yaml")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"output": 8}, "at most 7"),
        ({"output": "a"}, "a number"),
        ({"output": 1.5}, "whole"),
    ],
)
def test_parameters_are_checked(params: dict[str, float | str], text: str) -> None:
    with pytest.raises(ProfileError, match=text):
        read_file(GOOD, "good.yaml").bind(params)


def test_a_block_must_not_cut_a_value() -> None:
    blocks = "blocks: [{at: 0, n: 5}]\npoints:\n  long: {at: 4, t: u32}"
    with pytest.raises(ProfileError, match="cuts the value of long"):
        read_file(GOOD.replace("points:", blocks), "bad.yaml")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_never_end_in_another_error(data: st.DataObject) -> None:
    source = (BUILT_IN / "alfen_ng9xx.yaml").read_text()
    at = data.draw(st.integers(0, len(source) - 1))
    length = data.draw(st.integers(0, 5))
    insert = data.draw(st.text("{}[]:,\"'- \nabc019%&*!", max_size=4))
    with suppress(ProfileError):
        read_file(source[:at] + insert + source[at + length :], "fuzzed.yaml")


def test_users_own_files_add_and_override(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    override = (BUILT_IN / "moxa_iologik_e1214.yaml").read_text()
    (tmp_path / "moxa.yaml").write_text(override.replace("vendor: Moxa", "vendor: Me"))
    library = ProfileLibrary.load(tmp_path)
    assert "test" in library.ids()
    assert library.get("moxa_iologik_e1214").vendor == "Me"
    assert library.get("alfen_ng9xx").vendor == "Alfen"
