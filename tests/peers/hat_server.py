"""hat-drivers' server with the same points as the station that it is measured beside.

Runs under the peers' interpreter and imports nothing of this project. 1000 floats at
1000..1999, a setpoint at 10 that is confirmed, returned at 50 with a time tag and
terminated, common address 100. The first argument is the port; prints it once it
listens; ends when standard input does.
"""

import asyncio
import datetime as dt
import sys

from hat.drivers import iec104, tcp

COMMON_ADDRESS = 100
SETPOINT, FEEDBACK = 10, 50
GOOD = iec104.MeasurementQuality(
    invalid=False, not_topical=False, substituted=False, blocked=False, overflow=False
)


def value(ioa: int, number: float, cause: object, time: object) -> iec104.DataMsg:
    """Return a float as it is sent."""
    return iec104.DataMsg(
        is_test=False,
        originator_address=0,
        asdu_address=COMMON_ADDRESS,
        io_address=ioa,
        data=iec104.FloatingData(
            value=iec104.FloatingValue(number),
            quality=GOOD,
        ),
        time=time,
        cause=cause,
    )


def answers(request: object) -> list[object]:
    """Return everything that follows a request."""
    if isinstance(request, iec104.CommandMsg):
        now = iec104.time_from_datetime(dt.datetime.now(dt.UTC))
        return [
            request._replace(cause=iec104.CommandResCause.ACTIVATION_CONFIRMATION),
            value(
                FEEDBACK,
                request.command.value.value,
                iec104.DataResCause.REMOTE_COMMAND,
                now,
            ),
            request._replace(cause=iec104.CommandResCause.ACTIVATION_TERMINATION),
        ]
    if isinstance(request, iec104.InterrogationMsg):
        cause = iec104.DataResCause.INTERROGATED_STATION
        return [
            request._replace(cause=iec104.CommandResCause.ACTIVATION_CONFIRMATION),
            *(value(ioa, ioa / 8, cause, None) for ioa in range(1000, 2000)),
            request._replace(cause=iec104.CommandResCause.ACTIVATION_TERMINATION),
        ]
    return []


async def serve(connection: iec104.Connection) -> None:
    try:
        while True:
            for request in await connection.receive():
                await connection.send(answers(request))
    except ConnectionError:
        connection.close()


async def main() -> None:
    port = int(sys.argv[1])
    server = await iec104.listen(serve, tcp.Address("127.0.0.1", port))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.async_close()


if __name__ == "__main__":
    asyncio.run(main())
