"""Information objects of both directions and their codecs.

Sources: type identifications and element layouts of IEC 60870-5-101 as far as
IEC 60870-5-104 uses them with three-octet information object addresses.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
import struct
from typing import Any, Final, NamedTuple, cast

from .time_tag import CP56_SIZE, TimeTag

IOA_SIZE: Final = 3
MAX_IOA: Final = 0xFFFFFF


class TypeId(IntEnum):
    """Type identifications that this codec knows, by their standard names."""

    M_SP_NA_1 = 1
    M_DP_NA_1 = 3
    M_ME_NA_1 = 9
    M_ME_NB_1 = 11
    M_ME_NC_1 = 13
    M_SP_TB_1 = 30
    M_DP_TB_1 = 31
    M_ME_TD_1 = 34
    M_ME_TE_1 = 35
    M_ME_TF_1 = 36
    C_SC_NA_1 = 45
    C_DC_NA_1 = 46
    C_SE_NA_1 = 48
    C_SE_NB_1 = 49
    C_SE_NC_1 = 50
    C_SC_TA_1 = 58
    C_DC_TA_1 = 59
    C_SE_TA_1 = 61
    C_SE_TB_1 = 62
    C_SE_TC_1 = 63
    M_EI_NA_1 = 70
    C_IC_NA_1 = 100
    C_CI_NA_1 = 101
    C_RD_NA_1 = 102
    C_CS_NA_1 = 103
    C_RP_NA_1 = 105
    C_TS_TA_1 = 107


UNTAGGED: Final[dict[int, int]] = {
    TypeId.M_SP_TB_1: TypeId.M_SP_NA_1,
    TypeId.M_DP_TB_1: TypeId.M_DP_NA_1,
    TypeId.M_ME_TD_1: TypeId.M_ME_NA_1,
    TypeId.M_ME_TE_1: TypeId.M_ME_NB_1,
    TypeId.M_ME_TF_1: TypeId.M_ME_NC_1,
    TypeId.C_SC_TA_1: TypeId.C_SC_NA_1,
    TypeId.C_DC_TA_1: TypeId.C_DC_NA_1,
    TypeId.C_SE_TA_1: TypeId.C_SE_NA_1,
    TypeId.C_SE_TB_1: TypeId.C_SE_NB_1,
    TypeId.C_SE_TC_1: TypeId.C_SE_NC_1,
}
"""Type without a time tag for each type with CP56Time2a."""

TAGGED: Final[dict[int, int]] = {plain: tagged for tagged, plain in UNTAGGED.items()}
"""Type with CP56Time2a for each type that has such a twin."""


class Quality(IntFlag):
    """Quality descriptor bits; no bit set is good."""

    GOOD = 0
    OVERFLOW = 0x01
    BLOCKED = 0x10
    SUBSTITUTED = 0x20
    NOT_TOPICAL = 0x40
    INVALID = 0x80


class DoublePoint(IntEnum):
    """Double-point information and double commands (where 0 and 3 are not permitted)."""

    INTERMEDIATE = 0
    OFF = 1
    ON = 2
    INDETERMINATE = 3


type PointValue = bool | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorObject:
    """A monitored value: types 1, 3, 9, 11, 13 and with time tag 30, 31, 34..36.

    `value` is a bool (single point), 0..3 (double point), -1..1 (normalized),
    -32768..32767 (scaled) or a float (short floating point).
    """

    type_id: int
    ioa: int
    value: PointValue
    quality: int = Quality.GOOD
    time_tag: TimeTag | None = None


# A named tuple, not a dataclass: making it is part of the time to confirm.
class CommandObject(NamedTuple):
    """A command or setpoint: types 45, 46, 48..50 and with time tag 58, 59, 61..63.

    `value` as in MonitorObject, 0..3 for a double command. `qualifier` is QU
    (0..31) or QL (0..127), `select` is the S/E bit.
    """

    type_id: int
    ioa: int
    value: PointValue
    qualifier: int = 0
    select: bool = False
    time_tag: TimeTag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfInitialization:
    """M_EI_NA_1. `cause`: 0 power on, 1 manual reset, 2 remote reset."""

    type_id: int = TypeId.M_EI_NA_1
    ioa: int = 0
    cause: int = 0
    after_parameter_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifiedRequest:
    """C_IC_NA_1 (QOI), C_CI_NA_1 (QCC) and C_RP_NA_1 (QRP): one octet of qualifier."""

    type_id: int
    ioa: int = 0
    qualifier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """C_RD_NA_1: only an address."""

    type_id: int = TypeId.C_RD_NA_1
    ioa: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSynchronization:
    """C_CS_NA_1."""

    type_id: int = TypeId.C_CS_NA_1
    ioa: int = 0
    time_tag: TimeTag


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCommand:
    """C_TS_TA_1: test sequence counter (0..65535) and time."""

    type_id: int = TypeId.C_TS_TA_1
    ioa: int = 0
    counter: int
    time_tag: TimeTag


type InformationObject = (
    MonitorObject
    | CommandObject
    | EndOfInitialization
    | QualifiedRequest
    | ReadRequest
    | ClockSynchronization
    | TestCommand
)

type _Encode = Callable[[InformationObject], bytes]
type _Decode = Callable[[int, int, bytes, int], InformationObject]


@dataclass(frozen=True, slots=True)
class ElementCodec:
    """How one type's information element is read and written.

    `size` is the element's octets without the object address. `encode` returns
    address and element; ValueError when a field does not fit. `decode` takes the
    type, the object address, the buffer and the element's offset.
    """

    size: int
    encode: _Encode
    decode: _Decode


_OCTET = struct.Struct("<HBB")
_INT16 = struct.Struct("<HBhB")
_FLOAT = struct.Struct("<HBfB")
_ADDRESS = struct.Struct("<HB")
_COUNTER = struct.Struct("<HBH")
_INT16_ELEMENT = struct.Struct("<hB")
_FLOAT_ELEMENT = struct.Struct("<fB")
_COUNTER_ELEMENT = struct.Struct("<H")

_QDS_BITS: Final = 0xF1
_SIQ_BITS: Final = 0xF0
_NORMALIZED: Final = 32768


def _normalized_raw(value: PointValue) -> int:
    if not -1 <= value <= 1:
        raise ValueError(f"normalized value {value} outside -1..1")
    return min(round(value * _NORMALIZED), _NORMALIZED - 1)


def _same(value: PointValue) -> PointValue:
    return value


def _to_normalized(raw: int) -> float:
    return raw / _NORMALIZED


def _to_double_point(raw: int) -> int:
    return DoublePoint(raw)


def _fit_single(value: PointValue) -> int:
    if value not in (0, 1):
        raise ValueError(f"single value {value!r} is not 0 or 1")
    return int(value)


def _fit_double(value: PointValue) -> int:
    if value not in (0, 1, 2, 3):
        raise ValueError(f"double value {value!r} outside 0..3")
    return int(value)


def _monitor_octet(fit: Callable[[PointValue], int]) -> _Encode:
    def encode(obj: InformationObject) -> bytes:
        point = cast(MonitorObject, obj)
        ioa = point.ioa
        # int.__add__ on purpose: | on an IntFlag builds an enum member each time.
        octet = fit(point.value) + (point.quality & _SIQ_BITS)
        return _OCTET.pack(ioa & 0xFFFF, ioa >> 16, octet)

    return encode


def _monitor_wide(
    layout: struct.Struct, fit: Callable[[PointValue], PointValue]
) -> _Encode:
    def encode(obj: InformationObject) -> bytes:
        point = cast(MonitorObject, obj)
        ioa = point.ioa
        return layout.pack(ioa & 0xFFFF, ioa >> 16, fit(point.value), point.quality)

    return encode


def _command_octet(fit: Callable[[PointValue], int]) -> _Encode:
    def encode(obj: InformationObject) -> bytes:
        command = cast(CommandObject, obj)
        if not 0 <= command.qualifier <= 31:
            raise ValueError(f"qualifier {command.qualifier} outside 0..31")
        octet = fit(command.value) | command.qualifier << 2 | command.select << 7
        return _OCTET.pack(command.ioa & 0xFFFF, command.ioa >> 16, octet)

    return encode


def _command_wide(
    layout: struct.Struct, fit: Callable[[PointValue], PointValue]
) -> _Encode:
    def encode(obj: InformationObject) -> bytes:
        command = cast(CommandObject, obj)
        if not 0 <= command.qualifier <= 127:
            raise ValueError(f"qualifier {command.qualifier} outside 0..127")
        return layout.pack(
            command.ioa & 0xFFFF,
            command.ioa >> 16,
            fit(command.value),
            command.qualifier | command.select << 7,
        )

    return encode


def _tagged(encode_plain: _Encode) -> _Encode:
    def encode(obj: InformationObject) -> bytes:
        tag = cast(MonitorObject | CommandObject, obj).time_tag
        if tag is None:
            raise ValueError(f"type {obj.type_id} needs a time tag")
        return encode_plain(obj) + tag.encode()

    return encode


def _decode_monitor_octet(mask: int, convert: Callable[[int], PointValue]) -> _Decode:
    def decode(type_id: int, ioa: int, data: bytes, at: int) -> MonitorObject:
        octet = data[at]
        return MonitorObject(
            type_id=type_id,
            ioa=ioa,
            value=convert(octet & mask),
            quality=Quality(octet & _SIQ_BITS),
            time_tag=_tag_after(type_id, data, at + 1),
        )

    return decode


def _decode_monitor_wide(
    layout: struct.Struct, convert: Callable[[Any], PointValue]
) -> _Decode:
    def decode(type_id: int, ioa: int, data: bytes, at: int) -> MonitorObject:
        raw, quality = layout.unpack_from(data, at)
        return MonitorObject(
            type_id=type_id,
            ioa=ioa,
            value=convert(raw),
            quality=Quality(quality & _QDS_BITS),
            time_tag=_tag_after(type_id, data, at + layout.size),
        )

    return decode


def _decode_command_octet(mask: int, convert: Callable[[int], PointValue]) -> _Decode:
    def decode(type_id: int, ioa: int, data: bytes, at: int) -> CommandObject:
        octet = data[at]
        return CommandObject(
            type_id=type_id,
            ioa=ioa,
            value=convert(octet & mask),
            qualifier=octet >> 2 & 0x1F,
            select=octet >= 0x80,
            time_tag=_tag_after(type_id, data, at + 1),
        )

    return decode


def _decode_command_wide(
    layout: struct.Struct, convert: Callable[[Any], PointValue]
) -> _Decode:
    def decode(type_id: int, ioa: int, data: bytes, at: int) -> CommandObject:
        raw, qualifier = layout.unpack_from(data, at)
        # By position: names double what a named tuple costs.
        return CommandObject(
            type_id,
            ioa,
            convert(raw),
            qualifier & 0x7F,
            qualifier >= 0x80,
            _tag_after(type_id, data, at + layout.size),
        )

    return decode


def _tag_after(type_id: int, data: bytes, at: int) -> TimeTag | None:
    return TimeTag.decode(data, at) if type_id in UNTAGGED else None


def _address(ioa: int) -> bytes:
    return _ADDRESS.pack(ioa & 0xFFFF, ioa >> 16)


def _encode_end_of_initialization(obj: InformationObject) -> bytes:
    end = cast(EndOfInitialization, obj)
    if not 0 <= end.cause <= 127:
        raise ValueError(f"cause of initialization {end.cause} outside 0..127")
    octet = end.cause | end.after_parameter_change << 7
    return _OCTET.pack(end.ioa & 0xFFFF, end.ioa >> 16, octet)


def _decode_end_of_initialization(
    type_id: int, ioa: int, data: bytes, at: int
) -> EndOfInitialization:
    return EndOfInitialization(
        type_id=type_id,
        ioa=ioa,
        cause=data[at] & 0x7F,
        after_parameter_change=data[at] >= 0x80,
    )


def _encode_qualified(obj: InformationObject) -> bytes:
    request = cast(QualifiedRequest, obj)
    return _OCTET.pack(request.ioa & 0xFFFF, request.ioa >> 16, request.qualifier)


def _decode_qualified(type_id: int, ioa: int, data: bytes, at: int) -> QualifiedRequest:
    return QualifiedRequest(type_id=type_id, ioa=ioa, qualifier=data[at])


def _encode_read(obj: InformationObject) -> bytes:
    return _address(obj.ioa)


def _decode_read(type_id: int, ioa: int, data: bytes, at: int) -> ReadRequest:
    return ReadRequest(type_id=type_id, ioa=ioa)


def _encode_clock(obj: InformationObject) -> bytes:
    return _address(obj.ioa) + cast(ClockSynchronization, obj).time_tag.encode()


def _decode_clock(type_id: int, ioa: int, data: bytes, at: int) -> ClockSynchronization:
    return ClockSynchronization(
        type_id=type_id, ioa=ioa, time_tag=TimeTag.decode(data, at)
    )


def _encode_test(obj: InformationObject) -> bytes:
    test = cast(TestCommand, obj)
    return (
        _COUNTER.pack(test.ioa & 0xFFFF, test.ioa >> 16, test.counter)
        + test.time_tag.encode()
    )


def _decode_test(type_id: int, ioa: int, data: bytes, at: int) -> TestCommand:
    (counter,) = _COUNTER_ELEMENT.unpack_from(data, at)
    return TestCommand(
        type_id=type_id,
        ioa=ioa,
        counter=counter,
        time_tag=TimeTag.decode(data, at + _COUNTER_ELEMENT.size),
    )


_QUALIFIED = ElementCodec(1, _encode_qualified, _decode_qualified)

CODECS: Final[dict[int, ElementCodec]] = {
    TypeId.M_SP_NA_1: ElementCodec(
        1, _monitor_octet(_fit_single), _decode_monitor_octet(0x01, bool)
    ),
    TypeId.M_DP_NA_1: ElementCodec(
        1, _monitor_octet(_fit_double), _decode_monitor_octet(0x03, _to_double_point)
    ),
    TypeId.M_ME_NA_1: ElementCodec(
        3,
        _monitor_wide(_INT16, _normalized_raw),
        _decode_monitor_wide(_INT16_ELEMENT, _to_normalized),
    ),
    TypeId.M_ME_NB_1: ElementCodec(
        3, _monitor_wide(_INT16, _same), _decode_monitor_wide(_INT16_ELEMENT, int)
    ),
    TypeId.M_ME_NC_1: ElementCodec(
        5, _monitor_wide(_FLOAT, _same), _decode_monitor_wide(_FLOAT_ELEMENT, float)
    ),
    TypeId.C_SC_NA_1: ElementCodec(
        1, _command_octet(_fit_single), _decode_command_octet(0x01, bool)
    ),
    TypeId.C_DC_NA_1: ElementCodec(
        1, _command_octet(_fit_double), _decode_command_octet(0x03, _to_double_point)
    ),
    TypeId.C_SE_NA_1: ElementCodec(
        3,
        _command_wide(_INT16, _normalized_raw),
        _decode_command_wide(_INT16_ELEMENT, _to_normalized),
    ),
    TypeId.C_SE_NB_1: ElementCodec(
        3, _command_wide(_INT16, _same), _decode_command_wide(_INT16_ELEMENT, int)
    ),
    TypeId.C_SE_NC_1: ElementCodec(
        5, _command_wide(_FLOAT, _same), _decode_command_wide(_FLOAT_ELEMENT, float)
    ),
    TypeId.M_EI_NA_1: ElementCodec(
        1, _encode_end_of_initialization, _decode_end_of_initialization
    ),
    TypeId.C_IC_NA_1: _QUALIFIED,
    TypeId.C_CI_NA_1: _QUALIFIED,
    TypeId.C_RD_NA_1: ElementCodec(0, _encode_read, _decode_read),
    TypeId.C_CS_NA_1: ElementCodec(CP56_SIZE, _encode_clock, _decode_clock),
    TypeId.C_RP_NA_1: _QUALIFIED,
    TypeId.C_TS_TA_1: ElementCodec(2 + CP56_SIZE, _encode_test, _decode_test),
}
for _with_tag, _plain in UNTAGGED.items():
    _codec = CODECS[_plain]
    CODECS[_with_tag] = ElementCodec(
        _codec.size + CP56_SIZE, _tagged(_codec.encode), _codec.decode
    )

MONITOR_TYPES: Final = frozenset(
    type_id for type_id in TypeId if type_id <= TypeId.M_ME_TF_1
)
COMMAND_TYPES: Final = frozenset(
    type_id for type_id in TypeId if TypeId.C_SC_NA_1 <= type_id <= TypeId.C_SE_TC_1
)


def encode_object(obj: InformationObject, type_id: int | None = None) -> bytes:
    """Return object address and element.

    `type_id` writes the object as another type of the same family, which general
    interrogation needs: values with a time tag are sent there without it. Raises
    ValueError when an address, value or qualifier does not fit.
    """
    if not 0 <= obj.ioa <= MAX_IOA:
        raise ValueError(f"information object address {obj.ioa} outside 0..{MAX_IOA}")
    try:
        return CODECS[obj.type_id if type_id is None else type_id].encode(obj)
    except (struct.error, OverflowError) as err:
        raise ValueError(f"{obj} does not fit type {obj.type_id}: {err}") from err
    except KeyError as err:
        raise ValueError(f"unknown type {err}") from err


def encode_current(point: MonitorObject, type_id: int) -> bytes:
    """Return address and element of a current value, whatever the value is.

    A value that the type cannot carry is sent as zero with quality invalid: one
    impossible number must not keep an interrogation from completing.
    """
    try:
        return encode_object(point, type_id)
    except ValueError:
        substitute = replace(point, value=0, quality=point.quality | Quality.INVALID)
        return encode_object(substitute, type_id)
