"""Elia's data through Home Assistant's own session, from a server on loopback."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from homeassistant.core import HomeAssistant
import pytest

from custom_components.netflex.market.feed import SiteMarket
from custom_components.netflex.northbound.elia import Pace

from .conftest import Follow


@pytest.fixture(autouse=True)
def _clock() -> None:
    """Let the clock run: a server is waited for."""


def record(start: datetime, **changes: Any) -> dict[str, Any]:
    quarter = start.replace(minute=start.minute // 15 * 15)
    return {
        "datetime": start.isoformat(),
        "resolutioncode": "PT1M",
        "quarterhour": quarter.isoformat(),
        "qualitystatus": "NotValidated",
        "systemimbalance": -212.5,
        "imbalanceprice": 260.4,
    } | changes


@pytest.mark.usefixtures("socket_enabled")
async def test_elia_is_followed_and_let_go(
    hass: HomeAssistant,
    follow: Follow,
    market: SiteMarket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    minute = now - timedelta(minutes=1)
    quarter = minute.replace(minute=minute.minute // 15 * 15) - timedelta(minutes=15)

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.match_info["data_set"])
        settles = request.match_info["data_set"] == "ods162"
        found = (
            record(quarter, resolutioncode="PT15M", imbalanceprice=99.0)
            if settles
            else record(minute)
        )
        return web.json_response(
            {"results": [found]},
            headers={"Date": format_datetime(datetime.now(UTC), usegmt=True)},
        )

    app = web.Application()
    app.router.add_get("/api/explore/v2.1/catalog/datasets/{data_set}/records", answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    # The pace is tested where it lives; here it may be quick.
    monkeypatch.setattr(
        "custom_components.netflex.northbound.elia.Pace",
        lambda: Pace(spacing=0.01, jitter=0.0),
    )
    try:
        url = f"http://127.0.0.1:{server.port}"
        site = await follow({"imbalance": {"elia": True, "elia_url": url}})
        async with asyncio.timeout(20):
            while (
                site.economy.market.previous_imbalance is None
                or site.economy.market.imbalance is None
            ):
                await asyncio.sleep(0.01)
        imbalance = site.economy.market.imbalance
        assert (imbalance.price, imbalance.volume) == (260.4, 212.5)
        assert imbalance.usable(now)
        assert not imbalance.usable(now + timedelta(minutes=6))
        assert site.economy.market.previous_imbalance.price == 99.0
        assert {"ods161", "ods162"} <= set(asked)
        site = await follow({})
        assert site.economy.market.imbalance is None
        assert market._elia is None
    finally:
        await market.async_stop()
        await server.close()
