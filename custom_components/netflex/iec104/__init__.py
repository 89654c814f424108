"""IEC 60870-5-104: controlled and controlling station on the standard library."""

from .application import (
    Application,
    ClockSync,
    Command,
    CommandPoint,
    ConnectionInfo,
    Execution,
    Rejection,
    RejectionReason,
    Responder,
    StationObserver,
)
from .asdu import Asdu, Cause
from .config import (
    EndOfInitializationRule,
    SecondClientRule,
    StaleCommandRule,
    StationConfig,
)
from .controlled_station import ControlledStation, StationStatus
from .controlling_station import ControllingConfig, ControllingStation, LinkClosedError
from .describe import describe_apdu
from .exchange import CommandResult, Confirmation, InterrogationResult
from .group import Counters
from .information_objects import DoublePoint, MonitorObject, PointValue, Quality, TypeId
from .link_user import CloseCode, CloseReason, Direction, LinkState, LoopTimers, Timers
from .parameters import LinkParameters, ParameterError, ParameterRule
from .time_tag import TimeTag, TimeZoneMode, TimeZonePolicy
from .tls import MinimumVersion, TlsSettings

__all__ = [
    "Application",
    "Asdu",
    "Cause",
    "ClockSync",
    "CloseCode",
    "CloseReason",
    "Command",
    "CommandPoint",
    "CommandResult",
    "Confirmation",
    "ConnectionInfo",
    "ControlledStation",
    "ControllingConfig",
    "ControllingStation",
    "Counters",
    "Direction",
    "DoublePoint",
    "EndOfInitializationRule",
    "Execution",
    "InterrogationResult",
    "LinkClosedError",
    "LinkParameters",
    "LinkState",
    "LoopTimers",
    "MinimumVersion",
    "MonitorObject",
    "ParameterError",
    "ParameterRule",
    "PointValue",
    "Quality",
    "Rejection",
    "RejectionReason",
    "Responder",
    "SecondClientRule",
    "StaleCommandRule",
    "StationConfig",
    "StationObserver",
    "StationStatus",
    "TimeTag",
    "TimeZoneMode",
    "TimeZonePolicy",
    "Timers",
    "TlsSettings",
    "TypeId",
    "describe_apdu",
]
