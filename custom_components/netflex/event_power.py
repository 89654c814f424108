"""Events of a meter that samples the waveform: its voltage, and what is switched."""

from abc import abstractmethod
from typing import Any, Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import callback

from .entity import NetflexEntity
from .model.connection import LineValues
from .model.power_quality import (
    Inrush,
    PowerEvent,
    StepEvent,
    VoltageEvent,
    VoltageEventKind,
)

INRUSH: Final = "inrush"
SWITCHED_ON: Final = "switched_on"
SWITCHED_OFF: Final = "switched_off"

POWER_QUALITY: Final = EventEntityDescription(
    key="power_quality",
    translation_key="power_quality",
    event_types=[
        *(f"{kind}_{end}" for kind in VoltageEventKind for end in ("began", "ended")),
        INRUSH,
    ],
)
LOAD_STEP: Final = EventEntityDescription(
    key="load_step",
    translation_key="load_step",
    event_types=[SWITCHED_ON, SWITCHED_OFF],
)


class PowerEventEntity(NetflexEntity, EventEntity):
    """Passes on what a meter sees on its lines."""

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self.async_on_remove(
            self.coordinator.async_on_power_event(self.subject, self._take)
        )

    @callback
    def _take(self, event: PowerEvent) -> None:
        """Fire, if it is one of ours."""
        if (found := self._event(event)) is not None:
            self._trigger_event(*found)
            self.async_write_ha_state()

    @abstractmethod
    def _event(self, event: PowerEvent) -> tuple[str, dict[str, Any]] | None:
        """Return type and attributes of an event, None where it is not ours."""


class PowerQualityEvent(PowerEventEntity):
    """Sags, swells, interruptions and inrush currents."""

    @override
    def _event(self, event: PowerEvent) -> tuple[str, dict[str, Any]] | None:
        match event:
            case VoltageEvent():
                end = "began" if event.duration is None else "ended"
                return f"{event.kind}_{end}", {
                    "lines": [line.value for line in event.lines],
                    "voltage": round(event.voltage, 1),
                    "percent": round(100 * event.ratio, 1),
                    "duration": _seconds(event.duration),
                }
            case Inrush():
                return INRUSH, {
                    "lines": [event.line.value],
                    "current": round(event.current, 2),
                    "peak": round(event.peak, 2),
                    "settled": round(event.settled, 2),
                    "duration": _seconds(event.duration),
                }
        return None


class LoadStepEvent(PowerEventEntity):
    """A load or a source has changed: what tells devices apart."""

    @override
    def _event(self, event: PowerEvent) -> tuple[str, dict[str, Any]] | None:
        if not isinstance(event, StepEvent):
            return None
        third, fifth, seventh = event.harmonics
        return SWITCHED_ON if event.power >= 0 else SWITCHED_OFF, {
            "power": round(event.power),
            "reactive_power": round(event.reactive_power),
            "line_power": _by_line(event.line_power, 0),
            "line_current": _by_line(event.line_current, 2),
            "harmonic_3": _by_line(third, 3),
            "harmonic_5": _by_line(fifth, 3),
            "harmonic_7": _by_line(seventh, 3),
            "duration": _seconds(event.duration),
        }


def _by_line(values: LineValues, digits: int) -> dict[str, float]:
    return {line.value: round(value, digits) for line, value in values.items()}


def _seconds(duration: float | None) -> float | None:
    return None if duration is None else round(duration, 3)
