"""Hostile octets, from a seed."""

from random import Random

from custom_components.netflex.iec104 import TypeId
from custom_components.netflex.iec104.apdu import build_i, build_s, build_u
from custom_components.netflex.iec104.information_objects import CODECS

from .bench import Q_MODE, SELECTED_SETPOINT, SETPOINT, STOP_PRODUCTION

_TYPES = [*TypeId, 0, 2, 104, 106, 127, 255]
_ADDRESSES = [0, 9, 3001, STOP_PRODUCTION, Q_MODE, SETPOINT, SELECTED_SETPOINT]
_CAUSES = [3, 5, 6, 6, 6, 6, 7, 8, 10, 20, 44, 63]
_COMMON = [100, 100, 100, 100, 99, 0, 65535]


def random_asdu(noise: Random) -> bytes:
    """Return an ASDU that is nearly right: its fields are, or its length is not."""
    type_id = noise.choice(_TYPES)
    codec = CODECS.get(type_id)
    size = noise.randrange(9) if codec is None else codec.size
    count = noise.choice([1, 1, 1, 1, 1, 2, 3])
    sequence = noise.random() < 0.1
    elements = [
        noise.randbytes(size) if noise.random() < 0.5 else bytes(size)
        for _ in range(count)
    ]
    address = noise.choice(_ADDRESSES).to_bytes(3, "little")
    if sequence:
        objects = address + b"".join(elements)
    else:
        objects = b"".join(address + element for element in elements)
    flags = noise.choice([0, 0, 0, 0, 0x40, 0x80])
    header = bytes((type_id, count | sequence << 7, noise.choice(_CAUSES) | flags))
    header += bytes((noise.randrange(256),))
    asdu = header + noise.choice(_COMMON).to_bytes(2, "little") + objects
    if noise.random() < 0.1:
        asdu = asdu[: noise.randrange(len(asdu))]
    elif noise.random() < 0.1:
        asdu += noise.randbytes(noise.randrange(1, 20))
    return asdu[:249]


def mutated(noise: Random, receive_number: int) -> bytes:
    """Return a stream of several APDUs with octets changed, lost or doubled."""
    stream = bytearray()
    for number in range(noise.randrange(1, 5)):
        stream += noise.choice(
            [
                build_i(number, receive_number, random_asdu(noise)),
                build_s(receive_number),
                build_u(0x43),
                build_u(0x13),
                noise.randbytes(noise.randrange(1, 300)),
            ]
        )
    for _ in range(noise.randrange(4)):
        at = noise.randrange(len(stream))
        action = noise.randrange(3)
        if action == 0:
            stream[at] = noise.randrange(256)
        elif action == 1:
            del stream[at]
        else:
            stream.insert(at, stream[at])
        if not stream:
            break
    return bytes(stream)
