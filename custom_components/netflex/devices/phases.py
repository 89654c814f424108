"""When the number of phases may be changed: never under load, not too often."""

from .profile import PhaseSwitch
from .session import Session
from .values import number_of

_CARRIES_CURRENT = 1.0
"""A above which a phase is in use."""


class PhaseChange:
    """What is known of one charger's phases. Times are monotonic s."""

    def __init__(self, session: Session) -> None:
        """Start without knowing how many phases it charges with."""
        self._session = session
        self._written: int | None = None
        self._switched_at: float | None = None
        self._gave_up_at: float | None = None

    @property
    def switch(self) -> PhaseSwitch | None:
        """The profile's own words on it, None where it cannot be changed."""
        return self._session.profile.phase_switch

    def due(self, phases: int | None, now: float) -> bool:
        """Whether a switch to that many phases is wanted and allowed now."""
        switch = self.switch
        if switch is None or phases not in switch.choices:
            return False
        if phases == self._in_use(switch):
            return False
        attempts = [
            at for at in (self._switched_at, self._gave_up_at) if at is not None
        ]
        return all(now - at >= switch.cooldown for at in attempts)

    def _in_use(self, switch: PhaseSwitch) -> int | None:
        """Return how many phases it charges with, None where that is not known.

        Read back from the currents: chargers were seen to answer 3 whatever they do,
        and a car that uses one phase of three says nothing.
        """
        if self._written is not None:
            return self._written
        amperes = [
            number_of(self._session.values.get(key)) or 0.0 for key in switch.idle
        ]
        used = sum(current > _CARRIES_CURRENT for current in amperes)
        return used if used > 1 else None

    def idle(self) -> bool:
        """Whether no phase carries current; unknown counts as load."""
        assert self.switch is not None
        values = [number_of(self._session.values.get(key)) for key in self.switch.idle]
        return all(
            value is not None and abs(value) < self.switch.below for value in values
        )

    def gave_up(self, now: float) -> None:
        """Remember that the current did not fall."""
        self._gave_up_at = now

    def switched(self, phases: int, now: float) -> None:
        """Remember a switch."""
        self._written = phases
        self._switched_at = now

    def settling(self, now: float) -> float:
        """Return the s that are left before it may charge again."""
        if self.switch is None or self._switched_at is None:
            return 0.0
        return max(0.0, self._switched_at + self.switch.settle - now)
