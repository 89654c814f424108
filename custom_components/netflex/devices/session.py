"""One device on its link: who it is, what it says, whether it is there.

A session identifies the device (read only), finds its SunSpec models, plans the
reads and polls for ever. Nothing is written here.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
import logging
import time
from typing import Final

from ..model.phrase import Phrase, listed, sentences
from .blocks import Read, plan_polls, plan_reads, split
from .link import TRY_LATER, Endpoint, LinkError, LinkErrorKind, UnitLink
from .ports import UnitFactory
from .profile import Area, Poll, Profile
from .recognition import NotIdentified, passes, with_variant
from .registers import Value
from .scheduler import Preempted, Priority
from .sunspec import NotSunSpec, resolve, scan
from .totals import Totals
from .values import number_of, point_value, scale_of, text_of

_LOGGER = logging.getLogger(__name__)

SLOW_POLLS: Final = "slow_polls"
"""Detail of a device: how many of its slow polls it has answered so far."""

_RETRY_PAUSE = 0.2
_AFTER_A_FAULT = 10.0
"""s before polling goes on after an error of our own."""
_FAULT = Phrase("own_fault", "an error of the integration itself, see the log")
_NOT_THERE = frozenset({2, 3})
"""Exceptions that speak of the registers that were asked for, not of the device."""
_PREEMPTIONS = 5
TOTALS = frozenset(
    {"energy_consumed", "energy_produced", "energy_import", "energy_export"}
)
"""Points whose value never falls."""

PROBLEM_KEYS = {
    LinkErrorKind.LINK: "cannot_connect",
    LinkErrorKind.TIMEOUT: "no_answer",
    LinkErrorKind.REFUSED: "refused",
    LinkErrorKind.GARBAGE: "garbled",
}


def problem_key(err: LinkError) -> str:
    """Return the stable key of what is wrong, as forms and repairs name it."""
    if err.kind is LinkErrorKind.REFUSED and err.code in TRY_LATER:
        return "busy"
    return PROBLEM_KEYS[err.kind]


class Session:
    """Reads one device. All of it runs on one event loop."""

    def __init__(
        self,
        *,
        name: str,
        profile: Profile,
        endpoint: Endpoint,
        units: UnitFactory,
        serial: str | None,
        on_change: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what it needs; `serial` is what the device must say, if known."""
        self.name = name
        self.clock = clock
        self.profile = profile
        self.values: dict[str, Value | None] = {}
        self.scales: dict[str, int] = {}
        self.at: float | None = None
        self.available = False
        self.problem: str | None = None
        self.problem_key: str | None = None
        self.damaged = 0
        """Answers that were not understood."""
        self.variant: str | None = None
        self.identified = False
        """Whether it was recognised since this session began."""
        self.times_lost = 0
        self._unbound = profile
        self._endpoint = endpoint
        self._units = units
        self._serial = serial
        self._on_change = on_change
        self._totals = Totals()
        self._links: dict[str, UnitLink] = {}
        self._plan: dict[Poll, list[Read]] = {}
        self._ready = False
        self._new = True
        """Whether what is read once has still to be read."""
        self._preparing = asyncio.Lock()
        self._urgency: list[Priority] = []
        self._failures = 0
        self.slow_polls = 0
        self._held = False
        self._poked = asyncio.Event()

    # -- life --------------------------------------------------------------------

    async def run(self) -> None:
        """Identify and poll until cancelled."""
        profile = self.profile
        fast = profile.fast
        if profile.link.idle_close is not None:
            fast = min(fast, profile.link.idle_close / 2)
        due = {Poll.FAST: 0.0, Poll.SLOW: 0.0}
        period = {Poll.FAST: fast, Poll.SLOW: profile.slow}
        while True:
            pause = _RETRY_PAUSE
            try:
                await self.ensure_ready(Priority.FAST)
                if self._new:
                    await self.poll(Poll.STATIC)
                    due = dict.fromkeys(due, 0.0)
                    self._new = False
                now = self.clock()
                for poll, when in due.items():
                    if when <= now:
                        due[poll] = now + period[poll]
                        await self.poll(poll)
                self._alive()
                pause = min(due.values()) - self.clock()
            except LinkError as err:
                due[Poll.FAST] = 0.0
                self._lost(err)
                pause = max([_RETRY_PAUSE, *self._retry_times()])
            except NotIdentified as err:
                self._refuse(err.key, err.text)
                pause = profile.slow
            except Preempted:
                due[Poll.FAST] = 0.0
            except Exception:
                if self.problem != _FAULT:
                    _LOGGER.exception("%s: polling failed and begins again", self.name)
                self._refuse("unavailable", _FAULT)
                pause = _AFTER_A_FAULT
            await self._sleep(max(0.0, pause))

    async def _sleep(self, seconds: float) -> None:
        self._poked.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poked.wait()

    def poke(self) -> None:
        """Poll now if the device is thought to be lost: it has just answered."""
        if not self.available:
            self._poked.set()

    async def close(self) -> None:
        """Give the link back; the tasks that used it have ended."""
        self._ready = False
        self._links.clear()
        if self._held:
            self._held = False
            await self._endpoint.release()

    def _retry_times(self) -> Iterable[float]:
        return (link.retry_in for link in self._links.values())

    def _alive(self) -> None:
        self._failures = 0
        self.available = True
        self.problem = self.problem_key = None
        self._on_change()

    def _lost(self, err: LinkError) -> None:
        self._failures += 1
        self.damaged += err.kind is LinkErrorKind.GARBAGE
        if err.kind is not LinkErrorKind.LINK and self._failures < 2:
            # One lost answer is not a lost device.
            return
        if self.available or self.times_lost == 0:
            self.times_lost += 1
        self._ready = False
        self.available = False
        self.problem = err.text
        self.problem_key = problem_key(err)
        self._on_change()

    def _refuse(self, key: str, text: str) -> None:
        self._ready = False
        self.available = False
        self.identified = False
        self.problem = text
        self.problem_key = key
        self._on_change()

    # -- who it is ---------------------------------------------------------------

    async def ensure_ready(self, priority: Priority) -> None:
        """Identify the device unless that is done. Raises LinkError, NotIdentified.

        A stop for a device that was recognised before does not wait for a second
        identification.
        """
        if self._ready or (priority is Priority.EMERGENCY and self.identified):
            return
        self._urgency.append(priority)
        try:
            async with self._preparing:
                # Someone else may have done it meanwhile.
                if not self._is_ready():
                    await self._prepare()
        finally:
            self._urgency.remove(priority)

    def _is_ready(self) -> bool:
        return self._ready

    def _priority(self) -> Priority:
        return min(self._urgency, default=Priority.FAST)

    async def link(self, unit: str) -> UnitLink:
        """Return the link to one of the profile's units."""
        if (link := self._links.get(unit)) is None:
            if not self._held:
                self._held = True
                self._endpoint.hold()
            link = await self._endpoint.attach(
                self._unbound.units[unit], self._unbound.link
            )
            self._links[unit] = link
        return link

    async def _prepare(self) -> None:
        for unit in self._unbound.units:
            await self.link(unit)
        profile = await self._recognise()
        if profile.sunspec is not None:
            profile = await self._place(profile)
        self.profile = profile
        self._plan = {
            poll: list(reads)
            for poll, reads in plan_polls(
                profile.points, profile.link, profile.blocks
            ).items()
        }
        await self._read(self._needed_for_writing(), self._priority)
        self._check_serial()
        self.identified = True
        self._ready = self._new = True

    def _needed_for_writing(self) -> set[str]:
        """Return the points without which nothing can be written safely."""
        profile = self.profile
        needed = {profile.identity.serial} | self._scale_points()
        for alternatives in profile.controls.values():
            for control in alternatives[:1]:
                needed.update(control.percent_of)
                needed.update(
                    bound.point for bound in (control.low, control.high) if bound
                )
        return {key for key in needed if key is not None and key in profile.points}

    def _scale_points(self) -> set[str | None]:
        return {point.scaling.scale_point for point in self.profile.points.values()} | {
            step.scaling.scale_point
            for alternatives in self.profile.controls.values()
            for control in alternatives
            for step in control.steps
        }

    async def _recognise(self) -> Profile:
        profile = self._unbound
        if (failed := await self._failed_check(profile)) is None:
            self.variant = None
            return profile
        for variant in profile.variants:
            candidate = with_variant(profile, variant)
            if await self._failed_check(candidate) is None:
                if self.variant != variant.id:
                    _LOGGER.warning("%s: %s", self.name, variant.text)
                self.variant = variant.id
                return candidate
        raise failed

    async def _failed_check(self, profile: Profile) -> NotIdentified | None:
        for check in profile.checks:
            register = check.point.register
            assert register.at is not None
            try:
                words = await self._request(
                    register.unit,
                    register.area,
                    register.at,
                    register.count,
                    self._priority,
                )
            except LinkError as err:
                if err.kind is not LinkErrorKind.REFUSED or err.code in TRY_LATER:
                    raise
                return NotIdentified("not_enabled", self._not_enabled(err))
            value = point_value(check.point, words, {})
            if not passes(check, value):
                text = check.text or Phrase("another_device", "another device answers")
                said = Phrase(
                    "says_value",
                    "{problem} (it says {value})",
                    problem=text,
                    value=str(value),
                )
                return NotIdentified("wrong_device", said)
        return None

    def _not_enabled(self, err: LinkError) -> str:
        wanted = self._unbound.requires
        return sentences(err.text, _needs(wanted)) if wanted else err.text

    async def _place(self, profile: Profile) -> Profile:
        assert profile.sunspec is not None
        unit = profile.sunspec.unit

        async def read(at: int, count: int) -> Sequence[int]:
            try:
                return await self._request(
                    unit, Area.HOLDING, at, count, self._priority
                )
            except LinkError as err:
                if err.kind is LinkErrorKind.REFUSED and err.code not in TRY_LATER:
                    raise _RefusedAddress from err
                raise

        try:
            models = await scan(read, profile.sunspec.bases, _RefusedAddress)
        except (NotSunSpec, _RefusedAddress) as err:
            raise NotIdentified(
                "not_enabled",
                sentences(
                    Phrase("no_sunspec", "no SunSpec registers found"),
                    _needs(profile.requires),
                ),
            ) from err
        return resolve(profile, models)

    # -- what it says ------------------------------------------------------------

    async def _request(
        self,
        unit: str,
        area: Area,
        at: int,
        count: int,
        priority: Callable[[], Priority],
    ) -> Sequence[int]:
        """Read once, and once more where the connection had just been closed."""
        link = await self.link(unit)
        first = not link.down
        for _ in range(_PREEMPTIONS):
            try:
                return await link.read(area, at, count, priority())
            except Preempted:
                continue
            except LinkError as err:
                if not first or err.kind not in {
                    LinkErrorKind.LINK,
                    LinkErrorKind.GARBAGE,
                }:
                    raise
                first = False
                link.allow_now()
        raise Preempted

    async def poll(
        self, poll: Poll, priority: Callable[[], Priority] | None = None
    ) -> None:
        """Do one pass of a poll class."""
        asked = priority or (lambda: Priority[poll.name])
        answers: list[tuple[Read, Sequence[int]]] = []
        for read in tuple(self._plan[poll]):
            found = await self._ask(read, asked)
            if [part for part, _ in found] != [read]:
                # From now on without the registers that this device does not have.
                self._plan[poll].remove(read)
                self._plan[poll] += [part for part, _ in found]
            answers += found
        self._take(answers)
        self.slow_polls += poll is Poll.SLOW
        if poll in {Poll.SLOW, Poll.STATIC}:
            self._check_serial()

    async def _ask(
        self, read: Read, priority: Callable[[], Priority]
    ) -> list[tuple[Read, Sequence[int]]]:
        """Read; where the device refuses a block, read its values one by one."""
        try:
            words = await self._request(
                read.unit, read.area, read.at, read.count, priority
            )
        except LinkError as err:
            if err.kind is not LinkErrorKind.REFUSED or err.code not in _NOT_THERE:
                raise
            parts = split(read)
            if len(parts) == 1 and parts[0].count == read.count:
                for point in read.points:
                    self.values[point.key] = None
                return []
            answers = []
            for part in parts:
                answers += await self._ask(part, priority)
            return answers
        return [(read, words)]

    def _take(self, answers: Sequence[tuple[Read, Sequence[int]]]) -> None:
        """Decode, scale factors first; a garbled one keeps its last good value."""
        raw = {
            point.key: (point, read.words_of(point, words))
            for read, words in answers
            for point in read.points
        }
        for key in self._scale_points() & set(raw):
            assert key is not None
            point, words = raw[key]
            if (scale := scale_of(point_value(point, words, {}))) is not None:
                self.scales[key] = scale
        for key, (point, words) in raw.items():
            value = point_value(point, words, self.scales)
            if key in TOTALS and isinstance(value, int | float):
                value = self._totals.believe(key, value, self.clock())
            self.values[key] = value
        if raw:
            self.at = self.clock()
        self._forget_stale()

    def _forget_stale(self) -> None:
        fresh = self.profile.freshness
        if fresh is None:
            return
        age = number_of(self.values.get(fresh.point))
        if age is not None and age > fresh.maximum:
            for key in fresh.covers:
                self.values[key] = None

    def _check_serial(self) -> None:
        key = self.profile.identity.serial
        value = self.values.get(key) if key else None
        if value is None or value == "":
            return
        serial = text_of(value)
        if self._serial is None:
            self._serial = serial
        elif serial != self._serial:
            raise NotIdentified(
                "wrong_device",
                Phrase(
                    "other_serial",
                    "another device answers at this address: serial {serial} instead "
                    "of {wanted}; nothing is written to it",
                    serial=serial,
                    wanted=self._serial,
                ),
            )

    async def read_now(
        self, keys: Iterable[str], priority: Priority
    ) -> Mapping[str, Value | None]:
        """Read points at once and return all values. Raises LinkError, Preempted."""
        await self._read(keys, lambda: priority)
        return self.values

    async def _read(
        self, keys: Iterable[str], priority: Callable[[], Priority]
    ) -> None:
        points = [
            self.profile.points[key] for key in keys if key in self.profile.points
        ]
        scales = {
            point.scaling.scale_point
            for point in points
            if point.scaling.scale_point is not None
        }
        known = {point.key for point in points}
        points += [self.profile.points[key] for key in scales - known]
        answers = []
        for read in plan_reads(points, self.profile.link):
            answers += await self._ask(read, priority)
        self._take(answers)


def _needs(requires: Sequence[str]) -> Phrase:
    """Return what a device needs before it answers; there is something."""
    return Phrase("it_needs", "It needs: {wanted}", wanted=listed(*requires))


class _RefusedAddress(Exception):
    """The device has no register there."""
