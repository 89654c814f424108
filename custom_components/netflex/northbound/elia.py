"""Elia's public imbalance data, as its open-data site answers (explore API v2.1).

Two data sets, near real time: one value per minute, cumulative since its quarter hour
began and only indicative (ods161), and one value per quarter hour, which settles
(ods162). Prices are EUR/MWh. Elia's system imbalance in MW is positive when the zone is
long: the other way round than the net regulation volume, of which positive is short.

Nobody has to register, so the site is asked sparingly: one request at a time, never two
within `MIN_SPACING`, with the entity tag of the answer before where there was one, and
ever more rarely while it fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
import json
import logging
import math
import random
from typing import Any, Final, Protocol

import aiohttp

from ..model.failure import reason_of
from ..model.market import Imbalance, ImbalanceQuality
from ..model.phrase import Phrase
from .http import BodyTooLargeError, bounded_body, http_date, retry_after

_LOGGER = logging.getLogger(__name__)

DEFAULT_URL: Final = "https://opendata.elia.be"
MIN_SPACING: Final = 60.0
"""s between two requests, whatever they are for and however they ended."""
LONGEST_WAIT: Final = 3600.0
"""s between two requests while the site fails without saying when to come back."""
JITTER: Final = 0.2
"""Share of a wait that is added at random, so that houses do not ask in step."""
MOST_BYTES: Final = 256 * 1024
"""Of one answer, unpacked; a good one has about a twentieth of it."""
TIMEOUT: Final = 20.0
"""s for one request with its answer."""
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""Difference of clocks from which nobody knows which quarter a record is of."""
QUARTER: Final = timedelta(minutes=15)
SETTLED_WAIT: Final = timedelta(minutes=2)
"""After the end of a quarter, until its settled value is asked for."""
MINUTE_COUNTS: Final = 300.0
"""s after the minute that a value tells of in which it may be acted upon."""
SETTLED_COUNTS: Final = 1800.0
"""s after a quarter in which it may stand for the next one."""

_FIELDS: Final = (
    "datetime",
    "resolutioncode",
    "quarterhour",
    "qualitystatus",
    "systemimbalance",
    "imbalanceprice",
)
_RECORDS: Final = 20
"""A quarter of minutes and a little more; five hours of quarters."""


class DataSet(StrEnum):
    """A data set of the site, by its identifier."""

    MINUTES = "ods161"
    QUARTERS = "ods162"

    @property
    def span(self) -> timedelta:
        """Return how long one record of it stands for."""
        return timedelta(minutes=1) if self is DataSet.MINUTES else QUARTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalanceRecord:
    """One value: of a whole quarter hour, or of its beginning until `end`.

    `quarter` is the beginning of the quarter hour (UTC), `price` EUR/MWh, `volume`
    the net regulation volume in MW, positive while the zone is short.
    """

    quarter: datetime
    end: datetime
    price: float
    volume: float
    quality: ImbalanceQuality
    settled: bool
    """It settles the quarter hour; the last minute's value still is indicative."""

    def imbalance(self) -> Imbalance:
        """Return it as the decision takes it, as old as what it tells of."""
        return Imbalance(
            start=self.quarter,
            received=self.end,
            price=self.price,
            volume=self.volume,
            quality=self.quality,
            period_seconds=QUARTER.total_seconds(),
            stale_after=SETTLED_COUNTS if self.settled else MINUTE_COUNTS,
        )


class EliaError(Exception):
    """No usable answer, with the reason in words.

    `retry_after` is s, where the site says when it wants to be asked again.
    """

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        """Give the reason."""
        super().__init__(text)
        self.retry_after = retry_after


class Session(Protocol):
    """What is needed of an HTTP session; aiohttp's is one."""

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        allow_redirects: bool,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Ask for a resource; what comes is an answer with its body still to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The newest good answer of one data set."""

    tag: str | None
    records: tuple[ImbalanceRecord, ...]


_NONE_YET: Final = _Answer(tag=None, records=())


class EliaClient:
    """Asks for one data set at a time; it neither waits nor repeats."""

    def __init__(
        self,
        session: Session,
        url: str = DEFAULT_URL,
        *,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = TIMEOUT,
    ) -> None:
        """Prepare; nothing is asked yet. `url` is the site's root."""
        self._session = session
        self._url = url.rstrip("/")
        self._utcnow = utcnow
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._answers: dict[DataSet, _Answer] = {}

    async def fetch(self, data_set: DataSet) -> tuple[ImbalanceRecord, ...]:
        """Return the newest records that may be used, oldest first.

        Raises:
            EliaError: The site cannot be reached or does not answer as it should.
        """
        known = self._answers.get(data_set, _NONE_YET)
        headers = {"Accept": "application/json"}
        if known.tag is not None:
            headers["If-None-Match"] = known.tag
        try:
            async with self._session.get(
                f"{self._url}/api/explore/v2.1/catalog/datasets/{data_set}/records",
                params={
                    "select": ",".join(_FIELDS),
                    "order_by": "datetime desc",
                    "limit": str(_RECORDS),
                },
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                self._check_clock(response)
                if response.status == HTTPStatus.NOT_MODIFIED and known.tag is not None:
                    return known.records
                if response.status != HTTPStatus.OK:
                    raise EliaError(
                        Phrase(
                            "http_answers",
                            "It answers {status}",
                            status=str(response.status),
                        ),
                        retry_after=retry_after(response, self._utcnow()),
                    )
                body = await bounded_body(response, MOST_BYTES)
                tag = response.headers.get("ETag")
        except TimeoutError as err:
            raise EliaError(Phrase("http_silent", "It did not answer in time")) from err
        except BodyTooLargeError as err:
            raise EliaError(reason_of(err)) from err
        except (aiohttp.ClientError, OSError) as err:
            raise EliaError(
                Phrase(
                    "http_unreadable",
                    "It cannot be read: {reason}",
                    reason=reason_of(err),
                )
            ) from err
        records = read_records(body, data_set, self._utcnow())
        self._answers[data_set] = _Answer(tag=tag, records=records)
        return records

    def _check_clock(self, response: aiohttp.ClientResponse) -> None:
        """Refuse an answer of a site whose clock is not ours."""
        theirs = http_date(response.headers.get("Date", ""))
        if theirs is None:
            return
        if (age := response.headers.get("Age", "")).isdecimal():
            # A cache in between answers with the time at which it asked itself.
            theirs += timedelta(seconds=int(age[:6]))
        if abs(theirs - self._utcnow()) > CLOCK_TOLERANCE:
            raise EliaError(
                Phrase(
                    "elia_clock",
                    "Its clock says {theirs} and ours {ours}",
                    theirs=f"{theirs:%H:%M:%S} UTC",
                    ours=f"{self._utcnow():%H:%M:%S} UTC",
                )
            )


# ------------------------------------------------------------------------------ reading


def read_records(
    body: bytes, data_set: DataSet, now: datetime
) -> tuple[ImbalanceRecord, ...]:
    """Return the records of an answer that may be used, oldest first.

    A record with a data issue, of an unknown quality, without one of its values or from
    the future is left out; one that contradicts the data set spoils the whole answer.

    Raises:
        EliaError: It is no answer of this data set.
    """
    try:
        rows = json.loads(body)["results"]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise EliaError(
            Phrase("elia_other", "The answer is not what is documented")
        ) from err
    if not isinstance(rows, list):
        raise EliaError(Phrase("elia_no_list", "The answer has no list of records"))
    records: dict[datetime, ImbalanceRecord] = {}
    for row in rows:
        record = _record(row, data_set)
        if record is not None and record.end <= now + CLOCK_TOLERANCE:
            records[record.end] = record
    return tuple(records[end] for end in sorted(records))


def _record(row: Any, data_set: DataSet) -> ImbalanceRecord | None:
    """Return one record, None where it says too little to be used."""
    if not isinstance(row, dict):
        raise EliaError(
            Phrase("elia_no_record", "The answer has a record that is none")
        )
    quality = _quality(row.get("qualitystatus"))
    start = _time(row.get("datetime"))
    price, imbalance = (
        _figure(row.get(key)) for key in ("imbalanceprice", "systemimbalance")
    )
    if quality is None or start is None or price is None or imbalance is None:
        return None
    quarter = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    named = _time(row.get("quarterhour"))
    if named is not None and named != quarter:
        raise EliaError(
            Phrase("elia_quarter", "A record is not in the quarter hour that it names")
        )
    if row.get("resolutioncode") not in (None, _RESOLUTIONS[data_set]):
        raise EliaError(
            Phrase(
                "elia_resolution",
                "The resolution is {resolution}",
                resolution=str(row["resolutioncode"]),
            )
        )
    return ImbalanceRecord(
        quarter=quarter,
        end=start + data_set.span,
        price=price,
        volume=-imbalance if imbalance else 0.0,
        quality=quality,
        settled=data_set is DataSet.QUARTERS,
    )


_RESOLUTIONS: Final = {DataSet.MINUTES: "PT1M", DataSet.QUARTERS: "PT15M"}


def _quality(word: Any) -> ImbalanceQuality | None:
    """Return a quality however it is written, None for an issue and the unknown."""
    letters = "".join(filter(str.isalpha, str(word))).casefold()
    if letters in {"notvalidated", "nonvalidated"}:
        return ImbalanceQuality.NON_VALIDATED
    return ImbalanceQuality.VALIDATED if letters == "validated" else None


def _time(text: Any) -> datetime | None:
    """Return a time in UTC; one without a zone says nothing."""
    try:
        parsed = datetime.fromisoformat(text)
    except TypeError, ValueError:
        return None
    return None if parsed.tzinfo is None else parsed.astimezone(UTC)


def _figure(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


# ---------------------------------------------------------------------------- following


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the site is asked, s.

    `longest` bounds the wait after failures, of which each doubles the one before.
    """

    spacing: float = MIN_SPACING
    longest: float = LONGEST_WAIT
    jitter: float = JITTER

    def wait(
        self, failures: int, retry_after: float | None, chance: float = 0.0
    ) -> float:
        """Return the s until the next request, after failures in a row.

        `chance` 0..1 is what fate says. The site's own word is never undercut.
        """
        wait = min(self.spacing * 2.0 ** min(failures, 32), self.longest)
        wait = max(wait, self.spacing, retry_after or 0.0)
        return wait * (1 + self.jitter * chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class EliaData:
    """What is known; each record says itself how old it is.

    `problem` says why the newest request brought nothing, None while all is well.
    """

    running: ImbalanceRecord | None = None
    """The newest value of a minute."""
    before: ImbalanceRecord | None = None
    """The newest minute of the quarter before that one, until that is settled."""
    settled: tuple[ImbalanceRecord, ...] = ()
    """Whole quarter hours, oldest first."""
    problem: str | None = None

    @property
    def previous(self) -> ImbalanceRecord | None:
        """Return the quarter before the running one, settled if it is already."""
        if (running := self.running) is None:
            return self.settled[-1] if self.settled else None
        wanted = running.quarter - QUARTER
        known = [*self.settled, *([self.before] if self.before else [])]
        return next((item for item in known if item.quarter == wanted), None)


class EliaFeed:
    """Follows both data sets until it is stopped."""

    def __init__(
        self,
        client: EliaClient,
        on_data: Callable[[EliaData], None],
        *,
        pace: Pace | None = None,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is asked before `start`."""
        self._client = client
        self._on_data = on_data
        self._pace = pace or Pace()
        self._utcnow = utcnow
        self._sleep = sleep
        self._chance = chance
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._asked_for_settled = False
        self.data = EliaData()

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._run(), name="netflex elia")
        self._task.add_done_callback(_log_death)

    async def stop(self) -> None:
        """End; a request on its way is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        # Many houses start at once after a power cut.
        await self._sleep(self._pace.spacing * self._pace.jitter * self._chance())
        while True:
            await self._sleep(await self._ask())

    async def _ask(self) -> float:
        """Ask for what is needed most, and return the s until the next request."""
        data_set = DataSet.QUARTERS if self._settled_due() else DataSet.MINUTES
        self._asked_for_settled = data_set is DataSet.QUARTERS
        retry_after = None
        try:
            records = await self._client.fetch(data_set)
        except EliaError as err:
            if not self._failures:
                _LOGGER.warning("Elia's imbalance data: %s", err)
            self._failures += 1
            retry_after = err.retry_after
            self.data = replace(self.data, problem=reason_of(err))
        else:
            if self._failures:
                _LOGGER.info("Elia's imbalance data are back")
            self._failures = 0
            self._take(data_set, records)
        self._on_data(self.data)
        return self._pace.wait(self._failures, retry_after, self._chance())

    def _settled_due(self) -> bool:
        """Whether a quarter hour has ended that is not settled yet.

        Every second request at most: the running quarter goes on meanwhile.
        """
        if self._asked_for_settled:
            return False
        ended = self._utcnow() - QUARTER - SETTLED_WAIT
        settled = self.data.settled
        return not settled or settled[-1].quarter + QUARTER <= ended

    def _take(self, data_set: DataSet, records: tuple[ImbalanceRecord, ...]) -> None:
        if data_set is DataSet.QUARTERS:
            self.data = replace(self.data, settled=records, problem=None)
        else:
            running = records[-1] if records else None
            earlier = [
                item
                for item in records
                if running is not None and item.quarter < running.quarter
            ]
            self.data = replace(
                self.data,
                running=running,
                before=earlier[-1] if earlier else None,
                problem=None,
            )


def _log_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (err := task.exception()) is not None:
        _LOGGER.error("Elia's imbalance data are not followed any more", exc_info=err)
