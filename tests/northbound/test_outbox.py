"""The store of what waits: in order, bounded, there after a kill -9."""

from collections.abc import AsyncGenerator
from pathlib import Path
import signal
import sqlite3
import subprocess
import sys

import pytest

from custom_components.netflex.northbound.messages import Outgoing
from custom_components.netflex.northbound.outbox import Outbox, OutboxError

ROOT = Path(__file__).parents[2]


def message(number: int) -> Outgoing:
    return Outgoing(topic=f"@update/{number}", data={"value": number, "t": 1.5})


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncGenerator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db", 100)
    await outbox.open("me")
    yield outbox
    await outbox.close()


async def test_messages_come_back_in_order_and_go_when_they_are_confirmed(
    outbox: Outbox,
) -> None:
    special = Outgoing(topic="@nodeRemoved/x", data=None, retain=True)
    await outbox.append([message(1), special])
    await outbox.append([message(2)])
    waiting = await outbox.oldest(10)
    assert [item.message for item in waiting] == [message(1), special, message(2)]
    await outbox.confirm(waiting[1])
    assert outbox.count == 1
    assert [item.message for item in await outbox.oldest(10)] == [message(2)]


async def test_the_oldest_are_dropped_first_and_counted_over_a_restart(
    outbox: Outbox, tmp_path: Path
) -> None:
    for start in range(0, 250, 50):
        await outbox.append([message(number) for number in range(start, start + 50)])
    assert (outbox.count, outbox.dropped) == (100, 150)
    (oldest, *_) = await outbox.oldest(1)
    assert oldest.message == message(150)
    await outbox.append([message(number) for number in range(250, 650)])
    assert (outbox.count, outbox.dropped) == (100, 550)
    again = Outbox(tmp_path / "outbox.db", 100)
    await again.open("me")
    assert (again.count, again.dropped) == (100, 550)
    assert (await again.oldest(1))[0].message == message(550)
    await again.close()


async def test_what_waits_for_one_recipient_is_not_told_to_another(
    outbox: Outbox, tmp_path: Path
) -> None:
    await outbox.append([message(1)])
    await outbox.keep_numbers({"relay/boiler": 1})
    again = Outbox(tmp_path / "outbox.db", 100)
    await again.open("somebody else")
    assert (again.count, await again.oldest(10)) == (0, [])
    assert await again.numbers() == {"relay/boiler": 1}
    await again.close()


async def test_numbers_of_nodes_are_kept(outbox: Outbox) -> None:
    assert await outbox.numbers() == {}
    await outbox.keep_numbers({"relay/boiler": 1, "relay/heating": 2})
    await outbox.keep_numbers({"relay/heating": 3})
    assert await outbox.numbers() == {"relay/boiler": 1, "relay/heating": 3}


_WRITER = """
import asyncio, sys
from pathlib import Path
from custom_components.netflex.northbound.messages import Outgoing
from custom_components.netflex.northbound.outbox import Outbox

async def write() -> None:
    outbox = Outbox(Path(sys.argv[1]), 1_000_000)
    await outbox.open("me")
    number = 0
    while True:
        await outbox.append(
            [Outgoing(topic=f"t/{n}", data={"n": n}) for n in range(number, number + 10)]
        )
        number += 10
        print(number, flush=True)

asyncio.run(write())
"""


async def test_what_was_stored_is_there_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    writer = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", _WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    for _ in range(20):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    said = [int(line) for line in writer.stdout.read().split() if line.isdigit()]
    writer.wait()
    outbox = Outbox(path, 1_000_000)
    await outbox.open("me")
    waiting = await outbox.oldest(1_000_000)
    assert len(waiting) >= max(said, default=200)
    assert [item.message.topic for item in waiting] == [
        f"t/{number}" for number in range(len(waiting))
    ]
    await outbox.close()


@pytest.mark.parametrize("damage", ["another version", "cannot be used"])
async def test_a_file_of_another_version_or_a_damaged_one_is_refused(
    tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "outbox.db"
    if damage == "another version":
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA user_version = 2")
        db.close()
    else:
        file.write_bytes(b"no database at all, but long enough to be read as one" * 50)
    before = file.read_bytes()
    outbox = Outbox(file, 10)
    with pytest.raises(OutboxError, match=damage):
        await outbox.open("me")
    await outbox.close()
    assert file.read_bytes() == before


async def test_what_is_not_open_takes_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", 10)
    with pytest.raises(OutboxError, match="not open"):
        await outbox.append([message(1)])
    await outbox.close()
