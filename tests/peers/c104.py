"""Starts the RTU that runs on c104 and talks with it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
import itertools
import json
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("c104_rtu.py")
REPLY_TIMEOUT = 30.0
MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedPoint:
    """A monitored value as c104 decoded it. A double point's value is its name."""

    ioa: int
    type: str
    value: float | str
    quality: int
    cause: str
    recorded_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What came back for a command; `cause` is None when nothing did.

    `ms` is from just before sending to the confirmation, in the RTU's process.
    """

    cause: int | None
    negative: bool | None
    terminated: bool
    ms: float | None

    @property
    def accepted(self) -> bool:
        """Tell whether the command was positively confirmed."""
        return self.cause == 7 and not self.negative


class C104Rtu:
    """An RTU process. `points` holds the latest value of each address.

    `history` has every received value in order, `asdus` every received ASDU's
    octets, `states` the states of the connection, `unexpected` what c104 did not
    understand.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Talk with a started process."""
        self.points: dict[int, ReceivedPoint] = {}
        self.history: list[ReceivedPoint] = []
        self.asdus: list[bytes] = []
        self.states: list[str] = []
        self.unexpected: list[str] = []
        self._process = process
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def connect(self, host: str, port: int, *, common_address: int = 100) -> None:
        """Connect and start data transfer."""
        reply = await self._ask(
            "connect", host=host, port=port, common_address=common_address
        )
        assert reply["open"], f"no connection: {self.states}"

    async def disconnect(self) -> None:
        """Close the connection; the process stays for another."""
        await self._ask("disconnect")

    async def interrogate(self, *, common_address: int | None = None) -> float:
        """Interrogate; return the milliseconds until the termination."""
        reply = await self._ask("interrogate", common_address=common_address)
        assert reply["terminated"], "the interrogation was not terminated"
        # The values are handled in c104's own thread before the termination is.
        return float(reply["ms"])

    async def clock_sync(self) -> bool:
        """Synchronize the clock; tell whether it was positively confirmed."""
        return _positive(await self._ask("clock_sync"))

    async def test_command(self) -> bool:
        """Send a test command with time; tell whether it was confirmed."""
        return _positive(await self._ask("test"))

    async def command(
        self,
        ioa: int,
        type_name: str,
        value: float,
        *,
        select: bool = False,
        wait: float = 5.0,
    ) -> CommandAnswer:
        """Send a command or setpoint of a type such as `C_SE_NC_1`.

        A double command's value is 0..3. Waits up to `wait` seconds each for the
        confirmation and, if that is positive, the termination.
        """
        reply = await self._ask(
            "command", ioa=ioa, type=type_name, value=value, select=select, wait=wait
        )
        return CommandAnswer(
            cause=reply["cause"],
            negative=reply["negative"],
            terminated=reply["terminated"],
            ms=reply["ms"],
        )

    async def wait_point(
        self,
        ioa: int,
        accepts: Callable[[ReceivedPoint], bool] = lambda _: True,
        *,
        timeout: float = 5.0,
    ) -> ReceivedPoint:
        """Return the latest value of an address once it is as wanted."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._changed.clear()
                    point = self.points.get(ioa)
                    if point is not None and accepts(point):
                        return point
                    await self._changed.wait()
        except TimeoutError as err:
            raise AssertionError(
                f"point {ioa} is {self.points.get(ioa)} after {timeout} s"
            ) from err

    async def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _ask(self, action: str, **fields: object) -> dict[str, Any]:
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        assert self._process.stdin is not None
        line = json.dumps({"do": action, "id": number, **fields})
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(REPLY_TIMEOUT):
            reply: dict[str, Any] = await future
        assert "error" not in reply, reply["error"]
        return reply

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = json.loads(line)
            if "reply" in message:
                self._replies.pop(message.pop("reply")).set_result(message)
            elif message["event"] == "point":
                del message["event"]
                point = ReceivedPoint(**message)
                self.points[point.ioa] = point
                self.history.append(point)
            elif message["event"] == "asdu":
                self.asdus.append(bytes.fromhex(message["octets"]))
            elif message["event"] == "state":
                self.states.append(message["state"])
            else:
                self.unexpected.append(f"{message['cause']}: {message['octets']}")
            self._changed.set()
        for future in self._replies.values():
            if not future.done():
                future.set_exception(ConnectionError("the RTU's process ended"))


def _positive(reply: dict[str, Any]) -> bool:
    return reply["cause"] == 7 and not reply["negative"]


@asynccontextmanager
async def start_rtu(python: Path) -> AsyncGenerator[C104Rtu]:
    """Run an RTU under `python` (fixture `peer_python`) while the context lasts."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        # Isolated, or this very module would be what the script imports as c104.
        "-I",
        str(SCRIPT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
    )
    rtu = C104Rtu(process)
    try:
        yield rtu
    finally:
        await rtu.close()
