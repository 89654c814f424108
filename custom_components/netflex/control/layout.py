"""What of a site stays the same from one decision to the next.

Currents are kept by *channel*: 0 is W at the connection point, 1 to 3 are A on its
lines, and each feeder adds three more, one for each of its lines. What an asset
draws passes its own lines on every feeder from its own up to the main fuse.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..model.asset import Asset, Direction, Nature
from ..model.connection import Feeder, Line
from ..model.snapshot import SiteModel
from .stops import acts_in

ACTING = frozenset({Nature.CHARGER, Nature.BATTERY, Nature.INVERTER, Nature.LOAD})
"""Natures that take part in the decision; relays and meters do not."""

_REMEMBERED = 8
"""Sites whose layout is kept."""


def line_of(channel: int) -> int:
    """Return the number 1..3 of the line whose current a channel is."""
    return (channel - 1) % 3 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A feeder with the channels of its lines and all assets behind it."""

    feeder: Feeder
    first: int
    """Channel of its L1."""
    members: frozenset[str]
    """Assets on it and on every feeder below."""

    def channel(self, line: Line) -> int:
        """Return the channel of one of its lines."""
        return self.first + int(line[1]) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The static structure of one site."""

    site: SiteModel
    size: int
    """Channels, W at the connection point included."""
    ranked: tuple[Asset, ...]
    """Acting assets, the first served first."""
    branches: tuple[Branch, ...]
    _paths: dict[tuple[str, tuple[Line, ...]], tuple[int, ...]] = field(
        default_factory=dict
    )
    _above: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    """What others derive from the site alone, by a name of their own."""

    def acting(self, direction: Direction) -> frozenset[str]:
        """Return the ids of all assets that ever produce, or ever consume."""
        key = f"acting_{direction}"
        found: frozenset[str] | None = self.kept.get(key)
        if found is None:
            found = frozenset(
                asset_id
                for asset_id, asset in self.site.assets.items()
                if acts_in(asset, direction)
            )
            self.kept[key] = found
        return found

    def silent_power(self, direction: Direction, members: frozenset[str]) -> float:
        """Return the rated W of members that take no part: meters and relays."""
        rated: tuple[Asset, ...] | None = self.kept.get("silent")
        if rated is None:
            rated = self.kept["silent"] = tuple(
                asset
                for asset in self.site.assets.values()
                if asset.nature not in ACTING
            )
        return sum(
            asset.rated_production
            if direction is Direction.PRODUCTION
            else asset.rated_consumption
            for asset in rated
            if asset.id in members
        )

    def above(self, asset_id: str) -> tuple[Branch, ...]:
        """Return the feeders between an asset and the main fuse, the nearest first."""
        return self._above.get(asset_id, ())

    def paths(self, asset_id: str, lines: tuple[Line, ...]) -> tuple[int, ...]:
        """Return the current channels that pass what an asset draws on some lines."""
        key = (asset_id, lines)
        found = self._paths.get(key)
        if found is None:
            firsts = (1, *(branch.first for branch in self.above(asset_id)))
            found = tuple(
                first + int(line[1]) - 1 for first in firsts for line in lines
            )
            self._paths[key] = found
        return found


_layouts: list[Layout] = []


def layout_of(site: SiteModel) -> Layout:
    """Return the layout of a site, made once for each site model.

    Kept by identity: two equal models only cost the time to make it again.
    """
    for known in _layouts:
        if known.site is site:
            return known
    made = _make(site)
    _layouts.insert(0, made)
    del _layouts[_REMEMBERED:]
    return made


def _make(site: SiteModel) -> Layout:
    feeders = {feeder.id: feeder for feeder in site.feeders}
    chains = {feeder.id: _chain(feeder, feeders) for feeder in site.feeders}
    behind: dict[str, set[str]] = {feeder.id: set() for feeder in site.feeders}
    nearest: dict[str, str] = {}
    for feeder in site.feeders:
        for member in sorted(feeder.members):
            if member in site.assets and member not in nearest:
                nearest[member] = feeder.id
                for feeder_id in chains[feeder.id]:
                    behind[feeder_id].add(member)
    branches = {
        feeder.id: Branch(
            feeder=feeder, first=4 + 3 * index, members=frozenset(behind[feeder.id])
        )
        for index, feeder in enumerate(site.feeders)
    }
    ranked = sorted(
        (asset for asset in site.assets.values() if asset.nature in ACTING),
        key=lambda asset: (asset.priority, asset.id),
    )
    return Layout(
        site=site,
        size=4 + 3 * len(branches),
        ranked=tuple(ranked),
        branches=tuple(branches.values()),
        _above={
            member: tuple(branches[feeder_id] for feeder_id in chains[feeder_id_of])
            for member, feeder_id_of in nearest.items()
        },
    )


def _chain(feeder: Feeder, feeders: dict[str, Feeder]) -> tuple[str, ...]:
    """Return a feeder and those above it; what leads in a circle ends there."""
    chain: list[str] = []
    at: Feeder | None = feeder
    while at is not None and at.id not in chain:
        chain.append(at.id)
        at = None if at.parent is None else feeders.get(at.parent)
    return tuple(chain)


def circle(feeders: Iterable[Feeder]) -> tuple[str, ...]:
    """Return the ids of feeders whose parents lead back to themselves."""
    known = {feeder.id: feeder for feeder in feeders}
    found = []
    for feeder in known.values():
        seen: set[str] = set()
        at: Feeder | None = feeder
        while at is not None and at.id not in seen:
            seen.add(at.id)
            at = None if at.parent is None else known.get(at.parent)
        if at is not None and at.id == feeder.id:
            found.append(feeder.id)
    return tuple(found)
