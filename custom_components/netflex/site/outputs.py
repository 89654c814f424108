"""What an emergency output is wired to, and what becomes of it when something fails.

Safety rule S13: for every output {order active, none} x {Home Assistant restarts, is
dead, the module reboots} is defined and shown; an auxiliary contact is proof, the
coil's read-back is not; an input's broken wire means stop.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from ..model.asset import AssetState, Direction, EmergencyOutput
from ..model.orders import LocalStops, Stops
from ..model.phrase import Phrase
from .config import OutputConfig, OutputWiring, PowerUp, SafeValue
from .view import OutputOutcome, OutputView, SiteProblem, Situation

CONTACT = "contact"
"""Detail of a relay's state: its auxiliary contact's input."""
STOP_INPUT = "stop_input"
"""Detail of a relay's state: the input of a stop button; on while its circuit is
closed."""
SAFE_STATUS = "safe_status"
"""Detail of a relay's state: its module holds it in its own safe state."""

CONTACT_WITHIN = 10.0
"""s within which a contactor must have moved."""
INPUT_SILENCE = 30.0
"""s that a module with a stop button may be away before that is said."""

_HOLDER = "input of "


def input_holder(output: EmergencyOutput) -> Phrase:
    """Return the name under which a module's input holds a local stop."""
    return Phrase("input_of", f"{_HOLDER}{{output}}", output=output.name)


def held_by_module(holder: str) -> bool:
    """Whether a local stop is held by a module's own input."""
    return holder.startswith(_HOLDER)


def behaviour(
    output: EmergencyOutput, wiring: OutputWiring
) -> tuple[OutputOutcome, ...]:
    """Return what an output does in each situation, with and without an order."""
    return tuple(
        _outcome(output, wiring, situation, ordered=ordered)
        for ordered, situation in product((True, False), Situation)
    )


def _outcome(
    output: EmergencyOutput,
    wiring: OutputWiring,
    situation: Situation,
    *,
    ordered: bool,
) -> OutputOutcome:
    before = output.energised_when_stopped is ordered
    energised, note = _coil(wiring, situation, before=before)
    return OutputOutcome(
        situation=situation,
        ordered=ordered,
        energised=energised,
        stopped=energised is output.energised_when_stopped,
        note=note,
    )


def _coil(
    wiring: OutputWiring, situation: Situation, *, before: bool
) -> tuple[bool, str]:
    """Return the coil's state after something failed, and how long that lasts."""
    again = "until Netflex writes it again, as soon as the module answers"
    if situation is Situation.MODULE_REBOOT:
        if wiring.bistable or wiring.power_up is PowerUp.LAST:
            return before, "a latching relay keeps its position"
        return wiring.power_up is PowerUp.ON, again
    if situation is Situation.RESTART:
        # The orders are loaded before anything is written: nothing falls in between.
        if wiring.pulse is not None and before:
            return before, f"unless the restart takes longer than {wiring.pulse:g} s"
        if wiring.watchdog is not SafeValue.NONE:
            return before, "unless the restart takes longer than the module's watchdog"
        return before, "it holds what it was told last"
    if wiring.pulse is not None:
        return False, f"{wiring.pulse:g} s after the last pulse"
    if wiring.watchdog is not SafeValue.NONE:
        return wiring.watchdog is SafeValue.ON, "once the module's watchdog has acted"
    return before, "it holds what it was told last"


_SITUATIONS: Mapping[Situation, str] = {
    Situation.RESTART: "Home Assistant restarts",
    Situation.DEAD: "Home Assistant is dead",
    Situation.MODULE_REBOOT: "the module restarts",
}


def in_words(outcomes: Iterable[OutputOutcome]) -> str:
    """Return a table of outcomes as lines of text (Markdown)."""
    lines = []
    for outcome in outcomes:
        order = "Stop in force" if outcome.ordered else "No stop"
        coil = "on" if outcome.energised else "off"
        effect = "stopped" if outcome.stopped else "running"
        if outcome.ordered is not outcome.stopped:
            effect = f"**{effect}**"
        lines.append(
            f"- {order}, {_SITUATIONS[outcome.situation]}: coil {coil}, {effect} "
            f"({outcome.note})"
        )
    return "\n".join(lines)


def contact_agrees(config: OutputConfig, state: AssetState, *, stopped: bool) -> bool:
    """Whether the auxiliary contact proves what the output shall do.

    Without one there is nothing to disagree; one that nobody can read proves nothing.
    """
    expected = config.wiring.contact_when_stopped
    if expected is None:
        return True
    contact = state.details.get(CONTACT)
    return state.available and contact is (expected is stopped)


def stop_input_open(config: OutputConfig, state: AssetState) -> bool | None:
    """Whether a module's stop circuit is open; None while nobody can read it."""
    if not config.wiring.input_stops or not state.available:
        return None
    value = state.details.get(STOP_INPUT)
    return None if not isinstance(value, bool) else not value


def with_inputs(
    local: LocalStops, holds: Mapping[str, frozenset[Direction]]
) -> LocalStops:
    """Return local stops with those that inputs of modules hold, and no other theirs."""
    for holder, directions in holds.items():
        for direction in Direction:
            local = local.with_holder(direction, holder, held=direction in directions)
    return local


@dataclass(slots=True)
class OutputWatch:
    """Notices what lasts too long: contacts that disagree, inputs that are away."""

    _since: dict[tuple[str, str], float] = field(default_factory=dict)

    def problems(
        self,
        outputs: Iterable[OutputConfig],
        states: Mapping[str, AssetState],
        stops: Stops,
        now: float,
    ) -> tuple[SiteProblem, ...]:
        """Return what a user must know of the outputs at monotonic `now`."""
        found = tuple(
            problem
            for config in outputs
            for problem in self._of(config, states, stops, now)
        )
        known = {config.output.asset_id for config in outputs}
        for key in [key for key in self._since if key[0] not in known]:
            del self._since[key]
        return found

    def _of(
        self,
        config: OutputConfig,
        states: Mapping[str, AssetState],
        stops: Stops,
        now: float,
    ) -> Iterator[SiteProblem]:
        output, asset_id = config.output, config.output.asset_id
        if any(
            item.ordered and not item.stopped
            for item in behaviour(output, config.wiring)
            if item.situation is Situation.DEAD
        ):
            yield SiteProblem(
                key="output_lets_go",
                subject=asset_id,
                text=Phrase(
                    "output_lets_go",
                    "{output} lets go of a stop while Home Assistant is dead",
                    output=output.name,
                ),
            )
        if config.needs_home_assistant:
            yield SiteProblem(
                key="output_needs_home_assistant",
                subject=asset_id,
                text=Phrase(
                    "output_needs_home_assistant",
                    "{output} is an entity of another integration: it acts only while "
                    "Home Assistant runs and is not held up",
                    output=output.name,
                ),
            )
        state = states.get(asset_id)
        away = bool(config.wiring.input_stops) and (
            state is None or stop_input_open(config, state) is None
        )
        if self._lasts(asset_id, "input", away, now, INPUT_SILENCE):
            held = any(
                input_holder(output) in stops.local.holders(direction)
                for direction in Direction
            )
            yield SiteProblem(
                key="local_stop_input_silent",
                subject=input_holder(output),
                text=Phrase(
                    "input_silent_held" if held else "input_silent",
                    "The {input} says nothing; "
                    + (
                        "its stop holds"
                        if held
                        else "it stops nothing until it is back"
                    ),
                    input=input_holder(output),
                ),
            )
        if state is None:
            return
        if state.available and state.details.get(SAFE_STATUS) is True:
            yield SiteProblem(
                key="output_in_safe_state",
                subject=asset_id,
                text=Phrase(
                    "output_in_safe_state",
                    "The module holds {output} in its own safe state",
                    output=output.name,
                ),
            )
        stopped = any(map(stops.stopped, output.stops))
        wrong = state.available and not contact_agrees(config, state, stopped=stopped)
        if self._lasts(asset_id, "contact", wrong, now, CONTACT_WITHIN):
            yield SiteProblem(
                key="contact_disagrees",
                subject=asset_id,
                text=Phrase(
                    "contact_not_stopped" if stopped else "contact_not_released",
                    "The auxiliary contact of {output} does not show that "
                    + ("it has stopped" if stopped else "it is released"),
                    output=output.name,
                ),
            )

    def _lasts(
        self, asset_id: str, what: str, holds: bool, now: float, limit: float
    ) -> bool:
        key = (asset_id, what)
        if not holds:
            self._since.pop(key, None)
            return False
        return now - self._since.setdefault(key, now) >= limit


def output_views(
    outputs: Iterable[OutputConfig],
    states: Mapping[str, AssetState],
    stops: Stops,
) -> dict[str, OutputView]:
    """Return what is to be shown of each output beyond its state."""
    shown = {}
    for config in outputs:
        state = states.get(config.output.asset_id)
        stopped = any(map(stops.stopped, config.output.stops))
        has_contact = config.wiring.contact_when_stopped is not None
        shown[config.output.asset_id] = OutputView(
            behaviour=behaviour(config.output, config.wiring),
            bistable=config.wiring.bistable,
            contact_agrees=(
                contact_agrees(config, state, stopped=stopped)
                if has_contact and state is not None and state.available
                else None
            ),
            stop_input_open=None if state is None else stop_input_open(config, state),
            safe_state=(
                None
                if state is None or not isinstance(state.details.get(SAFE_STATUS), bool)
                else bool(state.details[SAFE_STATUS])
            ),
        )
    return shown
