"""How a DLMS meter writes what it pushes: values, messages, and their frames.

Source: IEC 62056-5-3, 62056-6-2 and 62056-46 (Green Book), EN 13757-2.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

_TAG_LENGTH: Final = 12
_HDLC_ADDRESSES: Final = b"\xce\xff\x03\x13"
"""Destination, source and the control field of an unnumbered frame, as E450 has them."""
_LLC: Final = b"\xe6\xe7\x00"
_MBUS_HEAD: Final = b"\x53\xff"
_MBUS_POINTS: Final = b"\x01\x67"
_MBUS_CONTENT: Final = 245
"""Bytes of a message in one long frame."""
_BLOCK: Final = 118
"""Bytes of a message in one block of a transfer."""


@dataclass(frozen=True, slots=True)
class Register:
    """A value that is pushed: its code in six octets, its number, power and unit.

    `octets` stand in the place of a number.
    """

    code: bytes
    number: int = 0
    scaler: int = 0
    unit: int = 255
    octets: bytes | None = None
    kind: int = 3

    @property
    def value(self) -> bytes:
        """The value as it stands in a message."""
        if self.octets is not None:
            return octet_string(self.octets)
        return b"\x06" + self.number.to_bytes(4)


def octet_string(octets: bytes) -> bytes:
    """Return octets with tag and length."""
    return b"\x09" + length_of(len(octets)) + octets


def length_of(count: int) -> bytes:
    """Return a length as A-XDR writes it."""
    if count < 0x80:
        return bytes([count])
    width = 1 if count < 0x100 else 2
    return bytes([0x80 | width]) + count.to_bytes(width)


def time_of(at: datetime) -> bytes:
    """Return an aware time as 12 octets, with how far it is from UTC."""
    offset = at.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    summer = 0x80 if at.dst() else 0
    return (
        at.year.to_bytes(2)
        + bytes([at.month, at.day, at.isoweekday(), at.hour, at.minute, at.second, 0])
        + (-minutes).to_bytes(2, signed=True)
        + bytes([summer])
    )


def listed(setup: bytes, registers: Sequence[Register]) -> bytes:
    """Return data as an E450 pushes it: a list of all objects, then their values.

    `setup` is the code of the list itself, its first object.
    """
    objects = [Register(setup, kind=40), *registers]
    count = length_of(len(objects))
    rows = b"".join(
        b"\x02\x04\x12" + item.kind.to_bytes(2) + octet_string(item.code)
        + b"\x0f\x02\x12\x00\x00"
        for item in objects
    )  # fmt: skip
    values = b"".join(item.value for item in registers)
    return b"\x02" + count + b"\x01" + count + rows + values


def paired(registers: Sequence[Register]) -> bytes:
    """Return data as codes and values in turn, each number with power and unit."""
    parts: list[bytes] = []
    for item in registers:
        parts += [octet_string(item.code), item.value]
        if item.octets is None:
            scaler = item.scaler.to_bytes(1, signed=True)
            parts.append(b"\x02\x02\x0f" + scaler + bytes([0x16, item.unit]))
    return b"\x02" + length_of(len(parts)) + b"".join(parts)


def notification(data: bytes, *, invocation: int, at: datetime) -> bytes:
    """Return a data notification."""
    return b"\x0f" + invocation.to_bytes(4) + b"\x0c" + time_of(at) + data


def enciphered(
    message: bytes,
    *,
    key: bytes,
    authentication: bytes | None,
    title: bytes,
    counter: int,
) -> bytes:
    """Return a message in general-glo-ciphering, signed where there is a second key."""
    count = counter.to_bytes(4)
    control = b"\x20" if authentication is None else b"\x30"
    cipher = Cipher(AES(key), GCM(title + count)).encryptor()
    if authentication is not None:
        cipher.authenticate_additional_data(control + authentication)
    text = cipher.update(message) + cipher.finalize()
    if authentication is not None:
        text += cipher.tag[:_TAG_LENGTH]
    content = control + count + text
    return b"\xdb\x08" + title + length_of(len(content)) + content


def hdlc_frames(message: bytes) -> Iterator[bytes]:
    """Return a message as a transfer of blocks, each in a frame, as an E450 sends it."""
    blocks = [message[at : at + _BLOCK] for at in range(0, len(message), _BLOCK)]
    for number, block in enumerate(blocks, start=1):
        control = 0xC0 if number == len(blocks) else 0x40
        head = bytes([0xE0, control]) + number.to_bytes(2) + b"\x00\x00"
        content = head + length_of(len(block)) + block
        yield hdlc_frame((_LLC if number == 1 else b"") + content)


def hdlc_frame(content: bytes, *, segmented: bool = False) -> bytes:
    """Return one frame of format type 3."""
    length = 2 + len(_HDLC_ADDRESSES) + 2 + len(content) + 2
    head = (0xA000 | 0x0800 * segmented | length).to_bytes(2) + _HDLC_ADDRESSES
    head += crc16_x25(head).to_bytes(2, "little")
    body = head + content
    return b"\x7e" + body + crc16_x25(body).to_bytes(2, "little") + b"\x7e"


def mbus_frames(message: bytes) -> Iterator[bytes]:
    """Return a message in long frames."""
    starts = range(0, len(message), _MBUS_CONTENT)
    for number, start in enumerate(starts):
        last = 0x10 if number == len(starts) - 1 else 0
        content = message[start : start + _MBUS_CONTENT]
        user = _MBUS_HEAD + bytes([last | number]) + _MBUS_POINTS + content
        head = bytes([0x68, len(user), len(user), 0x68])
        yield head + user + bytes([sum(user) & 0xFF, 0x16])


def crc16_x25(octets: Iterable[int]) -> int:
    """Return CRC-16/X-25 bit by bit."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF
