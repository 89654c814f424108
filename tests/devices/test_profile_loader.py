"""The strict reader: every error names file, line and key."""

from contextlib import suppress
from pathlib import Path
import textwrap

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.devices.profile import SunSpec
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)
from custom_components.netflex.devices.registers import Encoding, Order
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
        ("vendor: Test", "vendor: ''", 4, "vendor", "must be a text"),
        ("vendor: Test", "vendor: [Test]", 4, "vendor", "must be a text"),
        ("schema: 1", "schema: [1]", 1, "schema", "must be a whole number"),
        ("schema: 1", "schema: 2026-13-45", 1, "schema", "month must be in"),
        ("schema: 1", "schema: !secret one", 1, "schema", "the tag '!secret'"),
        ("sources: [a", "sources: &all [*all, a", 8, "", "contains itself"),
        ("t: u16", "t: u16, scale: much", 14, "points.more.scale", "must be a number, not 'much'"),
        ("t: u16", "t: u16, sign: up", 14, "points.more.sign", "load_positive or load_negative"),
        ("t: u16", "t: str, n: 2, u: W", 14, "points.more", "a text has no unit"),
        ("t: u16", "t: bit", 14, "points.more", "type of coils only"),
        ("t: u16", "area: coil, t: u16", 14, "points.more", "neither t nor n"),
        ("at: {param: extra}, t: u16", "at: 65535, t: u32", 14, "points.more.at", "outside of the address space"),
        ("at: {param: extra}, t: u16", "sunspec: {model: 1, at: 2}", 1, "", "needs the key sunspec"),
        ("{area: coil, at: {param: output}}]", "{area: coil, at: 1, only_changes: gone, value: 1}]", 17, "controls.switch.write[0].only_changes", "no point gone"),
        ("{area: coil, at: {param: output}}]", "{area: coil, at: 1, only_changes: enabled}]", 17, "controls.switch.write[0].only_changes", "a step with a value"),
        ("{area: coil, at: {param: output}}]", "{at: 1, pulse_s: 1}]", 17, "controls.switch.write[0].pulse_s", "only a coil has pulses"),
        ("{area: coil, at: {param: output}}]", "{at: 1, t: u32, fc: 6}]", 17, "controls.switch.write[0].fc", "one register only"),
        ("  switch:", "  production_limit:", 17, "controls.production_limit", "a relay is not driven by"),
        ("id: test", "only_if: extra\nid: test", 1, "", "the whole file is optional"),
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


@pytest.mark.parametrize(
    ("part", "key", "text"),
    [
        ("link: 5", "link", "must have keys"),
        ("link: {per_register_reads: 1}", "link.per_register_reads", "must be true or false, not 1"),
        ("link: {idle_close: 0}", "link.idle_close", "above zero"),
        ("link: {forbidden: [[5, 2]]}", "link.forbidden[0]", "[first, last]"),
        ("link: {forbidden: [[1, 2, 3]]}", "link.forbidden[0]", "[first, last]"),
        ("units: {}", "units", "at least one unit"),
        ("ratios: {ct: [100]}", "ratios.ct", "[primary, secondary]"),
        ("identity: {serial: gone}", "identity", "no point gone"),
        ("identify: [{at: 1}]", "identify[0]", "needs match, one_of or must_be"),
        ("identify: [{at: 1, one_of: [~]}]", "identify[0].one_of[0]", "a number, a text, true or false"),
        ('identify: [{at: 1, match: "("}]', "identify[0].match", "not a regular expression"),
        ("blocks: [{at: 0, n: 5, unit: gone}]", "blocks[0].unit", "not one of the units main"),
        ("freshness: {point: enabled, max_s: 5, covers: [gone]}", "freshness", "no point gone"),
    ],
)  # fmt: skip
def test_errors_of_a_part_name_their_place(part: str, key: str, text: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_file(GOOD.replace("params:", f"{part}\nparams:"), "bad.yaml")
    err = caught.value
    assert (err.line, err.key) == (9, key), str(err)
    assert text in err.text


@pytest.mark.parametrize(
    ("old", "new", "key", "text"),
    [
        ("{unit: socket, at: 300, n: 62}", "{at: 300, n: 62}", "blocks[2]", "needs the key unit"),
        ("range: [0, {point: station_max}]", "range: [0]", "controls.current_limit.range", "[low, high]"),
        ("range: [0, {point: station_max}]", "range: [0, {point: gone}]", "controls.current_limit.range[1].point", "no point gone"),
        ("release: maximum", "release: steps", "controls.current_limit.release", "nothing, maximum or a list"),
        ("fallback: {point: safe_current, left: limit_left}", "fallback: {point: safe_current, value: 6}", "controls.current_limit.fallback", "either value or point"),
        ("fallback: {point: safe_current, left: limit_left}", "fallback: {left: limit_left}", "controls.current_limit.fallback", "needs value, point or after_s"),
        ("fallback: {point: safe_current, left: limit_left}", "heartbeat: {unit: socket, at: 1, kind: constant, every_s: 1, values: []}", "controls.current_limit.heartbeat", "nothing to write"),
        ("1: the charger refuses to be written", "one: the charger refuses to be written", "controls.current_limit.errors.one", "number of a Modbus exception"),
        ("idle: [current_l1", "idle: [gone", "phase_switch.idle[0]", "no point gone"),
    ],
)  # fmt: skip
def test_errors_of_a_charger_name_their_place(
    old: str, new: str, key: str, text: str
) -> None:
    source = (BUILT_IN / "alfen_ng9xx.yaml").read_text()
    with pytest.raises(ProfileError) as caught:
        read_file(source.replace(old, new), "bad.yaml")
    err = caught.value
    line = source[: source.index(old)].count("\n") + 1
    assert (err.line, err.key) == (line, key), str(err)
    assert text in err.text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", "the file is empty"),
        ("# nothing but a comment", "the file is empty"),
        ("- one", "must have keys"),
        ("vendor: \x00", "not YAML"),
    ],
)
def test_what_is_no_profile_at_all_is_said(source: str, text: str) -> None:
    with pytest.raises(ProfileError, match=text) as caught:
        read_file(source, "bad.yaml")
    assert (caught.value.file, caught.value.line) == ("bad.yaml", 1)


def test_a_file_that_its_parameters_leave_nothing_of_is_refused() -> None:
    """Only a value shows it that no choice names."""
    file = read_file(GOOD.replace("id: test", "only_if: {output: 0}\nid: test"), "odd")
    with pytest.raises(ProfileError, match="the whole file is optional"):
        file.bind({"output": 1})


def test_the_order_of_one_value_may_differ_from_that_of_the_others() -> None:
    source = GOOD.replace("t: u16", "t: u32, word: little, byte: little")
    encoding = read_file(source, "good").bind({"extra": 5}).points["more"].register
    assert encoding.encoding == Encoding(word=Order.LITTLE, byte=Order.LITTLE)


def test_a_counter_counts_from_the_first_to_the_last_of_its_values() -> None:
    beat = "heartbeat: {at: 9, kind: counter, every_s: 1, values: [3, 6]}"
    source = GOOD.replace("    readback:", f"    {beat}\n    readback:")
    (control,) = read_file(source, "good").bind({}).controls["switch"]
    assert control.heartbeat is not None
    assert list(control.heartbeat.values) == [3, 4, 5, 6]


def test_a_text_that_the_user_may_give_is_tried_with_the_file() -> None:
    check = "identify: [{at: 1, one_of: [1], text: {param: name}}]"
    source = GOOD.replace(
        "params:", f"{check}\nparams:\n  name: {{type: str, text: Name}}"
    )
    file = read_file(source, "good")
    (given,), (left,) = file.bind({"name": "One"}).checks, file.bind({}).checks
    assert (given.text, left.text) == ("One", None)


def test_sunspec_may_be_looked_for_where_it_always_is() -> None:
    source = GOOD.replace("params:", "sunspec: {}\nparams:").replace(
        "at: {param: extra}, t: u16", "sunspec: {model: 1, at: 2}"
    )
    sunspec = read_file(source, "good").bind({}).sunspec
    assert sunspec == SunSpec(unit="main")
    assert sunspec.bases


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
