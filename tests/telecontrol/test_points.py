"""The point table: its default, its rules, its CSV form."""

from contextlib import suppress
import csv
from dataclasses import replace
import io

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.iec104.information_objects import UNTAGGED, encode_object
from custom_components.netflex.model.asset import Category
from custom_components.netflex.model.orders import NO_ORDERS, OrderName
from custom_components.netflex.telecontrol.monitor_image import MonitorImage
from custom_components.netflex.telecontrol.point import (
    Execution,
    PointDirection,
    PointTableError,
    Sign,
    StaleQuality,
    TimeTagChoice,
)
from custom_components.netflex.telecontrol.point_csv import (
    COLUMNS,
    read_points,
    write_points,
)
from custom_components.netflex.telecontrol.point_rules import POINT_NAMES
from custom_components.netflex.telecontrol.points import DEFAULT_POINTS, PointTable

from .bench import SETTINGS, with_points

CSV = write_points(DEFAULT_POINTS)


def test_the_default_table_holds_every_point_and_is_not_confirmed() -> None:
    names = {point.name for point in DEFAULT_POINTS.points}
    assert names == set(POINT_NAMES)
    assert len(names) == 12 + 12 + 1 + 14
    for name in OrderName:
        assert name.value in names
        assert f"{name}_feedback" in names
    for category in Category:
        assert {f"p_{category}", f"q_{category}"} <= names
    assert DEFAULT_POINTS.profile == "netflex-1.0-unconfirmed"
    assert not DEFAULT_POINTS.confirmed


def test_the_default_types_are_those_of_the_interface() -> None:
    types = {point.name: point.type_id for point in DEFAULT_POINTS.points}
    assert types["emergency_stop_production"] == 45
    assert types["q_mode"] == 46
    assert types["maxsetap"] == 50
    assert types["test_feedback"] == 1
    assert types["q_mode_feedback"] == 3
    assert types["redenq_feedback"] == types["p_ev"] == types["interface_version"] == 13


def test_csv_comes_back_as_it_was_written() -> None:
    assert read_points(CSV) == DEFAULT_POINTS
    assert CSV.splitlines()[0] == ",".join(COLUMNS)
    changed = with_points(
        maxsetp={"scale": 0.01, "sign": Sign.NEGATIVE, "execution": Execution.BOTH},
        minsetq={"unit": "kvar", "minimum": -12.5, "maximum": 500.0},
        maxsetq={"unit": "kvar", "minimum": -12.5, "maximum": 500.0},
        p_solar={"sign": Sign.NEGATIVE, "quality": StaleQuality.INVALID},
        test_feedback={"invert": True, "time_tag": TimeTagChoice.NEVER},
    )
    assert read_points(write_points(changed)) == changed


def test_a_spreadsheets_semicolons_decimal_commas_and_mark_are_understood() -> None:
    rows = list(csv.reader(io.StringIO(CSV)))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    for row in rows:
        cells = [
            "0,5" if row[0] == "p_solar" and at == 5 else cell
            for at, cell in enumerate(row)
        ]
        writer.writerow(cells)
    table = read_points("\ufeff" + text.getvalue() + "\r\n;;;\r\n")
    assert table.by_name["p_solar"].scale == 0.5


def test_columns_may_come_in_another_order() -> None:
    rows = [list(reversed(row)) for row in csv.reader(io.StringIO(CSV))]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    assert read_points(text.getvalue()) == DEFAULT_POINTS


@pytest.mark.parametrize(
    ("line", "column", "cell", "message"),
    [
        ("maxsetp", "ioa", "2001", "2001 is the address of minsetp too"),
        ("maxsetp", "ioa", "0", "must be 1 to 16777215"),
        ("maxsetp", "ioa", "16777216", "must be 1 to 16777215"),
        ("maxsetp", "ioa", "2002.5", "must be a whole number"),
        ("maxsetp", "ioa", "", "must be a whole number"),
        ("maxsetp", "type_id", "45", "must be 50 / 49 / 48"),
        ("maxsetp", "type_id", "63", "write 50 and choose the tag"),
        ("maxsetp", "unit", "kW", "must be %"),
        ("maxsetp", "scale", "0", "must be a number above 0"),
        ("maxsetp", "scale", "nan", "must be a number above 0"),
        ("maxsetp", "scale", "1e-9", "must be 0.000001 to 1000000"),
        ("minsetp_feedback", "initial", "1e39", "must be a number of at most"),
        ("maxsetp", "scale", "-1", "the sign has its own column"),
        ("maxsetp", "sign", "+", "must be positive / negative / absolute"),
        ("maxsetp", "min", "10", "the limit is a percentage"),
        ("maxsetp", "max", "1000", "the limit is a percentage"),
        ("minsetq", "max", "", "what is outside is refused"),
        ("minsetq", "max", "-100", "must be above min"),
        ("minsetq", "sign", "absolute", "a band has two signs"),
        ("minsetq", "sign", "negative", "the same unit and sign"),
        ("maxsetp", "execution", "", "must be direct, sbo or both"),
        ("maxsetp", "execution", "pulse", "must be direct / sbo / both"),
        ("maxsetp", "initial", "100", "it belongs to the feedback"),
        ("maxsetp", "quality", "good", "it belongs to the feedback"),
        ("maxsetp", "invert", "true", "only commands with states"),
        ("maxsetp", "invert", "maybe", "must be true or false"),
        ("maxsetp", "direction", "monitor", "must be control"),
        ("test", "scale", "2", "has states"),
        ("test", "sign", "negative", "invert swaps them"),
        ("test", "min", "0", "has states"),
        ("test_feedback", "initial", "2", "must be 0 (off, local) or 1"),
        ("test_feedback", "execution", "direct", "nobody commands it"),
        ("p_ev", "initial", "", "must be given"),
        ("p_ev", "quality", "good", "a stale value is never good"),
        ("p_ev", "quality", "", "must be good, not_topical or invalid"),
        ("p_ev", "time_tag", "either", "must be never or always"),
        ("p_ev", "unit", "kvar", "must be kW / W / MW"),
        ("p_ev", "name", "p_sun", "no such point"),
        ("p_ev", "name", "p_solar", "is there 2 times"),
        ("maxsetp", "name", "minsetp", "maxsetp: is missing: every command needs"),
    ],
)
def test_a_fault_is_refused_and_named(
    line: str, column: str, cell: str, message: str
) -> None:
    rows = list(csv.reader(io.StringIO(CSV)))
    for row in rows:
        if row[0] == line:
            row[COLUMNS.index(column)] = cell
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    with pytest.raises(PointTableError) as caught:
        read_points(text.getvalue())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("name,ioa\n", "line 1, direction: the column is missing"),
        (CSV.replace("invert", "invert,colour", 1), "colour: there is no such column"),
        (CSV.replace("\ntest,", "\ntest,extra,", 1), "has 15 cells, not 14"),
        ('a"b,"c\n', "is not CSV"),
        ("x" * 300_000, "too long"),
    ],
)
def test_what_is_no_point_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(PointTableError) as caught:
        read_points(text)
    assert message in str(caught.value)


def test_all_faults_are_named_at_once_with_their_lines() -> None:
    text = CSV.replace("maxsetp,control,50", "maxsetp,control,51")
    text = text.replace("\ntest,control,45,1003", "\ntest,control,45,none")
    with pytest.raises(PointTableError) as caught:
        read_points(text)
    lines = {(problem.line, problem.point) for problem in caught.value.problems}
    assert lines == {(4, "test"), (7, "maxsetp")}


def test_commands_and_feedback_may_share_an_address() -> None:
    table = with_points(maxsetp_feedback={"ioa": DEFAULT_POINTS.by_name["maxsetp"].ioa})
    assert table.orders[2002].name == "maxsetp"


def test_measurements_may_be_left_out() -> None:
    points = tuple(
        point
        for point in DEFAULT_POINTS.points
        if point.order is not None and point.direction is PointDirection.CONTROL
    )
    assert len(PointTable(points=points).orders) == 12
    with pytest.raises(PointTableError, match="is missing"):
        PointTable(points=points[1:])


@given(st.text(max_size=400))
def test_any_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(PointTableError) as caught:
        read_points(text)
    assert caught.value.problems


@given(data=st.data())
def test_any_cell_is_understood_or_refused(data: st.DataObject) -> None:
    rows = list(csv.reader(io.StringIO(CSV)))
    row = data.draw(st.integers(1, len(rows) - 1))
    column = data.draw(st.integers(0, len(COLUMNS) - 1))
    rows[row][column] = data.draw(
        st.one_of(st.text(max_size=8), st.floats().map(str), st.integers().map(str))
    )
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    with suppress(PointTableError):
        table = read_points(text.getvalue())
        assert read_points(write_points(table)) == table
        image = MonitorImage(
            replace(SETTINGS, points=table), lambda: NO_ORDERS, lambda _: False, float
        )
        for obj in image.points():
            assert encode_object(obj, UNTAGGED.get(obj.type_id, obj.type_id))


def test_a_table_made_by_hand_is_checked_too() -> None:
    point = DEFAULT_POINTS.points[0]
    with pytest.raises(PointTableError):
        PointTable(points=(*DEFAULT_POINTS.points, replace(point, ioa=9)))
