"""Counts which commands of sources outside loads really follow, by load and season."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ..control.explain import local_on
from ..model.asset import Asset, AssetState
from ..model.flexibility import (
    NOTHING_FOLLOWED,
    Followed,
    LoadFlexibility,
    Season,
    season_of,
)
from ..model.phrase import Phrase
from ..model.remote import RemoteCommand, held_back
from ..model.snapshot import UserLimits
from ..telecontrol.journal_format import RecordKind
from .journal_notes import Record

DELAY: Final = 60.0
"""s after its minimum time on within which a load has to be off."""
_STANDBY: Final = 10.0
_STANDBY_SHARE: Final = 0.05
"""W, and share of its rating, up to which a load counts as off."""

type Counts = Mapping[str, Mapping[Season, Followed]]


@dataclass(slots=True, kw_only=True)
class _Trial:
    """One command that is being followed, or not."""

    began: float
    season: Season
    source: str
    off: bool = False
    broken: bool = False
    """It was on after its delay, or again after it was off."""
    veto: str | None = None


class FlexibilityLedger:
    """Watches loads that are held back; a command counts once it has ended.

    A load that was off anyway proves nothing and is not counted, nor is a command that
    was taken back before the load had to be off.
    """

    def __init__(self, record: Record, save: Callable[[], None]) -> None:
        """Start with nothing counted; `save` is called when something was."""
        self._record = record
        self._save = save
        self._counts: dict[str, dict[Season, Followed]] = {}
        self._trials: dict[str, _Trial | None] = {}

    def restore(self, counts: Counts) -> None:
        """Go on with what was counted before a restart."""
        self._counts = {key: dict(seasons) for key, seasons in counts.items()}

    @property
    def counts(self) -> Counts:
        """What is kept over a restart."""
        return self._counts

    def forget(self, asset_id: str) -> None:
        """Forget a load that is gone."""
        self._counts.pop(asset_id, None)
        self._trials.pop(asset_id, None)

    def view(self, utc: datetime) -> Mapping[str, LoadFlexibility]:
        """Return what is known of each load that was ever held back."""
        season = season_of(utc)
        return {
            asset_id: LoadFlexibility(
                seasons=dict(self._counts.get(asset_id, {})),
                now=self._counts.get(asset_id, {}).get(season, NOTHING_FOLLOWED),
                veto=None if trial is None else trial.veto,
            )
            for asset_id in self._counts.keys() | self._trials.keys()
            for trial in [self._trials.get(asset_id)]
        }

    def take(
        self,
        now: float,
        utc: datetime,
        *,
        assets: Mapping[str, Asset],
        states: Mapping[str, AssetState],
        remote: Mapping[str, tuple[RemoteCommand, ...]],
        user: Mapping[str, UserLimits],
    ) -> None:
        """Look at every load that is held back at monotonic `now`."""
        for asset_id in remote.keys() | self._trials.keys():
            asset, state = assets.get(asset_id), states.get(asset_id)
            if asset is None:
                continue
            command = held_back(remote.get(asset_id, ()), now)
            delay = DELAY + asset.minimum_on
            off = _is_off(asset, state)
            if command is None:
                if (trial := self._trials.pop(asset_id, None)) is not None:
                    # It has had no time to come back yet.
                    trial.off |= off is True
                    self._end(asset_id, trial, long_enough=now - trial.began >= delay)
                continue
            if asset_id not in self._trials:
                self._trials[asset_id] = (
                    None
                    if off is not False
                    else _Trial(began=now, season=season_of(utc), source=command.source)
                )
                continue
            if (trial := self._trials[asset_id]) is None:
                continue
            if off:
                trial.off = True
            elif trial.off or now - trial.began >= delay:
                trial.broken = True
            self._look_for_veto(asset_id, trial, state, user.get(asset_id))

    def _look_for_veto(
        self,
        asset_id: str,
        trial: _Trial,
        state: AssetState | None,
        user: UserLimits | None,
    ) -> None:
        veto: str | None = None
        if state is not None and state.local_on:
            veto = local_on().text
        elif user is not None and user.switch:
            veto = Phrase("wanted_on", "Somebody wants it on")
        if veto is not None and veto != trial.veto:
            self._record(
                RecordKind.REMOTE,
                {
                    "device": asset_id,
                    "source": trial.source,
                    "value": True,
                    "reason": veto,
                },
            )
        trial.veto = veto

    def _end(self, asset_id: str, trial: _Trial, *, long_enough: bool) -> None:
        followed = trial.off and not trial.broken
        if not followed and not trial.broken and not long_enough:
            return
        seasons = self._counts.setdefault(asset_id, {})
        known = seasons.get(trial.season, NOTHING_FOLLOWED)
        seasons[trial.season] = replace(
            known,
            commands=known.commands + 1,
            followed=known.followed + followed,
            vetoed=known.vetoed + (trial.veto is not None),
        )
        self._save()


def _is_off(asset: Asset, state: AssetState | None) -> bool | None:
    """Return whether a load is off by its switch or its power, None unknown."""
    if state is None or not state.available:
        return None
    if state.enabled is False:
        return True
    if state.power is not None:
        return state.power <= max(_STANDBY, asset.rated_consumption * _STANDBY_SHARE)
    return None if state.enabled is None else False
