"""Asks a running Home Assistant through its own HTTP and websocket interfaces."""

import asyncio
import time
from typing import Any, Self

import aiohttp

from .processes import Child, DemoError


class HomeAssistant:
    """One instance on this machine, by its port and a token."""

    def __init__(self, port: int, token: str) -> None:
        """Take where it is; nothing is asked yet."""
        self.url = f"http://127.0.0.1:{port}"
        self._token = token
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=10),
        )

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self._session.close()

    async def wait_until_running(self, child: Child, within: float = 180.0) -> None:
        """Wait until everything is set up; DemoError when it ends or takes too long."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if not child.running:
                raise DemoError("Home Assistant ended while it started; see its log")
            try:
                config = await self.get("config")
            except aiohttp.ClientError, TimeoutError:
                config = {}
            if config.get("state") == "RUNNING":
                return
            await asyncio.sleep(0.1)
        raise DemoError(f"Home Assistant was not running after {within:.0f} s")

    async def get(self, path: str) -> Any:
        """Return the JSON of a path below /api."""
        async with self._session.get(f"{self.url}/api/{path}") as response:
            response.raise_for_status()
            return await response.json()

    async def ask(self, kind: str, **arguments: Any) -> Any:
        """Return the result of one websocket command."""
        async with self._session.ws_connect(f"{self.url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": kind, **arguments})
            answer = await socket.receive_json()
        if not answer.get("success"):
            raise DemoError(f"Home Assistant refused {kind}: {answer.get('error')}")
        return answer["result"]
