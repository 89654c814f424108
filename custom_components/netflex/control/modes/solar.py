"""Charger mode "solar": only what would be injected otherwise.

A cloud does not stop it: it goes on with its minimum for a while, so that neither the
car nor its contactor is switched more often than needed.
"""

from dataclasses import replace

from ...model.snapshot import UserLimits
from .. import explain
from ..memory import ModeMemory
from .wish import View, Wish


def wish(view: View, user: UserLimits, memory: ModeMemory) -> tuple[Wish, ModeMemory]:
    """Wish for the surplus, and for the minimum while a cloud passes."""
    memory, holds = hold_through_clouds(view, memory)
    return (
        Wish(
            low=view.least if holds else 0.0,
            high=view.most,
            cause=explain.surplus(),
        ),
        memory,
    )


def hold_through_clouds(view: View, memory: ModeMemory) -> tuple[ModeMemory, bool]:
    """Return whether what runs goes on although the surplus is too small."""
    enough = view.surplus is not None and view.surplus >= view.least
    if enough or not view.running:
        return (
            memory if memory.short_since is None else replace(memory, short_since=None)
        ), False
    now = view.clock.monotonic
    if memory.short_since is None:
        memory = replace(memory, short_since=now)
    since = now if memory.short_since is None else memory.short_since
    return memory, now - since < view.tuning.solar_patience
