"""Why a meter could not be read, with a key that translations can use."""

from typing import ClassVar

from ..model.phrase import Phrase, advised

SWITCH_ON = Phrase(
    "port_switch_on",
    "The user port may be switched off: ask your grid operator to open it (in "
    "Flanders on Mijn Fluvius, under user ports). It can take up to a few days, and "
    "the port may close again after a year.",
)

DARK_ADAPTER = Phrase(
    "port_dark_adapter",
    "An adapter that the user port itself supplies has no power while the grid "
    "operator has the port switched off.",
)

ONE_READER = Phrase("port_one_reader", "It may serve only one reader at a time.")

FELL_SILENT = Phrase("port_fell_silent", "The meter has fallen silent.")

_MUTE = Phrase("port_mute", "The connection stands, but the meter is silent.")


class MeterError(Exception):
    """A meter could not be read; the text is in the user's words."""

    key: ClassVar[str] = "meter_error"


class CannotConnectError(MeterError):
    """The port or the host could not be opened."""

    key = "cannot_connect"


class NoDataError(MeterError):
    """The connection stands and nothing comes: the user port may be off."""

    key = "no_data"


def mute(advice: str = SWITCH_ON) -> NoDataError:
    """Return that nothing has come of a meter since its port was opened."""
    return NoDataError(advised(_MUTE, advice))


class NotP1Error(MeterError):
    """Bytes come that contain no good telegram."""

    key = "not_p1"


class NotS1Error(MeterError):
    """Bytes come that contain no good S1 frame, at any rate that was tried."""

    key = "not_s1"


class DamagedError(MeterError):
    """Good S1 frames come, and too many damaged ones between them to measure."""

    key = "damaged"


class UnknownFormatError(MeterError):
    """Good S1 frames come whose format version is not known; they are not guessed."""

    key = "unknown_format"


class EncryptedError(MeterError):
    """The meter encrypts its telegrams (AES-128-GCM general-global-cipher)."""

    key = "encrypted"


class NotDlmsError(MeterError):
    """Bytes come that contain no push of a DLMS meter."""

    key = "not_dlms"


class KeyMissingError(MeterError):
    """The meter enciphers what it pushes, and no key is known."""

    key = "key_missing"


class KeyWrongError(MeterError):
    """The meter enciphers with another key than the one that is known."""

    key = "key_wrong"
