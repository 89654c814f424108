"""What sources outside the house ask of loads: taken, ended by time, lost (S14)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..model.remote import RemoteCommand
from ..telecontrol.journal_format import RecordKind
from .journal_notes import Record


class RemoteCommands:
    """The commands in force, one of each source on each load; each change is recorded.

    Nothing is kept over a restart: a load that nobody asks anything is enabled.
    """

    def __init__(self, record: Record) -> None:
        """Start with none."""
        self._record = record
        self._commands: dict[str, dict[str, RemoteCommand]] = {}
        self._frozen: Mapping[str, tuple[RemoteCommand, ...]] | None = None

    def give(self, asset_id: str, command: RemoteCommand) -> None:
        """Put a command in the place of what its source asked before."""
        commands = self._commands.setdefault(asset_id, {})
        before = commands.pop(command.source, None)
        if not command.enabled:
            commands[command.source] = command
        # Who repeats himself fills no journal.
        if (before is None) is not command.enabled:
            self._note(asset_id, command, command.cause.text)
        self._changed()

    def source_lost(self, source: str, now: float) -> None:
        """Note that a source is lost at monotonic `now`; its delays run from there."""
        self._replace(source, now)

    def source_back(self, source: str) -> None:
        """Note that a source is there again: what has not ended goes on."""
        self._replace(source, None)

    def withdraw(self, source: str, reason: str) -> None:
        """End everything that a source asks, for a reason in a user's words."""
        for asset_id, commands in self._commands.items():
            if (command := commands.pop(source, None)) is not None:
                self._note(asset_id, replace(command, enabled=True), reason)
        self._changed()

    def forget(self, asset_id: str) -> None:
        """Forget a load that is gone."""
        if self._commands.pop(asset_id, None) is not None:
            self._changed()

    def in_force(self, now: float) -> Mapping[str, tuple[RemoteCommand, ...]]:
        """Return what holds at monotonic `now`, by load; what has ended is recorded."""
        for asset_id, commands in self._commands.items():
            for command in [item for item in commands.values() if not item.holds(now)]:
                del commands[command.source]
                lost = command.lost_at is not None and (
                    command.until is None or now < command.until
                )
                reason = (
                    f"{command.source} has been lost for {command.lost_after:.0f} s"
                    if lost
                    else "its time is over"
                )
                self._note(asset_id, replace(command, enabled=True), reason)
                self._changed()
        if self._frozen is None:
            self._frozen = MappingProxyType(
                {
                    asset_id: tuple(commands.values())
                    for asset_id, commands in self._commands.items()
                    if commands
                }
            )
        return self._frozen

    def _replace(self, source: str, lost_at: float | None) -> None:
        for commands in self._commands.values():
            if (command := commands.get(source)) is not None:
                commands[source] = replace(command, lost_at=lost_at)
        self._changed()

    def _changed(self) -> None:
        self._frozen = None

    def _note(self, asset_id: str, command: RemoteCommand, reason: str) -> None:
        self._record(
            RecordKind.REMOTE,
            {
                "device": asset_id,
                "reason": reason,
                "source": command.source,
                "value": command.enabled,
            },
        )
