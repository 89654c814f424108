"""Recorded telegrams, and what a reader has to make of them (see telegrams/INDEX.md)."""

from dataclasses import asdict, replace
from datetime import datetime
import json
from pathlib import Path
from typing import Any

from custom_components.netflex.metering.p1_crc import crc16
from custom_components.netflex.metering.p1_objects import Telegram
from custom_components.netflex.model.reading import MeterReading

FOLDER = Path(__file__).parent / "telegrams"
NAMES = sorted(path.stem for path in FOLDER.glob("*.txt"))
THREE_PHASE = "be_emucs17_3ph_gas_3month_history"
SINGLE_PHASE = "be_emucs15_1ph_gas"
DELTA = "be_emucs17_3x230_delta_peak"
STREAM = "be_emucs16_3x230_delta_stream_40s"


def recorded(name: str) -> bytes:
    """Return the bytes of a recording."""
    return (FOLDER / f"{name}.txt").read_bytes()


def encrypted_frame() -> bytes:
    """Return a frame of a meter that encrypts."""
    return bytes.fromhex((FOLDER / "edge_encrypted_dlms_frame.hex").read_text())


def expected(name: str) -> dict[str, Any]:
    """Return what a recording holds: counts, and each good telegram's objects."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def telegrams_of(data: bytes) -> list[bytes]:
    """Cut clean telegrams apart; each ends with its line end."""
    return [b"/" + part for part in data.split(b"/")[1:]]


def changed(data: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """Return a telegram with some of its text replaced, and its CRC made good."""
    body = data[: data.index(b"!") + 1]
    for old, new in changes:
        assert body.count(old) == 1, old
        body = body.replace(old, new)
    return body + b"%04X\r\n" % crc16(body)


def without(value: Any) -> Any:
    """Return a value as JSON without what is absent."""
    if isinstance(value, dict):
        present = {key: without(item) for key, item in value.items()}
        return {key: item for key, item in present.items() if item not in (None, [])}
    if isinstance(value, list | tuple):
        return [without(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def as_printed(telegram: Telegram) -> dict[str, Any]:
    """Return a telegram in the form of the expected values."""
    found = without(asdict(telegram))
    return {key: item for key, item in found.items() if item != {}}


def reading_at(
    when: datetime, *, power: float | None = None, **values: Any
) -> MeterReading:
    """Return a reading of a meter's clock."""
    return replace(
        MeterReading(meter_id="meter", received=0.0, meter_time=when, power=power),
        **values,
    )
