"""A P1 port behind a socket, in a process of its own.

`FILE COUNT INTERVAL`: writes its port, then sends the file's telegram COUNT times to
its one reader, INTERVAL s apart, the last three bytes by themselves. Last it writes
when it sent those, in s of the machine's monotonic clock, as one JSON list.
"""

import json
from pathlib import Path
import socket
import sys
import time

TAIL = 3


def main(path: str, count: str, interval: str) -> None:
    telegram, pause = Path(path).read_bytes(), float(interval) / 2
    sent: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        wire, _ = server.accept()
    with wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(int(count)):
            wire.sendall(telegram[:-TAIL])
            time.sleep(pause)
            sent.append(time.monotonic())
            wire.sendall(telegram[-TAIL:])
            time.sleep(pause)
        sys.stdout.write(json.dumps(sent) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
