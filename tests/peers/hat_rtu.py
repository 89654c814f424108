"""An RTU on hat-drivers, another independent IEC 60870-5-104 stack.

Runs one session under an interpreter that has hat-drivers, imports nothing of this
project, and prints what the station answered as one JSON object.
"""

import asyncio
import datetime as dt
import json
import sys

from hat.drivers import iec104, tcp

COMMON_ADDRESS = 100


async def collect(connection: iec104.Connection, seconds: float) -> list[object]:
    """Return the messages that arrive until none came for that long."""
    messages: list[object] = []
    while True:
        try:
            messages += await asyncio.wait_for(connection.receive(), seconds)
        except TimeoutError:
            return messages


def told(message: object) -> dict[str, object]:
    """Return what the test looks at."""
    cause = message.cause
    found = {
        "kind": type(message).__name__,
        "cause": getattr(cause, "name", str(cause)),
        "ioa": getattr(message, "io_address", None),
        "negative": getattr(message, "is_negative_confirm", None),
        "originator": message.originator_address,
    }
    data = getattr(message, "data", None)
    if data is not None:
        value = data.value
        found["value"] = getattr(value, "value", value)
    return found


def command(ioa: int, content: object, *, time: object = None) -> iec104.CommandMsg:
    """Return an activation with originator 7."""
    return iec104.CommandMsg(
        is_test=False,
        originator_address=7,
        asdu_address=COMMON_ADDRESS,
        io_address=ioa,
        command=content,
        is_negative_confirm=False,
        time=time,
        cause=iec104.CommandReqCause.ACTIVATION,
    )


async def main() -> None:
    host, port = sys.argv[1], int(sys.argv[2])
    connection = await iec104.connect(tcp.Address(host, port))
    now = iec104.time_from_datetime(dt.datetime.now(dt.UTC))
    steps = {
        "interrogation": iec104.InterrogationMsg(
            is_test=False,
            originator_address=7,
            asdu_address=COMMON_ADDRESS,
            is_negative_confirm=False,
            request=20,
            cause=iec104.CommandReqCause.ACTIVATION,
        ),
        "clock": iec104.ClockSyncMsg(
            is_test=False,
            originator_address=7,
            asdu_address=COMMON_ADDRESS,
            is_negative_confirm=False,
            time=now,
            cause=iec104.ClockSyncReqCause.ACTIVATION,
        ),
        "single": command(
            1001,
            iec104.SingleCommand(
                value=iec104.SingleValue.ON, select=False, qualifier=0
            ),
        ),
        "double": command(
            1004,
            iec104.DoubleCommand(
                value=iec104.DoubleValue.ON, select=False, qualifier=0
            ),
        ),
        "floating": command(
            2001,
            iec104.FloatingCommand(value=iec104.FloatingValue(40.0), select=False),
        ),
        "floating_with_time": command(
            2001,
            iec104.FloatingCommand(value=iec104.FloatingValue(60.0), select=False),
            time=now,
        ),
        "too_much": command(
            2001,
            iec104.FloatingCommand(value=iec104.FloatingValue(101.0), select=False),
        ),
    }
    answers = {"start": [told(one) for one in await collect(connection, 0.2)]}
    for name, message in steps.items():
        await connection.send([message])
        answers[name] = [told(one) for one in await collect(connection, 0.2)]
    await connection.async_close()
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    asyncio.run(main())
