"""Messages of a pushed DLMS meter: put together, deciphered, and taken apart.

Source: IEC 62056-5-3 (Green Book), services data-notification, general-block-transfer
and general-glo-ciphering with AES-GCM (security suites 0 to 2).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from .dlms_axdr import TIME_LENGTH, Datum, DlmsError, Octets, read_data, read_time
from .dlms_link import Frame, Framing

MESSAGE_LIMIT: Final = 16384
"""Bytes of a message that is put together of several frames."""
_NOTIFICATION: Final = 0x0F
_BLOCK: Final = b"\xe0"
_CIPHERED: Final = frozenset({0xDB, 0xDC})
"""general-glo-ciphering, general-ded-ciphering."""
_LAST_BLOCK: Final = 0x80
_AUTHENTICATED: Final = 0x10
_ENCRYPTED: Final = 0x20
_COMPRESSED: Final = 0x80
_TAG_LENGTH: Final = 12
_TITLE_LENGTH: Final = 8
_KEY_LENGTHS: Final = frozenset({16, 32})
_OCTETS_TAG: Final = 9


class NoKeyError(DlmsError):
    """The meter enciphers, and there is no key."""


class WrongKeyError(DlmsError):
    """The key is not the one that the meter enciphers with, or the other one is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsKeys:
    """What a grid operator gives out: the key and, with some, the authentication key.

    Raises:
        ValueError: One of them has not the length of a key.
    """

    encryption: bytes
    authentication: bytes | None = None

    def __post_init__(self) -> None:
        """Check the lengths."""
        for key in (self.encryption, self.authentication):
            if key is not None and len(key) not in _KEY_LENGTHS:
                raise ValueError("A key has 32 hexadecimal digits, or 64")

    def __repr__(self) -> str:
        """Say that there are keys and not which."""
        return f"{type(self).__name__}(...)"


def parse_key(text: str) -> bytes:
    """Return a key as grid operators write it, with blanks, colons or dashes or none.

    Raises:
        ValueError: It is none.
    """
    digits = "".join(text.split()).replace(":", "").replace("-", "")
    try:
        key = bytes.fromhex(digits.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) not in _KEY_LENGTHS:
        raise ValueError("A key has 32 hexadecimal digits, or 64")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What a meter has pushed: its own time, where it says one, and the data."""

    time: datetime | None
    data: Datum
    encrypted: bool


class Assembler:
    """Puts messages together out of frames.

    `incomplete` counts those of which frames are missing, though none was damaged.
    """

    def __init__(self) -> None:
        """Begin without a message."""
        self.incomplete = 0
        # Frames of one message, then blocks of one transfer.
        self._segments = b""
        self._fragment: int | None = None
        self._blocks: list[bytes] = []
        # Whether what is going on is known to be lost, and counted.
        self._lost = True

    def take(self, frame: Frame) -> bytes | None:
        """Take a frame; return the message that it completes."""
        if frame.broken:
            self.close()
        if frame.framing is Framing.MBUS and not self._follows(frame):
            return None
        self._segments += frame.content
        self._fragment = frame.number
        if len(self._segments) > MESSAGE_LIMIT:
            self._fail()
            return None
        if not frame.last:
            return None
        message, self._segments, self._fragment = self._segments, b"", None
        if message[:1] == _BLOCK:
            return self._transferred(message)
        self._lost = False
        return message or None

    def close(self) -> None:
        """Give up what has begun and will not end; what comes of it is no fault."""
        self._segments, self._fragment, self._blocks = b"", None, []
        self._lost = True

    def _fail(self) -> None:
        self.incomplete += not self._lost
        self.close()

    def _follows(self, frame: Frame) -> bool:
        """Whether a fragment is the next one; a first one begins anew."""
        if frame.number == 0:
            if self._segments:
                self._fail()
            self._lost = False
            return True
        if self._fragment is not None and frame.number == self._fragment + 1:
            return True
        self._fail()
        return False

    def _transferred(self, message: bytes) -> bytes | None:
        """Take a block; return the message that it completes."""
        try:
            octets = Octets(message[1:])
            control = octets.octet()
            number = int.from_bytes(octets.take(2))
            octets.take(2)
            block = octets.take(octets.length())
        except DlmsError:
            self._fail()
            return None
        if number == 1:
            if self._blocks:
                self._fail()
            self._lost = False
        elif number != len(self._blocks) + 1 or self._lost:
            self._fail()
            return None
        self._blocks.append(block)
        if sum(map(len, self._blocks)) > MESSAGE_LIMIT:
            self._fail()
            return None
        if not control & _LAST_BLOCK:
            return None
        whole, self._blocks = b"".join(self._blocks), []
        return whole


def read_message(message: bytes, keys: DlmsKeys | None) -> Push:
    """Return what a message says.

    Raises:
        NoKeyError: It is enciphered, and there are no keys.
        WrongKeyError: It is enciphered with others.
        DlmsError: It is none that meters push, or is not what it should be.
    """
    if not message or message[0] not in _CIPHERED:
        return _notification(message, encrypted=False)
    plain = _decipher(Octets(message[1:]), keys)
    try:
        return _notification(plain, encrypted=True)
    except DlmsError as error:
        # Without an authentication key nothing else tells a wrong one.
        raise WrongKeyError("The message makes no sense with this key") from error


def _decipher(octets: Octets, keys: DlmsKeys | None) -> bytes:
    title = octets.take(octets.length())
    content = Octets(octets.take(octets.length()))
    control = content.octet()
    counter = content.take(4)
    text = content.take(content.left)
    if len(title) != _TITLE_LENGTH or control & _COMPRESSED:
        raise DlmsError("The message is enciphered in a way that is not known")
    tag = b""
    if control & _AUTHENTICATED:
        if len(text) < _TAG_LENGTH:
            raise DlmsError("The message ends too early")
        text, tag = text[:-_TAG_LENGTH], text[-_TAG_LENGTH:]
    if not control & _ENCRYPTED:
        return text
    if keys is None:
        raise NoKeyError("The message is enciphered")
    nonce = title + counter
    algorithm = AES(keys.encryption)
    if not tag or keys.authentication is None:
        # GCM enciphers as CTR does, from the second count on.
        counting = Cipher(algorithm, CTR(nonce + (2).to_bytes(4))).decryptor()
        return counting.update(text) + counting.finalize()
    mode = GCM(nonce, tag, min_tag_length=_TAG_LENGTH)
    checking = Cipher(algorithm, mode).decryptor()
    checking.authenticate_additional_data(bytes([control]) + keys.authentication)
    try:
        return checking.update(text) + checking.finalize()
    except InvalidTag as error:
        raise WrongKeyError("The message was not enciphered with these keys") from error


def _notification(message: bytes, *, encrypted: bool) -> Push:
    octets = Octets(message)
    if octets.octet() != _NOTIFICATION:
        raise DlmsError("The message is no data notification")
    octets.take(4)
    # The time is an octet string, with some meters with its tag.
    if octets.peek() == _OCTETS_TAG:
        octets.octet()
    length = octets.length()
    if length not in {0, TIME_LENGTH}:
        raise DlmsError("The message has no time where it should be")
    time = read_time(octets.take(length))
    return Push(time=time, data=read_data(octets), encrypted=encrypted)
