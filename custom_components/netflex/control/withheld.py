"""What the grid operator's limits keep batteries from doing, in W."""

from collections.abc import Mapping

from ..model.plan import Plan, Setpoint, Source
from ..model.programme import Constraint, ProgrammeState

_OPERATOR = frozenset({Source.EMERGENCY_STOP, Source.GRID_OPERATOR})
_CONSTRAINTS = frozenset({Constraint.GRID_OPERATOR, Constraint.STOP})


def by_operator(setpoint: Setpoint | None) -> bool:
    """Return whether the grid operator bounds a setpoint."""
    return setpoint is not None and any(
        cause.source in _OPERATOR for cause in setpoint.causes
    )


def withheld(plan: Plan) -> float:
    """Return the W that batteries would charge or discharge more without the operator.

    What a limit makes them do instead is not counted against it.
    """
    return sum(_missing(plan.setpoints, *item) for item in plan.programmes.items())


def _missing(
    setpoints: Mapping[str, Setpoint], asset_id: str, stands: ProgrammeState
) -> float:
    setpoint = setpoints.get(asset_id)
    if not stands.wish or setpoint is None:
        return 0.0
    if not (_CONSTRAINTS & stands.constraints and by_operator(setpoint)):
        return 0.0
    sign = 1.0 if stands.wish > 0 else -1.0
    done = max(0.0, sign * (setpoint.value or 0.0))
    return max(0.0, abs(stands.wish) - done)
