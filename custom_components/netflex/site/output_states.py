"""What the site knows of its emergency outputs, which the station's host drives."""

from collections.abc import Mapping

from ..control.overrides import DRIVES
from ..model.asset import AssetState, EmergencyOutput
from ..model.orders import Stops
from ..model.plan import Cause, Plan
from .availability import AvailabilityLog
from .config import OutputConfig
from .outputs import OutputWatch, output_views
from .view import OutputView, SiteProblem


class OutputStates:
    """The outputs of a site: how each is wired, what it said last, what is wrong."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._configs: dict[str, OutputConfig] = {}
        self._logs: dict[str, AvailabilityLog] = {}
        self._problems: dict[str, str] = {}
        self._watch = OutputWatch()
        self._cut_off: Mapping[str, Cause] | None = None
        self.states: dict[str, AssetState] = {}
        """What each said last, by id."""

    @property
    def configs(self) -> tuple[OutputConfig, ...]:
        """The outputs as configured."""
        return tuple(self._configs.values())

    @property
    def outputs(self) -> tuple[EmergencyOutput, ...]:
        """The outputs as the decision knows them."""
        return tuple(config.output for config in self._configs.values())

    def put(self, config: OutputConfig) -> None:
        """Add an output, or put another configuration in its place."""
        self._configs[config.output.asset_id] = config

    def remove(self, asset_id: str) -> bool:
        """Forget an output; False where there is none of that id."""
        if self._configs.pop(asset_id, None) is None:
            return False
        for known in (self.states, self._logs, self._problems):
            known.pop(asset_id, None)
        return True

    def take(self, state: AssetState, problem: str | None) -> None:
        """Take what an output does, and why it cannot be driven."""
        asset_id = state.asset_id
        self.states[asset_id] = state
        if (config := self._configs.get(asset_id)) is not None:
            log = self._logs.setdefault(asset_id, AvailabilityLog(config.output.name))
            log.take(available=state.available, problem=state.problem)
        if problem is None:
            self._problems.pop(asset_id, None)
        else:
            self._problems[asset_id] = problem

    def cut_off(self, plan: Plan) -> Mapping[str, Cause] | None:
        """Return which outputs act because a limit is not kept (S19), with the cause.

        None while that is what was returned last.
        """
        cut_off = {
            asset_id: cause
            for asset_id in self._configs
            if (setpoint := plan.setpoints.get(asset_id)) is not None
            for cause in setpoint.causes
            if cause.key in DRIVES
        }
        if cut_off == self._cut_off:
            return None
        self._cut_off = cut_off
        return cut_off

    def names(self) -> dict[str, str]:
        """Return the outputs' names by id."""
        return {key: config.output.name for key, config in self._configs.items()}

    def not_driven(self) -> dict[str, str]:
        """Return why outputs cannot be driven, by their name."""
        names = self.names()
        return {names[key]: text for key, text in self._problems.items()}

    def views(self, stops: Stops) -> dict[str, OutputView]:
        """Return what is to be shown of each beyond its state."""
        return output_views(self.configs, self.states, stops)

    def problems(self, stops: Stops, now: float) -> tuple[SiteProblem, ...]:
        """Return what a user must know of them at monotonic `now`."""
        return self._watch.problems(self.configs, self.states, stops, now)
