"""The strict readers of registers, points and steps in a profile's file."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from .profile import Area, Point, Poll, Register, Scaling, Step, SunSpecPlace, When
from .registers import TEXTS, Encoding, Order, RegisterType, Value, registers_of
from .yaml_nodes import Reader, Section

MEASURES: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "W": ("W", 1),
        "kW": ("W", 1e3),
        "mW": ("W", 1e-3),
        "var": ("var", 1),
        "kvar": ("var", 1e3),
        "VA": ("VA", 1),
        "kVA": ("VA", 1e3),
        "A": ("A", 1),
        "mA": ("A", 1e-3),
        "V": ("V", 1),
        "mV": ("V", 1e-3),
        "kV": ("V", 1e3),
        "Wh": ("Wh", 1),
        "kWh": ("Wh", 1e3),
        "MWh": ("Wh", 1e6),
        "varh": ("varh", 1),
        "kvarh": ("varh", 1e3),
        "VAh": ("VAh", 1),
        "kVAh": ("VAh", 1e3),
        "s": ("s", 1),
        "ms": ("s", 1e-3),
        "min": ("s", 60),
        "%": ("%", 1),
        "Hz": ("Hz", 1),
        "degC": ("°C", 1),
    }
)
"""A register's unit: ours, and the factor to it."""

LOAD_POSITIVE = "load_positive"
LOAD_NEGATIVE = "load_negative"
RATED = "rated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What all registers of a file share."""

    units: Mapping[str, int]
    shift: int
    encoding: Encoding


class PointReader:
    """Reads registers and points of one file."""

    def __init__(self, layout: Layout, ratios: Mapping[str, float]) -> None:
        """Keep what the registers share and the ratios of transformers."""
        self._layout = layout
        self._ratios = ratios

    def point(self, key: str, reader: Reader) -> Point:
        """Read one entry of `points:`."""
        with reader.section() as section:
            return self.body(key, section)

    def body(self, key: str, section: Section) -> Point:
        """Read a point's own keys of a section that may have more."""
        register = self.register(section)
        measure, scaling = self.scaling(section)
        poll = section.get("poll")
        mask, mapping = section.get("mask"), section.get("map")
        equals = section.get("equals")
        if register.type in TEXTS and measure is not None:
            section.place.fail("a text has no unit")
        return Point(
            key=key,
            register=register,
            scaling=scaling,
            measure=measure,
            nan=self._nan(section.get("nan")),
            mask=None if mask is None else mask.integer(1),
            map=None if mapping is None else _mapping(mapping),
            equals=None if equals is None else equals.number(),
            between=self.limits(section.get("between")),
            poll=Poll.FAST if poll is None else poll.choice(Poll),
        )

    def register(self, section: Section) -> Register:
        """Read where a value is."""
        places = section.get("sunspec")
        unit = read_unit(section, self._layout.units)
        if places is not None:
            found = tuple(_place(entry) for entry in places.one_or_more())
            return Register(
                unit=unit,
                area=Area.HOLDING,
                at=None,
                type=found[0].type,
                count=found[0].count,
                # SunSpec fixes the order, whatever else the device does.
                encoding=Encoding(),
                sunspec=found,
            )
        area_reader = section.get("area")
        area = Area.HOLDING if area_reader is None else area_reader.choice(Area)
        kind, count = _type(section, area)
        word, byte = section.get("word"), section.get("byte")
        encoding = self._layout.encoding
        if word is not None:
            encoding = replace(encoding, word=word.choice(Order))
        if byte is not None:
            encoding = replace(encoding, byte=byte.choice(Order))
        at = section.need("at")
        address = at.integer(0, 65535) + self._layout.shift
        if address < 0 or address + count > 65536:
            at.fail("is outside of the address space")
        return Register(
            unit=unit,
            area=area,
            at=address,
            type=kind,
            count=count,
            encoding=encoding,
        )

    def scaling(self, section: Section) -> tuple[str | None, Scaling]:
        """Read scale, offset, unit, sign and ratios."""
        scale, offset = section.get("scale"), section.get("offset")
        unit, sign = section.get("u"), section.get("sign")
        scale_point, ratio = section.get("scale_point"), section.get("ratio")
        measure, factor = None, 1.0
        if unit is not None:
            if (name := unit.text()) not in MEASURES:
                unit.fail(f"must be one of {', '.join(MEASURES)}")
            measure, factor = MEASURES[name]
        for entry in () if ratio is None else ratio.one_or_more():
            if (name := entry.text()) not in self._ratios:
                entry.fail(f"is not one of the ratios {', '.join(self._ratios)}")
            factor *= self._ratios[name]
        if scale is not None and scale.number() == 0:
            scale.fail("must not be zero")
        if sign is not None and sign.text() not in {LOAD_POSITIVE, LOAD_NEGATIVE}:
            sign.fail(f"must be {LOAD_POSITIVE} or {LOAD_NEGATIVE}")
        return measure, Scaling(
            scale=1.0 if scale is None else scale.number(),
            scale_point=None if scale_point is None else scale_point.text(),
            offset=0.0 if offset is None else offset.number(),
            factor=factor,
            negate=sign is not None and sign.text() == LOAD_NEGATIVE,
        )

    def limits(self, reader: Reader | None) -> tuple[float, float] | None:
        """Read [low, high]."""
        if reader is None:
            return None
        ends = [entry.number() for entry in reader.items()]
        if len(ends) != 2 or ends[0] > ends[1]:
            reader.fail("must be [low, high]")
        return ends[0], ends[1]

    @staticmethod
    def _nan(reader: Reader | None) -> tuple[str | int, ...]:
        if reader is None:
            return ()
        patterns: list[str | int] = []
        for entry in reader.one_or_more():
            if (name := entry.text()) in {"ffff", "type", "zero"}:
                patterns.append(name)
            else:
                patterns.append(entry.integer())
        return tuple(patterns)

    def step(self, reader: Reader, known: Collection[str] = ()) -> Step:
        """Read one write; `known` are the points that it may name."""
        with reader.section() as section:
            register = self.register(section)
            _, scaling = self.scaling(section)
            function, value = section.get("fc"), section.get("value")
            when, wait = section.get("when"), section.get("wait")
            magnitude, optional = section.get("magnitude"), section.get("optional")
            changes = section.get("only_changes")
            if changes is not None and changes.text() not in known:
                changes.fail(f"there is no point {changes.text()}")
            pulse = section.get("pulse_s")
            if pulse is not None and register.area is not Area.COIL:
                pulse.fail("only a coil has pulses")
            if changes is not None and value is None:
                changes.fail("is for a step with a value")
            step = Step(
                register=register,
                scaling=scaling,
                function=None
                if function is None
                else read_function(function, register),
                value=None if value is None else float(value.number()),
                magnitude=magnitude is not None and magnitude.boolean(),
                when=When.ALWAYS if when is None else when.choice(When),
                wait=0.0 if wait is None else wait.number(),
                optional=optional is not None and optional.boolean(),
                pulse=None if pulse is None else pulse.positive(),
                only_changes=None if changes is None else changes.text(),
            )
        if register.area in {Area.INPUT, Area.DISCRETE}:
            reader.fail(f"{register.area} cannot be written")
        return step


def read_unit(section: Section, units: Collection[str]) -> str:
    """Read which of the units a section is about; it may be left out of one."""
    if (reader := section.get("unit")) is None:
        if len(units) > 1:
            section.place.fail("needs the key unit: there are several")
        return next(iter(units))
    if (name := reader.text()) not in units:
        reader.fail(f"is not one of the units {', '.join(units)}")
    return name


def _type(section: Section, area: Area) -> tuple[RegisterType, int]:
    kind_reader, count_reader = section.get("t"), section.get("n")
    if area.bits:
        if kind_reader is not None or count_reader is not None:
            section.place.fail(f"a {area} has neither t nor n")
        return RegisterType.BIT, 1
    kind = RegisterType.U16 if kind_reader is None else kind_reader.choice(RegisterType)
    if kind is RegisterType.BIT:
        section.place.fail("bit is the type of coils only; use mask")
    count = registers_of(kind)
    if count is None:
        if count_reader is None:
            section.place.fail("a text needs the key n, its registers")
        return kind, count_reader.integer(1, 125)
    if count_reader is not None and count_reader.integer() != count:
        count_reader.fail(f"{kind} takes {count}")
    return kind, count


def _place(reader: Reader) -> SunSpecPlace:
    with reader.section() as section:
        kind, count = _type(section, Area.HOLDING)
        scale, length = section.get("scale_at"), section.get("min_length")
        return SunSpecPlace(
            models=tuple(
                entry.integer(1, 65534) for entry in section.need("model").one_or_more()
            ),
            offset=section.need("at").integer(0, 65535),
            type=kind,
            count=count,
            scale_offset=None if scale is None else scale.integer(2, 65535),
            min_length=0 if length is None else length.integer(1),
        )


def _mapping(reader: Reader) -> Mapping[str, Value]:
    return MappingProxyType(
        {_key(key): entry.plain() for key, entry in reader.section().entries()}
    )


def _key(text: str) -> str:
    """Return a raw value's key; 0xAA is the number 170."""
    return str(int(text, 16)) if text.startswith("0x") else text


def read_function(reader: Reader, register: Register) -> int:
    """Read the function code that a write uses."""
    function = reader.integer()
    allowed = (5, 15) if register.area is Area.COIL else (6, 16)
    if function not in allowed:
        reader.fail(f"must be {allowed[0]} or {allowed[1]}")
    if function == 6 and register.count > 1:
        reader.fail("6 writes one register only")
    return function
