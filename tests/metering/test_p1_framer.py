"""Damage of every kind, everywhere: undamaged telegrams come through, nothing raises."""

from itertools import pairwise
import random
import tracemalloc

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.netflex.metering.p1 import TelegramError, parse_telegram
from custom_components.netflex.metering.p1_crc import crc16
from custom_components.netflex.metering.p1_framer import BUFFER_LIMIT, TelegramFramer
from custom_components.netflex.metering.p1_objects import Telegram

from .recordings import (
    NAMES,
    SINGLE_PHASE,
    STREAM,
    THREE_PHASE,
    changed,
    encrypted_frame,
    recorded,
    telegrams_of,
)

_STREAM = telegrams_of(recorded(STREAM))
_PARSED = [parse_telegram(data) for data in _STREAM]
_SMALL = recorded(SINGLE_PHASE)


def _fed(framer: TelegramFramer, data: bytes, *cuts: int) -> list[Telegram]:
    found: list[Telegram] = []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        found += framer.feed(data[start:end])
    return found


def _is_within(part: list[Telegram], whole: list[Telegram]) -> bool:
    rest = iter(whole)
    return all(any(telegram == other for other in rest) for telegram in part)


def test_every_segmentation_in_two_of_three_telegrams() -> None:
    data = b"".join(_STREAM[:3])
    for cut in range(len(data)):
        framer = TelegramFramer()
        assert _fed(framer, data, cut) == _PARSED[:3]
        assert (framer.good, framer.damaged, framer.dropped) == (3, 0, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 64, 300, 4096, 4097, 100_000])
def test_every_size_of_piece(size: int) -> None:
    data = b"".join(_STREAM)
    framer = TelegramFramer()
    found = _fed(framer, data, *range(size, len(data), size))
    assert found == _PARSED
    assert (framer.damaged, framer.dropped) == (0, 0)


def test_one_flipped_bit_at_every_position_costs_one_telegram() -> None:
    first, middle, last = _STREAM[:3]
    for place in range(len(middle)):
        noisy = bytearray(middle)
        noisy[place] ^= 1 << place % 8
        framer = TelegramFramer()
        found = framer.feed(first + bytes(noisy) + last)
        framer.close()
        assert found[0] == _PARSED[0]
        assert found[-1] == _PARSED[2]
        # Only the line end behind the CRC may be damaged without harm; a letter of
        # the ident or the CRC may change its case in it.
        if place < len(middle) - 2 and bytes(noisy).lower() != middle.lower():
            assert len(found) == 2, place
            assert 1 <= framer.damaged <= 2


def test_damage_at_every_position_is_the_same_in_every_segmentation() -> None:
    first, last = _STREAM[0], _STREAM[2]
    for place in range(len(_SMALL)):
        noisy = _SMALL[:place] + b"\xb3/!"[place % 3 :][:1] + _SMALL[place + 1 :]
        data = first + noisy + last
        whole, pieces = TelegramFramer(), TelegramFramer()
        found = whole.feed(data)
        size = 1 + place % 37
        assert _fed(pieces, data, *range(size, len(data), size)) == found, place
        for framer in (whole, pieces):
            framer.close()
        assert found[0] == _PARSED[0]
        assert found[-1] == _PARSED[2]
        counts = [(item.good, item.damaged, item.dropped) for item in (whole, pieces)]
        assert counts[0] == counts[1], place


def test_a_byte_lost_or_added_at_every_position_costs_one_telegram() -> None:
    first, middle, last = _STREAM[:3]
    for place in range(len(middle)):
        for put in (b"", b"/" + middle[place : place + 1], b"!" * 2, b"\xff\n"):
            noisy = middle[:place] + put + middle[place + 1 :]
            found = TelegramFramer().feed(first + noisy + last)
            assert _PARSED[0] in found
            assert _PARSED[2] in found


def test_cut_anywhere_the_next_telegram_comes_through() -> None:
    for length in range(1, len(_SMALL) - 6):
        framer = TelegramFramer()
        assert framer.feed(_SMALL[:length] + _STREAM[0]) == [_PARSED[0]]
        assert (framer.good, framer.damaged) == (1, 1)
        assert framer.dropped == len(_SMALL[:length].rstrip(b"\r\n"))


def test_joining_in_the_middle_is_no_damage() -> None:
    for start in range(1, len(_SMALL)):
        framer = TelegramFramer()
        assert framer.feed(_SMALL[start:] + _STREAM[0]) == [_PARSED[0]]
        assert framer.damaged == 0


def test_a_telegram_without_its_start_is_damaged() -> None:
    framer = TelegramFramer()
    framer.feed(_STREAM[0] + _STREAM[1][1:] + _STREAM[2])
    assert (framer.good, framer.damaged) == (2, 1)


def test_a_false_end_counts_its_telegram_once() -> None:
    middle = _STREAM[1].replace(b"(0002)", b"!0002)")
    framer = TelegramFramer()
    assert framer.feed(_STREAM[0] + middle + _STREAM[2]) == [_PARSED[0], _PARSED[2]]
    assert framer.damaged == 1


def test_slash_in_the_ident_is_kept() -> None:
    data = changed(recorded(THREE_PHASE), (b"253769484_A", b"25/37/94"))
    framer = TelegramFramer()
    (telegram,) = framer.feed(data[:20] + data)
    assert telegram.ident == "FLU5\\25/37/94"
    assert framer.good == 1


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_random_damage_keeps_every_undamaged_telegram(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 5))
    hurt = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    noise = st.binary(max_size=20)
    stream = bytearray(data.draw(noise))
    for place in range(count):
        part = _STREAM[place]
        if place in hurt:
            start = data.draw(st.integers(0, len(part) - 1))
            end = data.draw(st.integers(start, min(start + 40, len(part))))
            part = part[:start] + data.draw(noise) + part[end:]
        stream += part
        if place + 1 < count:
            stream += data.draw(st.sampled_from([b"", b"\xff", b"\0\0", b"/", b"!1"]))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    framer = TelegramFramer()
    found = _fed(framer, bytes(stream), *cuts)
    framer.close()
    kept = [_PARSED[place] for place in range(count) if place not in hurt]
    assert _is_within(kept, found)
    assert framer.good == len(found)
    assert len(found) - len(kept) <= len(hurt)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=5))
def test_arbitrary_bytes_raise_nothing(noise: bytes, cuts: list[int]) -> None:
    framer = TelegramFramer()
    _fed(framer, noise, *(min(cut, len(noise)) for cut in cuts))
    assert framer.feed(b"\r\n" + _STREAM[0])[-1:] == _PARSED[:1]


_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                line
                for name in NAMES
                for line in recorded(name).split(b"\r\n")
                if b"(" in line
            ]
        ),
        st.builds(
            lambda code, groups: code + b"".join(b"(%b)" % group for group in groups),
            st.sampled_from(
                [b"0-0:98.1.0", b"1-0:1.6.0", b"1-0:99.97.0", b"0-1:24.2.1",
                 b"0-0:17.0.0", b"1-0:31.4.0", b"0-0:96.13.0", b"0-9:96.1.2",
                 b"1-0:94.32.1", b"0-0:1.0.0", b"0-255:24.1.0", b"1-0:1.7.0"]
            ),
            st.lists(st.binary(max_size=16), max_size=6),
        ),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_LINES)
def test_any_objects_with_a_good_crc_raise_nothing(lines: list[bytes]) -> None:
    body = b"/FLU5\\x\r\n\r\n" + b"\r\n".join(lines) + b"\r\n!"
    data = body + b"%04X\r\n" % crc16(body)
    try:
        telegram = parse_telegram(data)
    except TelegramError:
        # The objects held an exclamation mark with a digit behind it.
        assert body.count(b"!") > 1
    else:
        assert telegram.ident == "FLU5\\x"


def test_wrong_port_is_bounded_in_memory() -> None:
    framer = TelegramFramer()
    chooser = random.Random(1)
    tracemalloc.start()
    for _ in range(200):
        framer.feed(chooser.randbytes(4096))
        assert len(framer._buffer) <= BUFFER_LIMIT
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert framer.good == 0
    assert framer.feed(_STREAM[0]) == [_PARSED[0]]


def test_a_telegram_without_end_is_given_up_and_the_next_comes_through() -> None:
    framer = TelegramFramer()
    framer.feed(b"/FLU5\r\n" + b"1-0:1.7.0(00.1*kW)\r\n" * 2000)
    assert framer.damaged == 1
    assert framer.feed(_STREAM[0]) == [_PARSED[0]]
    assert framer.damaged == 1


def test_longest_text_message_fits() -> None:
    text = b"0-0:96.13.0(" + b"41" * 1024 + b")"
    data = changed(
        recorded("be_emucs17_3ph_business_13months_trailing_ff").rstrip(b"\xff"),
        (b"0-0:96.13.0()", text),
    )
    (telegram,) = TelegramFramer().feed(data)
    assert telegram.message == "A" * 1024


def test_encrypted_frames_in_every_segmentation() -> None:
    frame = encrypted_frame()
    for cut in range(len(frame)):
        framer = TelegramFramer()
        _fed(framer, frame + frame, cut, cut + 7)
        framer.feed(_STREAM[0])
        assert (framer.encrypted, framer.good, framer.damaged) == (2, 1, 0)


@pytest.mark.slow
def test_memory_stays_flat_over_many_telegrams() -> None:
    framer = TelegramFramer()
    data = b"".join(_STREAM)
    framer.feed(data)
    tracemalloc.start()
    framer.feed(data)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(30):
        framer.feed(data)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert framer.good == 32 * len(_STREAM)
    assert after - before < 5_000
