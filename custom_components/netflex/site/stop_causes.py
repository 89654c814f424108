"""Why an emergency output is in the state that it is in."""

from collections.abc import Iterable

from ..model.asset import Direction
from ..model.orders import Stops
from ..model.phrase import Phrase
from ..model.plan import Cause, Source


def stop_causes(stops: Stops, directions: Iterable[Direction]) -> tuple[Cause, ...]:
    """Name the stops in force among `directions`."""
    causes = []
    for direction in sorted(directions):
        if stops.orders.stopped(direction):
            causes.append(
                Cause(
                    source=Source.EMERGENCY_STOP,
                    key=f"operator_stop_{direction}",
                    text=Phrase(
                        f"operator_stop_{direction}",
                        f"The grid operator's emergency stop of {direction}",
                    ),
                )
            )
        if holders := stops.local.holders(direction):
            held_by = ", ".join(sorted(holders))
            causes.append(
                Cause(
                    source=Source.LOCAL_STOP,
                    key=f"local_stop_{direction}",
                    text=Phrase(
                        f"held_stop_{direction}",
                        f"Local emergency stop of {direction} ({{holders}})",
                        holders=held_by,
                    ),
                )
            )
    return tuple(causes)
