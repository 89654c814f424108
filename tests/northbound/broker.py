"""A real broker (mosquitto) in a process of its own, and who listens to it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
from pathlib import Path
import signal
import subprocess
from typing import Any

import aiomqtt

from custom_components.netflex.northbound import cbor
from custom_components.netflex.northbound.settings import TlsFiles
from custom_components.netflex.northbound.tls import client_context
from tests.certificates import CertificateAuthority
from tests.ports import free_port

LIMIT = 30.0
"""s for anything that is waited for."""


class Broker:
    """Listens on one port of loopback, with TLS where it has an authority."""

    def __init__(
        self, program: Path, folder: Path, authority: CertificateAuthority | None = None
    ) -> None:
        self.port = free_port()
        self.authority = authority
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence false",
            "max_queued_messages 0",
            # Of root it would leave for a user who cannot read a test's folder.
            "user root",
        ]
        if authority is not None:
            _, certificate, key = authority.issue("broker")
            lines += [
                f"cafile {authority.path}",
                f"certfile {certificate}",
                f"keyfile {key}",
                "require_certificate true",
                "use_identity_as_username true",
            ]
        self._config = folder / f"broker-{self.port}.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        self.process = subprocess.Popen(
            [self._program, "-c", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def start(self) -> None:
        self.launch()
        assert self.process is not None
        async with asyncio.timeout(LIMIT):
            while True:
                assert self.process.poll() is None, "the broker did not start"
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    def files(self, name: str) -> TlsFiles:
        """Return the files of a client of that name."""
        assert self.authority is not None
        _, certificate, key = self.authority.issue(name)
        return TlsFiles(
            authorities=self.authority.path, certificate=certificate, key=key
        )


def read(payload: bytes) -> Any:
    """Return what a payload holds, in either format; itself where that is nothing."""
    if not payload:
        return None
    try:
        return json.loads(payload) if payload[:1] == b"{" else cbor.decode(payload)
    except ValueError:
        return payload


@dataclass
class Heard:
    """Everything that a subscriber of all topics got, in order."""

    messages: list[tuple[str, Any]] = field(default_factory=list)
    retained: set[str] = field(default_factory=set)

    def of(self, topic: str) -> list[Any]:
        return [data for heard, data in self.messages if heard.startswith(topic)]

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.messages]


@asynccontextmanager
async def listening(
    broker: Broker, topics: str = "#"
) -> AsyncGenerator[tuple[aiomqtt.Client, Heard]]:
    """Listen to a broker, and speak with it."""
    heard = Heard()
    context = None
    if broker.authority is not None:
        context = client_context(broker.files("application"))
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, tls_context=context, max_inflight_messages=500
    ) as client:
        client.pending_calls_threshold = 1000
        await client.subscribe(topics, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                topic = str(message.topic)
                heard.messages.append((topic, read(message.payload)))
                if message.retain:
                    heard.retained.add(topic)

        task = asyncio.create_task(listen())
        try:
            yield client, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait until a condition holds; fails loudly when it does not."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
