"""c104's server with the same points as the station that it is measured beside.

Runs under the peers' interpreter. 1000 floats at 1000..1999, a setpoint at 10 with
a Python callback and its automatic return at 50, common address 100. The first
argument is the port; prints it once it listens; ends when standard input does.
"""

import sys

import c104


def on_setpoint(
    point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
) -> c104.ResponseState:
    return c104.ResponseState.SUCCESS


def main() -> None:
    port = int(sys.argv[1])
    server = c104.Server(ip="127.0.0.1", port=port)
    station = server.add_station(common_address=100)
    for ioa in range(1000, 2000):
        station.add_point(io_address=ioa, type=c104.Type.M_ME_NC_1).value = ioa / 8
    station.add_point(io_address=50, type=c104.Type.M_ME_TF_1)
    setpoint = station.add_point(
        io_address=10,
        type=c104.Type.C_SE_NC_1,
        related_io_address=50,
        related_io_autoreturn=True,
    )
    setpoint.on_receive(callable=on_setpoint)
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
