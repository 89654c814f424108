"""How far a rehearsal of the site has come."""

from dataclasses import dataclass
from datetime import datetime

from ..telecontrol.rehearsal_plant import RehearsalMode
from ..telecontrol.rehearsal_record import Outcome
from ..telecontrol.rehearsal_run import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalStatus:
    """How far the newest rehearsal has come; `outcome` None: it runs."""

    mode: RehearsalMode
    started: datetime
    progress: Progress | None = None
    outcome: Outcome | None = None
    ended: datetime | None = None
    ended_early: str | None = None
    passed: int = 0
    failed: int = 0
    report: str | None = None
    """Path of its report, once that is written."""
