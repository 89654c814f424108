"""Link parameters t0..t3, k and w of IEC 60870-5-104, with their constraints."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_WINDOW: Final = 32_767
MAX_TIMEOUT: Final = 255.0


class ParameterRule(StrEnum):
    """What a parameter does not keep, with the figures that go with it."""

    RANGE = "range"
    """It must be from `low` to `high`."""
    BELOW_T1 = "below_t1"
    """t2 must be below `t1`."""
    TWO_THIRDS_OF_K = "two_thirds_of_k"
    """w must be at most `most`."""
    NO_ADDRESS = "no_address"
    NO_C104 = "no_c104"
    C104_NO_TLS = "c104_no_tls"
    C104_ONE_POINT = "c104_one_point"
    """`ioa` is the address of `order` and of `monitored`."""


class ParameterError(ValueError):
    """A parameter is out of range; `field` names it, `limit` says what holds.

    `rule` and `figures` say the same for whoever has words of its own.
    """

    def __init__(
        self,
        field: str,
        value: object,
        limit: str,
        rule: ParameterRule | None = None,
        **figures: str,
    ) -> None:
        """Name the field, the refused value and the rule."""
        super().__init__(f"{field} is {value}: {limit}")
        self.field = field
        self.value = value
        self.limit = limit
        self.rule = rule
        self.figures = figures


def require(field: str, value: float, low: float, high: float) -> None:
    """Raise ParameterError unless `value` lies in `low`..`high`."""
    if not low <= value <= high:
        raise ParameterError(
            field,
            value,
            f"must be {low:g}..{high:g}",
            ParameterRule.RANGE,
            low=f"{low:g}",
            high=f"{high:g}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """Time-outs in seconds and windows in APDUs; the defaults are the standard's.

    t0: connection establishment. t1: acknowledgement of an I APDU, of a test and
    of a start or stop. t2: own acknowledgement when there is nothing to send
    (below t1). t3: silence after which the link is tested. k: unacknowledged I
    APDUs that may be outstanding. w: received I APDUs after which an
    acknowledgement is sent (at most two thirds of k, and always allowed to be 1).
    """

    t0: float = 30.0
    t1: float = 15.0
    t2: float = 10.0
    t3: float = 20.0
    k: int = 12
    w: int = 8

    def __post_init__(self) -> None:
        """Check ranges and mutual constraints; raises ParameterError."""
        for field in ("t0", "t1", "t2", "t3"):
            require(field, getattr(self, field), 1, MAX_TIMEOUT)
        for field in ("k", "w"):
            require(field, getattr(self, field), 1, MAX_WINDOW)
        if self.t2 >= self.t1:
            raise ParameterError(
                "t2",
                self.t2,
                f"must be below t1 ({self.t1:g})",
                ParameterRule.BELOW_T1,
                t1=f"{self.t1:g}",
            )
        most = max(1, self.k * 2 // 3)
        if self.w > most:
            raise ParameterError(
                "w",
                self.w,
                f"must be at most 2/3 of k ({most})",
                ParameterRule.TWO_THIRDS_OF_K,
                most=str(most),
            )
