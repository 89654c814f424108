"""APDUs in words, for a wire log that people read."""

from .apdu import FramingError, IApdu, SApdu, parse_apdu
from .asdu import Asdu, Cause, MalformedAsduError, UnknownTypeError, decode_asdu
from .information_objects import (
    CommandObject,
    InformationObject,
    MonitorObject,
    Quality,
    TypeId,
)
from .time_tag import TimeTag

_CAUSES = {int(cause): cause.name.lower() for cause in Cause}
_TYPES = {int(type_id): type_id.name for type_id in TypeId}


def describe_apdu(apdu: bytes) -> str:
    """Return one line that names format, numbers, type, cause and values.

    Never raises: what cannot be decoded is shown in hexadecimal with the fault.
    """
    try:
        frame = parse_apdu(apdu)
    except FramingError as err:
        return f"invalid APDU {apdu.hex(' ')} ({err})"
    except Exception:  # noqa: BLE001 - a log line must not fail on any octets
        return f"invalid APDU {apdu.hex(' ')}"
    if isinstance(frame, IApdu):
        numbers = f"I N(S)={frame.send_number} N(R)={frame.receive_number}"
        return f"{numbers} {describe_asdu(frame.asdu)}"
    if isinstance(frame, SApdu):
        return f"S N(R)={frame.receive_number}"
    return f"U {frame.function.name}"


def describe_asdu(raw: bytes) -> str:
    """Return type, cause, addresses and values of an ASDU; never raises."""
    try:
        asdu = decode_asdu(raw, strict_length=False)
    except (MalformedAsduError, UnknownTypeError) as err:
        return f"ASDU {raw.hex(' ')} ({err})"
    values = ", ".join(_describe_object(obj) for obj in asdu.objects)
    return f"{_describe_header(asdu)}: {values}"


def _describe_header(asdu: Asdu) -> str:
    cause = _CAUSES.get(asdu.cause, str(asdu.cause))
    flags = (" negative" if asdu.negative else "") + (" test" if asdu.test else "")
    return (
        f"{_TYPES[asdu.type_id]} {cause}{flags}"
        f" CA={asdu.common_address} OA={asdu.originator}"
    )


def _describe_object(obj: InformationObject) -> str:
    parts = [f"{obj.ioa}"]
    if isinstance(obj, MonitorObject | CommandObject):
        parts.append(f"={obj.value:g}")
    if isinstance(obj, MonitorObject) and obj.quality:
        parts.append(f" {Quality(obj.quality)!r}")
    if isinstance(obj, CommandObject) and obj.select:
        parts.append(" select")
    qualifier = getattr(obj, "qualifier", None)
    if qualifier:
        parts.append(f" qualifier {qualifier}")
    tag = getattr(obj, "time_tag", None)
    if isinstance(tag, TimeTag):
        parts.append(f" at {_describe_time(tag)}")
    return "".join(parts)


def _describe_time(tag: TimeTag) -> str:
    flags = (" summer" if tag.summer_time else "") + (" IV" if tag.invalid else "")
    second, millisecond = divmod(tag.milliseconds, 1000)
    return (
        f"20{tag.year:02}-{tag.month:02}-{tag.day:02} "
        f"{tag.hour:02}:{tag.minute:02}:{second:02}.{millisecond:03}{flags}"
    )
