"""The port of S1: which rate it has, and why nothing good comes out of it.

The standard says 2 Mbit/s, the operators' brochure 1.5 Mbit/s; the one that brings
undamaged frames is right. Adapters on the network set their own rate.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any, Final
from urllib.parse import urlsplit

from ..model.phrase import Phrase, advised
from .errors import (
    ONE_READER,
    CannotConnectError,
    DamagedError,
    MeterError,
    NotS1Error,
    UnknownFormatError,
    mute,
)
from .port import PortConnection
from .s1 import S1Framer
from .s1_format import EMUCS_H_1_3, S1Counts, S1Format, S1Profile

TRIAL: Final = 0.25
"""s from the first octet after which a rate is judged."""
CONVINCING: Final = 0.95
"""Part of the octets that have to be undamaged frames for a rate to be right."""
SUFFICIENT: Final = 0.25
"""The same where no rate convinces: a bad cable is better than none."""
_RATELESS: Final = frozenset({"socket", "tcp"})


def rates_to_try(
    url: str, profile: S1Profile, *, fixed: int | None = None, last: int | None = None
) -> tuple[int, ...]:
    """Return baud rates to try in turn, one where there is nothing to choose.

    `fixed` is the user's choice, `last` the one that was right before.
    """
    if fixed is not None:
        return (fixed,)
    rates = profile.baud_rates
    if urlsplit(url).scheme in _RATELESS:
        return rates[:1]
    if last in rates:
        return (last, *(rate for rate in rates if rate != last))
    return rates


def undamaged_part(counts: S1Counts, profile: S1Profile) -> float:
    """Return the part of the octets that are undamaged frames, 0 where none came."""
    octets = (counts.good + counts.refused) * profile.length
    return octets / (octets + counts.dropped) if octets else 0.0


async def open_s1(connection: PortConnection, url: str, baudrate: int) -> None:
    """Open a connection at a rate; the adapter is to collect octets, not to hurry.

    Raises:
        CannotConnectError: It cannot be opened; the text says why.
    """
    await connection.open(url, baudrate=baudrate, low_latency=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S1Found:
    """What a port has shown; the rate means nothing to adapters on the network."""

    format: S1Format
    baudrate: int
    undamaged: float
    """Part of the octets that were undamaged frames."""


async def probe_s1(
    url: str,
    timeout: float = 10.0,
    *,
    baudrate: int | None = None,
    profile: S1Profile = EMUCS_H_1_3,
    clock: Callable[[], float] = time.monotonic,
) -> S1Found:
    """Open a port and return what the meter says about itself, within `timeout` s each.

    Raises:
        CannotConnectError: The port cannot be opened, or is closed at once.
        NoDataError: Nothing comes.
        UnknownFormatError: Frames come whose format is not known.
        NotS1Error: Bytes come, but no good frame at any rate.
    """
    best: S1Found | None = None
    problem: MeterError | None = None
    for rate in rates_to_try(url, profile, fixed=baudrate):
        try:
            found = await _try(url, rate, timeout, profile, clock)
        except (NotS1Error, CannotConnectError) as error:
            problem = problem or error
            continue
        if best is None or found.undamaged > best.undamaged:
            best = found
        if found.undamaged >= CONVINCING:
            break
    if best is not None:
        return best
    raise problem or NotS1Error


async def _try(
    url: str,
    baudrate: int,
    timeout: float,
    profile: S1Profile,
    clock: Callable[[], float],
) -> S1Found:
    """Open a port at one rate and judge it."""
    framer = S1Framer(profile)
    kinds: list[S1Format] = []
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()

    def take(data: bytes) -> None:
        if not came.done():
            came.set_result(None)
        for block in framer.feed(data):
            kinds[:] = [block.format]

    connection = PortConnection(take, clock)
    try:
        await open_s1(connection, url, baudrate)
        ends: list[asyncio.Future[Any]] = [came, connection.lost]
        await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if came.done():
            await asyncio.wait({connection.lost}, timeout=TRIAL)
    finally:
        await connection.close()
    if kinds:
        return S1Found(
            format=kinds[0],
            baudrate=baudrate,
            undamaged=undamaged_part(framer.counts, profile),
        )
    raise no_frame(connection, framer.counts)


def no_frame(connection: PortConnection, counts: S1Counts) -> MeterError:
    """Return why a connection has brought no good frame, or not enough of them."""
    if counts.good:
        return DamagedError(
            Phrase(
                "port_damaged",
                "Too many frames are damaged to measure anything: check the cable, its "
                "shield, and the resistor at its end.",
            )
        )
    if counts.refused:
        return UnknownFormatError(
            Phrase(
                "port_unknown_format",
                "The meter sends S1 frames of a format that is not known here; an "
                "update is needed.",
            )
        )
    if connection.received:
        return NotS1Error(
            Phrase(
                "port_not_s1",
                "Data comes in, but no good S1 frame: check that this is the S1 port, "
                "that the adapter is an RS-422 one that can do 2 and 1.5 Mbit/s, that "
                "its two wires are not swapped, and that it ends the line with a "
                "resistor.",
            )
        )
    if connection.lost.done():
        return CannotConnectError(advised(connection.lost.result(), ONE_READER))
    return mute()
