"""Emergency stops: which relays they drive and which assets they reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..model.asset import Asset, Direction, EmergencyOutput, StopPath
from ..model.orders import Stops
from ..model.snapshot import SiteModel


def relay_states(stops: Stops, outputs: Iterable[EmergencyOutput]) -> dict[str, bool]:
    """Return for each output, by its asset id, whether its coil is energised.

    An output acts while any direction that it stops is stopped.
    """
    stopped = {direction for direction in Direction if stops.stopped(direction)}
    return {
        output.asset_id: output.energised_when_stopped
        != output.stops.isdisjoint(stopped)
        for output in outputs
    }


def acts_in(asset: Asset, direction: Direction) -> bool:
    """Return whether an asset ever produces or ever consumes."""
    return asset.produces if direction is Direction.PRODUCTION else asset.consumes


def has_relay(
    asset_id: str, direction: Direction, outputs: Iterable[EmergencyOutput]
) -> bool:
    """Return whether an emergency output interrupts an asset in a direction."""
    return any(
        direction in output.stops and asset_id in output.assets for output in outputs
    )


def takes_stop(asset: Asset) -> bool:
    """Return whether a setpoint can stop an asset."""
    return asset.controllable and StopPath.SETPOINT in asset.stop_paths


def unreached(site: SiteModel, directions: Iterable[Direction]) -> tuple[str, ...]:
    """Return the assets, in order of id, that a stop of any direction misses."""
    wanted = tuple(directions)
    if not wanted:
        return ()
    return tuple(
        asset_id
        for asset_id, asset in sorted(site.assets.items())
        if not takes_stop(asset)
        and any(
            acts_in(asset, direction)
            and not has_relay(asset_id, direction, site.outputs)
            for direction in wanted
        )
    )


class Weakness(StrEnum):
    """Why a stop of an asset cannot be relied on (safety rule S12)."""

    NOT_STOPPED = "not_stopped"
    """Neither a setpoint nor a relay stops it."""
    NOT_KEPT_STOPPED = "not_kept_stopped"
    """It starts again by itself once nobody refreshes the setpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakStop:
    """One asset whose stop in one direction has a weakness."""

    asset_id: str
    direction: Direction
    weakness: Weakness


def weak_stops(site: SiteModel) -> tuple[WeakStop, ...]:
    """Return what to tell the installer before a stop matters (safety rule S12)."""
    return tuple(
        WeakStop(
            asset_id=asset_id,
            direction=direction,
            weakness=(
                Weakness.NOT_KEPT_STOPPED if takes_stop(asset) else Weakness.NOT_STOPPED
            ),
        )
        for asset_id, asset in sorted(site.assets.items())
        for direction in Direction
        if acts_in(asset, direction)
        and not has_relay(asset_id, direction, site.outputs)
        and not (takes_stop(asset) and asset.stays_stopped)
    )
