"""What the programmes of the batteries have in store, reckoned once a minute."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from ..control.preview import preview
from ..model.programme import PreviewSlot, Programme
from ..model.snapshot import Snapshot
from .economy import Economy


class ProgrammePreviews:
    """Keeps the coming 48 hours of every programme."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._seen: tuple[object, ...] = ()
        self.slots: Mapping[str, tuple[PreviewSlot, ...]] = MappingProxyType({})
        """By the battery's id."""

    def look(
        self, programmes: Mapping[str, Programme], economy: Economy, utc: datetime
    ) -> None:
        """Reckon anew where something has changed, or the minute has."""
        snapshot = Snapshot(
            market=economy.market,
            dispatches=economy.dispatches,
            holidays=economy.holidays,
            entity_windows=economy.entity_windows,
        )
        minute = utc.replace(second=0, microsecond=0)
        seen = (programmes, snapshot, minute)
        if seen == self._seen:
            return
        self._seen = seen
        self.slots = {
            asset_id: preview(programme, asset_id, snapshot, minute)
            for asset_id, programme in programmes.items()
        }
