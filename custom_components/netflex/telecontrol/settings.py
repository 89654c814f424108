"""Settings of the telecontrol station, checked when they are made."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..iec104 import (
    Cause,
    EndOfInitializationRule,
    LinkParameters,
    ParameterError,
    ParameterRule,
    SecondClientRule,
    StaleCommandRule,
    StationConfig,
    TimeZoneMode,
    TimeZonePolicy,
    TlsSettings,
)
from ..iec104.engine import Engine, check_engine
from ..model.orders import STOP_ORDERS, OrderName
from .link_loss import LinkLossPolicy
from .point import PointDirection
from .points import DEFAULT_POINTS, PointTable

SETPOINT_ORDERS: Final = frozenset(OrderName) - {
    *STOP_ORDERS,
    OrderName.TEST,
    OrderName.Q_MODE,
}
OPERATOR_ZONE: Final = "Europe/Brussels"
STANDARD_MAX_DELAY: Final = 10.0


class ProblemKey(StrEnum):
    """What the station reports as a problem, with a text, until it has ended."""

    ORDERS_NOT_STORED = "orders_not_stored"
    ORDERS_RESTORED = "orders_restored"
    """They came out of a backup and hold until the operator says otherwise."""
    STALE_ORDER = "stale_order"
    LINK_LOST = "operator_link_lost"
    STOP_PRODUCTION = "stop_production_not_confirmed"
    STOP_CONSUMPTION = "stop_consumption_not_confirmed"


class SetpointFeedback(StrEnum):
    """How the feedback of a setpoint names its cause; the operator's is not public.

    Return information (11) follows a command; clients on lib60870 take 11 for an
    error where the value is a float, and expect it spontaneous (3).
    """

    RETURN_INFORMATION = "return_information"
    SPONTANEOUS = "spontaneous"


_FEEDBACK_CAUSES: Final = {
    SetpointFeedback.RETURN_INFORMATION: Cause.RETURN_REMOTE,
    SetpointFeedback.SPONTANEOUS: Cause.SPONTANEOUS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of the station in seconds.

    `write_timeout` bounds the wait for storing an order, `flush_timeout` the wait
    for the disk before a stop is terminated, `output_grace` the wait for the
    outputs before that. `stop_deadline` is when a stop's feedback goes out at the
    latest. Measurements older than `measurement_timeout` are stale (None: never).
    `link_recheck` is the longest wait before the age of a lost link is looked at
    again: the event loop's clock stands still while the host is suspended.
    """

    write_timeout: float = 0.5
    flush_timeout: float = 2.0
    output_grace: float = 0.5
    stop_deadline: float = 5.0
    store_retry: float = 5.0
    measurement_interval: float = 30.0
    measurement_timeout: float | None = 60.0
    bind_retry: float = 3.0
    link_alarm: float = 10.0
    alive_mark: float = 60.0
    link_recheck: float = 30.0


def operator_time() -> TimeZonePolicy:
    """Return how the operator's time tags are read: UTC or Belgian time, both."""
    try:
        zone = ZoneInfo(OPERATOR_ZONE)
    except ZoneInfoNotFoundError:
        return TimeZonePolicy()
    return TimeZonePolicy(mode=TimeZoneMode.AUTO, zone=zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelecontrolSettings:
    """Settings of a station. ValueError says what is wrong.

    `allowed_clients` are IP addresses; none is allowed by default, None lets any in.
    `bench`: orders are refused and feedback is marked blocked, for trials without an
    operator. `max_command_delay` s is how far a time tag may be off, 0 never looks.
    `termination`: whether ACT_TERM ends a command. `engine`: the stack that carries
    the station; what c104 does differently is in `iec104.lib60870_deviations`.
    """

    bind_address: str = "0.0.0.0"
    port: int = 2404
    common_address: int = 100
    allowed_clients: frozenset[str] | None = frozenset()
    points: PointTable = DEFAULT_POINTS
    link_loss: LinkLossPolicy = field(default_factory=LinkLossPolicy)
    bench: bool = False
    termination: bool = True
    setpoint_feedback: SetpointFeedback = SetpointFeedback.RETURN_INFORMATION
    max_command_delay: float = STANDARD_MAX_DELAY
    stale_command: StaleCommandRule = StaleCommandRule.NEGATIVE
    select_timeout: float = 30.0
    end_of_initialization: EndOfInitializationRule = (
        EndOfInitializationRule.EVERY_STARTDT
    )
    second_client: SecondClientRule = SecondClientRule.CLOSE_FIRST
    wrong_type_cause: int = Cause.UNKNOWN_TYPE
    time_zone: TimeZonePolicy = field(default_factory=operator_time)
    link: LinkParameters = field(default_factory=LinkParameters)
    tls: TlsSettings | None = None
    timing: Timing = field(default_factory=Timing)
    engine: Engine = Engine.BUILTIN

    def __post_init__(self) -> None:
        """Check what the protocol's own settings and its engine check."""
        check_engine(self.engine, self.station_config())
        if self.engine is Engine.C104:
            _check_addresses(self.points)

    @property
    def admits_operator(self) -> bool:
        """Whether a real operator may give orders; excludes shadow mode (S07)."""
        return not self.bench and self.allowed_clients != frozenset()

    def feedback_cause(self, name: OrderName) -> Cause:
        """Return the cause with which an order's own feedback goes out."""
        if name in SETPOINT_ORDERS:
            return _FEEDBACK_CAUSES[self.setpoint_feedback]
        return Cause.RETURN_REMOTE

    def station_config(self) -> StationConfig:
        """Return the protocol's settings; ParameterError (ValueError) for bad ones."""
        return StationConfig(
            host=self.bind_address,
            port=self.port,
            common_address=self.common_address,
            link=self.link,
            end_of_initialization=self.end_of_initialization,
            second_client=self.second_client,
            allowed_clients=self.allowed_clients,
            wrong_type_cause=self.wrong_type_cause,
            select_timeout=self.select_timeout,
            max_command_delay=self.max_command_delay,
            stale_command=self.stale_command,
            time_zone=self.time_zone,
            tls=self.tls,
        )


def _check_addresses(points: PointTable) -> None:
    """Refuse an address of both directions, which c104 cannot have."""
    monitored = {
        point.ioa: point
        for point in points.points
        if point.direction is PointDirection.MONITOR
    }
    for ioa, order in points.orders.items():
        if ioa in monitored:
            raise ParameterError(
                "engine",
                Engine.C104,
                f"c104 keeps one point at an address, and {ioa} is both "
                f"{order.name} and {monitored[ioa].name}",
                ParameterRule.C104_ONE_POINT,
                ioa=str(ioa),
                order=order.name,
                monitored=monitored[ioa].name,
            )
