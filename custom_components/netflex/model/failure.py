"""What an error says to a user, in words that can be told in another language."""

from collections.abc import Iterator
import errno
import re
from typing import Final

from .phrase import Phrase

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_REFUSED: Final = Phrase(
    "os_refused", "the connection is refused: nothing listens there"
)
_CLOSED: Final = Phrase("os_closed", "the other end has closed the connection")
_NO_ANSWER: Final = Phrase("os_no_answer", "no answer in time")
_UNREACHABLE: Final = Phrase(
    "os_unreachable", "no way leads there: check the address and the network"
)
_DENIED: Final = Phrase("os_denied", "Home Assistant may not use it")
_FULL: Final = Phrase("os_disk_full", "the disk is full")
_ANSWERS: Final = {
    errno.ECONNREFUSED: _REFUSED,
    errno.ECONNRESET: _CLOSED,
    errno.ECONNABORTED: _CLOSED,
    errno.EPIPE: _CLOSED,
    errno.ETIMEDOUT: _NO_ANSWER,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.EHOSTDOWN: _UNREACHABLE,
    errno.ENETUNREACH: _UNREACHABLE,
    errno.ENETDOWN: _UNREACHABLE,
    errno.ENOENT: Phrase("os_missing", "it is not there"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EBUSY: Phrase("os_busy", "something else uses it"),
    errno.EADDRINUSE: Phrase("os_port_taken", "something else listens there"),
    errno.EADDRNOTAVAIL: Phrase("os_no_address", "this machine has no such address"),
    errno.EROFS: Phrase("os_read_only", "the disk takes no writes"),
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
}
_NO_PEM: Final = Phrase("tls_no_pem", "it is no file in PEM format, or not a whole one")
_OPENSSL: Final = {
    "KEY_VALUES_MISMATCH": Phrase(
        "tls_key_differs", "the key is not that of the certificate"
    ),
    "NO_START_LINE": _NO_PEM,
    "NO_CERTIFICATE_OR_CRL_FOUND": _NO_PEM,
    "PEM lib": _NO_PEM,
    "BAD_DECRYPT": Phrase("tls_key_locked", "the key is locked with a password"),
}


def reason_of(err: BaseException) -> str:
    """Return what an error says: its phrase, else its text.

    What operating systems often answer has words of its own, behind what libraries
    made of it too; whatever else they, a library or a device say stays as it is.
    """
    if err.args and isinstance(err.args[0], Phrase):
        return err.args[0]
    for cause in _causes(err):
        if (answer := _answer(cause)) is not None:
            return answer
    return str(err) or type(err).__name__


def _causes(err: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = err
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _answer(err: BaseException) -> Phrase | None:
    """Return an answer of the operating system in words, None where it has none."""
    if isinstance(err, TimeoutError):
        return _NO_ANSWER
    # The model knows nothing of sockets: these kinds are told by their names.
    kinds = {kind.__name__ for kind in type(err).__mro__}
    if "gaierror" in kinds:
        return Phrase("os_name_unknown", "nobody knows a host of this name")
    if "SSLError" in kinds:
        return next((_OPENSSL[name] for name in _OPENSSL if name in str(err)), None)
    if not isinstance(err, OSError):
        return None
    # Where several addresses were tried, the text alone has the numbers.
    numbers = {err.errno} if err.errno else set(map(int, _ERRNO.findall(str(err))))
    answers = {_ANSWERS.get(number or 0) for number in numbers}
    if len(answers) != 1 or (answer := answers.pop()) is None:
        return _REFUSED if isinstance(err, ConnectionRefusedError) else None
    if err.filename is None:
        return answer
    return Phrase("os_file", "{file}: {reason}", file=str(err.filename), reason=answer)
