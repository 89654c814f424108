"""Pushes out of bytes that are damaged anywhere and cut anywhere."""

from collections.abc import Iterator
import random

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest

from custom_components.netflex.metering.dlms_apdu import (
    MESSAGE_LIMIT,
    Assembler,
    DlmsKeys,
)
from custom_components.netflex.metering.dlms_axdr import (
    DlmsError,
    Octets,
    read_data,
    read_time,
)
from custom_components.netflex.metering.dlms_link import (
    BUFFER_LIMIT,
    FrameCutter,
    Framing,
)
from custom_components.netflex.metering.dlms_objects import PushGroup
from custom_components.netflex.metering.dlms_stream import DlmsStream
from custom_components.netflex.simulation.dlms_encoding import (
    hdlc_frame,
    hdlc_frames,
    mbus_frames,
)

from .dlms_recordings import (
    E450_KEYS,
    KEYS,
    NAMES,
    meter,
    pushes_of,
    recorded,
    three_pushes,
)

FRAMINGS = list(Framing)


def frames_of(data: bytes, framing: Framing) -> list[bytes]:
    """Cut clean frames apart by their lengths."""
    frames = []
    while data:
        length = data[1] + 6
        if framing is Framing.HDLC:
            length = ((data[1] & 7) << 8 | data[2]) + 2
        frames.append(data[:length])
        data = data[length:]
    return frames


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


# ----------------------------------------------------------------- in whatever pieces


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 45, 100, 4096])
def test_every_segmentation_gives_the_same(name: str, size: int) -> None:
    whole, _ = pushes_of(recorded(name) * 3, KEYS.get(name))
    assert len(whole) == 3
    stream = DlmsStream(KEYS.get(name))
    found = [
        push for part in pieces(recorded(name) * 3, size) for push in stream.feed(part)
    ]
    assert found == whole
    assert (stream.good, stream.damaged, stream.dropped) == (3, 0, 0)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stream_that_is_joined_in_its_middle_is_no_damage(framing: Framing) -> None:
    first, second, _ = three_pushes(meter(framing))
    for start in range(1, len(first), 7):
        pushes, stream = pushes_of(first[start:] + second)
        assert pushes[-1] == pushes_of(second)[0][0]
        assert stream.damaged == 0


def test_what_stands_between_frames_is_skipped() -> None:
    """Idle flags, flags that two frames share, and the greeting of a master."""
    data = recorded("e450_hdlc_listed")
    frames = frames_of(data, Framing.HDLC)
    shared = b"".join(frame[:-1] for frame in frames) + b"\x7e"
    idle = b"\x7e\x7e".join(frames)
    greeting = bytes.fromhex("1040014116")
    for stretch in (shared, idle, greeting + data, b"".join([greeting, *frames])):
        pushes, stream = pushes_of(stretch)
        assert len(pushes) == 1
        assert (stream.damaged, stream.dropped) == (0, 0)


def test_a_message_in_segments_of_hdlc() -> None:
    message = plain_message()
    first, last = message[:50], message[50:]
    data = hdlc_frame(b"\xe6\xe7\x00" + first, segmented=True) + hdlc_frame(last)
    pushes, stream = pushes_of(data)
    assert len(pushes) == 1
    assert stream.damaged == 0


def test_a_length_that_has_lost_its_ninth_bit() -> None:
    """Some meters send frames of more than 255 bytes, and say 1 for 257."""
    content = b"\x53\xff\x10\x01\x67" + plain_message().ljust(252, b"\0")
    assert len(content) == 257
    frame = b"\x68\x01\x01\x68" + content + bytes([sum(content) & 0xFF, 0x16])
    pushes, stream = pushes_of(frame * 2)
    assert len(pushes) == 2
    assert stream.damaged == 0


def plain_message() -> bytes:
    """Return a notification short enough for one frame of either kind."""
    wire = meter(Framing.MBUS, serial=b"1")
    (frame,) = frames_of(wire.push(PushGroup.BILLING)[: 2 * 261], Framing.MBUS)[:1]
    return frame[9:-2]


# -------------------------------------------------------------------- damage anywhere


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("keys", [None, E450_KEYS], ids=["plain", "enciphered"])
def test_one_damaged_octet_costs_one_push(
    framing: Framing, keys: DlmsKeys | None
) -> None:
    """At every place of the push in the middle, a bit of it."""
    first, middle, last = three_pushes(meter(framing, keys=keys))
    kept = [pushes_of(data, keys)[0][0] for data in (first, last)]
    for place in range(len(middle)):
        damaged = bytearray(middle)
        damaged[place] ^= 1 << place % 8
        stream = DlmsStream(keys)
        found = stream.feed(first + damaged + last)
        assert found == kept, place
        assert (stream.good, stream.damaged) == (2, 1), place


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_lost_octet_costs_one_push(framing: Framing) -> None:
    wire = meter(framing)
    first, middle, last = three_pushes(wire)
    kept = [pushes_of(data)[0][0] for data in (first, last)]
    for place in range(len(middle)):
        stream = DlmsStream()
        found = stream.feed(first + middle[:place] + middle[place + 1 :] + last)
        # A flag may be missed where the next one stands.
        assert found in (kept, [kept[0], pushes_of(middle)[0][0], kept[1]]), place
        assert stream.good + stream.damaged == 3, place


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_lost_frame_costs_one_push(framing: Framing) -> None:
    order = (PushGroup.ENERGY, PushGroup.TECHNICAL, PushGroup.BILLING)
    first, middle, last = three_pushes(meter(framing), order)
    frames = frames_of(middle, framing)
    kept = [pushes_of(data)[0][0] for data in (first, last)]
    assert len(frames) > 1
    for missing in range(len(frames)):
        rest = b"".join(frames[:missing] + frames[missing + 1 :])
        pushes, stream = pushes_of(first + rest + last)
        assert pushes == kept
        assert (stream.good, stream.damaged) == (2, 1), missing


def test_a_frame_twice_or_out_of_order_is_no_message() -> None:
    frames = frames_of(recorded("e450_hdlc_listed"), Framing.HDLC)
    for order in ([0, 1, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]):
        data = b"".join(frames[index] for index in order)
        pushes, stream = pushes_of(data + recorded("e450_hdlc_listed"))
        assert len(pushes) == 1
        assert stream.damaged == 1


@given(
    seed=st.integers(0, 2**32 - 1),
    framing=st.sampled_from(FRAMINGS),
    size=st.integers(1, 300),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_random_damage_never_costs_an_undamaged_push(
    seed: int, framing: Framing, size: int
) -> None:
    """Octets are changed, lost and put in; pushes beside them are all kept."""
    chance = random.Random(seed)
    wire = meter(framing)
    good, data = [], b""
    for _ in range(6):
        push = wire.push(chance.choice(list(PushGroup)))
        if chance.random() < 0.4:
            push = _harmed(push, chance)
        else:
            good.append(pushes_of(push)[0][0])
        data += push
    # What comes last would wait for more where a beginning was put in before it.
    data += wire.push(PushGroup.TECHNICAL) * 9
    stream = DlmsStream()
    found = [push for part in pieces(data, size) for push in stream.feed(part)]
    places = iter(found)
    assert all(push in places for push in good)


def _harmed(push: bytes, chance: random.Random) -> bytes:
    octets = bytearray(push)
    for _ in range(chance.randint(1, 4)):
        # The closing flag stays: it may be the opening one of the next frame.
        place = chance.randrange(1, len(octets) - 1)
        match chance.randrange(4):
            case 0:
                octets[place] ^= chance.randint(1, 255)
            case 1:
                del octets[place]
            case 2:
                octets.insert(place, chance.choice([0x7E, 0x68, 0x10, 0xA0, 0xE0]))
            case _:
                stop = min(place + chance.randint(1, 40), len(octets) - 1)
                octets[place:stop] = chance.randbytes(stop - place)
    return bytes(octets)


@given(st.binary(max_size=3000), st.integers(1, 400))
@example(b"\x7e\xa7\xff" * 900, 17)
@example(b"\x68\xff\xff\x68" * 700, 300)
@example(b"\xe0\xc0\x00\x01", 1)
@settings(max_examples=200, deadline=None)
def test_any_octets_are_survived_and_the_next_push_is_kept(
    noise: bytes, size: int
) -> None:
    stream = DlmsStream(E450_KEYS)
    push = recorded("e450_hdlc_enciphered")
    for part in pieces(noise, size):
        stream.feed(part)
        assert len(stream._cutter._buffer) <= BUFFER_LIMIT
    found = [found for part in [push] * 12 for found in stream.feed(part)]
    assert found
    assert stream.feed(push)


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_any_message_is_read_or_refused(content: bytes) -> None:
    """Its frame is good: what is in it may be anything, as behind a wrong key."""
    for start in (b"", b"\x0f\0\0\0\0\0", b"\xdb\x08LGZ12345", b"\xe0\xc0\x00\x01\0\0"):
        stream = DlmsStream(E450_KEYS)
        stream.feed(hdlc_frame(start + content + b"\0"))
        counted = (stream.good, stream.damaged, stream.wrong_key)
        assert sum(counted) <= 1


def test_a_message_without_end_is_given_up() -> None:
    assembler = Assembler()
    block = bytes(1000)
    frames = [
        hdlc_frame(b"\xe0\x40" + number.to_bytes(2) + b"\0\0\x82\x03\xe8" + block)
        for number in range(1, 40)
    ]
    for frame in FrameCutter().feed(b"".join(frames)):
        assert assembler.take(frame) is None
        assert sum(map(len, assembler._blocks)) <= MESSAGE_LIMIT
    assert assembler.incomplete == 1


# --------------------------------------------------------------------------- the values


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", None),
        ("0301", True),
        ("05ffffffff", -1),
        ("06ffffffff", 2**32 - 1),
        ("0fff", -1),
        ("10fffe", -2),
        ("11ff", 255),
        ("12ffff", 65535),
        ("14ffffffffffffffff", -1),
        ("15ffffffffffffffff", 2**64 - 1),
        ("161b", 27),
        ("173fc00000", 1.5),
        ("183ff8000000000000", 1.5),
        ("0903414243", b"ABC"),
        ("0a03414243", "ABC"),
        ("0981024142", b"AB"),
        ("0c02c3a9", "é"),
    ],
)
def test_values_of_every_kind(data: str, value: object) -> None:
    octets = Octets(bytes.fromhex(data))
    assert read_data(octets).value == value
    assert octets.left == 0


@pytest.mark.parametrize(
    "data",
    [
        "",
        "06ffff",
        "09",
        "0905414243",
        "0202",
        "0101",
        "ff",
        "1300",
        "02" * 30,
        "0182ffff",
    ],
)
def test_values_that_are_none_are_refused(data: str) -> None:
    with pytest.raises(DlmsError):
        read_data(Octets(bytes.fromhex(data)))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("07e70b0a050a3a32ff800000", "2023-11-10T09:58:50+00:00"),
        ("07e5091b01092f0f00ff8880", "2021-09-27T07:47:15+00:00"),
        # Both hours of the autumn change, told apart by the flag of summer time.
        ("07ea0a1907021e0000800080", "2026-10-25T00:30:00+00:00"),
        ("07ea0a1907021e0000800000", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_times(octets: str, expected: str) -> None:
    found = read_time(bytes.fromhex(octets))
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "octets", ["", "00", "ffff0b0a050a3a32ff800000", "07e70d0a050a3a32ff800000"]
)
def test_what_is_no_time_is_absent(octets: str) -> None:
    assert read_time(bytes.fromhex(octets)) is None


def test_blocks_and_fragments_of_the_simulated_meter_are_several() -> None:
    """The tests above would say less of a message in one frame."""
    message = bytes(300)
    assert len(list(hdlc_frames(message))) == 3
    assert len(list(mbus_frames(message))) == 2
