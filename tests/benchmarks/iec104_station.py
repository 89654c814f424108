"""A bare controlled station in a process of its own, to be measured.

1000 floats at 1000..1999, a setpoint at 10 with its feedback at 50, common
address 100. Prints its port; ends when standard input does.
"""

import asyncio
from collections.abc import Iterable
import sys

from custom_components.netflex.iec104 import (
    Command,
    CommandPoint,
    ControlledStation,
    MonitorObject,
    Responder,
    StationConfig,
    TypeId,
)

SETPOINT, FEEDBACK = 10, 50
POINT = CommandPoint(
    type_ids=frozenset({TypeId.C_SE_NC_1}), accepts=lambda value: 0 <= value <= 100
)


class Plant:
    """Takes the setpoint, feeds it back and terminates at once."""

    def __init__(self) -> None:
        self.values = {
            ioa: MonitorObject(type_id=TypeId.M_ME_NC_1, ioa=ioa, value=ioa / 8)
            for ioa in range(1000, 2000)
        }

    def points(self) -> Iterable[MonitorObject]:
        return self.values.values()

    def point(self, ioa: int) -> MonitorObject | None:
        return self.values.get(ioa)

    def command_point(self, ioa: int) -> CommandPoint | None:
        return POINT if ioa == SETPOINT else None

    def execute(self, command: Command, responder: Responder) -> None:
        responder.confirm()
        feedback = MonitorObject(
            type_id=TypeId.M_ME_TF_1, ioa=FEEDBACK, value=command.value
        )
        responder.return_information((feedback,))
        responder.terminate()


async def main() -> None:
    station = ControlledStation(StationConfig(port=0), Plant())
    await station.start()
    assert station.address is not None
    sys.stdout.write(f"{station.address[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await station.stop()


if __name__ == "__main__":
    asyncio.run(main())
