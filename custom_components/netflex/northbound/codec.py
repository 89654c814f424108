"""Payloads: JSON, zipped JSON and CBOR, told apart by their first octet."""

from collections.abc import Mapping
from enum import StrEnum
import json
from typing import Any, Final
import zlib

from ..model.failure import reason_of
from ..model.phrase import Phrase
from . import cbor

MOST_OCTETS: Final = 65_536
"""A payload beyond that is refused, packed or not."""


class Format(StrEnum):
    """How payloads are written."""

    JSON = "json"
    CBOR = "cbor"


class PayloadError(ValueError):
    """A payload that cannot be read, with the reason in words."""


class TooLargeError(PayloadError):
    """A payload that is larger than `MOST_OCTETS`."""


def encode(data: Mapping[str, Any] | None, form: Format) -> bytes:
    """Return data as a payload; None is an empty one."""
    if data is None:
        return b""
    if form is Format.CBOR:
        return cbor.encode(data)
    return json_text(data).encode()


def json_text(data: Mapping[str, Any] | None) -> str:
    """Return data as compact JSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def decode(payload: bytes) -> dict[str, Any]:
    """Return the object in a payload.

    Raises:
        PayloadError: It is too large, of no known format, damaged, or no object.
    """
    if len(payload) > MOST_OCTETS:
        raise TooLargeError(
            Phrase("payload_octets", "{octets} octets", octets=str(len(payload)))
        )
    if not payload:
        raise PayloadError(Phrase("payload_empty", "it is empty"))
    first = payload[0]
    try:
        if first == ord("{"):
            data = json.loads(payload)
        elif first == ord("z"):
            data = json.loads(_unzipped(payload[1:]))
        elif first >> 5 == 5:
            data = cbor.decode(payload)
        else:
            raise PayloadError(
                Phrase(
                    "payload_octet",
                    "the first octet is {octet}",
                    octet=f"0x{first:02x}",
                )
            )
    except TooLargeError:
        raise
    except (ValueError, RecursionError, zlib.error) as err:
        raise PayloadError(reason_of(err)) from err
    if not isinstance(data, dict):
        raise PayloadError(Phrase("payload_no_object", "it is no object"))
    return data


def _unzipped(octets: bytes) -> bytes:
    unzip = zlib.decompressobj()
    data = unzip.decompress(octets, MOST_OCTETS)
    if unzip.unconsumed_tail:
        raise TooLargeError(
            Phrase(
                "payload_unpacked",
                "more than {octets} octets once unpacked",
                octets=str(MOST_OCTETS),
            )
        )
    if not unzip.eof:
        raise PayloadError(Phrase("payload_ends", "it ends too early"))
    return data
