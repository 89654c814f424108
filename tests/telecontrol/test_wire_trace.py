"""The newest APDUs are kept in words, and only the newest."""

from dataclasses import replace
from datetime import UTC, datetime

from custom_components.netflex.iec104 import ConnectionInfo, Direction
from custom_components.netflex.model.orders import LinkState
from custom_components.netflex.telecontrol.wire_trace import MOST_ENTRIES, WireTrace

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONNECTION = ConnectionInfo(number=3, address="192.0.2.10", port=40_000, opened_at=NOW)
STARTDT = bytes.fromhex("680407000000")


def test_an_apdu_is_kept_in_words_with_its_direction() -> None:
    trace = WireTrace(utcnow=lambda: NOW)

    trace.apdu(CONNECTION, Direction.RECEIVED, STARTDT)
    trace.apdu(CONNECTION, Direction.SENT, b"\x00\xff")

    first, second = trace.entries()
    assert (first.at, first.connection) == (NOW, 3)
    assert first.direction is Direction.RECEIVED
    assert first.text == "U STARTDT_ACT"
    assert second.direction is Direction.SENT
    assert "invalid APDU 00 ff" in second.text


def test_only_the_newest_are_kept() -> None:
    trace = WireTrace()
    for number in range(MOST_ENTRIES + 20):
        s_apdu = bytes([0x68, 4, 1, 0]) + (number << 1).to_bytes(2, "little")
        trace.apdu(CONNECTION, Direction.RECEIVED, s_apdu)

    entries = trace.entries()

    assert len(entries) == MOST_ENTRIES
    assert entries[0].text == "S N(R)=20"
    assert entries[-1].text == f"S N(R)={MOST_ENTRIES + 19}"


def test_state_and_close_reason_of_the_link_are_kept() -> None:
    trace = WireTrace()
    up = LinkState(listening=True, connected=True, client="192.0.2.10")
    for link in (
        LinkState(problem="Port 2404 is used by another program"),
        LinkState(listening=True),
        up,
        replace(up, clock_offset=0.5),
        replace(up, last_close_reason="t1_test: no answer"),
        LinkState(
            listening=True,
            last_close_reason="t1_test: no answer",
            last_refused_client="192.0.2.99",
        ),
        LinkState(),
    ):
        trace.link(link)

    assert [entry.text for entry in trace.entries()] == [
        "cannot listen: Port 2404 is used by another program",
        "listening",
        "data transfer started",
        "closed: t1_test: no answer",
        "link lost",
        "refused 192.0.2.99",
        "not listening",
    ]
    assert {entry.connection for entry in trace.entries()} == {None}
