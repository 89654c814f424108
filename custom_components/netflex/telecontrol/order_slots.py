"""The file form of the stored orders: two slots, each one page.

A slot is `magic 8 | version 2 | length 2 | sequence 8 | CRC-32 4 | JSON`, little
endian, padded with zeros; the CRC covers everything but itself. A slot fits one
page, so that a process that is killed leaves it either old or new; what a power cut
tears is found by its CRC, and the other slot holds the orders before it.
"""

from dataclasses import dataclass
import json
import struct
from typing import Any, Final
import zlib

from ..model.phrase import Phrase

SLOT_SIZE: Final = 4096
SLOTS: Final = 2
FILE_SIZE: Final = SLOT_SIZE * SLOTS
VERSION: Final = 1
MAGIC: Final = b"NFORDERS"

_HEAD = struct.Struct("<8sHHQ")
_CRC = struct.Struct("<I")
_BODY_AT: Final = _HEAD.size + _CRC.size
CAPACITY: Final = SLOT_SIZE - _BODY_AT


class OrderStoreError(Exception):
    """Orders could not be stored or read back; the message is for a user."""


class UnknownFormatError(OrderStoreError):
    """The file was written by another, probably newer version of this software."""


class DamagedStoreError(OrderStoreError):
    """No slot of the file can be read, though orders were stored in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A readable slot: which one, its sequence number and its JSON value."""

    index: int
    sequence: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What a file holds: its newest readable slot, and whether another is torn."""

    newest: Slot | None
    torn: bool


def encode_slot(sequence: int, data: object) -> bytes:
    """Return one slot's octets; OrderStoreError where the value does not fit."""
    body = json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > CAPACITY:
        raise OrderStoreError(
            Phrase(
                "orders_too_large",
                "the orders take {octets} octets, not {most}",
                octets=str(len(body)),
                most=str(CAPACITY),
            )
        )
    head = _HEAD.pack(MAGIC, VERSION, len(body), sequence)
    crc = _CRC.pack(zlib.crc32(body, zlib.crc32(head)))
    return (head + crc + body).ljust(SLOT_SIZE, b"\0")


def read_slots(content: bytes) -> Slots:
    """Return what a file holds; `newest` is None for a file never written to.

    Raises UnknownFormatError for another version, whatever the other slot says: its
    orders may be newer. Raises DamagedStoreError where nothing can be read.
    """
    if len(content) > FILE_SIZE:
        raise UnknownFormatError(
            Phrase(
                "orders_length",
                "the stored orders take {octets} octets",
                octets=str(len(content)),
            )
        )
    if not any(content):
        return Slots(newest=None, torn=False)
    sound: list[Slot] = []
    torn = False
    for index in range(SLOTS):
        raw = content[index * SLOT_SIZE : (index + 1) * SLOT_SIZE]
        slot = _read_slot(index, raw)
        if slot is not None:
            sound.append(slot)
        elif any(raw):
            torn = True
    if not sound:
        raise DamagedStoreError(
            Phrase("orders_damaged", "the stored orders are damaged in both places")
        )
    return Slots(newest=max(sound, key=lambda slot: slot.sequence), torn=torn)


def _read_slot(index: int, raw: bytes) -> Slot | None:
    if len(raw) < SLOT_SIZE or not any(raw):
        return None
    magic, version, length, sequence = _HEAD.unpack_from(raw)
    if magic != MAGIC:
        return None
    if version != VERSION:
        # Another version may count its check otherwise: it is not looked at.
        raise UnknownFormatError(
            Phrase(
                "orders_format",
                "the stored orders have format {version}, this version knows {known}",
                version=str(version),
                known=str(VERSION),
            )
        )
    body = raw[_BODY_AT : _BODY_AT + length]
    (crc,) = _CRC.unpack_from(raw, _HEAD.size)
    if length > CAPACITY or crc != zlib.crc32(body, zlib.crc32(raw[: _HEAD.size])):
        return None
    try:
        data = json.loads(body)
    except ValueError as err:
        raise UnknownFormatError(
            Phrase("orders_no_json", "the stored orders are not JSON")
        ) from err
    return Slot(index=index, sequence=sequence, data=data)
