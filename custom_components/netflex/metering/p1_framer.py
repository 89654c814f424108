"""Telegrams out of a stream of bytes that may be damaged anywhere."""

import re

from .p1 import TelegramError, parse_telegram
from .p1_objects import Telegram

BUFFER_LIMIT = 8192
"""Bytes. The longest telegram has 13 months of peaks and a text of 1024 characters
(2048 digits): some 4 kB."""
_SLICE = 4096
_STARTS_TRIED = 4

_START = re.compile(rb"/[A-Za-z]{3}")
# Four digits end a telegram at once; fewer (leading zeros left out) need what follows.
_END = re.compile(rb"!(?:[0-9A-Fa-f]{4}|[0-9A-Fa-f]{1,3}(?=[\r\n\0/]))")
# Between telegrams: line ends, and what open lines and adapters put there.
_FILLING = b"\r\n\0\xff "

# DLMS general-global-cipher: tag, length and text of the system title, which begins
# with three letters of the manufacturer, then the length in two bytes.
_CIPHER_TAG = b"\xdb\x08"
_CIPHER = re.compile(rb"\xdb\x08[A-Za-z]{3}.{5}\x82(..)", re.DOTALL)


class TelegramFramer:
    """Cuts telegrams out of bytes, in whatever pieces they come; it never raises.

    A damaged telegram costs only itself, and the buffer is bounded. `damaged` counts
    telegrams that were cut, too long, or had a wrong CRC; `dropped` bytes that belong
    to no good telegram; `encrypted` frames of a meter that encrypts. The rest of a
    telegram in whose middle the stream is joined is dropped and is no damage.
    """

    def __init__(self) -> None:
        """Begin with an empty buffer."""
        self.good = 0
        self.damaged = 0
        self.dropped = 0
        self.encrypted = 0
        self._buffer = b""
        # Bytes of an encrypted frame that are still to come.
        self._skip = 0
        # Whether the next end without a start belongs to a telegram given up before.
        self._tail = True

    def feed(self, data: bytes) -> list[Telegram]:
        """Take bytes; return the telegrams that they complete, in order."""
        telegrams: list[Telegram] = []
        for start in range(0, len(data), _SLICE):
            self._take(data[start : start + _SLICE], telegrams)
        return telegrams

    def close(self) -> None:
        """Give up what is buffered: the stream has ended, another one may begin."""
        self._give_up(self._buffer)
        self._buffer = b""
        self._skip = 0

    def _take(self, data: bytes, telegrams: list[Telegram]) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            self.dropped += skipped
            data = data[skipped:]
        self._buffer += data
        while self._take_one(telegrams):
            pass
        self._bound()

    def _take_one(self, telegrams: list[Telegram]) -> bool:
        """Take the first telegram or encrypted frame off the buffer, if there is one."""
        buffer = self._buffer
        cipher = _CIPHER.search(buffer) if _CIPHER_TAG in buffer else None
        limit = len(buffer) if cipher is None else cipher.start()
        if (end := _END.search(buffer, 0, limit)) is not None:
            self._buffer = buffer[end.end() :]
            self._judge(buffer[: end.end()], telegrams)
            return True
        if cipher is None:
            return False
        self._give_up(buffer[:limit])
        self.encrypted += 1
        self._buffer = buffer[cipher.end() :]
        self.dropped += cipher.end() - limit
        length = int.from_bytes(cipher[1])
        taken = min(length, len(self._buffer))
        self._buffer = self._buffer[taken:]
        self.dropped += taken
        self._skip = min(length - taken, BUFFER_LIMIT)
        return True

    def _judge(self, content: bytes, telegrams: list[Telegram]) -> None:
        """Find the telegram that ends where the content ends.

        It begins at the last slash, or at one before where its own text has slashes.
        """
        start = len(content)
        for _ in range(_STARTS_TRIED):
            if (start := content.rfind(b"/", 0, start)) < 0:
                break
            try:
                telegram = parse_telegram(content[start:])
            except TelegramError:
                continue
            self._give_up(content[:start])
            self._tail = False
            self.good += 1
            telegrams.append(telegram)
            return
        if b"/" not in content and not self._tail:
            self.damaged += 1
        self._give_up(content)

    def _give_up(self, content: bytes) -> None:
        """Drop bytes without a good telegram; count the telegrams begun in them."""
        if not (noise := content.strip(_FILLING)):
            return
        self.dropped += len(noise)
        if b"/" in noise:
            self.damaged += max(1, len(_START.findall(noise)))
        self._tail = True

    def _bound(self) -> None:
        """Keep the buffer within its limit, from the oldest start that still fits."""
        while len(self._buffer) > BUFFER_LIMIT:
            start = self._buffer.find(b"/", 1)
            if start < 0:
                start = len(self._buffer)
            self._give_up(self._buffer[:start])
            self._buffer = self._buffer[start:]
