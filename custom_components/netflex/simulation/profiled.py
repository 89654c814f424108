"""A simulated device of any profile, with a behaviour of its own.

Its registers are laid out from the profile, so it proves nothing about addresses:
that is what the tables in the tests are for. It does what a device of the family does:
takes setpoints, ramps, counts down its validity, falls back when nobody refreshes,
counts what wears its memory, and bears as many clients as the profile says.
"""

from collections.abc import Sequence
import re
from typing import override

from pymodbus.constants import ExcCodes

from ..devices.natures import NATURES
from ..devices.profile import (
    Area,
    Check,
    Control,
    Persistence,
    Point,
    Profile,
    Register,
    Step,
    When,
)
from ..devices.recognition import passes, with_variant
from ..devices.registers import TEXTS, RegisterType, Value, decode, encode, is_absent
from ..devices.sunspec import MARKER, SCALE_SUFFIX, Model, resolve
from ..devices.values import number_of, point_value, step_words
from ..model.asset import Nature
from .modbus import SimulatedUnit, Words

_SPACES = {
    Area.HOLDING: "holding",
    Area.INPUT: "inputs",
    Area.COIL: "coils",
    Area.DISCRETE: "discrete",
}
_OWN_CURRENT = 16.0
"""A that a charger offers while nobody controls it."""
_VALIDITY = 60.0
"""s for which a device holds a setpoint where its profile does not say it."""

type _Place = tuple[str, Area, int]


class SimulatedDevice:
    """One device; `units` are its Modbus units for a `ModbusWire`.

    `rated` is its power in W. `ramp` is how fast it follows, in A or W per s; None: at
    once. `variant` is the id of another layout that the profile knows.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        rated: float = 10_000.0,
        ramp: float | None = None,
        variant: str | None = None,
        validity: float = _VALIDITY,
        serial: str = "SIM-0001",
    ) -> None:
        """Lay out its registers, as after a restart: nobody has written."""
        for other in profile.variants:
            if other.id == variant:
                profile = with_variant(profile, other)
        self.rated = rated
        self.ramp = ramp
        self.validity = validity
        self.wear: dict[int, int] = {}
        """Writes to memory that wears, by address."""
        self.applied = 0.0
        """What it does now: A, W, or 1 and 0 for a relay."""
        self._serial = serial
        self._asked: tuple[Step, float] | None = None
        self._by_sign: dict[When, tuple[Step, float]] = {}
        self._heard: float | None = None
        self._moved = 0.0
        self._scales: dict[str, int] = {}
        by_id = {number: _Unit(number, self) for number in profile.units.values()}
        self.units: Sequence[SimulatedUnit] = tuple(by_id.values())
        self._by_name = {name: by_id[number] for name, number in profile.units.items()}
        if profile.sunspec is not None:
            profile = self._lay_out_models(profile)
        self.profile = profile
        spec = NATURES.get(profile.kind)
        self._control = None if spec is None else profile.control(spec.control)
        self._written = self._written_places()
        self.applied = self._own()
        self._lay_out()

    # -- layout ------------------------------------------------------------------

    def _words(self, register: Register) -> Words:
        return self._by_name[register.unit].space(_SPACES[register.area])

    def _lay_out_models(self, profile: Profile) -> Profile:
        """Put the SunSpec models there that the profile names first."""
        assert profile.sunspec is not None
        registers = [point.register for point in profile.points.values()]
        for alternatives in profile.controls.values():
            registers += [step.register for step in alternatives[0].steps]
        lengths: dict[int, int] = {1: 66}
        for register in registers:
            for place in register.sunspec[:1]:
                model = place.models[-1]
                end = max(place.offset + place.count, (place.scale_offset or 0) + 1)
                lengths[model] = max(lengths.get(model, 0), end - 2, place.min_length)
        words = self._by_name[profile.sunspec.unit].holding
        at = profile.sunspec.bases[0]
        words.put(at, MARKER)
        at += 2
        models = []
        for model, length in sorted(lengths.items()):
            words.put(at, [model, length, *[0] * length])
            models.append(Model(id=model, at=at, length=length))
            at += length + 2
        words.put(at, [0xFFFF, 0])
        return resolve(profile, models)

    def _written_places(self) -> frozenset[_Place]:
        places = {
            (step.register.unit, step.register.area, step.register.at or 0)
            for alternatives in self.profile.controls.values()
            for control in alternatives
            for step in control.steps
        }
        if self.profile.phase_switch is not None:
            places |= {
                (step.register.unit, step.register.area, step.register.at or 0)
                for step in self.profile.phase_switch.write
            }
        return frozenset(places)

    def _lay_out(self) -> None:
        profile = self.profile
        for block in profile.blocks:
            words = self._by_name[block.unit].space(_SPACES[block.area])
            for address in range(block.at, block.at + block.count):
                if address not in words:
                    words.put(address, [0])
        for alternatives in profile.controls.values():
            for control in alternatives:
                registers = [step.register for step in control.steps]
                if control.heartbeat is not None:
                    registers.append(control.heartbeat.register)
                for register in registers:
                    self._create(register)
        for key, point in profile.points.items():
            self._create(point.register)
            if key.endswith(SCALE_SUFFIX):
                self._set_scale(key, point)
        for step in self._value_steps():
            self._store(step.register, self._step_words(step, self._start_value(step)))
        for key, point in profile.points.items():
            self._say(key, point, 0.0, first=True)
        for check in profile.checks:
            self._create(check.point.register)
            self._satisfy(check)

    def _create(self, register: Register) -> None:
        words = self._words(register)
        assert register.at is not None
        for address in range(register.at, register.at + register.count):
            if address not in words:
                words.put(address, [0])

    def _set_scale(self, key: str, point: Point) -> None:
        """Give tenths to percentages and currents, whole numbers to the rest."""
        fine = any(
            other.scaling.scale_point == key and other.measure in {"%", "A", "Hz"}
            for other in self.profile.points.values()
        )
        self._scales[key] = -1 if fine else 0
        self._store(
            point.register,
            encode(self._scales[key], point.register.type, point.register.encoding),
        )

    def _satisfy(self, check: Check) -> None:
        point = check.point
        register = point.register
        assert point.register.at is not None
        words = self._words(point.register).get(point.register.at, point.register.count)
        assert words is not None
        if passes(check, point_value(point, words, {})):
            return
        if check.match is not None:
            self._store(point.register, _text_words(point.register, _example(check)))
            return
        wanted = check.one_of[0] if check.one_of else None
        if wanted is None and check.between is not None:
            wanted = sum(check.between) / 2
        assert wanted is not None, "a check has a condition"
        self._written |= {(register.unit, register.area, register.at or 0)}
        value = number_of(wanted) or 0.0
        self._store(
            point.register,
            step_words(Step(register=point.register, scaling=point.scaling), value, {}),
        )

    # -- what it does ------------------------------------------------------------

    @property
    def controlled(self) -> bool:
        """Whether it has a setpoint and has not been let go."""
        return self._asked is not None and not self._released()

    def _value_steps(self) -> tuple[Step, ...]:
        if self._control is None:
            return ()
        return tuple(
            step
            for step in self._control.write
            if step.value is None and step.pulse is None
        )

    def _own(self) -> float:
        """What it does while nobody controls it."""
        kind = self.profile.kind
        if kind is Nature.CHARGER:
            return _OWN_CURRENT
        return self.rated if kind is Nature.INVERTER else 0.0

    def _start_value(self, step: Step) -> float:
        del step
        control = self._control
        assert control is not None
        return 100.0 if control.percent_of and self._own() else self._own()

    def _released(self) -> bool:
        return self._control is not None and self._matches(
            self._control.release_steps, everything=True
        )

    def _stopped(self) -> bool:
        control = self._control
        return control is not None and self._matches(
            (*control.stop, *control.emergency), everything=False
        )

    def _matches(self, steps: Sequence[Step], *, everything: bool) -> bool:
        """Whether switches stand where `steps` put them, and `write` would not."""
        control = self._control
        assert control is not None
        telling = []
        for step in steps:
            others = {
                other.value
                for other in control.write
                if other.value is not None and other.register.at == step.register.at
            }
            if step.value is not None and others and step.value not in others:
                telling.append(self._holds(step))
        return bool(telling) and (all(telling) if everything else any(telling))

    def _holds(self, step: Step) -> bool:
        assert step.register.at is not None
        words = self._words(step.register).get(step.register.at, step.register.count)
        assert step.value is not None
        return words == encode(step.value, step.register.type, step.register.encoding)

    def _wanted(self, now: float) -> float:
        if self._asked is None or self._released():
            return self._own()
        if self.seconds_left(now) == 0:
            return self._fallback()
        return 0.0 if self._stopped() else self._setpoint()

    def _setpoint(self) -> float:
        """Return what was asked for, with the sign that its own switch gives it."""
        assert self._asked is not None
        step, value = self._asked
        if (told := self._direction()) is not None:
            step, value = self._by_sign.get(told, (step, value))
            if step.magnitude:
                return -value if told is When.NEGATIVE else value
            return value
        if step.magnitude and step.when is When.NEGATIVE:
            return -value
        return value

    def _direction(self) -> When | None:
        """Which way a switch of its own points, None where it has none."""
        assert self._control is not None
        signs = [
            step
            for step in self._control.write
            if step.value is not None and step.when in {When.POSITIVE, When.NEGATIVE}
        ]
        return next((step.when for step in signs if self._holds(step)), None)

    def seconds_left(self, now: float) -> float | None:
        """Return the s until it falls back, None where it holds for ever."""
        control = self._control
        if control is None or self._heard is None:
            return None
        after = control.fallback.after if control.fallback else None
        if after is None:
            if control.keepalive is None:
                return None
            after = max(self.validity, 2 * control.keepalive.every)
            if control.keepalive.validity_point is not None:
                after = self.validity
        return max(0.0, self._heard + after - now)

    def _fallback(self) -> float:
        control = self._control
        assert control is not None
        if control.fallback is None:
            return self._own()
        if control.fallback.value is not None:
            return control.fallback.value
        if control.fallback.point is None:
            return self._own()
        point = self.profile.points[control.fallback.point]
        assert point.register.at is not None
        words = self._words(point.register).get(point.register.at, point.register.count)
        known = point_value(point, words or [], self._scales)
        value = number_of(known)
        return self._own() if value is None else value

    def tick(self, now: float) -> None:
        """Move toward what is wanted."""
        wanted = self._wanted(now)
        if self.ramp is None:
            self.applied = wanted
        else:
            most = self.ramp * max(0.0, now - self._moved)
            change = min(max(wanted - self.applied, -most), most)
            self.applied += change
        self._moved = now

    # -- the wire ----------------------------------------------------------------

    def wrote(self, unit: SimulatedUnit, space: str, address: int, now: float) -> None:
        """Take over what was just written."""
        names = {name for name, item in self._by_name.items() if item is unit}
        self._heard = now
        for step in self._value_steps():
            register = step.register
            if (
                register.unit in names
                and _SPACES[register.area] == space
                and register.at == address
            ):
                words = self._words(register).get(address, register.count) or []
                value = self._step_value(step, words)
                self._by_sign[step.when] = step, value
                if value or self._asked is None or not self._other_direction(step):
                    self._asked = step, value
        controls = [c for a in self.profile.controls.values() for c in a]
        if any(
            control.persistence is Persistence.EEPROM
            and any(step.register.at == address for step in control.steps)
            for control in controls
        ):
            self.wear[address] = self.wear.get(address, 0) + 1
        self.tick(now)

    def _other_direction(self, step: Step) -> bool:
        """Whether a step is for another sign than what is asked for now."""
        assert self._asked is not None
        when = self._asked[0].when
        return When.ALWAYS not in {step.when, when} and step.when is not when

    def _step_value(self, step: Step, words: Sequence[int]) -> float:
        register = step.register
        raw = decode(words, register.type, register.encoding)
        assert not isinstance(raw, str)
        point = Point(key="", register=register, scaling=step.scaling, measure="W")
        number = number_of(point_value(point, words, self._scales))
        if number is None:
            number = float(raw)
        if self._control is not None and self._control.percent_of:
            return number * self.rated / 100
        return number

    def _step_words(self, step: Step, value: float) -> list[int]:
        try:
            return step_words(step, value, self._scales)
        except ValueError:
            return [0] * step.register.count

    def _store(self, register: Register, words: Sequence[int]) -> None:
        assert register.at is not None
        self._words(register).put(register.at, words)

    def refresh(self, now: float) -> None:
        """Bring every register that says something up to date."""
        self.tick(now)
        for key, point in self.profile.points.items():
            self._say(key, point, now)

    def _say(self, key: str, point: Point, now: float, *, first: bool = False) -> None:
        register = point.register
        place = register.unit, register.area, register.at or 0
        if key.endswith(SCALE_SUFFIX) or place in self._written:
            return
        if register.type in TEXTS and point.map is None:
            if first:
                is_serial = key == self.profile.identity.serial
                text = self._serial if is_serial else "Simulated"
                self._store(register, _text_words(register, text))
            return
        value = self._value_of(key, point, now)
        if point.map is not None:
            self._store_code(point, _code_of(point, value))
        elif point.equals is not None:
            raw = point.equals if value else (0.0 if point.equals else 1.0)
            self._store_code(point, str(int(raw)))
        elif register.type is RegisterType.BIT:
            self._store(register, [int(bool(value))])
        elif (number := _as_number(value)) is not None:
            step = Step(register=register, scaling=point.scaling)
            words = self._step_words(step, number)
            read = decode(words, register.type, register.encoding)
            if not is_absent(words, read, register.type, point.nan) or first:
                self._store(register, words)

    def _store_code(self, point: Point, code: str | None) -> None:
        register = point.register
        if code is None:
            return
        if register.type in TEXTS:
            self._store(register, _text_words(register, code))
            return
        if register.type is RegisterType.BIT:
            self._store(register, [int(code)])
            return
        number: float = int(code)
        if point.mask is not None:
            assert register.at is not None
            known = self._words(register).get(register.at, register.count) or [0]
            before = int(decode(known, register.type, register.encoding) or 0)
            shifted = int(code) * (point.mask & -point.mask)
            number = (before & ~point.mask) | int(shifted)
        self._store(register, encode(number, register.type, register.encoding))

    def _value_of(self, key: str, point: Point, now: float) -> Value | None:
        control = self._control
        readback = control.readback if control else None
        if control is not None and readback is not None:
            if key == readback.point:
                return self._in_points_unit(control, point)
            if key == readback.also:
                return self.controlled and self.seconds_left(now) != 0
            if key == readback.stopped:
                return self.applied != 0
        left = control.fallback.left if control and control.fallback else None
        learned = control.keepalive if control else None
        if key == left or (learned is not None and key == learned.validity_point):
            return self.seconds_left(now) or 0.0
        return self._measured(key, point)

    def _in_points_unit(self, control: Control, point: Point) -> float:
        if control.percent_of and point.measure == "%":
            return 100 * self.applied / self.rated
        return self.applied

    @property
    def power(self) -> float:
        """W, into the device positive."""
        kind = self.profile.kind
        if kind is Nature.CHARGER:
            return self.applied * 690.0 if self.applied >= 6 else 0.0
        if kind is Nature.INVERTER:
            return -min(self.applied, 0.8 * self.rated)
        return self.applied if kind is Nature.BATTERY else 0.4 * self.rated

    def _measured(self, key: str, point: Point) -> Value | None:
        current = abs(self.power) / 690
        exact: dict[str, Value] = {
            "power": self.power,
            "charge_power": max(0.0, self.power),
            "discharge_power": max(0.0, -self.power),
            "soc": 55.0,
            "state": "charging" if current else "connected",
            "charging": current > 0,
            "plugged": True,
            "enabled": self.applied != 0,
            "safe_current": 6.0,
        }
        if key in exact:
            return exact[key]
        if key.startswith("power_l"):
            return self.power / 3
        control = self._control
        bounds = (control.low, control.high) if control else ()
        if any(bound is not None and bound.point == key for bound in bounds):
            return 32.0 if point.measure == "A" else self.rated
        by_measure: dict[str, float] = {
            "A": current, "V": 230.0, "Hz": 50.0, "s": 1.0, "Wh": 1_234_000.0,
            "W": self.rated, "VA": self.rated, "%": 50.0, "°C": 25.0,
        }  # fmt: skip
        return by_measure.get(point.measure or "", 1.0)


class _Unit(SimulatedUnit):
    """One Modbus unit of a simulated device."""

    def __init__(self, unit: int, device: SimulatedDevice) -> None:
        super().__init__(unit)
        self._device = device

    @override
    def refresh(self, now: float) -> None:
        self._device.refresh(now)

    @override
    def write(
        self, space: str, address: int, values: list[int], now: float
    ) -> ExcCodes | None:
        self.space(space).put(address, values)
        self._device.wrote(self, space, address, now)
        return None


def _as_number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, bool) else number_of(value)


def _code_of(point: Point, value: Value | None) -> str | None:
    """Return the raw code that a map turns into a value, any other where none does."""
    assert point.map is not None
    codes = {meaning: code for code, meaning in reversed(list(point.map.items()))}
    code = codes.get(value) if value is not None else None
    if code is None and value == "connected":
        code = codes.get("idle")
    if code not in {None, "*"}:
        return code
    if all(known.isdigit() for known in point.map if known != "*"):
        # Any number that the map does not name.
        return str(next(n for n in range(65536) if str(n) not in point.map))
    return next(iter(point.map))


def _text_words(register: Register, text: str) -> list[int]:
    if register.type is RegisterType.CHARS:
        return [ord(char) for char in text.ljust(register.count, "\0")][
            : register.count
        ]
    raw = text.encode("ascii")[: 2 * register.count].ljust(2 * register.count, b"\0")
    return [
        int.from_bytes(raw[index : index + 2], register.encoding.byte.value)
        for index in range(0, len(raw), 2)
    ]


def _example(check: Check) -> str:
    """Return a text that fulfils a check's expression."""
    assert check.match is not None
    words = re.findall(r"[A-Za-z0-9]+", check.match)
    for word in (*words, *"ABCDEF", "1"):
        if re.match(check.match, word):
            return str(word)
    raise ValueError(f"no example of {check.match}")
