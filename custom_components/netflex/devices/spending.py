"""What one device may write to memory that wears: counted, refused, or left to a relay.

Safety rule S11: a budget never blocks a stop, a fuse cut or a tightening order; a
reserve is kept for them, and after it a relay acts where there is one.
"""

from ..model.phrase import Phrase
from .budget import reserve_of
from .device import DeviceError
from .ports import WriteBudget
from .profile import Control, Persistence


class Spending:
    """The writes of one device, by control."""

    def __init__(
        self, device_id: str, budget: WriteBudget, *, behind_relay: bool
    ) -> None:
        """Count in a budget that may outlive the device."""
        self.behind_relay = behind_relay
        """Whether an emergency output can cut the device off where this one may not
        write any more."""
        self._device_id = device_id
        self._budget = budget

    def left(self, control: Control | None) -> int | None:
        """Return the ordinary writes left today, None where its memory does not wear."""
        if control is None or control.persistence is not Persistence.EEPROM:
            return None
        return max(
            0, self._budget.left(self._device_id, control.name, control.daily_writes)
        )

    async def spend(self, control: Control, *, stop: bool, tightens: bool) -> None:
        """Count a write, or refuse it: DeviceError (`write_budget`)."""
        if control.persistence is not Persistence.EEPROM:
            return
        limit = control.daily_writes
        if tightens and not stop and self.behind_relay:
            spare = self._budget.left(self._device_id, control.name, limit)
            if spare + reserve_of(limit) <= 0:
                raise DeviceError(
                    "write_budget",
                    Phrase(
                        "reserve_spent",
                        "its memory wears: the writes of the day and their reserve are "
                        "spent, the relay has to act",
                    ),
                    {"limit": str(limit)},
                )
        if not await self._budget.spend(
            self._device_id, control.name, limit, urgent=stop or tightens
        ):
            raise DeviceError(
                "write_budget",
                Phrase(
                    "budget_spent",
                    "its memory wears: {limit} writes a day are spent",
                    limit=str(limit),
                ),
                {"limit": str(limit)},
            )
