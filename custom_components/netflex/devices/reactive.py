"""Reactive power beside the setpoint, for devices whose profile can set it.

It never costs the setpoint anything: it is written behind it, a failure is only
said, and a stop does not wait for it.
"""

from dataclasses import replace

from ..model.asset import Asset
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .device import DeviceError
from .fitting import Fitting
from .session import Session
from .values import number_of
from .writer import Writer

MAX_REACTIVE = "max_reactive_power"
"""The point with the var that a device can give either way."""


_NOT_FOLLOWED = Phrase("reactive_unfollowed", "it does not follow")


def _reactive(problem: str) -> str:
    return Phrase("reactive_problem", "reactive power: {problem}", problem=problem)


class ReactivePower:
    """The reactive control of one device, where it has one."""

    def __init__(self, writer: Writer, session: Session, asset: Asset) -> None:
        """Drive a writer of the control `reactive`."""
        self.writer = writer
        self._session = session
        self._fitting = Fitting(session, asset)
        self.problem: str | None = None

    @property
    def possible(self) -> bool:
        """Whether the device has the control and has told what it needs."""
        if not self._session.identified or (control := self.writer.control) is None:
            return False
        if control.percent_of and self._fitting.hundred(control) is None:
            return False
        scales = {step.scaling.scale_point for step in control.write}
        return all(scale is None or scale in self._session.scales for scale in scales)

    @property
    def most(self) -> float | None:
        """Var that the device can give either way, None where that is not known."""
        said = number_of(self._session.values.get(MAX_REACTIVE))
        if said is not None or (control := self.writer.control) is None:
            return said
        return self._fitting.hundred(control) if control.percent_of else None

    @property
    def told(self) -> float | None:
        """Var that the device was told last and took, None: its own."""
        written = self.writer.written
        return None if written is None else written.value

    async def apply(self, setpoint: Setpoint) -> None:
        """Write or release the reactive part of a setpoint; failures are kept."""
        asked = self.writer.wanted
        if setpoint.reactive is None and (asked is None or asked.value is None):
            return
        if not self.possible:
            self.problem = Phrase("no_reactive", "it cannot set reactive power now")
            return
        try:
            applied = await self.writer.apply(
                replace(setpoint, value=setpoint.reactive, emergency=False, phases=None)
            )
        except DeviceError as err:
            if err.key != "superseded":
                self.problem = _reactive(err.text)
            return
        self.problem = (
            None
            if applied.confirmed
            else _reactive(self.writer.problem or _NOT_FOLLOWED)
        )
