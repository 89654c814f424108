"""The point table in the options: one point, a whole file, or back to the default.

Changes are collected in a draft, because some only fit together (two points that
swap addresses, both ends of the reactive band), and checked as a whole when saved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from ..telecontrol.point import (
    Execution,
    Point,
    PointDirection,
    PointProblem,
    PointTableError,
    Sign,
    StaleQuality,
    TimeTagChoice,
)
from ..telecontrol.point_csv import read_points, write_rows
from ..telecontrol.point_rules import RULES, Rule, check_point, check_table
from ..telecontrol.points import DEFAULT_POINTS, PointTable
from ..telecontrol_options import (
    CONF_CONFIRMED,
    CONF_CSV,
    CONF_POINTS,
    EDITED_PROFILE,
    stored_points,
)
from ..words import Words, words_of
from .fields import choice, number, whole_number
from .site_checks import Errors
from .topics import TopicFlow
from .uploads import UploadError, read_upload

CONF_POINT: Final = "point"
CONF_FILE: Final = "file"
MOST_FAULTS: Final = 20
"""Faults that a form names; more would hide its fields."""

CONTROL_TIME_TAGS: Final = [tag.value for tag in TimeTagChoice]
MONITOR_TIME_TAGS: Final = [TimeTagChoice.NEVER.value, TimeTagChoice.ALWAYS.value]
MENU: Final = [
    CONF_POINT,
    "points_import",
    "points_export",
    "points_reset",
    "points_save",
]

IMPORT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_FILE): FileSelector(FileSelectorConfig(accept=".csv")),
        vol.Optional(CONF_CSV): TextSelector(TextSelectorConfig(multiline=True)),
    }
)
EXPORT_SCHEMA: Final = vol.Schema(
    {vol.Optional(CONF_CSV): TextSelector(TextSelectorConfig(multiline=True))}
)
SAVE_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_CONFIRMED, default=False): BooleanSelector()}
)


class PointSteps(TopicFlow):
    """The steps that change the point table."""

    def __init__(self) -> None:
        """Start without a draft."""
        super().__init__()
        self._draft: tuple[Point, ...] | None = None
        self._profile = EDITED_PROFILE
        self._confirmed = False
        self._point = ""

    # ------------------------------------------------------------------------- menu

    async def async_step_points(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what the table is, with a warning where nobody has confirmed it."""
        table = self.settings().points
        if self._draft is None:
            self._take(table.points, table.profile, confirmed=table.confirmed)
        faults = list(check_table(self._points))
        step_id = "points_faulty" if faults else "points_unconfirmed"
        return self.async_show_menu(
            step_id="points" if self._confirmed and not faults else step_id,
            menu_options=MENU,
            description_placeholders={
                "profile": self._profile,
                "count": str(len(self._points)),
                "detail": in_words(faults, words_of(self.hass), "\n- "),
            },
        )

    # One menu under three descriptions: Home Assistant looks their steps up by name.
    async_step_points_unconfirmed = async_step_points
    async_step_points_faulty = async_step_points

    @property
    def _points(self) -> tuple[Point, ...]:
        return self._draft or ()

    def _take(
        self, points: tuple[Point, ...], profile: str, *, confirmed: bool = False
    ) -> None:
        """Take other points into the draft; they are not confirmed by themselves."""
        self._draft, self._profile, self._confirmed = points, profile, confirmed

    # ------------------------------------------------------------------- one point

    async def async_step_point(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which point."""
        if user_input is not None:
            self._point = user_input[CONF_POINT]
            return await self.async_step_point_fields()
        options = [
            SelectOptionDict(value=point.name, label=f"{point.name} ({point.ioa})")
            for point in self._points
        ]
        schema = vol.Schema(
            {
                vol.Required(CONF_POINT): SelectSelector(
                    SelectSelectorConfig(
                        options=options, mode=SelectSelectorMode.DROPDOWN
                    )
                )
            }
        )
        return self.async_show_form(step_id=CONF_POINT, data_schema=schema)

    async def async_step_point_fields(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for everything that Annex B may say about one point."""
        before = next(point for point in self._points if point.name == self._point)
        schema = vol.Schema(point_fields(before))
        errors: Errors = {}
        details = {"name": before.name}
        shown = point_values(before)
        if user_input is not None:
            shown = user_input
            point = changed_point(before, user_input)
            faults = list(check_point(point))
            if not faults:
                if point != before:
                    self._take(
                        tuple(
                            point if item.name == point.name else item
                            for item in self._points
                        ),
                        EDITED_PROFILE,
                    )
                return await self.async_step_points()
            columns = {str(marker) for marker in schema.schema}
            errors = {
                fault.column if fault.column in columns else "base": "point_invalid"
                for fault in faults
                if fault.column is not None
            }
            details["detail"] = in_words(faults, words_of(self.hass))
        return self.async_show_form(
            step_id="point_fields",
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors=errors,
            description_placeholders=details,
        )

    # ----------------------------------------------------------------- whole tables

    async def async_step_points_import(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take a table from a file or from text."""
        errors: Errors = {}
        details: dict[str, str] = {}
        if user_input is not None:
            try:
                text = await self._async_given(user_input)
                self._take(read_points(text).points, EDITED_PROFILE)
                return await self.async_step_points()
            except UploadError as err:
                errors["base"] = err.key
            except PointTableError as err:
                errors["base"] = "points_invalid"
                details["detail"] = in_words(err.problems, words_of(self.hass))
        return self.async_show_form(
            step_id="points_import",
            data_schema=self.add_suggested_values_to_schema(
                IMPORT_SCHEMA,
                {CONF_CSV: user_input.get(CONF_CSV)} if user_input else {},
            ),
            errors=errors,
            description_placeholders=details,
        )

    async def _async_given(self, user_input: Mapping[str, Any]) -> str:
        """Return the text of the file or, without one, of the field."""
        if file_id := user_input.get(CONF_FILE):
            return await self.hass.async_add_executor_job(
                read_upload, self.hass, file_id
            )
        if not (text := str(user_input.get(CONF_CSV, "")).strip()):
            raise UploadError("nothing_to_import")
        return text

    async def async_step_points_export(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the draft as a CSV file, to be copied."""
        if user_input is not None:
            return await self.async_step_points()
        return self.async_show_form(
            step_id="points_export",
            data_schema=self.add_suggested_values_to_schema(
                EXPORT_SCHEMA, {CONF_CSV: write_rows(self._points)}
            ),
        )

    async def async_step_points_reset(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go back to the default profile, once that is confirmed."""
        if user_input is not None:
            self._take(DEFAULT_POINTS.points, DEFAULT_POINTS.profile)
            return await self.async_step_points()
        return self.async_show_form(
            step_id="points_reset",
            data_schema=vol.Schema({}),
            description_placeholders={"profile": DEFAULT_POINTS.profile},
        )

    async def async_step_points_save(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Check the draft as a whole, and keep it."""
        errors: Errors = {}
        details: dict[str, str] = {}
        if user_input is not None:
            confirmed = user_input[CONF_CONFIRMED]
            default = self._points == DEFAULT_POINTS.points
            faults = list(check_table(self._points))
            if faults:
                errors["base"] = "points_invalid"
                details["detail"] = in_words(faults, words_of(self.hass))
            elif default and confirmed:
                errors[CONF_CONFIRMED] = "still_placeholders"
            elif default:
                return self.finish({CONF_POINTS: None})
            else:
                table = PointTable(
                    points=self._points, profile=self._profile, confirmed=confirmed
                )
                return self.finish({CONF_POINTS: stored_points(table)})
        shown = user_input or {CONF_CONFIRMED: self._confirmed}
        return self.async_show_form(
            step_id="points_save",
            data_schema=self.add_suggested_values_to_schema(SAVE_SCHEMA, shown),
            errors=errors,
            description_placeholders=details,
        )


# ------------------------------------------------------------------ fields of a point


def point_fields(point: Point) -> dict[vol.Marker, Any]:
    """Return the fields that mean something for a point, named as the CSV columns."""
    rule = RULES[point.name]
    control = point.direction is PointDirection.CONTROL
    fields: dict[vol.Marker, Any] = {
        vol.Required("ioa"): whole_number(),
        vol.Required("type_id"): choice(
            [str(int(type_id)) for type_id in rule.types], "type_id"
        ),
    }
    if any(rule.units):
        fields[vol.Required("unit")] = choice(list(rule.units))
    if not rule.binary:
        fields |= _number_fields()
    fields[vol.Required("time_tag")] = choice(
        CONTROL_TIME_TAGS if control else MONITOR_TIME_TAGS,
        "control_time_tag" if control else "monitor_time_tag",
    )
    if control:
        fields[vol.Required("execution")] = choice(
            [execution.value for execution in Execution], "execution"
        )
    else:
        fields[vol.Required("initial")] = number()
        fields[vol.Required("quality")] = choice(
            [quality.value for quality in StaleQuality], "stale_quality"
        )
    if rule.binary:
        fields[vol.Required("invert")] = BooleanSelector()
    return fields


def _number_fields() -> dict[vol.Marker, Any]:
    return {
        vol.Required("scale"): number(),
        vol.Required("sign"): choice([sign.value for sign in Sign], "sign"),
        vol.Optional("min"): number(),
        vol.Optional("max"): number(),
    }


def point_values(point: Point) -> dict[str, Any]:
    """Return a point as its fields show it."""
    values = {
        "ioa": point.ioa,
        "type_id": str(point.type_id),
        "unit": point.unit,
        "scale": point.scale,
        "sign": point.sign.value,
        "time_tag": point.time_tag.value,
        "min": point.minimum,
        "max": point.maximum,
        "execution": point.execution.value if point.execution else None,
        "initial": point.initial,
        "quality": point.quality.value if point.quality else None,
        "invert": point.invert,
    }
    return {key: value for key, value in values.items() if value is not None}


def changed_point(before: Point, values: Mapping[str, Any]) -> Point:
    """Return a point with what its form says; fields that it has not stay."""
    rule: Rule = RULES[before.name]
    after = replace(
        before,
        ioa=values["ioa"],
        type_id=int(values["type_id"]),
        unit=values.get("unit", before.unit),
        time_tag=TimeTagChoice(values["time_tag"]),
        invert=values.get("invert", before.invert),
    )
    if not rule.binary:
        after = replace(
            after,
            scale=values["scale"],
            sign=Sign(values["sign"]),
            minimum=values.get("min"),
            maximum=values.get("max"),
        )
    if before.direction is PointDirection.CONTROL:
        return replace(after, execution=Execution(values["execution"]))
    return replace(
        after, initial=values["initial"], quality=StaleQuality(values["quality"])
    )


def in_words(
    faults: Iterable[PointProblem], words: Words, separator: str = "; "
) -> str:
    """Return faults with their places; of very many the first."""
    texts = [words.say(fault.words) for fault in faults]
    shown = texts[:MOST_FAULTS]
    if len(texts) > MOST_FAULTS:
        shown.append(f"(+ {len(texts) - MOST_FAULTS})")
    return separator.join(shown)
