"""Times and margins of the decision, with the defaults that a site starts from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Times in s, currents in A, powers in W, unless said otherwise."""

    settle: float = 15.0
    """A device may take this long to follow; its draw is in doubt meanwhile."""
    follow: float = 5.0
    """A car that rises may go on for this long after it was told less."""
    doubt: float = 3.0
    """A change at the meter is laid at the door of an asset, whose own answer is
    older than the meter's, for at most this long."""
    doubt_most: float = 12.0
    """The same for devices that answer less often: until the next answer is due, but
    never longer than this."""
    asset_timeout: float = 60.0
    """An older answer of a device counts as none."""
    raise_delay: float = 10.0
    """A charger is raised to what was free during all of this time."""
    raise_step: float = 0.5
    """A: a smaller raise is not worth a write, except to its maximum."""
    resume_delay: float = 30.0
    """A paused charger or a shed load waits for lasting room this long."""
    resume_margin: float = 2.0
    """A above the minimum that a paused charger waits for."""
    resume_patience: float = 300.0
    """After this wait the bare minimum is enough."""
    minimum_off: float = 60.0
    """A load that was switched off stays off at least this long."""
    release_delay: float = 10.0
    """After the end of an emergency stop nothing starts before."""
    stagger: float = 5.0
    """Between two starts after a release, and between two loads that come back."""
    rotation: float = 900.0
    """Where not everyone gets its minimum, turns last this long."""
    reclaim_delay: float = 30.0
    """A car that draws less for this long lends the rest to others."""
    reclaim_margin: float = 1.0
    """A above its draw that a car keeps while it lends."""
    phase_down_delay: float = 30.0
    """One phase would do, where the minimum on three does not fit for this long."""
    phase_up_delay: float = 600.0
    """Three phases would have fitted for this long."""
    phase_rest: float = 300.0
    """Between two changes of the number of phases."""
    phase_switches: int = 10
    """Changes while one car is there, after which it stays on one phase."""
    reactive_wait: float = 5.0
    """Reactive power that was told is at the meter after this."""
    production_delay: float = 3.0
    """An inverter is raised to what an unchanged limit left it during all this time."""
    ramp_time: float = 60.0
    """A production limit rises from zero to rated power in this time."""
    dead_band: float = 50.0
    """A battery is not moved for a smaller deviation at the meter."""
    standby: float = 10.0
    """W that an asset may draw while it does nothing: no limit on assets is broken."""
    obedience: float = 0.05
    """Share by which an asset may miss what it was told; more is disobedience."""
    disobedience: float = 100.0
    """The same in W, for what is told nothing or little."""
    solar_patience: float = 180.0
    """What lives from the sun goes on at its minimum this long without it."""
    quarter_end: float = 60.0
    """The end of a quarter hour counts as at least this far away: what it has left is
    not spent all at once."""
    tighten_gain: float = 0.2
    """Share of what a limit is still exceeded by that the aim is lowered by at each
    measurement."""
    charge_band: float = 1.0
    """% above its reserve at which an emptied battery is discharged again, and below
    full at which a full one is charged again."""


DEFAULT = Tuning()
