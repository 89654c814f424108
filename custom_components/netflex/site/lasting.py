"""Since when something is so: what does not last is not said."""

from collections.abc import Hashable, Iterable


class Lasting[KeyT: Hashable]:
    """Remembers since when each of some findings stands; times are monotonic s."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._since: dict[KeyT, float] = {}

    def take(self, found: Iterable[KeyT], now: float) -> None:
        """Take over what is found now; what is not is forgotten."""
        self._since = {key: self._since.get(key, now) for key in found}

    def seconds(self, key: KeyT, now: float) -> float:
        """Return the s for which something that was found has stood."""
        return now - self._since[key]
