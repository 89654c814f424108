"""Values for c104, as our own codec would put them on the wire."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from .asdu import Asdu, Cause
from .group import RedundancyGroup
from .information_objects import (
    CODECS,
    IOA_SIZE,
    UNTAGGED,
    MonitorObject,
    encode_current,
)
from .lib60870 import Report
from .time_tag import TimeTag


def reported(
    group: RedundancyGroup, obj: MonitorObject, cause: int, at: datetime | None
) -> Report:
    """Return a value to be reported; ValueError when it does not fit its type."""
    body = group.encode_reported(obj, at)
    return _report(_decoded(obj.type_id, obj.ioa, body), cause)


def returned(asdu: Asdu) -> Iterable[Report]:
    """Return the values of return information that is encoded already."""
    return [_report(cast(MonitorObject, obj), asdu.cause) for obj in asdu.objects]


def current(
    group: RedundancyGroup, points: Iterable[MonitorObject]
) -> dict[int, Report]:
    """Return values to be read by their address, those that do not fit as invalid."""
    now = _moment(group.config.time_zone.tag(group.operator_now()))
    found: dict[int, Report] = {}
    for obj in points:
        plain = UNTAGGED.get(obj.type_id, obj.type_id)
        sent = _decoded(plain, obj.ioa, encode_current(obj, plain))
        found[obj.ioa] = Report(
            obj=replace(sent, type_id=obj.type_id),
            cause=Cause.REQUEST,
            recorded_at=now if plain != obj.type_id else None,
        )
    return found


def _decoded(type_id: int, ioa: int, body: bytes) -> MonitorObject:
    return cast(MonitorObject, CODECS[type_id].decode(type_id, ioa, body, IOA_SIZE))


def _report(obj: MonitorObject, cause: int) -> Report:
    tag = obj.time_tag
    return Report(
        obj=obj, cause=cause, recorded_at=None if tag is None else _moment(tag)
    )


def _moment(tag: TimeTag) -> datetime:
    """Return what c104 writes as this tag: it takes everything for UTC."""
    return tag.wall_clock().replace(tzinfo=UTC)
