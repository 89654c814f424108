"""From the bytes of a pushed DLMS meter to what it says."""

from .dlms_apdu import (
    Assembler,
    DlmsKeys,
    NoKeyError,
    Push,
    WrongKeyError,
    read_message,
)
from .dlms_axdr import DlmsError
from .dlms_link import FrameCutter, Framing


class DlmsStream:
    """Takes bytes in whatever pieces they come, and never raises on them.

    `good` counts pushes, `damaged` those that were damaged, incomplete or no pushes,
    `enciphered` those for which there is no key, `wrong_key` those that another one has
    enciphered. `framing` is that of the newest frame.
    """

    def __init__(self, keys: DlmsKeys | None = None) -> None:
        """Begin with an empty buffer."""
        self.good = 0
        self.enciphered = 0
        self.wrong_key = 0
        self.framing: Framing | None = None
        self._keys = keys
        self._cutter = FrameCutter()
        self._assembler = Assembler()
        self._unreadable = 0

    @property
    def damaged(self) -> int:
        """Pushes that were lost to damage."""
        return self._cutter.damaged + self._assembler.incomplete + self._unreadable

    @property
    def dropped(self) -> int:
        """Bytes that belong to no good frame."""
        return self._cutter.dropped

    def feed(self, data: bytes) -> list[Push]:
        """Take bytes; return the pushes that they complete, in order."""
        pushes: list[Push] = []
        for frame in self._cutter.feed(data):
            self.framing = frame.framing
            message = self._assembler.take(frame)
            if message is not None and (push := self._read(message)) is not None:
                pushes.append(push)
        return pushes

    def close(self) -> None:
        """Give up what is buffered: the stream has ended, another one may begin."""
        self._cutter.close()
        self._assembler.close()

    def _read(self, message: bytes) -> Push | None:
        try:
            push = read_message(message, self._keys)
        except NoKeyError:
            self.enciphered += 1
        except WrongKeyError:
            self.wrong_key += 1
        except DlmsError:
            self._unreadable += 1
        else:
            self.good += 1
            return push
        return None
