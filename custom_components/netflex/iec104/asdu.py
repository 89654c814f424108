"""ASDUs: header, structure checks, packing to 249 octets, mirrors.

Header of six octets: type, VSQ (SQ bit and count), cause (T, P/N, six bits of
cause), originator, common address. Information object addresses have three.
"""

from enum import IntEnum
import struct
from typing import Final, NamedTuple

from .apdu import MAX_ASDU
from .information_objects import (
    CODECS,
    IOA_SIZE,
    MAX_IOA,
    InformationObject,
    encode_object,
)

HEADER_SIZE: Final = 6
GLOBAL_ADDRESS: Final = 0xFFFF
MAX_COUNT: Final = 127
TEST_BIT: Final = 0x80
NEGATIVE_BIT: Final = 0x40
CAUSE_MASK: Final = 0x3F
SEQUENCE_BIT: Final = 0x80

HEADER = struct.Struct("<BBBBH")
_COMMON_ADDRESS = struct.Struct("<H")


class Cause(IntEnum):
    """Causes of transmission, IEC 60870-5-101 table 14."""

    PERIODIC = 1
    BACKGROUND = 2
    SPONTANEOUS = 3
    INITIALIZED = 4
    REQUEST = 5
    ACTIVATION = 6
    ACTIVATION_CONFIRMATION = 7
    DEACTIVATION = 8
    DEACTIVATION_CONFIRMATION = 9
    ACTIVATION_TERMINATION = 10
    RETURN_REMOTE = 11
    RETURN_LOCAL = 12
    INTERROGATED_BY_STATION = 20
    UNKNOWN_TYPE = 44
    UNKNOWN_CAUSE = 45
    UNKNOWN_COMMON_ADDRESS = 46
    UNKNOWN_OBJECT_ADDRESS = 47


class MalformedAsduError(Exception):
    """Header, VSQ and length contradict each other; the connection is closed."""


class UnknownTypeError(Exception):
    """The header is sound but the type is not one of this codec's."""


# A named tuple, not a dataclass: one is made for every request that arrives.
class Asdu(NamedTuple):
    """A decoded ASDU. `cause` is the plain number, also where it has no name."""

    type_id: int
    cause: int
    objects: tuple[InformationObject, ...]
    common_address: int
    originator: int = 0
    negative: bool = False
    test: bool = False
    sequence: bool = False


def decode_asdu(raw: bytes, *, strict_length: bool = True) -> Asdu:
    """Decode one ASDU.

    Raises MalformedAsduError when the header is short, no object is announced or
    the length does not match the number of objects (octets after the last object
    are let pass unless `strict_length`), UnknownTypeError for a foreign type.
    """
    if len(raw) < HEADER_SIZE:
        raise MalformedAsduError(f"{len(raw)} octets are shorter than a header")
    type_id, vsq, cause, originator, common_address = HEADER.unpack_from(raw)
    codec = CODECS.get(type_id)
    if codec is None:
        raise UnknownTypeError(f"type {type_id}")
    count = vsq & ~SEQUENCE_BIT
    size = codec.size
    if vsq & SEQUENCE_BIT:
        expected = HEADER_SIZE + IOA_SIZE + count * size
    else:
        expected = HEADER_SIZE + count * (IOA_SIZE + size)
    if count == 0:
        raise MalformedAsduError("no information object announced")
    if len(raw) < expected or (strict_length and len(raw) > expected):
        raise MalformedAsduError(
            f"type {type_id} with VSQ {vsq:02x} takes {expected} octets, not {len(raw)}"
        )
    decode = codec.decode
    at = HEADER_SIZE
    ioa = raw[at] | raw[at + 1] << 8 | raw[at + 2] << 16
    objects: tuple[InformationObject, ...]
    if count == 1:
        objects = (decode(type_id, ioa, raw, at + IOA_SIZE),)
    elif vsq & SEQUENCE_BIT:
        if ioa + count - 1 > MAX_IOA:
            raise MalformedAsduError(f"a sequence of {count} from address {ioa}")
        at += IOA_SIZE
        objects = tuple(
            decode(type_id, ioa + index, raw, at + index * size)
            for index in range(count)
        )
    else:
        objects = tuple(
            decode(
                type_id,
                raw[start] | raw[start + 1] << 8 | raw[start + 2] << 16,
                raw,
                start + IOA_SIZE,
            )
            for start in range(at, expected, IOA_SIZE + size)
        )
    # By position: a little quicker than by name, for every ASDU that comes in.
    return Asdu(
        type_id,
        cause & CAUSE_MASK,
        objects,
        common_address,
        originator,
        cause & NEGATIVE_BIT != 0,
        cause & TEST_BIT != 0,
        vsq & SEQUENCE_BIT != 0,
    )


def encode_header(
    type_id: int,
    count: int,
    cause: int,
    common_address: int,
    *,
    originator: int = 0,
    negative: bool = False,
    test: bool = False,
    sequence: bool = False,
) -> bytes:
    """Return the six header octets."""
    return HEADER.pack(
        type_id,
        count | sequence << 7,
        cause | negative << 6 | test << 7,
        originator,
        common_address,
    )


def encode_asdu(asdu: Asdu) -> bytes:
    """Return the ASDU's octets; ValueError when it does not fit or is inconsistent."""
    objects = asdu.objects
    if not 1 <= len(objects) <= MAX_COUNT:
        raise ValueError(f"{len(objects)} information objects, not 1..{MAX_COUNT}")
    if any(obj.type_id != asdu.type_id for obj in objects):
        raise ValueError("an ASDU carries objects of one type")
    bodies = [encode_object(obj) for obj in objects]
    if asdu.sequence:
        first = objects[0].ioa
        if any(obj.ioa != first + index for index, obj in enumerate(objects)):
            raise ValueError("a sequence needs consecutive object addresses")
        bodies = [bodies[0], *(body[IOA_SIZE:] for body in bodies[1:])]
    raw = encode_header(
        asdu.type_id,
        len(objects),
        asdu.cause,
        asdu.common_address,
        originator=asdu.originator,
        negative=asdu.negative,
        test=asdu.test,
        sequence=asdu.sequence,
    ) + b"".join(bodies)
    if len(raw) > MAX_ASDU:
        raise ValueError(f"ASDU of {len(raw)} octets exceeds {MAX_ASDU}")
    return raw


def capacity(type_id: int, *, sequence: bool = False) -> int:
    """Return how many objects of a type fit into one ASDU."""
    size = CODECS[type_id].size
    if sequence:
        fitting = (MAX_ASDU - HEADER_SIZE - IOA_SIZE) // size
    else:
        fitting = (MAX_ASDU - HEADER_SIZE) // (IOA_SIZE + size)
    return min(fitting, MAX_COUNT)


def mirror(
    request: bytes,
    cause: int,
    *,
    negative: bool = False,
    common_address: int | None = None,
) -> bytes:
    """Return `request` with another cause; originator and test bit stay.

    `common_address` replaces the request's, for requests to the global address.
    """
    flags = request[2] & TEST_BIT | cause | negative << 6
    head = request[:2] + bytes((flags, request[3]))
    if common_address is None:
        return head + request[4:]
    return head + _COMMON_ADDRESS.pack(common_address) + request[HEADER_SIZE:]
