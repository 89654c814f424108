"""Reads what a DLMS meter pushes: a JSON line for each push, and a last one.

A line has the reading, the groups that the push brought, and every value by its OBIS
code. The last one sums up: good pushes, damaged ones, those that no key fits, and how
many of each group have come. A recording is octets, or the digits of them as text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
import sys
import time
from typing import Any, Final

from ..metering.dlms_apdu import DlmsKeys, parse_key
from ..metering.dlms_objects import EXPECTED_PERIODS, PushGroup
from ..metering.dlms_port import DlmsLine
from ..metering.dlms_reader import DlmsSource
from ..metering.dlms_reading import DlmsValues
from ..metering.dlms_stream import DlmsStream
from ..model.reading import MeterReading
from .meter_lines import LinePrinter, follow_source

_METER_ID: Final = "dlms"
_UNPRINTED: Final = ("meter_id", "received", "measured", "outdated", "estimated")


def keys_of(key: str | None, authentication: str | None) -> DlmsKeys | None:
    """Return keys from their digits, or from a file behind an at sign.

    Raises:
        ValueError: One of them is none.
        OSError: Its file cannot be read.
    """
    if key is None:
        return None
    return DlmsKeys(
        encryption=_key(key),
        authentication=None if authentication is None else _key(authentication),
    )


def _key(text: str) -> bytes:
    return parse_key(Path(text[1:]).read_text() if text.startswith("@") else text)


def read_file(path: Path, keys: DlmsKeys | None, count: int | None = None) -> int:
    """Print the pushes of a recording; return the exit status."""
    printer = LinePrinter(count)
    stream, values = DlmsStream(keys), DlmsValues(_METER_ID)
    received: Counter[PushGroup] = Counter()
    for push in stream.feed(_octets(path.read_bytes())):
        # All of a recording is of now: nothing in it is too old.
        now = time.monotonic()
        groups = values.take(push, now)
        received.update(groups)
        if not printer.done.is_set():
            printer.reading(_line(values.reading(now), groups, values))
    stream.close()
    if stream.enciphered:
        print("The meter enciphers, and there is no key.", file=sys.stderr)
    if stream.wrong_key:
        print("The meter enciphers with another key.", file=sys.stderr)
    printer.summary(
        {
            "good": stream.good,
            "damaged": stream.damaged,
            "enciphered": stream.enciphered,
            "wrong_key": stream.wrong_key,
            "dropped_bytes": stream.dropped,
            "framing": stream.framing,
            **_groups(received),
        }
    )
    return 0 if stream.good else 1


async def read_port(
    url: str,
    keys: DlmsKeys | None,
    line: DlmsLine,
    seconds: float | None,
    count: int | None,
) -> int:
    """Print the readings of a port until told to stop; return the exit status."""
    printer = LinePrinter(count)
    source = DlmsSource(url, meter_id=_METER_ID, keys=keys, line=line)
    before: dict[PushGroup, int] = {}

    def take(reading: MeterReading) -> None:
        now = {group: status.received for group, status in source.groups.items()}
        came = [group for group in now if now[group] > before.get(group, 0)]
        before.update(now)
        printer.reading(_line(reading, came, source))

    status = await follow_source(source, printer, take, seconds)
    received = {group: status.received for group, status in source.groups.items()}
    details = {
        key: value
        for key, value in status.details.items()
        if not key.endswith("_pushes")
    }
    printer.summary(
        {
            "good": status.good,
            "damaged": status.damaged,
            "enciphered": status.details["enciphered_pushes"],
            "wrong_key": status.details["wrong_key_pushes"],
            **details,
            **_groups(received),
        }
    )
    return 0 if status.good else 1


def _line(
    reading: MeterReading,
    groups: Iterable[PushGroup],
    source: DlmsValues | DlmsSource,
) -> dict[str, Any]:
    line = asdict(replace(reading, measured={}))
    for name in _UNPRINTED:
        del line[name]
    values = source.values() if isinstance(source, DlmsValues) else source.values
    line["groups"] = sorted(groups)
    line["values"] = {str(code): value for code, value in values.items()}
    return line


def _groups(received: Mapping[PushGroup, int]) -> dict[str, Any]:
    """Return how many pushes of each group came, and every how many s they should."""
    return {
        "groups": {
            group.value: {"received": received.get(group, 0), "expected_period": period}
            for group, period in EXPECTED_PERIODS.items()
        }
    }


def _octets(content: bytes) -> bytes:
    """Return a recording's octets; digits with blanks and colons stand for them."""
    try:
        return bytes.fromhex(content.decode("ascii").replace(":", " "))
    except ValueError:
        return content
