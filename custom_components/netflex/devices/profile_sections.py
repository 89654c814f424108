"""The strict readers of the smaller sections of a profile's file."""

from collections.abc import Iterable, Mapping
import re

from ..model.phrase import Phrase
from .profile import (
    Area,
    Block,
    Check,
    Freshness,
    Identity,
    LinkSettings,
    Poll,
    SunSpec,
    Variant,
)
from .profile_parts import PointReader, read_unit
from .registers import Encoding, Order
from .yaml_nodes import Reader


def texts_of(reader: Reader | None) -> tuple[str, ...]:
    """Return the texts of a list, none where it is absent."""
    return () if reader is None else tuple(item.text() for item in reader.items())


def hints_of(reader: Reader | None) -> tuple[Phrase, ...]:
    """Return the texts of a list that users read, none where it is absent."""
    return () if reader is None else tuple(item.hint() for item in reader.items())


def entries_of(reader: Reader | None) -> Iterable[tuple[str, Reader]]:
    """Yield the keys of a mapping, none where it is absent."""
    return () if reader is None else reader.section().entries()


def read_link(reader: Reader | None) -> LinkSettings:
    """Read what the device bears on its link."""
    if reader is None:
        return LinkSettings()
    default = LinkSettings()
    with reader.section() as link:

        def number(key: str, value: float) -> float:
            return value if (entry := link.get(key)) is None else entry.number()

        def integer(key: str, value: int, low: int, high: int) -> int:
            entry = link.get(key)
            return value if entry is None else entry.integer(low, high)

        idle, clients = link.get("idle_close"), link.get("max_clients")
        single = link.get("per_register_reads")
        forbidden, nudge = link.get("forbidden"), link.get("nudge")
        return LinkSettings(
            port=integer("port", default.port, 1, 65535),
            timeout=number("timeout", default.timeout),
            connect_timeout=number("connect_timeout", default.connect_timeout),
            connect_delay=number("connect_delay", default.connect_delay),
            spacing=number("spacing", default.spacing),
            max_clients=None if clients is None else clients.integer(1, 64),
            idle_close=None if idle is None else idle.positive(),
            max_read=integer("max_read", default.max_read, 1, 125),
            max_gap=integer("max_gap", default.max_gap, 0, 124),
            nudge=None if nudge is None else nudge.positive(),
            per_register_reads=single is not None and single.boolean(),
            forbidden=()
            if forbidden is None
            else tuple(_span(entry) for entry in forbidden.items()),
        )


def _span(reader: Reader) -> tuple[int, int]:
    ends = [entry.integer(0, 65535) for entry in reader.one_or_more()]
    if len(ends) > 2 or ends[0] > ends[-1]:
        reader.fail("must be an address or [first, last]")
    return ends[0], ends[-1]


def read_units(reader: Reader | None) -> dict[str, int]:
    """Read the Modbus units by name."""
    if reader is None:
        return {"main": 1}
    units = {name: entry.integer(0, 255) for name, entry in entries_of(reader)}
    if not units:
        reader.fail("must name at least one unit")
    return units


def read_encoding(reader: Reader | None) -> tuple[int, Encoding]:
    """Read how far addresses are shifted, and the order in values."""
    if reader is None:
        return 0, Encoding()
    with reader.section() as section:
        base = section.get("base")
        word, byte = section.get("word"), section.get("byte")
        # Documents that count from 1 name the register after its address.
        shift = 0 if base is None else -base.integer(0, 1)
        return shift, Encoding(
            word=Order.BIG if word is None else word.choice(Order),
            byte=Order.BIG if byte is None else byte.choice(Order),
        )


def read_variant(reader: Reader, shift: int) -> Variant:
    """Read another layout of the same map."""
    with reader.section() as section:
        own_shift, encoding = read_encoding(section.get("encoding"))
        return Variant(
            id=section.need("id").text(),
            shift=own_shift - shift,
            encoding=encoding,
            text=section.need("text").text(),
        )


def read_ratios(reader: Reader | None) -> dict[str, float]:
    """Read the ratios of transformers."""
    ratios = {}
    for name, entry in entries_of(reader):
        ends = [item.positive() for item in entry.items()]
        if len(ends) != 2:
            entry.fail("must be [primary, secondary]")
        ratios[name] = ends[0] / ends[1]
    return ratios


def read_identity(reader: Reader | None) -> Identity:
    """Read which points say who it is."""
    if reader is None:
        return Identity()
    with reader.section() as section:
        names = {
            key: None if (entry := section.get(key)) is None else entry.text()
            for key in ("serial", "model", "firmware")
        }
    return Identity(**names)


def read_polls(reader: Reader | None) -> tuple[float, float]:
    """Read the periods of fast and slow polls in s."""
    if reader is None:
        return 5.0, 30.0
    with reader.section() as section:
        fast, slow = section.need("fast"), section.get("slow")
        seconds = fast.positive()
        return seconds, 6 * seconds if slow is None else slow.positive()


def read_check(reader: Reader, points: PointReader) -> Check:
    """Read one condition that the right device fulfils."""
    with reader.section() as section:
        match, one_of = section.get("match"), section.get("one_of")
        or_absent, text = section.get("or_absent"), section.get("text")
        check = Check(
            point=points.body("identify", section),
            match=None if match is None else _expression(match),
            one_of=()
            if one_of is None
            else tuple(item.plain() for item in one_of.items()),
            between=points.limits(section.get("must_be")),
            or_absent=or_absent is not None and or_absent.boolean(),
            text=None if text is None else text.hint(),
        )
    if check.match is None and check.between is None and not check.one_of:
        reader.fail("needs match, one_of or must_be")
    return check


def _expression(reader: Reader) -> str:
    text = reader.text()
    try:
        re.compile(text)
    except re.error as err:
        reader.fail(f"is not a regular expression: {err}")
    return text


def read_block(reader: Reader, units: Mapping[str, int], shift: int) -> Block:
    """Read one read that the profile itself asks for."""
    with reader.section() as section:
        area, poll = section.get("area"), section.get("poll")
        return Block(
            unit=read_unit(section, units),
            area=Area.HOLDING if area is None else area.choice(Area),
            at=section.need("at").integer(0, 65535) + shift,
            count=section.need("n").integer(1, 125),
            poll=Poll.FAST if poll is None else poll.choice(Poll),
        )


def read_freshness(
    reader: Reader | None, points: Mapping[str, object]
) -> Freshness | None:
    """Read how the device says that its values are old."""
    if reader is None:
        return None
    with reader.section() as section:
        covers = section.need("covers")
        fresh = Freshness(
            point=section.need("point").text(),
            maximum=section.need("max_s").positive(),
            covers=frozenset(texts_of(covers)),
        )
    for name in {fresh.point, *fresh.covers} - set(points):
        reader.fail(f"there is no point {name}")
    return fresh


def read_sunspec(reader: Reader | None, units: Mapping[str, int]) -> SunSpec | None:
    """Read where a SunSpec map begins."""
    if reader is None:
        return None
    with reader.section() as section:
        bases = section.get("bases")
        unit = read_unit(section, units)
        if bases is None:
            return SunSpec(unit=unit)
        return SunSpec(
            unit=unit, bases=tuple(item.integer(0, 65535) for item in bases.items())
        )
