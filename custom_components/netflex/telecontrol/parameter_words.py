"""What a parameter of the link must be, in words."""

from ..iec104 import ParameterError, ParameterRule
from ..model.phrase import Phrase


def parameter_words(err: ParameterError) -> Phrase:
    """Return what is wrong with a parameter."""
    return Phrase(
        "parameter_is",
        "{field} is {value}: {limit}",
        field=err.field,
        value=str(err.value),
        limit=_limit(err),
    )


def _limit(err: ParameterError) -> str:
    match err.rule:
        case ParameterRule.RANGE:
            return Phrase("parameter_range", "must be {low} to {high}", **err.figures)
        case ParameterRule.BELOW_T1:
            return Phrase("parameter_t2", "must be below t1 ({t1})", **err.figures)
        case ParameterRule.TWO_THIRDS_OF_K:
            return Phrase(
                "parameter_w", "must be at most 2/3 of k ({most})", **err.figures
            )
        case ParameterRule.NO_ADDRESS:
            return Phrase("parameter_address", "is no IP address")
        case ParameterRule.NO_C104:
            return Phrase(
                "parameter_no_c104",
                "the package c104 is not installed for this Python. Use the built-in "
                "engine, which needs nothing, or install c104 where there is a wheel "
                "or a compiler for it",
            )
        case ParameterRule.C104_NO_TLS:
            return Phrase(
                "parameter_c104_tls",
                "c104 stands still, and Home Assistant with it, once a client leaves "
                "in the middle of its TLS handshake. Use the built-in engine with TLS",
            )
        case ParameterRule.C104_ONE_POINT:
            return Phrase(
                "parameter_c104_points",
                "c104 keeps one point at an address, and {ioa} is both {order} and "
                "{monitored}",
                **err.figures,
            )
    return err.limit
