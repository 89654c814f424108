"""Totals that only grow: an answer torn between two registers is not believed."""

_MOST_POWER = 10e6
"""W that nothing behind one of these devices exceeds."""
_SLACK = 1000.0
"""Wh by which a total may grow between two reads, however close they are."""
_CONVINCED = 3
"""Answers in a row after which another total is believed: a device was replaced."""


class Totals:
    """Remembers the totals of one device, in Wh, by name."""

    def __init__(self) -> None:
        """Start with none."""
        self._good: dict[str, tuple[float, float]] = {}
        self._odd: dict[str, tuple[int, float]] = {}

    def believe(self, key: str, value: float, now: float) -> float:
        """Return the total to be shown: the new one, or the last good one."""
        known = self._good.get(key)
        if known is None or _follows(known, value, now):
            self._odd.pop(key, None)
            self._good[key] = value, now
            return value
        count, before = self._odd.get(key, (0, value))
        # Torn answers differ; a new device's go on from each other.
        count = count + 1 if _follows((before, now), value, now) else 1
        self._odd[key] = count, value
        if count < _CONVINCED:
            return known[0]
        del self._odd[key]
        self._good[key] = value, now
        return value


def _follows(known: tuple[float, float], value: float, now: float) -> bool:
    last, at = known
    return last <= value <= last + _SLACK + _MOST_POWER * (now - at) / 3600
