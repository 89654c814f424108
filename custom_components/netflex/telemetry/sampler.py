"""From values as they come to one reading a minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .values import Reading, Series, SeriesKind, TextReading

MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What one minute yielded."""

    readings: Mapping[Series, list[Reading]]
    texts: Mapping[Series, list[TextReading]]


@dataclass(slots=True)
class _Gauge:
    """A value that is held until the next one: its mean is weighted by time."""

    since: float
    value: float | None
    weighted: float = 0.0
    seconds: float = 0.0

    def hold(self, until: float) -> None:
        if self.value is not None and until > self.since:
            self.weighted += self.value * (until - self.since)
            self.seconds += until - self.since
        self.since = max(self.since, until)


@dataclass(slots=True)
class Sampler:
    """Collects values of one minute; `now` is Unix time in s and should not fall."""

    _gauges: dict[Series, _Gauge] = field(default_factory=dict)
    _counters: dict[Series, Reading] = field(default_factory=dict)
    _words: dict[Series, str] = field(default_factory=dict)
    _changed: dict[Series, list[TextReading]] = field(default_factory=dict)
    _minute: int | None = None

    def take(
        self,
        now: float,
        values: Mapping[Series, float | None],
        texts: Mapping[Series, str | None] | None = None,
    ) -> Minute | None:
        """Take over what holds from now on; return the minute that has ended, if one.

        A gauge that becomes None, or is not named any more, ends there: what nobody
        measured is not stored.
        """
        ended = self.close(now)
        for series in self._gauges.keys() - values.keys():
            gauge = self._gauges[series]
            gauge.hold(now)
            gauge.value = None
        for series, value in values.items():
            if series.kind is SeriesKind.COUNTER:
                if value is not None:
                    self._counters[series] = Reading(int(now), value)
                continue
            gauge = self._gauges.setdefault(series, _Gauge(now, None))
            gauge.hold(now)
            gauge.value = value
        for series, text in (texts or {}).items():
            if text is not None and self._words.get(series) != text:
                self._words[series] = text
                self._changed.setdefault(series, []).append(TextReading(int(now), text))
        return ended

    def close(self, now: float) -> Minute | None:
        """Return the minute that has ended by now, None while it goes on.

        A clock that was set back or jumped ahead ends the minute as well.
        """
        minute = int(now) - int(now) % MINUTE
        if self._minute is None:
            self._minute = minute
        if minute == self._minute:
            return None
        start, end = self._minute, min(now, self._minute + MINUTE)
        # Over a jump of the clock nobody knows what held.
        since = minute if minute == start + MINUTE else now
        readings: dict[Series, list[Reading]] = {}
        for series, gauge in list(self._gauges.items()):
            gauge.hold(end)
            if gauge.seconds > 0:
                mean = gauge.weighted / gauge.seconds
                readings[series] = [Reading(start, mean)]
            if gauge.value is None:
                del self._gauges[series]
            else:
                self._gauges[series] = _Gauge(since, gauge.value)
        for series, reading in self._counters.items():
            readings[series] = [reading]
        texts, self._changed = self._changed, {}
        self._counters = {}
        self._minute = minute
        return Minute(readings=readings, texts=texts)
