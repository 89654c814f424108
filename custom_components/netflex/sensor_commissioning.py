"""A sensor of the site's commissioning: whether one runs, and what is proven."""

from typing import Final

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.helpers.typing import StateType

from .sensor_site import NetflexSensorDescription
from .site.commissioning_record import Outcome
from .site.view import SiteView
from .view_values import Attributes

NEVER: Final = "never"
RUNNING: Final = "running"
WAITING: Final = "waiting"
ENDED_EARLY: Final = "ended_early"
FAILED: Final = "failed"
DONE: Final = "done"
STATES: Final = [NEVER, RUNNING, WAITING, ENDED_EARLY, FAILED, DONE]


def _state(view: SiteView, _subject: str) -> StateType:
    status, results = view.commissioning, view.commissioned
    if status is not None and status.ended is None:
        return RUNNING if status.prompt is None else WAITING
    if status is not None and status.ended_early is not None:
        return ENDED_EARLY
    if any(result.outcome is Outcome.FAILED for result in results):
        return FAILED
    return DONE if results else NEVER


def _attributes(view: SiteView, _subject: str) -> Attributes:
    counts = {
        outcome.value: sum(result.outcome is outcome for result in view.commissioned)
        for outcome in Outcome
    }
    if (status := view.commissioning) is None:
        return counts
    return {
        **counts,
        "step": status.step or None,
        "prompt": status.prompt,
        "done": status.done,
        "total": status.total,
        "reason": status.ended_early,
        "ended": status.ended,
    }


COMMISSIONING_SENSORS: Final = (
    NetflexSensorDescription(
        key="commissioning",
        translation_key="commissioning",
        device_class=SensorDeviceClass.ENUM,
        options=STATES,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_state,
        attributes_fn=_attributes,
    ),
)
"""The description is apart from the other sensors of the site."""
