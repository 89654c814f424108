"""What flowed at a site, span by span: what figures are made of and back-tests run over.

Times are aware UTC, powers means of their span in W, prices currency per MWh. What
nobody measured is None: it is left out of every sum, never taken for zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from .orders import OrderName


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One row of recorded or supplied days: what a battery does not change."""

    start: datetime
    seconds: float
    load: float | None
    """W that the site uses, batteries left out; None: a gap."""
    production: float = 0.0
    """W that its generators could yield, positive."""
    import_price: float | None = None
    export_price: float | None = None
    imbalance_price: float | None = None
    imbalance_volume: float | None = None
    """MW; positive: the system is short."""
    orders: Mapping[OrderName, float] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The grid operator's, as numbers; what is not named was never received."""

    @property
    def end(self) -> datetime:
        """Return when the row ends."""
        return self.start + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One span as it went, with the batteries and what came of it."""

    start: datetime
    seconds: float
    grid: float | None
    """W at the connection point, import positive."""
    battery: float | None = None
    """W of all batteries, charging positive; None: there is none, or nobody knows."""
    production: float | None = None
    """W of all generators, positive."""
    stored: float | None = None
    """Wh in the batteries at its end."""
    import_price: float | None = None
    export_price: float | None = None
    missed: float | None = None
    """W that the grid operator's limits kept from being produced, charged or
    discharged; None: nobody knows."""
    certification: bool = False
    """Under orders that are a test: it stays out of the figures."""
    filled: bool = False
    """It was a gap, and what flowed was taken from another record afterwards."""

    @property
    def end(self) -> datetime:
        """Return when the span ends."""
        return self.start + timedelta(seconds=self.seconds)
