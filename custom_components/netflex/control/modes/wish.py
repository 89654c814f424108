"""What every mode takes and returns."""

from dataclasses import dataclass

from ...model.asset import Asset, AssetState, HeatPumpState
from ...model.plan import Cause
from ...model.snapshot import Clock
from ..tuning import Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One asset and its moment, as a mode sees them. W, consumption positive."""

    asset: Asset
    state: AssetState | None
    told: float | None
    """Its newest setpoint, in the unit of its kind."""
    draw: float
    """What it draws now."""
    least: float
    """Below it the asset does nothing."""
    most: float
    """What it may draw as far as it alone is concerned."""
    surplus: float | None
    """What would be injected if nobody lived from it; None: nobody knows."""
    elapsed: float
    """s since the decision before."""
    clock: Clock
    tuning: Tuning
    held_back: Cause | None = None
    """Why a source outside the house has it disabled, None where none does."""

    @property
    def running(self) -> bool:
        """Whether it was told to do something."""
        return bool(self.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an asset would like, before any limit. W, consumption positive.

    `low` is what it wants in any case, `high` the most. `target` None: it follows the
    surplus in between. `cause` says why it is bounded, None where it is not. `urgent`:
    the user's word outweighs the capacity tariff.
    """

    high: float
    low: float = 0.0
    target: float | None = None
    cause: Cause | None = None
    urgent: bool = False
    heat_pump: HeatPumpState = HeatPumpState.NORMAL
    """SG-ready heat pumps: what they are advised while they may run."""
