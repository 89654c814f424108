"""Whether a device does what was written: its read-back against the setpoint."""

from .fitting import SLACK, Fitting
from .profile import Control, Match, ReadBack
from .session import Session
from .values import number_of, truth_of


class Following:
    """Compares a session's newest values with setpoints, in the setpoint's unit."""

    def __init__(self, session: Session, fitting: Fitting) -> None:
        """Read what the device says from a session."""
        self._session = session
        self._fitting = fitting

    def readback(self, control: Control | None, written: float | None) -> float | None:
        """Return what the device says it applies; `written` was asked for last."""
        if control is None or control.readback is None:
            return None
        values = self._session.values
        if (
            control.readback.stopped is not None
            and written == 0
            and truth_of(values.get(control.readback.stopped)) is False
        ):
            return 0.0
        value = values.get(control.readback.point)
        if isinstance(value, bool):
            return float(value)
        if self._accounted(control.readback) is False and control.percent_of:
            # A percentage that does not count bounds nothing.
            return None
        number = number_of(value)
        if number is None or not control.percent_of:
            return number
        if self._session.profile.points[control.readback.point].measure != "%":
            return number
        hundred = self._fitting.hundred(control)
        return None if hundred is None else number * hundred / 100

    def follows(self, control: Control | None, written: float | None) -> bool | None:
        """Whether the newest read-back agrees with what was written."""
        if control is None or control.readback is None or written is None:
            return None
        if written == 0 and control.readback.stopped is not None:
            running = truth_of(self._session.values.get(control.readback.stopped))
            return None if running is None else not running
        if self._accounted(control.readback) is False:
            return False
        if (seen := self.readback(control, written)) is None:
            return None
        tolerance = self._tolerance(control, control.readback.tolerance)
        excess = seen - self._expected(control, written)
        if control.readback.match is Match.AT_MOST:
            return excess <= tolerance
        return abs(excess) <= tolerance

    def drifted(self, control: Control | None, written: float | None) -> bool:
        """Whether the register that we write holds somebody else's value."""
        if control is None or control.readback is None or written is None:
            return False
        point = control.readback.written
        seen = None if point is None else number_of(self._session.values.get(point))
        if seen is None or control.percent_of:
            return False
        tolerance = self._tolerance(control, control.readback.tolerance)
        return abs(seen - self._expected(control, written)) > tolerance

    def _accounted(self, readback: ReadBack) -> bool | None:
        """Whether the device says that it takes the setpoint into account."""
        if readback.also is None:
            return None
        return truth_of(self._session.values.get(readback.also))

    def _expected(self, control: Control, value: float) -> float:
        if (
            control.percent_of
            and (hundred := self._fitting.hundred(control)) is not None
        ):
            return max(-hundred, min(value, hundred))
        return value

    def _tolerance(self, control: Control, tolerance: float) -> float:
        """Return the tolerance in the setpoint's unit; the file gives it in %."""
        if (
            control.percent_of
            and (hundred := self._fitting.hundred(control)) is not None
        ):
            tolerance = tolerance * hundred / 100
        return tolerance + SLACK
