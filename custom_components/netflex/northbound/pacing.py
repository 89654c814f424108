"""Dead bands and periods: which values are told now."""

from collections.abc import Mapping
from dataclasses import dataclass

from .values import Attribute, Pace, Point, Tree, Value, typed


@dataclass(slots=True)
class _Told:
    """What was told last, and when (monotonic s)."""

    value: Value | None
    at: float


class Pacer:
    """Remembers what was told of each attribute; one for each connection."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._told: dict[str, _Told] = {}

    def take(
        self, now: float, tree: Tree, points: Mapping[str, Point]
    ) -> list[tuple[Attribute, Value | None]]:
        """Return what is to be told at monotonic `now`, and take it as told.

        A value that nobody knows any more is told once, as None.
        """
        due: list[tuple[Attribute, Value | None]] = []
        told = self._told
        for path, attribute in tree.items():
            point = points.get(attribute.point)
            value = (
                None
                if point is None or point.value is None
                else typed(attribute, point.value)
            )
            before = told.get(path)
            if before is None:
                if value is not None:
                    told[path] = _Told(value, now)
                    due.append((attribute, value))
            elif _is_due(attribute.pace, before, value, now):
                before.value, before.at = value, now
                due.append((attribute, value))
        return due

    def forget(self) -> None:
        """Tell everything again."""
        self._told.clear()

    def drop(self, paths: set[str]) -> None:
        """Forget attributes that are gone."""
        for path in paths:
            self._told.pop(path, None)


def _is_due(pace: Pace, before: _Told, value: Value | None, now: float) -> bool:
    old = before.value
    changed = value != old
    if value is None or old is None:
        return changed
    if pace.period is None:
        return changed
    if (
        changed
        and pace.dead_band is not None
        and not isinstance(value, str)
        and not isinstance(old, str)
        and abs(value - old) >= pace.dead_band
    ):
        return True
    if now - before.at < pace.period:
        return False
    return changed or not pace.only_changes
