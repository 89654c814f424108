"""A sensor of the site's rehearsals: how the newest one went, or how far it is."""

from typing import Final

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.helpers.typing import StateType

from .sensor_site import NetflexSensorDescription, has_station
from .site.view import SiteView
from .telecontrol.rehearsal_record import Outcome
from .view_values import Attributes

NEVER: Final = "never"
RUNNING: Final = "running"
OUTCOMES: Final = [NEVER, RUNNING, *(outcome.value for outcome in Outcome)]


def _outcome(view: SiteView, _subject: str) -> StateType:
    if view.rehearsal is None:
        return NEVER
    outcome = view.rehearsal.outcome
    return RUNNING if outcome is None else outcome.value


def _attributes(view: SiteView, _subject: str) -> Attributes:
    status = view.rehearsal
    if status is None:
        return {}
    progress = status.progress
    return {
        "mode": status.mode.value,
        "started": status.started,
        "ended": status.ended,
        "passed": status.passed,
        "failed": status.failed if progress is None else progress.failed,
        "reason": status.ended_early,
        "report": status.report,
        "chapter": None if progress is None else progress.chapter,
        "step": None if progress is None else progress.step,
        "chapters_done": None if progress is None else progress.done,
        "chapters": None if progress is None else progress.total,
    }


REHEARSAL_SENSORS: Final = (
    NetflexSensorDescription(
        key="rehearsal",
        translation_key="rehearsal",
        device_class=SensorDeviceClass.ENUM,
        options=OUTCOMES,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_outcome,
        attributes_fn=_attributes,
        exists_fn=has_station,
        available_fn=has_station,
    ),
)
"""The description is apart from the other sensors of the site."""
