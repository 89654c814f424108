"""What becomes of a load that leaves the site: it is enabled, as it was before.

Unless a stop, a limit, the fuse or its user holds it off (S14): then it stays off, and
that is said, because nobody here will switch it on any more.
"""

import asyncio
from dataclasses import dataclass

from ..devices.device import Device, DeviceError, driver_fault
from ..model.asset import Asset, HeatPumpState, Nature
from ..model.phrase import Phrase
from ..model.plan import Cause, Setpoint, SetpointKind, Source

PATIENCE = 8.0
"""s that a load is given to say that it is on."""
_ONLY_HERE = frozenset({Source.SAFE_STATE})
"""Reasons that end with the site itself."""
_HARDER = frozenset({HeatPumpState.RECOMMENDED, HeatPumpState.FORCED})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """How one load was left."""

    asset_id: str
    name: str
    reason: str | None = None
    """Why it stays off, in a user's words; None: it is enabled."""


def is_moved(asset: Asset, setpoint: Setpoint | None) -> bool:
    """Whether a load was told not to be as it is by itself.

    That is off, or for an SG-ready heat pump harder than it would run: somebody has to
    leave it to itself again.
    """
    return (
        asset.nature is Nature.LOAD
        and asset.controllable
        and setpoint is not None
        and (setpoint.value == 0 or setpoint.heat_pump in _HARDER)
    )


def holds_off(setpoint: Setpoint) -> Cause | None:
    """Return what keeps a load off although the site lets go of it, None: nothing."""
    if setpoint.value != 0:
        return None
    for cause in setpoint.causes:
        if cause.source in _ONLY_HERE:
            continue
        if cause.source <= Source.GRID_OPERATOR or cause.source is Source.USER:
            return cause
    return None


async def enable(device: Device, asset: Asset) -> GivenBack:
    """Leave a load to itself that nobody drives any more, and see whether it is."""
    told = Setpoint(
        asset_id=asset.id,
        kind=SetpointKind.SWITCH,
        value=1.0,
        heat_pump=HeatPumpState.NORMAL,
    )
    reason: str | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            applied = await device.apply(told)
        if not applied.confirmed:
            reason = Phrase("not_done", "it does not do what it was told")
    except TimeoutError:
        reason = Phrase("not_done", "it does not do what it was told")
    except DeviceError as err:
        reason = err.text
    except Exception as err:  # noqa: BLE001  a fault of one device stays its own
        reason = driver_fault(err)
    return GivenBack(asset_id=asset.id, name=asset.name, reason=reason)
