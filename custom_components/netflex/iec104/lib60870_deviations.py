"""What c104 does differently from our own station, in words for its user.

Measured against c104 2.2.1; a test for each says so when c104 has changed. What
c104 would let pass and must not act (a test bit, an impossible value, a wrong cause)
is refused by our own checks and is not among these.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DeviationKey(StrEnum):
    """Names of the deviations."""

    INITIALIZATION = "initialization"
    TERMINATION = "termination"
    ONE_TYPE = "one_type"
    EXECUTION_BOTH = "execution_both"
    SELECTION = "selection"
    CANCELLATION = "cancellation"
    TWO_ANSWERS = "two_answers"
    NO_ANSWER = "no_answer"
    TAGGED_VALUES = "tagged_values"
    ORIGINATOR = "originator"
    INTERROGATION = "interrogation"
    READ = "read"
    CLOCK = "clock"
    RESET = "reset"
    STRUCTURE = "structure"
    SECOND_CLIENT = "second_client"
    EVENTS = "events"
    CLIENTS = "clients"
    SUMMER_TIME = "summer_time"
    TLS = "tls"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One difference; `text` is a sentence."""

    key: DeviationKey
    text: str


def _deviation(key: DeviationKey, text: str) -> Deviation:
    return Deviation(key=key, text=text)


DEVIATIONS: Final = (
    _deviation(
        DeviationKey.INITIALIZATION,
        "The end of initialization goes to every started client, and a request that "
        "follows the start at once may be answered before it.",
    ),
    _deviation(
        DeviationKey.TERMINATION,
        "A direct command is not terminated (cause 10); one that was selected is "
        "terminated before its feedback, even when it was refused.",
    ),
    _deviation(
        DeviationKey.ONE_TYPE,
        "A command point takes one type: with a time tag or without, not either. "
        "Where the point table leaves it open, it is the one without.",
    ),
    _deviation(
        DeviationKey.EXECUTION_BOTH,
        "A point whose execution is direct or select before operate is direct only.",
    ),
    _deviation(
        DeviationKey.SELECTION,
        "A selection is confirmed whatever its value; an impossible one is refused "
        "when it is executed.",
    ),
    _deviation(
        DeviationKey.CANCELLATION,
        "A deactivation is answered with cause 7, not 9.",
    ),
    _deviation(
        DeviationKey.TWO_ANSWERS,
        "A wrong common address, object address or type gets two answers: a negative "
        "confirmation, then cause 46, 47 or 44 without its negative bit.",
    ),
    _deviation(
        DeviationKey.NO_ANSWER,
        "A command with a wrong cause or with several objects, and a type that c104 "
        "does not know, get no answer.",
    ),
    _deviation(
        DeviationKey.TAGGED_VALUES,
        "Interrogated and read values keep the time tag of their point's type.",
    ),
    _deviation(
        DeviationKey.ORIGINATOR,
        "Interrogated and read values carry originator address 0 and no test bit.",
    ),
    _deviation(
        DeviationKey.INTERROGATION,
        "Interrogated values come by type before address, a deactivation of an "
        "interrogation starts one, and a counter interrogation is confirmed though "
        "there are no counters.",
    ),
    _deviation(
        DeviationKey.READ,
        "A read request is confirmed before it is answered.",
    ),
    _deviation(
        DeviationKey.CLOCK,
        "A clock synchronization is confirmed also when its time is marked invalid; "
        "it is not used then.",
    ),
    _deviation(
        DeviationKey.RESET,
        "A reset of the process is refused twice, and cannot be allowed.",
    ),
    _deviation(
        DeviationKey.STRUCTURE,
        "Frames and ASDUs whose lengths contradict each other may be ignored or "
        "taken rather than close the connection.",
    ),
    _deviation(
        DeviationKey.SECOND_CLIENT,
        "A second client is served beside the first, or refused; it does not replace "
        "the first.",
    ),
    _deviation(
        DeviationKey.EVENTS,
        "Events that were sent and not acknowledged when the link broke are lost, and "
        "events leave up to a tenth of a second late.",
    ),
    _deviation(
        DeviationKey.CLIENTS,
        "Neither a client's port nor why its connection ended is known, and the end "
        "is noticed up to half a second late; disallowing one that is connected closes "
        "all connections.",
    ),
    _deviation(
        DeviationKey.SUMMER_TIME,
        "Time tags in local time never carry the bit for summer time, nor the day of "
        "the week.",
    ),
    _deviation(
        DeviationKey.TLS,
        "It has no TLS: a client that leaves in the middle of the handshake would "
        "make it stand still.",
    ),
    _deviation(
        DeviationKey.ADDRESS,
        "It listens on IPv4 only, and counts the link's times in whole seconds.",
    ),
)
