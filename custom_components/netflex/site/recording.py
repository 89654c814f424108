"""What the decision was run with lately, ready to be replayed.

A ring in memory, bounded in bytes: the newest moments as the objects that they were,
older ones as compressed lines of a scenario, in blocks that each begin with everything.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
import logging
from pathlib import Path
from typing import Final
import zlib

from ..control.scenario import Frame, write_frame, write_head
from ..model.snapshot import Clock, SiteModel, Snapshot

_LOGGER = logging.getLogger(__name__)

INTERVAL: Final = 0.95
"""s between two moments, unless orders, stops or the site change."""
LARGE: Final = 100
"""Assets above which a moment is kept only every `LARGE_INTERVAL` s."""
LARGE_INTERVAL: Final = 4.95
BLOCK: Final = 300
"""Moments in a block, and so the most that are kept as objects."""
CAPACITY: Final = 12_000_000
"""Bytes of compressed blocks; a day of an ordinary house takes a few millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Compressed lines of a time, the first of them complete."""

    first: datetime
    last: datetime
    data: bytes


def _compress(frames: list[Frame]) -> _Block:
    return _Block(
        first=frames[0].clock.utc,
        last=frames[-1].clock.utc,
        data=zlib.compress("\n".join(_lines(frames)).encode(), 6),
    )


def _lines(frames: list[Frame]) -> Iterator[str]:
    yield write_head(frames[0])
    before = None
    for frame in frames:
        yield write_frame(frame, before)
        before = frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayExport:
    """A scenario that was written: where, how many moments, and of which time."""

    path: Path
    count: int
    first: datetime
    last: datetime


class Recording:
    """Keeps the newest moments; all methods are called on the site's loop."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Start with nothing; `capacity` bytes bound what is kept."""
        self._capacity = capacity
        self._newest: list[Frame] = []
        self._blocks: deque[_Block] = deque()
        self._packing: asyncio.Task[None] | None = None

    def note(self, site: SiteModel, snapshot: Snapshot, clock: Clock) -> None:
        """Keep one moment, once a second at most while nothing important changes."""
        last = self._newest[-1] if self._newest else None
        interval = INTERVAL if len(site.assets) <= LARGE else LARGE_INTERVAL
        if (
            last is not None
            and clock.monotonic - last.clock.monotonic < interval
            and last.site is site
            and last.snapshot.orders is snapshot.orders
            and last.snapshot.local_stops is snapshot.local_stops
        ):
            return
        if last is not None and clock.monotonic <= last.clock.monotonic:
            return
        self._newest.append(Frame(site=site, snapshot=snapshot, clock=clock))
        if len(self._newest) >= BLOCK and self._packing is None:
            frames, self._newest = self._newest, []
            self._packing = asyncio.create_task(
                self._pack(frames), name="netflex recording"
            )

    async def _pack(self, frames: list[Frame]) -> None:
        """Compress moments in a thread; what is oldest makes room."""
        try:
            self._blocks.append(await asyncio.to_thread(_compress, frames))
        except Exception:
            _LOGGER.exception("A part of the recording is lost")
        finally:
            self._packing = None
        kept = sum(len(block.data) for block in self._blocks)
        while kept > self._capacity and self._blocks:
            kept -= len(self._blocks.popleft().data)

    async def stop(self) -> None:
        """Let go; nothing is kept over a restart."""
        if (task := self._packing) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def bounds(self) -> tuple[datetime, datetime] | None:
        """UTC of the oldest and newest moment that is kept, None for none."""
        if not self._newest and not self._blocks:
            return None
        first = self._blocks[0].first if self._blocks else self._newest[0].clock.utc
        last = self._newest[-1].clock.utc if self._newest else self._blocks[-1].last
        return first, last

    async def export(
        self, target: Path, start: datetime, end: datetime
    ) -> ReplayExport | None:
        """Write what is kept of a time to a file; None where nothing is.

        OSError where the file cannot be written.
        """
        if (task := self._packing) is not None:
            await asyncio.gather(task, return_exceptions=True)
        frames = [f for f in self._newest if start <= f.clock.utc <= end]
        blocks = [
            block
            for block in self._blocks
            if block.last >= start and block.first <= end
        ]
        return await asyncio.to_thread(_write, target, blocks, frames, start, end)


def _write(
    target: Path,
    blocks: list[_Block],
    frames: list[Frame],
    start: datetime,
    end: datetime,
) -> ReplayExport | None:
    """Write whole blocks and the newest moments; the ends of blocks are not cut.

    A block is a scenario of its own: behind the first one its head is left out, and
    its first moment says everything anew.
    """
    if not blocks and not frames:
        return None
    lines: list[str] = []
    for block in blocks:
        found = zlib.decompress(block.data).decode().split("\n")
        lines += found if not lines else found[1:]
    if frames:
        found = list(_lines(frames))
        lines += found if not lines else found[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ReplayExport(
        path=target,
        count=len(lines) - 1,
        first=blocks[0].first if blocks else frames[0].clock.utc,
        last=frames[-1].clock.utc if frames else blocks[-1].last,
    )
