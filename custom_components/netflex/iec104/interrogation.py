"""One running general interrogation."""

from collections.abc import Iterable
from operator import attrgetter

from .asdu import Cause, capacity, encode_header
from .information_objects import IOA_SIZE, UNTAGGED, MonitorObject, encode_current

_BY_ADDRESS = attrgetter("ioa")


class Interrogation:
    """Hands out the interrogated values, ascending, as the window allows.

    A value that changes while it waits is replaced, so that no ASDU of the
    interrogation is older than an event that was sent before it.
    """

    def __init__(
        self,
        request: bytes,
        points: Iterable[MonitorObject],
        common_address: int,
        *,
        sequence: bool,
    ) -> None:
        """Take the points' values; `request` is the ASDU that asked."""
        self.request = request
        self._points = sorted(points, key=_BY_ADDRESS)
        self._common_address = common_address
        self._sequence = sequence
        self._cursor = 0
        self._index: dict[int, int] | None = None

    def update(self, point: MonitorObject) -> None:
        """Replace a value that has not been handed out yet."""
        if self._index is None:
            self._index = {obj.ioa: at for at, obj in enumerate(self._points)}
        at = self._index.get(point.ioa)
        if at is not None and at >= self._cursor:
            self._points[at] = point

    def next_asdu(self) -> bytes | None:
        """Return the next ASDU of values, None when all were handed out."""
        points, cursor = self._points, self._cursor
        if cursor >= len(points):
            return None
        first = points[cursor]
        type_id = UNTAGGED.get(first.type_id, first.type_id)
        sequence = self._sequence and (
            cursor + 1 < len(points) and points[cursor + 1].ioa == first.ioa + 1
        )
        limit = capacity(type_id, sequence=sequence)
        bodies = [encode_current(first, type_id)]
        for point in points[cursor + 1 : cursor + limit]:
            if UNTAGGED.get(point.type_id, point.type_id) != type_id:
                break
            if sequence and point.ioa != first.ioa + len(bodies):
                break
            body = encode_current(point, type_id)
            bodies.append(body[IOA_SIZE:] if sequence else body)
        self._cursor = cursor + len(bodies)
        header = encode_header(
            type_id,
            len(bodies),
            Cause.INTERROGATED_BY_STATION,
            self._common_address,
            originator=self.request[3],
            test=self.request[2] >= 0x80,
            sequence=sequence and len(bodies) > 1,
        )
        return header + b"".join(bodies)
