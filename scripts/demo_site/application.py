"""An application at the demonstration's broker: what an aggregator has there."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
import json
import time
from typing import Any, Self

import aiomqtt

from .watching import StepFailed


@dataclass(slots=True)
class Application:
    """Hears everything at a broker, in order, and sets attributes of endpoints.

    It comes back by itself when the broker does, and misses nothing meanwhile.
    """

    port: int
    heard: list[tuple[str, Any]] = field(default_factory=list)
    _client: aiomqtt.Client | None = None
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether it listens now."""
        return self._client is not None

    def of(self, topic: str) -> list[Any]:
        """Return what was heard of topics that begin so, oldest first."""
        return [data for heard, data in self.heard if heard.startswith(topic)]

    async def set(self, path: str, value: float) -> None:
        """Set an attribute; StepFailed where there is no broker."""
        if self._client is None:
            raise StepFailed("the application has no broker")
        payload = {"timestamp": time.time(), "value": value}
        await self._client.publish(f"@set/{path}", json.dumps(payload), qos=1)

    async def _run(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self.port,
                    identifier="application",
                    clean_session=False,
                ) as client:
                    await client.subscribe("#", qos=1)
                    self._client = client
                    async for message in client.messages:
                        payload = message.payload
                        assert isinstance(payload, bytes)
                        data = json.loads(payload) if payload else None
                        self.heard.append((str(message.topic), data))
            self._client = None
            await asyncio.sleep(0.2)
