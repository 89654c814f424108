"""Events of batteries: what is wrong with one, and dispatches that begin and end."""

from typing import Any, Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import callback

from .entity import NetflexEntity
from .site.battery_health import BATTERY_ALERTS
from .site.economy import DispatchProof

BEGAN: Final = "began"
ENDED: Final = "ended"

BATTERY_ALERT: Final = EventEntityDescription(
    key="battery_alert",
    translation_key="battery_alert",
    event_types=list(BATTERY_ALERTS),
)
DISPATCH: Final = EventEntityDescription(
    key="dispatch", translation_key="dispatch", event_types=[BEGAN, ENDED]
)


class BatteryAlertEvent(NetflexEntity, EventEntity):
    """Fires when something is found to be wrong with a battery."""

    _known: frozenset[str] = frozenset()

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        # What was wrong before a restart was told then; its repair still says it.
        self._known = frozenset(self._alerts())

    def _alerts(self) -> dict[str, str]:
        return {
            problem.key: problem.text
            for problem in self.view.problems
            if problem.subject == self.subject and problem.key in BATTERY_ALERTS
        }

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        alerts = self._alerts()
        for key in alerts.keys() - self._known:
            self._trigger_event(key, {"text": alerts[key]})
            self.async_write_ha_state()
        self._known = frozenset(alerts)


class DispatchEvent(NetflexEntity, EventEntity):
    """Fires when a dispatch of one source begins, and with its proof when it ends."""

    _running: frozenset[tuple[Any, ...]] = frozenset()

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        self._running = frozenset(self._proofs(running=True))

    def _proofs(self, *, running: bool) -> dict[tuple[Any, ...], DispatchProof]:
        return {
            (item.command.start, item.command.action): item
            for item in self.view.dispatch_proofs
            if item.command.source == self.subject and (item.ended is None) is running
        }

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        running, ended = self._proofs(running=True), self._proofs(running=False)
        for key in running.keys() - self._running:
            self._fire(BEGAN, running[key])
        for key in self._running - running.keys():
            if key in ended:
                self._fire(ENDED, ended[key])
        self._running = frozenset(running)

    def _fire(self, kind: str, proof: DispatchProof) -> None:
        command = proof.command
        self._trigger_event(
            kind,
            {
                "action": command.action.value,
                "asked_power": command.power,
                "start": command.start.isoformat(),
                "end": (proof.ended or command.end).isoformat(),
                "method": proof.method.value,
                "baseline": proof.baseline,
                "delivered": proof.delivered if proof.proved else None,
                "unproved": proof.unproved,
            },
        )
        self.async_write_ha_state()
