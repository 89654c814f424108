"""Setpoints into what a control takes: range, steps, percentages."""

from math import floor

from ..model.asset import Asset
from ..model.phrase import Phrase
from .device import DeviceError
from .profile import Bound, Control, Release
from .profile_parts import RATED
from .session import Session
from .values import number_of

SLACK = 1e-6
"""A hundredth of what any register resolves."""


class Fitting:
    """Knows the asset's ratings and what the device says of its own limits."""

    def __init__(self, session: Session, asset: Asset) -> None:
        """Read limits from a session's newest values."""
        self._session = session
        self._asset = asset

    def _bound(self, bound: Bound | None) -> float | None:
        if bound is None:
            return None
        if bound.point is None:
            return bound.value
        value = number_of(self._session.values.get(bound.point))
        return None if value is None else value * bound.factor

    def fit(self, control: Control, value: float | None) -> float | None:
        """Bring a value into the range and onto the steps, toward zero."""
        low, high = self._bound(control.low), self._bound(control.high)
        if value is None:
            return high if control.release is Release.MAXIMUM else None
        if high is not None:
            value = min(value, high)
        if low is not None and value < low:
            # A lower end above zero is the least that it can do: less is nothing.
            value = low if low <= 0 else 0.0
        if abs(value) < control.min_active:
            return 0.0
        if control.step:
            steps = floor(abs(value) / control.step + SLACK)
            value = steps * control.step if value > 0 else -steps * control.step
        return value

    def hundred(self, control: Control) -> float | None:
        """Return the W of 100 %."""
        for name in control.percent_of:
            if name == RATED:
                value: float | None = self._asset.rated_production or None
            else:
                value = number_of(self._session.values.get(name))
            if value is not None and value > 0:
                return value
        return None

    def in_register(self, control: Control, value: float | None) -> float:
        """Return a value in the control's own unit (%, where it takes that)."""
        if value is None:
            return 0.0
        if not control.percent_of:
            return value
        if value == 0:
            return 0.0
        if (hundred := self.hundred(control)) is None:
            raise DeviceError(
                "config",
                Phrase(
                    "percent_of_what",
                    "a percentage of what? Its rated power is not known",
                ),
            )
        return max(-100.0, min(100.0, 100.0 * value / hundred))
