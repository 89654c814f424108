"""Proof of dispatch: the energy that was delivered against a baseline.

What a site would have done is either the mean of the same quarter hour of the days
before, those under a dispatch left out, or what the meter said just before the start.
Energy is counted from the connection point's meter, as it is settled. What nobody
measured, or has no baseline, is counted as time without proof and never as energy.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from ..model.dispatch import DispatchAction, DispatchCommand
from ..telecontrol.journal_format import RecordKind
from .economy import Baseline, DispatchProof
from .journal_notes import Record

QUARTER: Final = timedelta(minutes=15)
DAYS_KEPT: Final = 28
DAYS_USED: Final = 10
"""The newest of the days before that count."""
DAYS_NEEDED: Final = 3
"""Fewer days before are no baseline."""
MEASURED: Final = 0.8
"""Share of a quarter that must have been measured."""
LONGEST_STEP: Final = 5.0
"""s between two looks that are taken for measured; what is longer was not."""
ENDED_KEPT: Final = 10


@dataclass(slots=True)
class _Mean:
    """A mean over time in the making."""

    start: datetime
    energy: float = 0.0
    """Ws."""
    seconds: float = 0.0
    dispatched: bool = False

    def add(self, power: float, seconds: float) -> None:
        self.energy += power * seconds
        self.seconds += seconds

    @property
    def value(self) -> float:
        return self.energy / self.seconds


type _Key = tuple[str, datetime, DispatchAction]


@dataclass(slots=True)
class DispatchLedger:
    """Measures what dispatches bring; `zone` is where the days are of.

    `save` is called once a quarter hour and when a dispatch ends.
    """

    record: Record
    zone: Callable[[], tzinfo]
    save: Callable[[], None] = lambda: None
    _history: dict[datetime, float] = field(default_factory=dict)
    """W of import by quarter hour (UTC) that no dispatch has changed."""
    _quarter: _Mean | None = None
    _minutes: deque[_Mean] = field(default_factory=lambda: deque(maxlen=16))
    _running: dict[_Key, DispatchProof] = field(default_factory=dict)
    _before: dict[_Key, float | None] = field(default_factory=dict)
    """W in the quarter of an hour before each running one began."""
    _ended: deque[DispatchProof] = field(
        default_factory=lambda: deque(maxlen=ENDED_KEPT)
    )
    _at: datetime | None = None

    @property
    def proofs(self) -> tuple[DispatchProof, ...]:
        """Return those that run, then those that have ended, the newest first."""
        return (*self._running.values(), *reversed(self._ended))

    def take(
        self,
        utc: datetime,
        power: float | None,
        commands: Iterable[DispatchCommand],
        names: Mapping[str, str],
        methods: Mapping[str, Baseline],
    ) -> None:
        """Count the time since the last look; `power` W of import, None unknown."""
        before, self._at = self._at, utc
        seconds = 0.0 if before is None else (utc - before).total_seconds()
        active = {_key(item): item for item in commands if item.active(utc)}
        if 0 < seconds <= LONGEST_STEP:
            self._count(utc, seconds, power)
        elif seconds > LONGEST_STEP:
            self._running = {
                key: proof.count(seconds, None, None)
                for key, proof in self._running.items()
            }
        self._end(utc, active)
        for key, command in active.items():
            if key in self._running:
                self._running[key] = replace(self._running[key], command=command)
            else:
                self._begin(key, command, names, methods)
        if self._quarter is not None and active:
            self._quarter.dispatched = True

    def _count(self, utc: datetime, seconds: float, power: float | None) -> None:
        for key, proof in self._running.items():
            baseline = self._baseline(key, proof, utc)
            self._running[key] = proof.count(seconds, power, baseline)
        if power is None:
            return
        minute = utc.replace(second=0, microsecond=0)
        if not self._minutes or self._minutes[-1].start != minute:
            self._minutes.append(_Mean(minute))
        self._minutes[-1].add(power, seconds)
        start = utc.replace(
            minute=utc.minute // 15 * 15, second=0, microsecond=0, tzinfo=UTC
        )
        if self._quarter is None or self._quarter.start != start:
            self._close_quarter()
            self._quarter = _Mean(start, dispatched=bool(self._running))
        self._quarter.add(power, seconds)

    def _close_quarter(self) -> None:
        if (quarter := self._quarter) is None:
            return
        oldest = quarter.start - timedelta(days=DAYS_KEPT)
        self._history = {
            start: value for start, value in self._history.items() if start > oldest
        }
        enough = quarter.seconds >= MEASURED * QUARTER.total_seconds()
        if enough and not quarter.dispatched:
            self._history[quarter.start] = round(quarter.value, 1)
        self.save()

    def _baseline(self, key: _Key, proof: DispatchProof, utc: datetime) -> float | None:
        if proof.command.baseline is not None:
            return proof.command.baseline
        if proof.method is Baseline.BEFORE_START:
            return self._before.get(key)
        return self.usual(utc)

    def usual(self, utc: datetime) -> float | None:
        """Return the mean W of a quarter hour on the days before, None unknown."""
        local = utc.astimezone(self.zone()).replace(second=0, microsecond=0)
        local = local.replace(minute=local.minute // 15 * 15)
        found = []
        for days in range(1, DAYS_KEPT + 1):
            # The wall clock's quarter, whatever the clock did in between.
            start = (local - timedelta(days=days)).astimezone(UTC)
            if (value := self._history.get(start)) is not None:
                found.append(value)
            if len(found) == DAYS_USED:
                break
        return sum(found) / len(found) if len(found) >= DAYS_NEEDED else None

    def _begin(
        self,
        key: _Key,
        command: DispatchCommand,
        names: Mapping[str, str],
        methods: Mapping[str, Baseline],
    ) -> None:
        source = command.source
        proof = DispatchProof(
            command=command,
            name=names.get(source, source),
            method=methods.get(source, Baseline.DAYS_BEFORE),
        )
        self._running[key] = proof
        # Others that run already have changed what the meter says.
        undisturbed = len(self._running) == 1
        self._before[key] = self._recent() if undisturbed else None
        self.record(RecordKind.DISPATCH, {"value": True, **_told(proof)})

    def _recent(self) -> float | None:
        """Return the mean W of the last quarter of an hour, None not measured."""
        if self._at is None:
            return None
        since = self._at - QUARTER
        minutes = [item for item in self._minutes if item.start >= since]
        seconds = sum(item.seconds for item in minutes)
        if seconds < MEASURED * QUARTER.total_seconds():
            return None
        return sum(item.energy for item in minutes) / seconds

    def _end(self, utc: datetime, active: Mapping[_Key, DispatchCommand]) -> None:
        for key in self._running.keys() - active.keys():
            proof = self._running.pop(key)
            self._before.pop(key, None)
            proof = replace(proof, ended=min(utc, proof.command.end))
            self._ended.append(proof)
            self.record(
                RecordKind.DISPATCH,
                {
                    "value": False,
                    **_told(proof),
                    "baseline": _rounded(proof.baseline),
                    "delivered": _rounded(proof.delivered if proof.proved else None),
                    "proved": round(proof.proved),
                    "unproved": round(proof.unproved),
                },
            )
            self.save()

    # ------------------------------------------------------------------------- storing

    def to_dict(self) -> dict[str, Any]:
        """Return what outlives a restart: the days before."""
        return {start.isoformat(): value for start, value in self._history.items()}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take over the days before; raises ValueError for what is none."""
        self._history = {
            datetime.fromisoformat(start): float(value)
            for start, value in stored.items()
        }


def _key(command: DispatchCommand) -> _Key:
    return (command.source, command.start, command.action)


def _told(proof: DispatchProof) -> dict[str, Any]:
    command = proof.command
    return {
        "source": proof.name,
        "action": command.action,
        "power": command.power,
        "start": command.start.isoformat(),
        "end": command.end.isoformat(),
        "method": proof.method,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
