"""A grid operator's RTU on c104, an independent IEC 60870-5-104 stack.

Runs in a process of its own under the peers' interpreter and imports nothing of
this project. Reads one JSON object a line from standard input (`do` names the
action, `id` comes back) and writes replies and events as JSON lines.
"""

import datetime as dt
import json
import sys
import threading
import time

import c104

COMMAND_TIMEOUT_MS = 1000
OPEN_TIMEOUT = 10.0
CONFIRMATIONS = (7, 44, 45, 46, 47)
TERMINATION = 10


class Output:
    """Lines to standard output, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, **fields: object) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(fields) + "\n")
            sys.stdout.flush()


class Answers:
    """The ASDUs that arrived, for those who wait for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asdus: list[tuple[float, bytes]] = []

    def add(self, asdu: bytes) -> None:
        with self._changed:
            self._asdus.append((time.monotonic(), asdu))
            self._changed.notify_all()

    def mark(self) -> int:
        with self._changed:
            return len(self._asdus)

    def wait(
        self,
        since: int,
        type_id: int,
        ioa: int,
        causes: tuple[int, ...],
        *,
        timeout: float,
        skip: int = 0,
    ) -> tuple[float, bytes] | None:
        """Return the first ASDU after `since` (and `skip` others) that fits."""

        def found() -> tuple[float, bytes] | None:
            fitting = [
                entry
                for entry in self._asdus[since:]
                if entry[1][0] == type_id
                and entry[1][2] & 0x3F in causes
                and int.from_bytes(entry[1][6:9], "little") == ioa
            ]
            return fitting[skip] if len(fitting) > skip else None

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, timeout)
            return found()


OUTPUT = Output()
ANSWERS = Answers()


def on_raw(connection: c104.Connection, data: bytes) -> None:
    if len(data) > 12 and not data[2] & 1:
        ANSWERS.add(bytes(data[6:]))
        OUTPUT.write(event="asdu", octets=data[6:].hex())


def on_state(connection: c104.Connection, state: c104.ConnectionState) -> None:
    OUTPUT.write(event="state", state=state.name)


def tell_point(ioa: int, type_name: str, info: c104.Information, cause: str) -> None:
    value = info.value
    recorded_at = info.recorded_at
    OUTPUT.write(
        event="point",
        ioa=ioa,
        type=type_name,
        value=value.name if isinstance(value, c104.Double) else float(value),
        quality=info.quality.value,
        cause=cause,
        recorded_at=None if recorded_at is None else recorded_at.isoformat(),
    )


def on_point(
    point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
) -> c104.ResponseState:
    tell_point(point.io_address, point.type.name, point.info, message.cot.name)
    return c104.ResponseState.SUCCESS


def on_unexpected(
    connection: c104.Connection, message: c104.IncomingMessage, cause: c104.Umc
) -> None:
    """Take what c104 decodes but does not assign: it knows one type per address.

    A value that is interrogated without a time tag and reported with one has two.
    """
    if cause == c104.Umc.MISMATCHED_TYPE_ID and message.type.name.startswith("M_"):
        # Told once for an ASDU, whatever it holds: go through its objects.
        message.first()
        while message.next():
            tell_point(
                message.io_address, message.type.name, message.info, message.cot.name
            )
    else:
        OUTPUT.write(event="unexpected", cause=cause.name, octets=message.raw.hex())


def on_new_point(
    client: c104.Client, station: c104.Station, io_address: int, point_type: c104.Type
) -> None:
    point = station.add_point(io_address, point_type)
    point.on_receive(callable=on_point)


class Rtu:
    """One connection to one controlled station."""

    def __init__(self, host: str, port: int, common_address: int) -> None:
        self._common_address = common_address
        self._client = c104.Client(
            tick_rate_ms=50, command_timeout_ms=COMMAND_TIMEOUT_MS
        )
        # Left to itself c104 may miss its own STARTDT confirmation and stay muted
        # for ever: connect muted, then unmute.
        self._connection = self._client.add_connection(host, port, c104.Init.MUTED)
        self._connection.on_receive_raw(callable=on_raw)
        self._connection.on_state_change(callable=on_state)
        self._connection.on_unexpected_message(callable=on_unexpected)
        self._client.on_new_point(callable=on_new_point)
        self._station = self._connection.add_station(common_address)
        self._points: dict[int, c104.Point] = {}

    def open(self) -> bool:
        """Connect and start data transfer."""
        self._client.start()
        if not self._reaches(c104.ConnectionState.OPEN_MUTED):
            return False
        self._connection.unmute()
        return self._reaches(c104.ConnectionState.OPEN)

    def _reaches(self, state: c104.ConnectionState) -> bool:
        deadline = time.monotonic() + OPEN_TIMEOUT
        while self._connection.state != state:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def close(self) -> None:
        self._client.stop()

    def interrogate(self, common_address: int | None) -> dict[str, object]:
        since = ANSWERS.mark()
        begun = time.monotonic()
        self._connection.interrogation(
            common_address=common_address or self._common_address,
            wait_for_response=False,
        )
        ended = ANSWERS.wait(since, 100, 0, (TERMINATION,), timeout=10)
        return {
            "terminated": ended is not None,
            "ms": None if ended is None else (ended[0] - begun) * 1000,
        }

    def system(self, send: str, type_id: int) -> dict[str, object]:
        since = ANSWERS.mark()
        getattr(self._connection, send)(
            common_address=self._common_address, wait_for_response=False
        )
        return _confirmation(ANSWERS.wait(since, type_id, 0, CONFIRMATIONS, timeout=5))

    def command(
        self, ioa: int, type: str, value: float, select: bool, wait: float
    ) -> dict[str, object]:
        """Send a command; what counts is what arrives, not what transmit returns.

        c104 may sleep through its own confirmation and then report a failure.
        """
        point_type = getattr(c104.Type, type)
        mode = (
            c104.CommandMode.SELECT_AND_EXECUTE if select else c104.CommandMode.DIRECT
        )
        point = self._points.get(ioa)
        if point is not None and point.type != point_type:
            self._station.remove_point(ioa)
            point = None
        if point is None:
            point = self._station.add_point(ioa, point_type, command_mode=mode)
            self._points[ioa] = point
        point.command_mode = mode
        point.info = _information(type, value)
        type_number = TYPE_NUMBERS[type]
        since = ANSWERS.mark()
        begun = time.monotonic()
        sent = point.transmit(cause=c104.Cot.ACTIVATION)
        entry = ANSWERS.wait(
            since, type_number, ioa, CONFIRMATIONS, timeout=wait, skip=int(select)
        )
        if entry is None and select:
            entry = ANSWERS.wait(since, type_number, ioa, CONFIRMATIONS, timeout=0)
        reply = _confirmation(entry)
        reply["transmitted"] = sent
        reply["ms"] = None if entry is None else (entry[0] - begun) * 1000
        reply["terminated"] = False
        if reply["cause"] == 7 and not reply["negative"]:
            ended = ANSWERS.wait(since, type_number, ioa, (TERMINATION,), timeout=wait)
            reply["terminated"] = ended is not None
        return reply


TYPE_NUMBERS = {
    "C_SC_NA_1": 45,
    "C_DC_NA_1": 46,
    "C_SE_NC_1": 50,
    "C_SC_TA_1": 58,
    "C_DC_TA_1": 59,
    "C_SE_TC_1": 63,
}


def _information(type: str, value: float) -> c104.Information:
    at = dt.datetime.now(dt.UTC) if "_T" in type else None
    if type.startswith("C_SC"):
        return c104.SingleCmd(on=bool(value), recorded_at=at)
    if type.startswith("C_DC"):
        state = {0: "INTERMEDIATE", 1: "OFF", 2: "ON", 3: "INDETERMINATE"}[int(value)]
        return c104.DoubleCmd(state=getattr(c104.Double, state), recorded_at=at)
    return c104.ShortCmd(target=float(value), recorded_at=at)


def _confirmation(entry: tuple[float, bytes] | None) -> dict[str, object]:
    if entry is None:
        return {"cause": None, "negative": None}
    flags = entry[1][2]
    return {"cause": flags & 0x3F, "negative": bool(flags & 0x40)}


def act(rtu: Rtu | None, request: dict[str, object]) -> dict[str, object]:
    """Carry out one action other than connecting."""
    if rtu is None:
        return {"error": "not connected"}
    action = request["do"]
    if action == "interrogate":
        return rtu.interrogate(request.get("common_address"))
    if action == "clock_sync":
        return rtu.system("clock_sync", 103)
    if action == "test":
        return rtu.system("test", 107)
    if action == "command":
        return rtu.command(
            request["ioa"],
            request["type"],
            request["value"],
            request.get("select", False),
            request.get("wait", 5.0),
        )
    return {"error": f"unknown action {action}"}


def main() -> None:
    rtu: Rtu | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "connect":
                if rtu is not None:
                    rtu.close()
                rtu = Rtu(request["host"], request["port"], request["common_address"])
                reply = {"open": rtu.open()}
            elif request["do"] == "disconnect":
                if rtu is not None:
                    rtu.close()
                rtu = None
                reply = {}
            else:
                reply = act(rtu, request)
        except Exception as err:  # noqa: BLE001 - the caller is told
            reply = {"error": repr(err)}
        OUTPUT.write(reply=request["id"], **reply)
    if rtu is not None:
        rtu.close()


if __name__ == "__main__":
    main()
