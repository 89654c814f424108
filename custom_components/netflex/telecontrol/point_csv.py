"""The point table as a CSV file, for spreadsheets and for the RTU's installer."""

from collections.abc import Callable, Iterable, Iterator
import csv
from enum import StrEnum
import io
from typing import Final

from ..model.failure import reason_of
from ..model.phrase import Phrase
from .point import (
    Execution,
    Point,
    PointDirection,
    PointProblem,
    PointTableError,
    Sign,
    StaleQuality,
    TimeTagChoice,
)
from .point_rules import check_point
from .points import DEFAULT_PROFILE, PointTable

COLUMNS: Final = (
    "name",
    "direction",
    "type_id",
    "ioa",
    "unit",
    "scale",
    "sign",
    "time_tag",
    "min",
    "max",
    "execution",
    "initial",
    "quality",
    "invert",
)
_STATES: Final = {"true": True, "1": True, "false": False, "0": False}
_MAX_CHARACTERS: Final = 200_000


def write_points(table: PointTable) -> str:
    """Return the table as CSV with a header, in the table's order."""
    return write_rows(table.points)


def write_rows(points: Iterable[Point]) -> str:
    """Return points as CSV with a header, whether or not they make a sound table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(point) for point in points)
    return text.getvalue()


def read_points(
    text: str, *, profile: str = DEFAULT_PROFILE, confirmed: bool = False
) -> PointTable:
    """Return the table of a CSV file; PointTableError names every fault with its line.

    Commas or semicolons separate; with semicolons a decimal comma is understood, as
    spreadsheets in Belgium write it.
    """
    if len(text) > _MAX_CHARACTERS:
        raise PointTableError(
            [
                PointProblem(
                    text=Phrase(
                        "csv_too_long", "the file is too long for a point table"
                    )
                )
            ]
        )
    text = text.removeprefix("\ufeff")
    semicolons = ";" in text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text), delimiter=";" if semicolons else ",", strict=True
    )
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as err:
        problem = PointProblem(
            line=reader.line_num,
            text=Phrase("csv_none", "is not CSV: {reason}", reason=reason_of(err)),
        )
        raise PointTableError([problem]) from err
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise PointTableError(
            [PointProblem(text=Phrase("csv_empty", "the file is empty"))]
        )
    columns = _columns(*rows[0])
    points: list[Point] = []
    problems: list[PointProblem] = []
    for line, row in rows[1:]:
        if len(row) != len(columns):
            text = Phrase(
                "csv_cells",
                "has {number} cells, not {wanted}",
                number=str(len(row)),
                wanted=str(len(columns)),
            )
            problems.append(PointProblem(line=line, text=text))
            continue
        cells = dict(zip(columns, row, strict=True))
        point = _Row(line, cells, decimal_comma=semicolons, problems=problems).point()
        if point is not None:
            points.append(point)
            problems.extend(_located(line, check_point(point)))
    if problems:
        raise PointTableError(problems)
    return PointTable(points=tuple(points), profile=profile, confirmed=confirmed)


def _must_be(wanted: str, given: str) -> Phrase:
    return Phrase(
        "must_be_not", "must be {wanted}, not {given}", wanted=wanted, given=given
    )


def _located(line: int, problems: Iterator[PointProblem]) -> Iterator[PointProblem]:
    for problem in problems:
        yield PointProblem(
            line=line, point=problem.point, column=problem.column, text=problem.text
        )


def _columns(line: int, header: list[str]) -> list[str]:
    names = [name.lower() for name in header]
    problems = [
        PointProblem(
            line=line,
            column=column,
            text=Phrase("csv_column_missing", "the column is missing"),
        )
        for column in COLUMNS
        if column not in names
    ]
    problems += [
        PointProblem(
            line=line,
            column=name,
            text=Phrase("csv_column_unknown", "there is no such column"),
        )
        for name in names
        if name not in COLUMNS
    ]
    if len(set(names)) != len(names):
        problems.append(
            PointProblem(
                line=line, text=Phrase("csv_column_twice", "a column is there twice")
            )
        )
    if problems:
        raise PointTableError(problems)
    return names


def _row(point: Point) -> list[str]:
    return [
        point.name,
        point.direction.value,
        str(int(point.type_id)),
        str(point.ioa),
        point.unit,
        _number(point.scale),
        point.sign.value,
        point.time_tag.value,
        _number(point.minimum),
        _number(point.maximum),
        point.execution.value if point.execution else "",
        _number(point.initial),
        point.quality.value if point.quality else "",
        "true" if point.invert else "false",
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else repr(value)


class _Row:
    """One line being read; what cannot be understood is added to `problems`."""

    def __init__(
        self,
        line: int,
        cells: dict[str, str],
        *,
        decimal_comma: bool,
        problems: list[PointProblem],
    ) -> None:
        self._line = line
        self._cells = cells
        self._decimal_comma = decimal_comma
        self._problems = problems
        self._sound = True

    def point(self) -> Point | None:
        """Return the point, None when a cell was not understood."""
        direction = self._choice("direction", PointDirection)
        type_id = self._required(
            "type_id", int, Phrase("point_whole", "a whole number")
        )
        ioa = self._required("ioa", int, Phrase("point_whole", "a whole number"))
        scale = self._required("scale", self._float, Phrase("point_number", "a number"))
        sign = self._choice("sign", Sign)
        time_tag = self._choice("time_tag", TimeTagChoice)
        minimum, maximum = self._optional("min"), self._optional("max")
        execution = self._choice("execution", Execution, optional=True)
        initial = self._optional("initial")
        quality = self._choice("quality", StaleQuality, optional=True)
        invert = _STATES.get(self._cells["invert"].lower())
        if invert is None:
            self._fault("invert", Phrase("must_be_truth", "must be true or false"))
        if (
            not self._sound
            or direction is None
            or type_id is None
            or ioa is None
            or scale is None
            or sign is None
            or time_tag is None
            or invert is None
        ):
            return None
        return Point(
            name=self._cells["name"],
            direction=direction,
            type_id=type_id,
            ioa=ioa,
            unit=self._cells["unit"],
            scale=scale,
            sign=sign,
            time_tag=time_tag,
            minimum=minimum,
            maximum=maximum,
            execution=execution,
            initial=initial,
            quality=quality,
            invert=invert,
        )

    def _fault(self, column: str, text: str) -> None:
        self._sound = False
        self._problems.append(
            PointProblem(
                line=self._line,
                point=self._cells["name"] or None,
                column=column,
                text=text,
            )
        )

    def _float(self, cell: str) -> float:
        return float(cell.replace(",", ".") if self._decimal_comma else cell)

    def _required[T](
        self, column: str, convert: Callable[[str], T], expected: str
    ) -> T | None:
        try:
            return convert(self._cells[column])
        except ValueError:
            self._fault(column, _must_be(expected, repr(self._cells[column])))
            return None

    def _optional(self, column: str) -> float | None:
        if not self._cells[column]:
            return None
        return self._required(
            column, self._float, Phrase("point_empty_or_number", "empty or a number")
        )

    def _choice[T: StrEnum](
        self, column: str, choices: type[T], *, optional: bool = False
    ) -> T | None:
        cell = self._cells[column].lower()
        if optional and not cell:
            return None
        try:
            return choices(cell)
        except ValueError:
            self._fault(column, _must_be(" / ".join(choices), repr(cell)))
            return None
