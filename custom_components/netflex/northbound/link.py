"""The link to a broker: sends in order, stores what nobody takes, comes back by itself.

Order is kept in one line: what waits on disk goes first, then what waits in memory. A
message that was not confirmed is sent again, so a consumer may see one twice and never
misses one within the bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
import logging
from random import uniform
import time
from typing import Final, Protocol

import aiomqtt

from ..model.failure import reason_of
from .commands import Incoming
from .connection import (
    GOODBYE,
    IN_FLIGHT,
    LINK_ERRORS,
    LOST,
    SILENT,
    LinkProblem,
    connected,
    explain,
    publish,
    reach,
)
from .messages import Dialect, Outgoing
from .outbox import Outbox, OutboxError
from .settings import NorthboundSettings

_LOGGER = logging.getLogger(__name__)

LONGEST_DELAY: Final = 60.0
SPILL_EVERY: Final = 1.0
"""s for which a message waits in memory while there is no broker."""
_DENIED: Final = 0x80
_MOST_IN_MEMORY: Final = 20_000


def back_off(failures: int) -> float:
    """Return the s before the next try: doubled each time, bounded, never in step."""
    longest: float = min(LONGEST_DELAY, 2.0 ** min(failures, 10))
    return uniform(longest / 2, longest)


class LinkUser(Protocol):
    """Who owns a link; all methods are called on its loop and must not wait."""

    def announcement(self) -> list[Outgoing]:
        """Return what is said first on every new connection."""

    def on_link(self, *, connected: bool) -> None:
        """Be told that the connection has come or gone."""

    def on_message(self, incoming: Incoming) -> None:
        """Take a message that came in."""


class Link:
    """Owns the connection, its tasks and the order of what is sent."""

    def __init__(
        self,
        settings: NorthboundSettings,
        dialect: Dialect,
        outbox: Outbox,
        user: LinkUser,
        delays: Callable[[int], float] = back_off,
    ) -> None:
        """Prepare; nothing runs before `start`."""
        self._settings = settings
        self._dialect = dialect
        self._outbox = outbox
        self._user = user
        self._delays = delays
        self._queue: deque[Outgoing] = deque()
        self._sending: list[Outgoing] = []
        self._order = asyncio.Lock()
        self._wake = asyncio.Event()
        self._leave = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._batch = IN_FLIGHT
        self._deaf = False
        self.connected = False
        self.problem: LinkProblem | None = None
        """Why there is no connection."""
        self.store_problem: str | None = None
        """Why nothing can be stored."""
        self.sent = 0
        self.lost = 0
        """Messages that memory had no room for while the disk took none."""

    @property
    def waiting(self) -> int:
        """Return how many messages wait, on disk and in memory."""
        return self._outbox.count + len(self._queue) + len(self._sending)

    @property
    def _where(self) -> str:
        """The broker in a user's words."""
        return f"the broker {self._settings.host} port {self._settings.port}"

    def start(self) -> None:
        """Begin to connect."""
        for run in (self._connect, self._spill):
            task = asyncio.create_task(run(), name=f"netflex northbound {run.__name__}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Take leave, store what was not sent, end."""
        if not self._tasks:
            return
        self._leave.set()
        connecting, spilling = self._tasks
        if self.connected:
            await asyncio.wait({connecting}, timeout=3 * GOODBYE)
        for task in (connecting, spilling):
            task.cancel()
        await asyncio.gather(connecting, spilling, return_exceptions=True)
        await self._store()

    def post(self, messages: Sequence[Outgoing]) -> None:
        """Have messages sent, after everything that waits."""
        self._queue.extend(messages)
        while len(self._queue) > _MOST_IN_MEMORY:
            self._queue.popleft()
            self.lost += 1
        self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (err := task.exception()) is not None:
            _LOGGER.error("%s has failed", task.get_name(), exc_info=err)

    # ---------------------------------------------------------------------- connecting

    async def _connect(self) -> None:
        failures = 0
        while not self._leave.is_set():
            begun = time.monotonic()
            try:
                async with connected(
                    self._settings, self._dialect.will, self._settings.endpoint
                ) as client:
                    await self._serve(client)
            except LINK_ERRORS as err:
                await self._failed(err)
            except Exception as err:
                # Whatever it is, the next try may go better; this task must not end.
                if self.problem is None:
                    _LOGGER.exception("The connection to %s has failed", self._where)
                self.problem = explain(err)
            finally:
                self._set_connected(False)
            if time.monotonic() - begun > LONGEST_DELAY:
                failures = 0
            await self._pause(self._delays(failures))
            failures += 1

    async def _failed(self, err: Exception) -> None:
        problem = explain(err)
        if not self.connected and problem.key in {SILENT, LOST}:
            problem = await reach(self._settings) or problem
        if self.problem is None:
            _LOGGER.warning("No connection to %s: %s", self._where, problem.text)
        self.problem = problem

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._leave.wait()
        except TimeoutError:
            pass

    def _set_connected(self, connected: bool) -> None:
        if connected is self.connected:
            return
        self.connected = connected
        if connected:
            if self.problem is not None:
                _LOGGER.info("Connected to %s again", self._where)
            self.problem = None
        self._user.on_link(connected=connected)

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Speak until the connection ends or we leave."""
        await self._listen(client)
        for message in self._user.announcement():
            await publish(client, message, self._settings.format)
        self._set_connected(True)
        tasks = [
            asyncio.ensure_future(job)
            for job in (self._receive(client), self._send(client), self._leave.wait())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._put_back()
        for task in done:
            task.result()
        client.timeout = GOODBYE
        await publish(client, self._dialect.will, self._settings.format)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Ask for settings; where the broker gives none, telling goes on without."""
        granted = await client.subscribe(self._dialect.subscription, qos=1)
        deaf = any(getattr(code, "is_failure", code == _DENIED) for code in granted)
        if deaf and not self._deaf:
            _LOGGER.warning(
                "No commands from %s: its access rules do not let us subscribe to %s",
                self._where,
                self._dialect.subscription,
            )
        self._deaf = deaf

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic = str(message.topic)
            payload = message.payload
            self._user.on_message(
                Incoming(
                    topic=topic,
                    path=self._dialect.path_of(topic),
                    payload=payload if isinstance(payload, bytes) else b"",
                    retained=message.retain,
                )
            )

    # ------------------------------------------------------------------------- sending

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            async with self._order:
                if self._outbox.count and await self._send_stored(client):
                    continue
                if self._queue:
                    await self._send_queued(client)
                    continue
                self._wake.clear()
            await self._wake.wait()

    async def _send_stored(self, client: aiomqtt.Client) -> bool:
        """Send what waits on disk; what comes meanwhile goes behind it.

        Returns False where the disk gives nothing: then memory is sent all the same.
        """
        await self._store_queue()
        try:
            waiting = await self._outbox.oldest(self._batch)
            messages = [item.message for item in waiting]
            parts = self._dialect.stored(messages, time.time())
            for result in await self._publish(client, parts):
                if result is not None:
                    raise result
            await self._outbox.confirm(waiting[-1])
        except OutboxError as err:
            self._note_store(err)
            return False
        except LINK_ERRORS:
            # Perhaps it is too large for this broker.
            self._batch = max(1, self._batch // 2)
            raise
        self._batch = IN_FLIGHT
        self.sent += len(waiting)
        return True

    async def _send_queued(self, client: aiomqtt.Client) -> None:
        count = min(IN_FLIGHT, len(self._queue))
        self._sending = [self._queue.popleft() for _ in range(count)]
        results = await self._publish(client, self._sending)
        failed = [
            (message, result)
            for message, result in zip(self._sending, results, strict=True)
            if result is not None
        ]
        self._sending = [message for message, _ in failed]
        self.sent += count - len(failed)
        if failed:
            raise failed[0][1]

    async def _publish(
        self, client: aiomqtt.Client, messages: Sequence[Outgoing]
    ) -> list[BaseException | None]:
        """Send messages in order, all in flight at once; return what became of each."""
        return await asyncio.gather(
            *(publish(client, item, self._settings.format) for item in messages),
            return_exceptions=True,
        )

    def _put_back(self) -> None:
        self._queue.extendleft(reversed(self._sending))
        self._sending = []

    # ------------------------------------------------------------------------- storing

    async def _spill(self) -> None:
        """Store what waits in memory while there is no broker."""
        while True:
            await asyncio.sleep(SPILL_EVERY)
            if not self.connected:
                await self._store()

    async def _store(self) -> None:
        async with self._order:
            await self._store_queue()

    async def _store_queue(self) -> None:
        if not self._queue:
            return
        self._sending = list(self._queue)
        self._queue.clear()
        try:
            await self._outbox.append(self._sending)
        except OutboxError as err:
            self._note_store(err)
        else:
            self._sending = []
            self.store_problem = None
        finally:
            self._put_back()

    def _note_store(self, err: OutboxError) -> None:
        if self.store_problem is None:
            _LOGGER.warning("Messages cannot be stored: %s", err)
        self.store_problem = reason_of(err)
