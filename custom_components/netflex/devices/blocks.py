"""Planning of block reads within what a device bears."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .profile import Area, Block, LinkSettings, Point, Poll

_MAX_BITS = 2000
"""Of one request for coils or discrete inputs (Modbus application protocol)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One request, and the points that its answer holds."""

    unit: str
    area: Area
    at: int
    count: int
    points: tuple[Point, ...]

    def words_of(self, point: Point, words: Sequence[int]) -> Sequence[int]:
        """Return the part of the answer that is a point's."""
        at = point.register.at
        assert at is not None
        return words[at - self.at : at - self.at + point.register.count]


def plan_reads(
    points: Iterable[Point], settings: LinkSettings, blocks: Iterable[Block] = ()
) -> tuple[Read, ...]:
    """Return the requests that read all points, in order of unit and address.

    A read begins and ends at a value, never cuts one, never touches a forbidden
    address, spans gaps of at most `max_gap` registers that hold nothing we want and
    at most `max_read` registers. Points inside of one of `blocks` are read by it.
    """
    wanted = [point for point in points if point.register.at is not None]
    reads: list[Read] = []
    for block in blocks:
        inside = tuple(point for point in wanted if _holds(block, point))
        if inside:
            reads.append(
                Read(
                    unit=block.unit,
                    area=block.area,
                    at=block.at,
                    count=block.count,
                    points=inside,
                )
            )
            wanted = [point for point in wanted if not _holds(block, point)]
    groups: dict[tuple[str, Area], list[Point]] = {}
    for point in wanted:
        groups.setdefault((point.register.unit, point.register.area), []).append(point)
    for (unit, area), members in groups.items():
        reads += _merged(unit, area, members, settings)
    return tuple(sorted(reads, key=lambda read: (read.unit, read.area, read.at)))


def plan_polls(
    points: Mapping[str, Point], settings: LinkSettings, blocks: Iterable[Block]
) -> dict[Poll, tuple[Read, ...]]:
    """Return the reads of each poll class."""
    blocks = tuple(blocks)
    return {
        poll: plan_reads(
            [point for point in points.values() if point.poll is poll],
            settings,
            [block for block in blocks if block.poll is poll],
        )
        for poll in Poll
    }


def split(read: Read) -> tuple[Read, ...]:
    """Return one read per point, for a device that refused them together."""
    return tuple(
        _span(read.unit, read.area, [point])
        for point in sorted(read.points, key=_address)
    )


def _address(point: Point) -> int:
    assert point.register.at is not None
    return point.register.at


def _holds(block: Block, point: Point) -> bool:
    register = point.register
    return (
        register.at is not None
        and register.unit == block.unit
        and register.area is block.area
        and block.at <= register.at
        and register.at + register.count <= block.at + block.count
    )


def _span(unit: str, area: Area, points: Sequence[Point]) -> Read:
    first = min(_address(point) for point in points)
    end = max(_address(point) + point.register.count for point in points)
    return Read(unit=unit, area=area, at=first, count=end - first, points=tuple(points))


def _merged(
    unit: str, area: Area, points: Sequence[Point], settings: LinkSettings
) -> list[Read]:
    limit = _MAX_BITS if area.bits else settings.max_read
    reads: list[Read] = []
    run: list[Point] = []
    end = 0
    for point in sorted(points, key=_address):
        at, point_end = _address(point), _address(point) + point.register.count
        if run and (
            settings.per_register_reads
            or at - end > settings.max_gap
            or max(end, point_end) - _address(run[0]) > limit
            or _touches_forbidden(end, at, settings)
        ):
            reads.append(_span(unit, area, run))
            run = []
        end = max(end, point_end) if run else point_end
        run.append(point)
    if run:
        reads.append(_span(unit, area, run))
    return reads


def _touches_forbidden(start: int, end: int, settings: LinkSettings) -> bool:
    return any(first < end and start <= last for first, last in settings.forbidden)
