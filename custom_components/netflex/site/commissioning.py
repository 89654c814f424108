"""Commissioning: what is set up is tried, one thing after the other, and what it shows kept.

A run moves one asset at a time by a small step, stops it, has relays act, waits for
somebody to press the stop buttons, and has the rehearsal go through its list. It ends by
itself as soon as something else needs the site, and what it told ends with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
import logging
from typing import Final

from ..control.stops import takes_stop
from ..model.asset import Nature
from ..model.connection import ConnectionPoint
from ..model.phrase import Phrase
from ..model.reading import MeterRole
from ..model.snapshot import UserLimits
from ..telecontrol.journal_format import RecordKind
from .commissioning_checklist import Installed, Item, Proposal, checklist, proposals
from .commissioning_checks import STEPPED, carry_out
from .commissioning_record import (
    Check,
    CommissioningStatus,
    Outcome,
    Result,
    Results,
    Task,
    fingerprint,
)
from .commissioning_stage import (
    CommissioningPace,
    CommissioningPorts,
    EndedError,
    Stage,
)
from .outputs import held_by_module, input_holder
from .view import SiteView

_LOGGER = logging.getLogger(__name__)

TITLES: Final[Mapping[Check, Phrase]] = {
    Check.RESPONSE: Phrase("trying_response", "small steps"),
    Check.SOFTWARE_STOP: Phrase("trying_software_stop", "stop by its own setpoint"),
    Check.RELAY: Phrase("trying_relay", "emergency output"),
    Check.STOP_INPUT: Phrase("trying_stop_input", "stop button"),
}
CANCELLED: Final = Phrase("commissioning_cancelled", "It was cancelled")
REHEARSAL: Final = Phrase(
    "trying_rehearsal", "Rehearsal of the operator's list, in shadow"
)


def _trying(task: Task) -> Phrase:
    return Phrase("trying", "{name}: {what}", name=task.name, what=TITLES[task.check])


class CommissioningRefusedError(Exception):
    """A run that may not begin; `key` is stable, `text` English words for a user.

    Keys: commissioning_running, nothing_to_try, commissioning_not_now.
    """

    def __init__(self, key: str, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.key = key
        self.text = text


class SiteCommissioning:
    """The commissioning of one site, one run at a time, on the site's loop."""

    def __init__(self, ports: CommissioningPorts) -> None:
        """Prepare; nothing was tried yet."""
        self._ports = ports
        self._stage = Stage(ports)
        self._stage.ask = self._ask
        self.status: CommissioningStatus | None = None
        self._results: dict[tuple[str, Check], Result] = {}
        self._inputs: Mapping[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    # ----------------------------------------------------------------- what there is

    @property
    def results(self) -> Results:
        """What is known, by subject and check; the newest of each."""
        return dict(self._results)

    @property
    def running(self) -> bool:
        """Whether a run is on its way."""
        return self._task is not None

    @property
    def stop_inputs(self) -> Mapping[str, str]:
        """The names of all stop inputs by their holder."""
        modules = {
            input_holder(config.output): input_holder(config.output)
            for config in self._ports.outputs().values()
            if config.wiring.input_stops
        }
        return modules | dict(self._inputs)

    def set_stop_inputs(self, inputs: Mapping[str, str]) -> None:
        """Take over the stop inputs that are no module's own: names by holder."""
        self._inputs = {
            holder: name
            for holder, name in inputs.items()
            if not held_by_module(holder)
        }

    def set_pace(self, pace: CommissioningPace) -> None:
        """Change how long a run waits."""
        self._stage.pace = pace

    def tasks(self) -> tuple[Task, ...]:
        """Return everything that can be tried at the site, in a sensible order."""
        assets = {
            key: config.asset
            for key, config in self._ports.devices().items()
            if config.asset is not None
        }
        found = [
            Task(check=Check.RESPONSE, subject=key, name=asset.name)
            for key, asset in assets.items()
            if asset.controllable and asset.nature in STEPPED
        ]
        found += [
            Task(check=Check.SOFTWARE_STOP, subject=key, name=asset.name)
            for key, asset in assets.items()
            if takes_stop(asset) and asset.nature is not Nature.METER
        ]
        found += [
            Task(check=Check.RELAY, subject=key, name=config.output.name)
            for key, config in self._ports.outputs().items()
        ]
        found += [
            Task(check=Check.STOP_INPUT, subject=holder, name=name)
            for holder, name in sorted(self.stop_inputs.items())
        ]
        return tuple(found)

    def setup_of(self, subject: str) -> str:
        """Return the fingerprint of how a subject is set up now; empty for inputs."""
        config = self._ports.devices().get(subject) or self._ports.outputs().get(
            subject
        )
        return "" if config is None else fingerprint(config)

    def checklist(
        self, view: SiteView, connection: ConnectionPoint
    ) -> tuple[Item, ...]:
        """Return what is proven at the site, and what is only configured."""
        return checklist(
            self._installed(view, connection),
            self._results,
            view.fallbacks,
            view.rehearsal,
        )

    def proposals(
        self, view: SiteView, connection: ConnectionPoint
    ) -> tuple[Proposal, ...]:
        """Return what proofs say should be configured otherwise."""
        return proposals(self._installed(view, connection), self._results)

    def _installed(self, view: SiteView, connection: ConnectionPoint) -> Installed:
        assets = {
            key: config.asset
            for key, config in self._ports.devices().items()
            if config.asset is not None
        }
        return Installed(
            connection=connection,
            assets=assets,
            outputs={
                key: config.output.name for key, config in self._ports.outputs().items()
            },
            inputs=self.stop_inputs,
            meters={
                key: meter.name
                for key, meter in view.meters.items()
                if meter.role is MeterRole.CONNECTION_POINT
            },
            telecontrol=view.telecontrol,
            setup_of=self.setup_of,
            stepped=frozenset(
                task.subject for task in self.tasks() if task.check is Check.RESPONSE
            ),
        )

    def overlay(self, user: Mapping[str, UserLimits]) -> dict[str, UserLimits]:
        """Return what users ask for, with what is tried in place of their overrides."""
        return self._stage.overlay(user)

    # ------------------------------------------------------------------------ a run

    def start(
        self,
        checks: Iterable[tuple[str, Check]],
        rehearse: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Begin a run over some subjects and checks; `rehearse` is its last part.

        Raises CommissioningRefusedError where it may not begin. How it goes on is in
        `status`; it ends by itself.
        """
        if self._task is not None:
            raise CommissioningRefusedError(
                "commissioning_running",
                Phrase(
                    "commissioning_runs", "A commissioning of this site runs already"
                ),
            )
        wanted = frozenset(checks)
        tasks = [task for task in self.tasks() if (task.subject, task.check) in wanted]
        if not tasks and rehearse is None:
            raise CommissioningRefusedError(
                "nothing_to_try", Phrase("nothing_chosen", "Nothing was chosen")
            )
        if tasks and (why := self._stage.forbidden(task.check for task in tasks)):
            raise CommissioningRefusedError("commissioning_not_now", why)
        # The first step is said from the start: a page follows changes only once it has
        # drawn what there was before.
        self.status = CommissioningStatus(
            started=self._ports.utcnow(),
            step=_trying(tasks[0]) if tasks else REHEARSAL,
            total=len(tasks) + (rehearse is not None),
        )
        self._note("begin", {"tasks": [f"{t.name}: {t.check}" for t in tasks]})
        self._task = asyncio.create_task(
            self._run(tasks, rehearse), name="netflex commissioning"
        )
        self._ports.on_change()

    async def cancel(self) -> None:
        """End a run; everything is put back."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self._task is task:
                # It had not even begun.
                self._task = None
                self._end(CANCELLED)

    async def finished(self) -> None:
        """Wait until no run is on its way."""
        if (task := self._task) is not None:
            await asyncio.wait({task})

    async def _run(
        self,
        tasks: Sequence[Task],
        rehearse: Callable[[], Awaitable[None]] | None,
    ) -> None:
        stage = self._stage
        why: str | None = CANCELLED
        before = stage.look()
        try:
            for task in tasks:
                self._begin(_trying(task))
                stage.check = task.check
                try:
                    found = await carry_out(stage, task)
                finally:
                    stage.put_back()
                self._keep(replace(found, setup=self.setup_of(task.subject)))
            if rehearse is not None:
                self._begin(REHEARSAL)
                stage.check = None
                if tasks:
                    await stage.recover(before)
                await rehearse()
                self._advance()
            why = None
        except EndedError as err:
            why = err.text
        except Exception as err:
            _LOGGER.exception("The commissioning had a fault of its own")
            why = Phrase(
                "commissioning_faulty",
                "It had a fault of its own: {error}",
                error=repr(err),
            )
        finally:
            self._task = stage.check = None
            self._end(why)

    async def changed(self, seen: CommissioningStatus) -> None:
        """Wait until there is more to show than `seen`, or the run has ended."""
        while self.status is seen and self.running:
            await self._changed.wait()

    def _begin(self, step: str) -> None:
        assert self.status is not None
        self._show(replace(self.status, step=step, prompt=None))

    def _ask(self, prompt: str | None) -> None:
        assert self.status is not None
        self._show(replace(self.status, prompt=prompt))

    def _advance(self) -> None:
        assert self.status is not None
        self._show(replace(self.status, done=self.status.done + 1))

    def _end(self, why: str | None) -> None:
        assert self.status is not None
        results = self.status.results
        self._note(
            "end",
            {
                "failed": sum(r.outcome is Outcome.FAILED for r in results),
                "proven": sum(r.outcome is Outcome.PROVEN for r in results),
                "reason": why,
            },
        )
        self._show(
            replace(
                self.status,
                step="",
                prompt=None,
                ended=self._ports.utcnow(),
                ended_early=why,
            )
        )

    def _show(self, status: CommissioningStatus) -> None:
        self.status = status
        self._changed.set()
        self._changed = asyncio.Event()
        self._ports.on_change()

    # ---------------------------------------------------------------------- results

    def restore(self, results: Results) -> None:
        """Take over what was found before the start."""
        self._results = dict(results)

    def forget(self, subject: str) -> None:
        """Forget what is known of one subject."""
        for key in [key for key in self._results if key[0] == subject]:
            del self._results[key]
        self._ports.save()
        self._ports.on_change()

    def _keep(self, result: Result) -> None:
        assert self.status is not None
        self._results[result.subject, result.check] = result
        self._ports.save()
        self._note(
            "result",
            {
                "check": result.check,
                "device": result.subject,
                "name": result.name,
                "outcome": result.outcome,
                "seconds": result.seconds,
                "text": result.text,
            },
        )
        self.status = replace(self.status, results=(*self.status.results, result))
        self._advance()

    def _note(self, event: str, data: Mapping[str, object]) -> None:
        self._ports.record(RecordKind.COMMISSIONING, {"event": event, **data})
