"""What the users of a site ask of its assets, for good or for a while."""

from collections.abc import Mapping
from dataclasses import replace

from ..control.overrides import has_ended
from ..model.snapshot import NO_USER_LIMITS, Clock, Override, UserLimits
from .journal_notes import Record, note_override


class UserWishes:
    """Keeps what users ask by asset; what must outlive a restart is told apart."""

    def __init__(
        self,
        record: Record,
        *,
        locked: frozenset[str] = frozenset(),
        overrides: Mapping[str, Override] | None = None,
    ) -> None:
        """Begin with what was kept."""
        self._record = record
        overrides = overrides or {}
        self._limits = {
            key: UserLimits(locked=key in locked, override=overrides.get(key))
            for key in locked | overrides.keys()
        }

    @property
    def limits(self) -> dict[str, UserLimits]:
        """What is asked, by asset."""
        return dict(self._limits)

    @property
    def locked(self) -> frozenset[str]:
        """The assets that are locked out for maintenance."""
        return frozenset(key for key, asked in self._limits.items() if asked.locked)

    @property
    def overrides(self) -> dict[str, Override]:
        """What holds for a while in place of modes, by asset."""
        return {
            key: asked.override
            for key, asked in self._limits.items()
            if asked.override is not None
        }

    def put(self, asset_id: str, limits: UserLimits) -> bool:
        """Take over what is asked; return whether it must be stored at once."""
        before = self._limits.get(asset_id, NO_USER_LIMITS)
        self._limits[asset_id] = limits
        if before.override != limits.override:
            note_override(self._record, asset_id, limits.override)
        return (before.locked, before.override) != (limits.locked, limits.override)

    def drop(self, asset_id: str) -> None:
        """Forget an asset that is gone."""
        self._limits.pop(asset_id, None)

    def end_overrides(self, clock: Clock) -> bool:
        """Forget overrides whose time is over; return whether there were any."""
        over = [key for key, item in self.overrides.items() if has_ended(item, clock)]
        for key in over:
            self.put(key, replace(self._limits[key], override=None))
        return bool(over)
