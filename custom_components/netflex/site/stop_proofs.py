"""How far the stops in force have been carried out, towards station and view."""

from collections.abc import Callable

from ..model.asset import Direction
from ..model.orders import Stops
from .station_host import StopEpochs
from .view import StopProof

type Report = Callable[[Direction, int, tuple[str, ...]], None]
"""Takes a direction, its stop's epoch, and the names of what has not confirmed."""


class StopProofs:
    """Reports what has not confirmed a stop, and keeps what the station proved."""

    def __init__(self, report: Report) -> None:
        """Report to the station by `report`, and only what has changed."""
        self._report = report
        self._reported: dict[Direction, tuple[int, tuple[str, ...]]] = {}
        self._since: dict[Direction, float] = {}
        self._proofs: dict[Direction, StopProof] = {}

    @property
    def proofs(self) -> tuple[StopProof, ...]:
        """How far each stop in force has come."""
        return tuple(self._proofs.values())

    @property
    def missing(self) -> dict[Direction, tuple[str, ...]]:
        """The names of what has not confirmed each stop in force."""
        return {key: proof.missing for key, proof in self._proofs.items()}

    def report(
        self,
        stops: Stops,
        epochs: StopEpochs,
        unconfirmed: Callable[[Direction], tuple[str, ...]],
        now: float,
    ) -> None:
        """Tell the station which assets have not confirmed a stop, `now` monotonic."""
        for direction in Direction:
            if not stops.stopped(direction):
                self._since.pop(direction, None)
                self._proofs.pop(direction, None)
                self._reported.pop(direction, None)
                continue
            self._since.setdefault(direction, now)
            report = (epochs.get(direction, 0), unconfirmed(direction))
            if self._reported.get(direction) != report:
                self._reported[direction] = report
                self._report(direction, *report)

    def take(self, direction: Direction, missing: tuple[str, ...], now: float) -> None:
        """Take what the station found missing, outputs included."""
        since = self._since.get(direction)
        self._proofs[direction] = StopProof(
            direction=direction,
            written=not missing,
            missing=missing,
            seconds=now - since if since is not None and not missing else None,
        )
