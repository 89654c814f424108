"""Tests of Elia's imbalance data, against answers in the recorded form and faults."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import json
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.netflex.model.market import ImbalanceQuality
from custom_components.netflex.northbound.elia import (
    LONGEST_WAIT,
    MIN_SPACING,
    MOST_BYTES,
    DataSet,
    EliaClient,
    EliaData,
    EliaError,
    EliaFeed,
    Pace,
    read_records,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")

NOW = datetime(2026, 11, 28, 10, 7, 20, tzinfo=UTC)

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def minute(at: str, **changes: Any) -> dict[str, Any]:
    """Return a record of a minute as the site writes it."""
    return {
        "datetime": f"2026-11-28T{at}:00+00:00",
        "resolutioncode": "PT1M",
        "quarterhour": f"2026-11-28T{at[:3]}{int(at[3:]) // 15 * 15:02d}:00+00:00",
        "qualitystatus": "NotValidated",
        "ace": -14.202,
        "systemimbalance": -143.9,
        "alpha": 0.0,
        "alpha_prime": 0.0,
        "marginalincrementalprice": 187.24,
        "marginaldecrementalprice": 41.3,
        "imbalanceprice": 187.24,
    } | changes


def quarter(at: str, **changes: Any) -> dict[str, Any]:
    """Return a record of a quarter hour."""
    record = minute(at, resolutioncode="PT15M") | changes
    del record["quarterhour"]
    return record


def body(*records: Any) -> bytes:
    return json.dumps({"total_count": len(records), "results": records}).encode()


class Site:
    """A site that answers as it is told, and counts."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        response = await self.handler(request)
        if not response.prepared:
            response.headers.setdefault("Date", format_datetime(NOW, usegmt=True))
        return response


@asynccontextmanager
async def served(
    handler: Handler, timeout: float = 5.0
) -> AsyncGenerator[tuple[EliaClient, Site]]:
    """Serve on loopback, and ask there."""
    site = Site(handler)
    app = web.Application()
    app.router.add_get(
        "/api/explore/v2.1/catalog/datasets/{data_set}/records", site.answer
    )
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        async with ClientSession() as session:
            yield (
                EliaClient(
                    session,
                    f"http://127.0.0.1:{server.port}/",
                    utcnow=lambda: NOW,
                    timeout=timeout,
                ),
                site,
            )
    finally:
        await server.close()


def always(*records: Any, **kwargs: Any) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=body(*records), content_type="application/json", **kwargs
        )

    return handler


# ------------------------------------------------------------------------------ reading


def test_minutes_are_cumulative_values_of_their_quarter() -> None:
    records = read_records(
        body(minute("10:06"), minute("10:05"), minute("09:59")), DataSet.MINUTES, NOW
    )
    assert [item.end.strftime("%H:%M") for item in records] == [
        "10:00",
        "10:06",
        "10:07",
    ]
    newest = records[-1]
    assert newest.quarter == datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    assert newest.price == 187.24
    assert newest.quality is ImbalanceQuality.NON_VALIDATED
    assert not newest.settled
    assert records[0].quarter == datetime(2026, 11, 28, 9, 45, tzinfo=UTC)


def test_system_imbalance_below_zero_is_short_which_is_a_positive_volume() -> None:
    short, even, long = read_records(
        body(
            minute("10:02", systemimbalance=88.5),
            minute("10:01", systemimbalance=0),
            minute("10:00", systemimbalance=-143.9),
        ),
        DataSet.MINUTES,
        NOW,
    )
    assert short.volume == 143.9
    assert str(even.volume) == "0.0"
    assert long.volume == -88.5


def test_quarters_settle() -> None:
    (record,) = read_records(
        body(quarter("09:45", qualitystatus="Validated")), DataSet.QUARTERS, NOW
    )
    assert record.settled
    assert record.end == datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
    assert record.quality is ImbalanceQuality.VALIDATED


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Non-validated", ImbalanceQuality.NON_VALIDATED),
        ("NotValidated", ImbalanceQuality.NON_VALIDATED),
        ("Validated", ImbalanceQuality.VALIDATED),
        ("Data issue", None),
        ("DataIssue", None),
        ("Something new", None),
        (None, None),
    ],
)
def test_a_quality_that_is_no_good_is_never_used(
    written: str | None, read: ImbalanceQuality | None
) -> None:
    records = read_records(
        body(minute("10:00", qualitystatus=written)), DataSet.MINUTES, NOW
    )
    assert [item.quality for item in records] == ([] if read is None else [read])


@pytest.mark.parametrize(
    "missing",
    ["datetime", "imbalanceprice", "systemimbalance", "qualitystatus"],
)
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_record_without_a_value_is_left_out(missing: str, how: str) -> None:
    broken = minute("10:06")
    if how == "absent":
        del broken[missing]
    else:
        broken[missing] = None
    records = read_records(body(broken, minute("10:05")), DataSet.MINUTES, NOW)
    assert [item.end.minute for item in records] == [6]


@pytest.mark.parametrize(
    "value", ["12.5", True, float("nan"), float("inf"), [1], {"a": 1}]
)
def test_what_is_no_number_is_no_price(value: Any) -> None:
    assert not read_records(
        body(minute("10:06", imbalanceprice=value)), DataSet.MINUTES, NOW
    )


def test_a_record_of_the_future_is_left_out() -> None:
    records = read_records(body(minute("10:12"), minute("10:06")), DataSet.MINUTES, NOW)
    assert [item.end.minute for item in records] == [7]


def test_a_time_without_a_zone_says_nothing() -> None:
    naive = minute("10:06", datetime="2026-11-28T10:06:00")
    assert not read_records(body(naive), DataSet.MINUTES, NOW)


def test_quarters_are_found_in_local_time_too() -> None:
    local = minute("10:06", datetime="2026-11-28T11:06:00+01:00")
    (record,) = read_records(body(local), DataSet.MINUTES, NOW)
    assert record.end == datetime(2026, 11, 28, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>maintenance</html>",
        b'{"results": [{"datetime"',
        b"[]",
        b"null",
        b'{"error_code": "ODSQLError"}',
        b'{"results": 12}',
        b'{"results": [12]}',
        b"\xff\xfe",
        b"[" * 100_000,
        body(minute("10:06", resolutioncode="PT15M")),
        body(minute("10:06", quarterhour="2026-11-28T09:45:00+00:00")),
    ],
)
def test_what_is_no_answer_of_the_data_set_is_refused(answer: bytes) -> None:
    with pytest.raises(EliaError):
        read_records(answer, DataSet.MINUTES, NOW)


def test_a_value_is_as_old_as_the_minute_that_it_tells_of() -> None:
    (running,) = read_records(body(minute("10:06")), DataSet.MINUTES, NOW)
    imbalance = running.imbalance()
    assert imbalance.covers(NOW)
    assert imbalance.volume == 143.9
    assert imbalance.usable(running.end + timedelta(minutes=5))
    assert not imbalance.usable(running.end + timedelta(minutes=5, seconds=1))
    (settled,) = read_records(body(quarter("09:45")), DataSet.QUARTERS, NOW)
    assert settled.imbalance().usable(NOW)
    assert not settled.imbalance().usable(NOW + timedelta(minutes=30))


def test_the_last_minute_of_a_quarter_does_not_settle_it() -> None:
    (last,) = read_records(body(minute("09:59")), DataSet.MINUTES, NOW)
    assert last.end - last.quarter == timedelta(minutes=15)
    assert not last.settled
    assert not last.imbalance().usable(last.end + timedelta(minutes=6))


def test_the_quarter_before_is_the_settled_one_or_else_its_last_minute() -> None:
    running, old = (
        read_records(body(minute(at)), DataSet.MINUTES, NOW)[0]
        for at in ("10:06", "09:59")
    )
    settled = read_records(
        body(quarter("09:45"), quarter("09:30")), DataSet.QUARTERS, NOW
    )
    assert EliaData(running=running, before=old).previous == old
    assert EliaData(running=running, before=old, settled=settled).previous == settled[1]
    assert EliaData(running=running, settled=settled[:1]).previous is None
    assert EliaData(settled=settled).previous == settled[1]


# ------------------------------------------------------------------------------- asking


async def test_the_site_is_asked_for_the_newest_records_of_a_data_set() -> None:
    async with served(always(quarter("09:45"))) as (client, site):
        (record,) = await client.fetch(DataSet.QUARTERS)
    assert record.price == 187.24
    (request,) = site.requests
    assert request.match_info["data_set"] == "ods162"
    assert request.query["order_by"] == "datetime desc"
    assert "imbalanceprice" in request.query["select"].split(",")
    assert "If-None-Match" not in request.headers


async def test_an_unchanged_answer_is_not_sent_again() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304)
        return web.Response(body=body(minute("10:06")), headers={"ETag": '"v1"'})

    async with served(handler) as (client, site):
        first = await client.fetch(DataSet.MINUTES)
        second = await client.fetch(DataSet.MINUTES)
        with pytest.raises(EliaError, match="resolution"):
            # One data set's tag is not the other one's.
            await client.fetch(DataSet.QUARTERS)
    assert first == second != ()
    assert [item.headers.get("If-None-Match") for item in site.requests] == [
        None,
        '"v1"',
        None,
    ]


async def test_not_modified_without_a_tag_of_ours_is_no_answer() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=304)

    async with served(handler) as (client, _):
        with pytest.raises(EliaError, match="304"):
            await client.fetch(DataSet.MINUTES)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 500, 502])
async def test_any_other_status_is_an_error(status: int) -> None:
    async with served(
        always(minute("10:06"), status=status, headers={"Location": "/elsewhere"})
    ) as (client, site):
        with pytest.raises(EliaError, match=str(status)) as caught:
            await client.fetch(DataSet.MINUTES)
    assert caught.value.retry_after is None
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), 180.0),
        (format_datetime(NOW - timedelta(minutes=3), usegmt=True), 0.0),
        ("99999999999999999999", 86_400.0),
        ("soon", None),
    ],
)
async def test_too_many_requests_names_the_time_to_come_back(
    header: str, seconds: float | None
) -> None:
    async with served(always(status=429, headers={"Retry-After": header})) as (
        client,
        _,
    ):
        with pytest.raises(EliaError, match="429") as caught:
            await client.fetch(DataSet.MINUTES)
    assert caught.value.retry_after == seconds


async def test_a_slow_site_is_given_up() -> None:
    released = asyncio.Event()

    async def handler(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with served(handler, timeout=0.05) as (client, _):
        with pytest.raises(EliaError, match="in time"):
            await client.fetch(DataSet.MINUTES)
        released.set()


async def test_a_truncated_answer_is_refused() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Length": "1000",
                "Date": format_datetime(NOW, usegmt=True),
            }
        )
        await response.prepare(request)
        await response.write(body(minute("10:06"))[:200])
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(handler) as (client, _):
        with pytest.raises(EliaError, match="cannot be read"):
            await client.fetch(DataSet.MINUTES)


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(
            headers={"Date": format_datetime(NOW, usegmt=True)}
        )
        await response.prepare(request)
        try:
            while sent < 64 * MOST_BYTES:
                await response.write(b" " * 65_536)
                sent += 65_536
        except ConnectionError:
            pass
        return response

    async with served(handler) as (client, _):
        with pytest.raises(EliaError, match="larger"):
            await client.fetch(DataSet.MINUTES)
    assert sent < 64 * MOST_BYTES


async def test_a_packed_answer_is_bounded_by_what_it_unpacks_to() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b" " * (4 * MOST_BYTES))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with served(handler) as (client, _):
        with pytest.raises(EliaError, match="larger"):
            await client.fetch(DataSet.MINUTES)


@pytest.mark.parametrize("skew", [timedelta(minutes=5), timedelta(minutes=-5)])
async def test_two_clocks_that_differ_leave_no_quarter_certain(skew: timedelta) -> None:
    date = {"Date": format_datetime(NOW + skew, usegmt=True)}
    async with served(always(minute("10:06"), headers=date)) as (client, _):
        with pytest.raises(EliaError, match="clock"):
            await client.fetch(DataSet.MINUTES)


async def test_the_age_in_a_cache_is_no_difference_of_clocks() -> None:
    headers = {
        "Date": format_datetime(NOW - timedelta(minutes=5), usegmt=True),
        "Age": "300",
    }
    async with served(always(minute("10:06"), headers=headers)) as (client, _):
        assert await client.fetch(DataSet.MINUTES)


async def test_a_site_that_is_not_there_is_an_error() -> None:
    async with ClientSession() as session:
        client = EliaClient(session, "http://127.0.0.1:1", utcnow=lambda: NOW)
        with pytest.raises(EliaError, match="cannot be read"):
            await client.fetch(DataSet.MINUTES)


# ---------------------------------------------------------------------------- following


def test_never_more_often_than_once_a_minute_and_ever_more_rarely_in_trouble() -> None:
    pace = Pace()
    assert pace.wait(0, None) == MIN_SPACING == 60.0
    waits = [pace.wait(failures, None) for failures in range(1, 40)]
    assert waits[:3] == [120.0, 240.0, 480.0]
    assert waits[-1] == LONGEST_WAIT
    assert pace.wait(1, 7200.0) == 7200.0
    assert pace.wait(0, 1.0) == MIN_SPACING
    assert 60.0 < pace.wait(0, None, 1.0) <= 72.0


class Ticks:
    """A clock that only moves when somebody sleeps, and stops after some sleeps."""

    def __init__(self, sleeps: int) -> None:
        self.now = NOW
        self.waits: list[float] = []
        self.over = asyncio.Event()
        self._sleeps = sleeps

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)
        if len(self.waits) > self._sleeps:
            self.over.set()
            await asyncio.Event().wait()


async def followed(
    handler: Handler, requests: int
) -> tuple[list[EliaData], Ticks, list[str]]:
    """Follow for a number of requests; return what came, and what was asked."""
    seen: list[EliaData] = []
    ticks = Ticks(requests)
    async with served(handler) as (client, site):
        feed = EliaFeed(
            client,
            seen.append,
            utcnow=lambda: ticks.now,
            sleep=ticks.sleep,
            chance=lambda: 0.5,
        )
        feed.start()
        await asyncio.wait_for(ticks.over.wait(), 20)
        await feed.stop()
        return seen, ticks, [item.match_info["data_set"] for item in site.requests]


async def test_minutes_are_followed_and_each_quarter_is_settled_once() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.match_info["data_set"] == "ods162":
            return web.Response(body=body(quarter("09:45"), quarter("09:30")))
        return web.Response(body=body(minute("10:06")))

    seen, ticks, asked = await followed(handler, 6)
    assert asked == ["ods162", *["ods161"] * 5]
    assert [item.quarter.minute for item in seen[-1].settled] == [30, 45]
    assert seen[-1].running is not None
    assert seen[-1].running.end.minute == 7
    assert min(ticks.waits[1:]) >= MIN_SPACING


async def test_a_quarter_that_never_settles_does_not_keep_the_minutes_out() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.match_info["data_set"] == "ods162":
            return web.Response(status=500)
        return web.Response(body=body(minute("10:06")))

    seen, _, asked = await followed(handler, 4)
    assert asked == ["ods162", "ods161", "ods162", "ods161"]
    assert seen[0].problem is not None
    assert seen[-1].running is not None
    assert seen[-1].problem is None


async def test_failures_slow_it_down_and_what_was_known_stays_with_its_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = iter([200, 200, 500, 500, 500, 200])

    async def handler(_request: web.Request) -> web.StreamResponse:
        if (status := next(answers)) != 200:
            return web.Response(status=status)
        request_set = _request.match_info["data_set"]
        record = quarter("09:45") if request_set == "ods162" else minute("10:06")
        return web.Response(body=body(record))

    seen, ticks, _ = await followed(handler, 6)
    jittered = [wait / 1.1 for wait in ticks.waits[1:]]
    assert jittered == pytest.approx([60, 60, 120, 240, 480, 60])
    assert seen[4].problem == "It answers 500"
    assert seen[4].running is not None
    assert seen[4].running.end.minute == 7
    assert seen[5].problem is None
    assert caplog.text.count("It answers 500") == 1
    assert "are back" in caplog.text


async def test_an_answer_without_usable_records_leaves_nothing_to_run_on() -> None:
    answers = iter([body(quarter("09:45")), body(minute("10:06"))])

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=next(answers, body(minute("10:06", qualitystatus="Data issue")))
        )

    seen, _, _ = await followed(handler, 3)
    assert seen[1].running is not None
    assert seen[2].running is None


async def test_a_feed_that_dies_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_data: EliaData) -> None:
        raise RuntimeError("the listener broke")

    ticks = Ticks(3)
    async with served(always(quarter("09:45"))) as (client, _):
        feed = EliaFeed(
            client, broken, utcnow=lambda: NOW, sleep=ticks.sleep, chance=lambda: 0.0
        )
        feed.start()
        while "not followed any more" not in caplog.text:
            await asyncio.sleep(0.01)
        await feed.stop()
