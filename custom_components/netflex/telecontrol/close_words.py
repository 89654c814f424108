"""Why a connection of the operator's link ended, in words."""

from types import MappingProxyType
from typing import Final

from ..iec104 import CloseCode, CloseReason
from ..model.phrase import Phrase

_WORDS: Final = MappingProxyType(
    {
        CloseCode.T0: Phrase("close_t0", "no connection came about in time"),
        CloseCode.T1_INFORMATION: Phrase(
            "close_t1_information", "the RTU did not acknowledge what it was sent"
        ),
        CloseCode.T1_TEST: Phrase(
            "close_t1_test", "the RTU did not answer a test of the link"
        ),
        CloseCode.T1_START: Phrase(
            "close_t1_start", "the start of data transfer was not confirmed"
        ),
        CloseCode.T1_STOP: Phrase(
            "close_t1_stop", "the end of data transfer was not acknowledged"
        ),
        CloseCode.FRAMING: Phrase(
            "close_framing", "what came is not IEC 60870-5-104: another program?"
        ),
        CloseCode.CONTROL_FIELD: Phrase(
            "close_control_field", "the RTU sent a control field that does not exist"
        ),
        CloseCode.SEND_NUMBER: Phrase(
            "close_send_number", "a message of the RTU is missing or came twice"
        ),
        CloseCode.RECEIVE_NUMBER: Phrase(
            "close_receive_number", "the RTU acknowledged what it was never sent"
        ),
        CloseCode.INFORMATION_WHILE_STOPPED: Phrase(
            "close_information_stopped", "the RTU sent data before it had started it"
        ),
        CloseCode.SUPERVISORY_WHILE_STOPPED: Phrase(
            "close_supervisory_stopped",
            "the RTU acknowledged before it had started data transfer",
        ),
        CloseCode.WRONG_DIRECTION: Phrase(
            "close_wrong_direction", "the other end is a station too, and no RTU"
        ),
        CloseCode.MALFORMED_ASDU: Phrase(
            "close_malformed", "the RTU sent a message that cannot be read"
        ),
        CloseCode.PEER_CLOSED: Phrase(
            "close_by_peer", "the RTU has closed the connection"
        ),
        CloseCode.CONNECTION_LOST: Phrase(
            "close_lost", "the connection broke: check the cable and the network"
        ),
        CloseCode.REPLACED: Phrase(
            "close_replaced", "another connection of the operator has started"
        ),
        CloseCode.SECOND_CLIENT: Phrase(
            "close_second_client", "another connection is started already"
        ),
        CloseCode.CONNECTION_LIMIT: Phrase(
            "close_too_many", "too many connections stand already"
        ),
        CloseCode.ADDRESS_REFUSED: Phrase(
            "close_address", "this address is not an allowed client"
        ),
        CloseCode.TLS: Phrase(
            "close_tls", "TLS failed: check the certificates and the authorities"
        ),
        CloseCode.QUEUE_FULL: Phrase(
            "close_queue_full", "the RTU does not take what it is sent"
        ),
        CloseCode.STATION_STOPPED: Phrase("close_stopped", "the station was stopped"),
        CloseCode.INTERNAL: Phrase(
            "close_internal", "an error of the integration itself, see the log"
        ),
    }
)
_TELLING: Final = frozenset(
    {
        CloseCode.FRAMING,
        CloseCode.CONTROL_FIELD,
        CloseCode.SEND_NUMBER,
        CloseCode.RECEIVE_NUMBER,
        CloseCode.MALFORMED_ASDU,
        CloseCode.TLS,
    }
)
"""Codes whose circumstances say what to look for: numbers, octets, words of OpenSSL."""


def close_words(reason: CloseReason) -> Phrase:
    """Return why a connection ended; the journal has the code and all circumstances."""
    words = _WORDS[reason.code]
    if reason.code not in _TELLING or not reason.detail:
        return words
    return Phrase(
        "close_detail", "{reason} ({detail})", reason=words, detail=reason.detail
    )
