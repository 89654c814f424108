"""The bridge between one site and one broker: values out, settings in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
import time

from ..model.failure import reason_of
from ..model.northbound import NorthboundState, SetRefusal
from .cloudio import CloudIo
from .commands import Incoming, Problem, Refusal, SetCounts, read_set
from .direct_control import Numbers, SiteDescription, direct_control_tree
from .link import Link, back_off
from .messages import Dialect, Outgoing, Setting, Told
from .outbox import Outbox, OutboxError
from .pacing import Pacer
from .plain import Plain, plain_tree
from .settings import NorthboundSettings, Protocol
from .values import Pace, Point, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePorts:
    """What a bridge needs from its site; both are called on its loop.

    `take_setting` returns why the site does not take a setting, None where it does;
    `on_link` is told when the broker has come or gone.
    """

    take_setting: Callable[[Setting], str | None]
    on_link: Callable[[bool], None] = lambda _connected: None
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    delays: Callable[[int], float] = back_off


class Bridge:
    """Runs on one loop; `take` gets the site's points about once a second."""

    def __init__(
        self, settings: NorthboundSettings, outbox: Outbox, ports: BridgePorts
    ) -> None:
        """Prepare; nothing is opened before `start`."""
        self._settings = settings
        self._outbox = outbox
        self._ports = ports
        self._dialect = _dialect(settings)
        self._pacer = Pacer()
        self._tree: Tree = {}
        self._numbers: Numbers = {}
        self._known: dict[str, Told] = {}
        self._since: dict[str, float] = {}
        self._counts = SetCounts()
        self._linked_at = ports.clock()
        self._link = Link(settings, self._dialect, outbox, self, ports.delays)

    async def start(self, site: SiteDescription) -> None:
        """Open the store and begin to connect; waits for no broker."""
        try:
            await self._outbox.open(self._settings.recipient)
            self._numbers = await self._outbox.numbers()
        except OutboxError as err:
            self._link.store_problem = reason_of(err)
        await self.set_site(site)
        self._link.start()

    async def stop(self) -> None:
        """Take leave of the broker and store what was not sent."""
        await self._link.stop()
        await self._outbox.close()

    async def hold_file(self, hold: bool) -> None:
        """Leave what waits as it is while a backup copies it, or no longer.

        Raises:
            OutboxError: It cannot be stored.
        """
        await self._outbox.hold_file(hold)

    async def set_site(self, site: SiteDescription) -> None:
        """Take over how the site is installed; nodes that come or go are told."""
        if self._settings.protocol is Protocol.PLAIN:
            return
        tree, numbers = direct_control_tree(site, self._settings.paces, self._numbers)
        if numbers != self._numbers:
            self._numbers = numbers
            try:
                await self._outbox.keep_numbers(numbers)
            except OutboxError as err:
                self._link.store_problem = reason_of(err)
        self._adopt(tree)

    def take(self, points: Mapping[str, Point]) -> None:
        """Tell what is due of what holds now; never waits."""
        if self._settings.protocol is Protocol.PLAIN:
            self._adopt(self._plain_tree(points))
        at = round(self._ports.clock(), 3)
        due = self._pacer.take(self._ports.monotonic(), self._tree, points)
        told = [
            Told(attribute=attribute, value=value, at=at) for attribute, value in due
        ]
        for item in told:
            path = item.attribute.path
            known = self._known.get(path)
            if known is not None and known.value != item.value:
                self._since[path] = at
            self._known[path] = item
        if told:
            self._link.post(self._dialect.told(told))

    @property
    def state(self) -> NorthboundState:
        """How the bridge does now."""
        counts, link = self._counts, self._link
        last, problem = counts.last, link.problem
        return NorthboundState(
            connected=link.connected,
            since=_utc(self._linked_at),
            problem=None if problem is None else problem.key,
            problem_text=None if problem is None else problem.text,
            store_problem=link.store_problem,
            attributes=len(self._tree),
            stored=link.waiting,
            dropped=self._outbox.dropped + link.lost,
            sent=link.sent,
            accepted=counts.accepted,
            refused={key.value: count for key, count in counts.refused.items()},
            last_refusal=None
            if last is None
            else SetRefusal(
                subject=last.subject,
                reason=last.problem.value,
                text=last.text,
                at=_utc(last.at),
            ),
            control=self._settings.control is not None,
        )

    # ------------------------------------------------------------------- the link's user

    def announcement(self) -> list[Outgoing]:
        """Return what is said first on a new connection."""
        if self._dialect.tells_all_anew:
            self._pacer.forget()
        return self._dialect.online(self._tree, self._known)

    def on_link(self, *, connected: bool) -> None:
        """Pass on that the connection has come or gone."""
        self._linked_at = self._ports.clock()
        self._ports.on_link(connected)

    def on_message(self, incoming: Incoming) -> None:
        """Take a set over, or refuse it: then nothing changes but a count."""
        read = read_set(
            incoming,
            self._tree,
            self._since,
            self._ports.clock(),
            allowed=self._settings.control is not None,
        )
        if isinstance(read, Setting):
            reason = self._ports.take_setting(read)
            if reason is None:
                self._accept(read)
                return
            read = Refusal(
                subject=read.attribute.path,
                problem=Problem.NOT_TAKEN,
                text=reason,
                at=self._ports.clock(),
                data={}
                if read.correlation is None
                else {"correlationID": read.correlation},
            )
        self._counts.refuse(read)
        if incoming.path is not None:
            self._link.post(
                self._dialect.refused(
                    incoming.path, read.data, f"{read.problem}: {read.text}"
                )
            )

    def _accept(self, setting: Setting) -> None:
        path = setting.attribute.path
        self._counts.accepted += 1
        self._since[path] = setting.at
        self._known[path] = Told(
            attribute=setting.attribute, value=setting.value, at=setting.at
        )
        self._link.post(self._dialect.did_set(setting))

    # ------------------------------------------------------------------------- the tree

    def _plain_tree(self, points: Mapping[str, Point]) -> Tree:
        paces = self._settings.paces
        return plain_tree(
            points,
            Pace(period=paces.sub_meter, only_changes=True),
            Pace(period=paces.energy),
            self._tree,
        )

    def _adopt(self, tree: Tree) -> None:
        """Put another tree in the place of the one before."""
        before = self._tree
        if tree.keys() == before.keys():
            self._tree = tree
            return
        self._tree = tree
        now = self._ports.clock()
        for path in tree.keys() - before.keys():
            # Nothing that was asked before it was there holds for it.
            self._since[path] = now
        gone = set(before.keys() - tree.keys())
        self._pacer.drop(gone)
        for path in gone:
            self._known.pop(path, None)
            self._since.pop(path, None)
        if before:
            self._link.post(self._dialect.changed(before, tree))


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _dialect(settings: NorthboundSettings) -> Dialect:
    if settings.protocol is Protocol.PLAIN:
        return Plain(base=settings.endpoint)
    return CloudIo(
        endpoint=settings.endpoint,
        old=settings.protocol is Protocol.CLOUDIO_01,
        transactions=settings.transactions,
    )
