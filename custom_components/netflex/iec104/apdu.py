"""APDU framing of IEC 60870-5-104: start octet, length, control field.

An APDU is ``68 L c1 c2 c3 c4 [ASDU]``; L counts the four control octets and the
ASDU, 4..253, so an ASDU has at most 249 octets. Everything is little endian.
"""

from enum import IntEnum
import struct
from typing import Final, NamedTuple

START: Final = 0x68
MIN_LENGTH: Final = 4
MAX_LENGTH: Final = 253
MAX_ASDU: Final = MAX_LENGTH - MIN_LENGTH
SEQUENCE_MASK: Final = 0x7FFF

_HEADER = struct.Struct("<BBHH")
_CONTROL = struct.Struct("<HH")


class UFunction(IntEnum):
    """First control octet of an unnumbered (U) APDU."""

    STARTDT_ACT = 0x07
    STARTDT_CON = 0x0B
    STOPDT_ACT = 0x13
    STOPDT_CON = 0x23
    TESTFR_ACT = 0x43
    TESTFR_CON = 0x83


U_APDUS: Final = {
    function: bytes((START, MIN_LENGTH, function, 0, 0, 0)) for function in UFunction
}
_U_FUNCTIONS: Final = {int(function): function for function in UFunction}


class FramingError(Exception):
    """The octet stream is not IEC 60870-5-104; the connection has to be closed."""


class StartOctetError(FramingError):
    """An APDU does not begin with 68."""


class LengthError(FramingError):
    """The length octet is outside 4..253, or wrong for the format."""


class ControlFieldError(FramingError):
    """The control field is none of the I, S and U formats."""


# Named tuples, not dataclasses: one is made for every APDU that arrives, and they
# cost a third of a frozen dataclass.
class IApdu(NamedTuple):
    """Numbered information transfer: N(S), N(R) in 0..32767 and the ASDU's octets."""

    send_number: int
    receive_number: int
    asdu: bytes


class SApdu(NamedTuple):
    """Numbered supervisory: acknowledges everything before N(R)."""

    receive_number: int


class UApdu(NamedTuple):
    """Unnumbered control function."""

    function: UFunction


type Apdu = IApdu | SApdu | UApdu


def build_i(send_number: int, receive_number: int, asdu: bytes) -> bytes:
    """Return an I APDU; `asdu` has at most 249 octets (ValueError otherwise)."""
    size = len(asdu)
    if size > MAX_ASDU:
        raise ValueError(f"ASDU of {size} octets exceeds {MAX_ASDU}")
    header = _HEADER.pack(
        START, MIN_LENGTH + size, send_number << 1, receive_number << 1
    )
    return header + asdu


def build_s(receive_number: int) -> bytes:
    """Return an S APDU that acknowledges everything before `receive_number`."""
    return _HEADER.pack(START, MIN_LENGTH, 1, receive_number << 1)


def build_u(function: UFunction) -> bytes:
    """Return a U APDU."""
    return U_APDUS[function]


def parse_apdu(apdu: bytes) -> Apdu:
    """Decode the control field of one complete APDU, start octet included.

    Raises ControlFieldError for a control field that is no I, S or U format
    (reserved bits set, no or several U functions) and LengthError for an S or U
    APDU that carries data.
    """
    first, second = _CONTROL.unpack_from(apdu, 2)
    if not first & 1:
        if second & 1:
            raise ControlFieldError(
                f"I format with bit 0 of octet 3 set: {apdu[2:6].hex()}"
            )
        return IApdu(first >> 1, second >> 1, apdu[6:])
    if len(apdu) != MIN_LENGTH + 2:
        raise LengthError(f"S or U format with length {len(apdu) - 2}, not 4")
    if first == 1 and not second & 1:
        return SApdu(second >> 1)
    function = _U_FUNCTIONS.get(first)
    if function is None or second:
        raise ControlFieldError(f"no valid control field: {apdu[2:6].hex()}")
    return UApdu(function)


class ApduFramer:
    """Cuts a TCP stream into APDUs, whatever its segmentation.

    After a fault nothing more is cut: the stream has lost its frame, and the APDUs
    before the fault are still returned so that they are carried out first.
    """

    __slots__ = ("_rest", "fault")

    def __init__(self) -> None:
        """Start with an empty buffer."""
        self._rest = b""
        self.fault: FramingError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Return the APDUs that are complete with `data`; `fault` tells of an end."""
        if self.fault is not None:
            return []
        if self._rest:
            data = self._rest + data
        apdus: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if data[position] != START:
                self.fault = StartOctetError(
                    f"start octet {data[position]:02x}, not 68"
                )
                break
            if position + 1 == end:
                break
            length = data[position + 1]
            if not MIN_LENGTH <= length <= MAX_LENGTH:
                self.fault = LengthError(f"length octet {length} outside 4..253")
                break
            after = position + 2 + length
            if after > end:
                break
            apdus.append(data[position:after])
            position = after
        self._rest = b"" if self.fault is not None else data[position:]
        return apdus
