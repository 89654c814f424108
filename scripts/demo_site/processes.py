"""Child processes that never outlive this one, and free ports for them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
import ctypes
import json
import os
from pathlib import Path
import signal
import socket
import sys
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]

_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT = 20.0
_LAST_PORT = 65_535


class DemoError(Exception):
    """Something that keeps the demonstration from running, in a user's words."""


def end_with_parent(number: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent dies (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() == 1 and os.environ.get(PARENT) not in {None, "1"}:
        sys.exit(1)


PARENT = "NETFLEX_DEMO_PARENT"
"""Environment variable with the starter's process id: a child that finds another
parent at its start is an orphan already."""


class ClaimedPorts:
    """TCP ports of 127.0.0.1 that are kept for us until something of ours listens.

    That takes seconds, in which another run may look for ports too. The UDP port of
    the same number, which nothing here uses, is held meanwhile: whoever looks here asks
    for both, and the kernel lets it go when this process dies.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._held: dict[int, socket.socket] = {}

    def claim(self, wanted: int) -> int:
        """Return the wanted port, now ours, or the next one that nobody has."""
        for port in range(wanted, _LAST_PORT):
            if (held := _claimed(port)) is not None:
                self._held[port] = held
                return port
        raise DemoError(f"no free port from {wanted} on")

    def release(self) -> None:
        """Let all of them go."""
        for held in self._held.values():
            held.close()
        self._held.clear()


def _claimed(port: int) -> socket.socket | None:
    held = socket.socket(type=socket.SOCK_DGRAM)
    try:
        held.bind(("127.0.0.1", port))
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held


class Child:
    """One child process in a session of its own, so that Ctrl-C is ours alone."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        """Take a running process; `start` makes one."""
        self.name = name
        self.process = process
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        *arguments: str,
        log: Path,
        program: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start Python (or another program) with arguments.

        Standard error goes to the end of `log`.
        """
        with log.open("ab") as stream:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    PARENT: str(os.getpid()),
                    **(environment or {}),
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stream,
                start_new_session=True,
            )
        return cls(name, process)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def ready(self, *, within: float = 60.0) -> dict[str, int]:
        """Return the ports of the one JSON line that the simulation starts with."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(within):
                line = await self.process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise DemoError(f"{self.name} did not start; see its log") from error
        ports: dict[str, int] = answer["ready"]
        return ports

    def pass_on(self, take: Callable[[str], None]) -> None:
        """Give every further line of its standard output to `take`."""

        async def read() -> None:
            assert self.process.stdout is not None
            while line := await self.process.stdout.readline():
                take(line.decode(errors="replace").rstrip())

        self._reader = asyncio.create_task(read())

    async def kill(self) -> None:
        """End it at once, as kill -9 does."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """Ask it to end and wait; what does not end is killed."""
        if self.running:
            with suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(_STOP_TIMEOUT):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
