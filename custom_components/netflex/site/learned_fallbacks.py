"""What devices were seen to do when they were left alone, and how that is tried."""

from collections.abc import Callable, Mapping
from datetime import datetime

from ..devices.silence import Silenceable
from ..model.connection import GridType
from ..model.phrase import Phrase
from ..model.plan import Plan
from . import silence_test
from .journal_notes import Record
from .seats import Seat
from .silence_test import SilenceRefusedError, SilenceResult, SilenceSubject
from .view import LearnedFallback


class LearnedFallbacks:
    """Runs tests of silence, one a device, and keeps what they showed."""

    def __init__(
        self,
        known: Mapping[str, LearnedFallback],
        *,
        save: Callable[[Mapping[str, LearnedFallback]], None],
        record: Record,
        plan: Callable[[], Plan | None],
        monotonic: Callable[[], float],
        utcnow: Callable[[], datetime],
    ) -> None:
        """Begin with what is known; `save` is called whenever that changes."""
        self._known = dict(known)
        self._save = save
        self._record = record
        self._plan = plan
        self._monotonic = monotonic
        self._utcnow = utcnow
        self._running: set[str] = set()

    @property
    def known(self) -> Mapping[str, LearnedFallback]:
        """What devices were seen to do, by asset."""
        return dict(self._known)

    @property
    def testing(self) -> bool:
        """Whether a device is left alone now."""
        return bool(self._running)

    async def test(
        self, seat: Seat | None, grid_type: GridType, seconds: float | None
    ) -> SilenceResult:
        """Leave a device alone and see what it does.

        Raises SilenceRefusedError where that may not be.
        """
        if seat is None or not isinstance(device := seat.device, Silenceable):
            raise SilenceRefusedError(
                "not_refreshed",
                Phrase(
                    "silence_nothing_refreshed",
                    "nothing is refreshed there that could be left out",
                ),
            )
        asset_id = seat.asset.id
        if asset_id in self._running:
            raise SilenceRefusedError(
                "running", Phrase("silence_running", "a test of it runs already")
            )
        self._running.add(asset_id)
        try:
            result = await silence_test.run(
                SilenceSubject(
                    asset=seat.asset,
                    device=device,
                    state=lambda: seat.device.state,
                    actor=seat.actor,
                    plan=self._plan,
                    grid_type=grid_type,
                    clock=self._monotonic,
                ),
                seconds,
            )
        finally:
            self._running.discard(asset_id)
        if result.fell_back_after is not None:
            self._known[asset_id] = LearnedFallback(
                value=result.fallback, after=result.fell_back_after, at=self._utcnow()
            )
            self._save(self.known)
        silence_test.note(self._record, seat.asset, result)
        return result

    def drop(self, asset_id: str) -> None:
        """Forget a device that is gone."""
        self._known.pop(asset_id, None)
