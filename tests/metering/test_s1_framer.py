"""S1 frames out of octets: the standard's example, damage, loss, and strange formats."""

from dataclasses import replace
import random

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.netflex.metering.s1 import S1Framer
from custom_components.netflex.metering.s1_format import EMUCS_H_1_3, S1Block, S1Counts
from custom_components.netflex.model.connection import GridType

from .s1_waves import (
    DELTA,
    EXAMPLE,
    METER,
    PER_SECOND,
    SINGLE,
    STAR,
    VALID,
    fcs,
    frame,
    pieces,
    star,
    stream,
)

_ROW = [frame((k, -k, 2 * k, 0, 3, 1, 7), sequence=k) for k in range(300)]


def _read(*parts: bytes, close: bool = False) -> tuple[list[S1Block], S1Counts]:
    framer = S1Framer()
    blocks = [block for part in parts for block in framer.feed(part)]
    if close:
        framer.close()
    return blocks, framer.counts


def _digits(blocks: list[S1Block]) -> list[list[int]]:
    return [row for block in blocks for row in block.digits.tolist()]


def test_example_of_the_standard() -> None:
    (block,), counts = _read(EXAMPLE)
    assert counts == S1Counts(good=1)
    assert block.samples()[0] == pytest.approx([70.925, 1.53, 0, 0, 0, 0, 0])
    assert block.frequency.tolist() == [50.107]
    assert block.first_sequence == 0x0F
    assert block.valid
    kind = block.format
    assert (kind.per_period, kind.rate) == (True, 52)
    assert kind.sample_rate(50.0) == 2600.0
    assert kind.grid_type is GridType.SINGLE_PHASE
    assert not kind.neutral_measured
    assert kind.meter_id == ""


def test_numbers_at_their_limits() -> None:
    extreme = (-32768, -8388608, 32767, 8388607, -1, -1, 127 << 16)
    (block,), _ = _read(frame(extreme))
    assert _digits([block]) == [list(extreme)]
    assert block.samples()[0, 0] == pytest.approx(-819.2)
    assert block.samples()[0, 1] == pytest.approx(-8388.608)


@pytest.mark.parametrize(
    ("info", "grid_type"),
    [
        (SINGLE, GridType.SINGLE_PHASE),
        (STAR, GridType.STAR),
        (DELTA, GridType.DELTA),
    ],
)
def test_what_the_meter_says_about_itself(info: int, grid_type: GridType) -> None:
    (block,), _ = _read(frame(info=info))
    assert block.format.grid_type is grid_type
    assert block.format.meter_id == METER
    assert block.format.neutral_measured is (info == STAR)


def test_sampling_per_second() -> None:
    (block,), _ = _read(frame(info=STAR & ~PER_SECOND, rate=25))
    assert not block.format.per_period
    assert block.format.sample_rate(49.0) == 2500.0
    assert block.format.samples_per_period(50.0) == 50.0
    # A meter without a grid shows no frequency: nothing is divided by it.
    assert block.format.samples_per_period(0.0) == 50.0


def test_flags_inside_frames_do_not_split_them() -> None:
    rows = [(0x7E7E, 0x7E7E7E, 0x7E80, 0x2BFF03, 0, k, 0x7E802B) for k in range(100)]
    data = b"".join(frame(row, sequence=k) for k, row in enumerate(rows))
    blocks, counts = _read(data)
    assert counts == S1Counts(good=100)
    assert _digits(blocks) == [list(row) for row in rows]


def test_a_header_inside_a_damaged_frame_is_no_second_one() -> None:
    false = bytearray(frame((0x7E80, 0x2BFF03, 0, 0, 0, 0, 0), sequence=1))
    false[-2] ^= 1
    _, counts = _read(_ROW[0] + bytes(false) + _ROW[2])
    assert counts == S1Counts(good=2, damaged=1, dropped=45)


def test_whole_stream_in_one_block() -> None:
    (block,), counts = _read(b"".join(_ROW))
    assert counts == S1Counts(good=300)
    assert len(block) == 300
    assert block.missing == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_segmentation_gives_the_same(data: st.DataObject) -> None:
    row = (
        b"noise" + b"".join(_ROW[:9]) + b"\x7e\x80\x2b\xff\x03" + b"".join(_ROW[10:20])
    )
    cuts = data.draw(st.lists(st.integers(0, len(row)), max_size=40).map(sorted))
    parts = [
        row[first:last]
        for first, last in zip([0, *cuts], [*cuts, len(row)], strict=True)
    ]
    blocks, counts = _read(*parts)
    assert _digits(blocks) == _digits(_read(row)[0])
    assert counts == _read(row)[1]
    assert (counts.good, counts.damaged) == (19, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 44, 45, 46, 89, 4096])
def test_pieces_of_one_size(size: int) -> None:
    blocks, counts = _read(*pieces(b"".join(_ROW), size))
    assert counts == S1Counts(good=300)
    assert len(_digits(blocks)) == 300


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_noise_at_every_place_costs_one_frame(flip: int) -> None:
    row = b"".join(_ROW[:5])
    for place in range(90, 135):
        noisy = bytearray(row)
        noisy[place] ^= flip
        blocks, counts = _read(bytes(noisy))
        assert counts == S1Counts(good=4, damaged=1, dropped=45), place
        assert [block.first_sequence for block in blocks] == [0, 3]
        assert blocks[1].missing == 1


@pytest.mark.parametrize("place", range(0, 45, 4))
def test_octets_lost_or_added_at_every_place_cost_one_frame(place: int) -> None:
    before, hit, after = b"".join(_ROW[:2]), _ROW[2], b"".join(_ROW[3:6])
    _, counts = _read(before + hit[:place] + hit[place + 1 :] + after)
    assert (counts.good, counts.lost + counts.damaged) == (5, 1)
    _, counts = _read(before + hit[:place] + b"\x7e\x80" + hit[place:] + after)
    # Outside of a frame they damage nothing; a flag added to its end closes it.
    outside = place in (0, 44)
    assert counts.good == (6 if outside else 5)
    assert counts.damaged == (0 if outside else 1)
    assert counts.lost == 0


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 200), st.randoms(use_true_random=False))
def test_any_octets_are_survived(noise: bytes, size: int, draw: random.Random) -> None:
    parts = [noise, *draw.sample(_ROW, 3), noise[::-1]]
    draw.shuffle(parts)
    data = b"".join(parts)
    framer = S1Framer()
    for part in pieces(data, size):
        framer.feed(part)
    framer.close()
    counts = framer.counts
    assert counts.good == 3
    assert 45 * counts.good + counts.dropped == len(data)


def test_random_damage_keeps_every_undamaged_frame() -> None:
    draw = random.Random(104)
    frames = stream(star(), 2.0)
    data = bytearray(b"".join(frames))
    hit = {draw.randrange(len(frames)) for _ in range(700)}
    for index in hit:
        for _ in range(draw.randint(1, 4)):
            data[45 * index + draw.randrange(45)] = draw.randrange(256)
    intact = [
        index
        for index, original in enumerate(frames)
        if bytes(data[45 * index : 45 * index + 45]) == original
    ]
    blocks, counts = _read(*pieces(bytes(data), 1000), close=True)
    assert counts.good == len(intact)
    assert counts.damaged + counts.lost == len(frames) - len(intact)
    # Frames whose header was hit are known by the room that they take.
    assert counts.lost == 0
    clean = _digits(_read(b"".join(frames))[0])
    assert _digits(blocks) == [clean[index] for index in intact]


@pytest.mark.parametrize(("missing", "first"), [(1, 0), (7, 250), (100, 200), (254, 3)])
def test_lost_frames_by_their_sequence(missing: int, first: int) -> None:
    frames = [frame(sequence=first + k) for k in range(missing + 20)]
    blocks, counts = _read(b"".join(frames[:10] + frames[10 + missing :]))
    assert counts == S1Counts(good=20, lost=missing)
    assert [block.missing for block in blocks] == [0, missing]


def test_sequence_wraps_without_a_gap() -> None:
    (block,), counts = _read(b"".join(frame(sequence=200 + k) for k in range(600)))
    assert (len(block), counts) == (600, S1Counts(good=600))


def test_a_long_row_of_damage_is_counted_beyond_the_wrap() -> None:
    frames = [bytearray(frame(sequence=k)) for k in range(1000)]
    for hit in frames[100:700]:
        hit[30] ^= 0xFF
    blocks, counts = _read(*pieces(b"".join(frames), 997))
    assert counts == S1Counts(good=400, damaged=600, dropped=27000)
    assert [block.missing for block in blocks if block.missing] == [600]


@pytest.mark.parametrize("version", range(1, 8))
def test_unknown_format_versions_are_refused(version: int) -> None:
    strange = frame(info=STAR | version << 5)
    blocks, counts = _read(_ROW[0] + strange + _ROW[1])
    assert counts == S1Counts(good=2, refused=1)
    assert sum(len(block) for block in blocks) == 2


def test_a_frame_without_a_sampling_rate_is_refused() -> None:
    assert _read(frame(rate=0)) == ([], S1Counts(refused=1))


def test_frames_of_another_length_are_refused_not_guessed() -> None:
    content = bytes.fromhex("8035ff03") + bytes(range(47))
    strange = b"\x7e" + content + fcs(content).to_bytes(2, "little") + b"\x7e"
    blocks, counts = _read(strange * 40, close=True)
    assert blocks == []
    assert (counts.good, counts.refused > 0) == (0, True)
    # Noise of that look is not taken for one.
    assert _read(strange.replace(b"\x07", b"\x08") * 40)[1].refused == 0


def test_samples_that_the_meter_calls_invalid_are_apart() -> None:
    frames = [
        frame(sequence=k, info=STAR & ~VALID if 3 <= k < 5 else STAR) for k in range(9)
    ]
    blocks, counts = _read(b"".join(frames))
    assert [(len(block), block.valid) for block in blocks] == [
        (3, True),
        (2, False),
        (4, True),
    ]
    assert counts == S1Counts(good=9, invalid=2)


def test_another_format_in_the_stream_begins_a_block() -> None:
    frames = [frame(sequence=k, rate=52 if k < 4 else 40) for k in range(10)]
    blocks, _ = _read(b"".join(frames))
    assert [(len(block), block.format.rate) for block in blocks] == [(4, 52), (6, 40)]


def test_two_streams_do_not_join_over_a_close() -> None:
    framer = S1Framer()
    framer.feed(_ROW[0] + _ROW[1][:20])
    framer.close()
    (block,) = framer.feed(_ROW[9])
    assert block.missing == 0
    assert framer.counts == S1Counts(good=2, damaged=1, dropped=20)


def test_what_is_kept_is_shorter_than_a_frame() -> None:
    framer = S1Framer()
    for part in pieces(bytes.fromhex("7e802bff03") * 20000, 3333):
        framer.feed(part)
        assert len(framer._tail) < 45
    assert framer.counts.good == 0


def test_a_profile_of_its_own_for_another_edition() -> None:
    edition = replace(EMUCS_H_1_3, name="next", version=1)
    framer = S1Framer(edition)
    (block,) = framer.feed(frame(info=STAR | 1 << 5) + frame(sequence=1))
    assert len(block) == 1
    assert framer.counts == S1Counts(good=1, refused=1)


def test_counts_add_up() -> None:
    assert S1Counts(good=1, lost=2) + S1Counts(good=3, damaged=4) == S1Counts(
        good=4, lost=2, damaged=4
    )
    assert np.array_equal(_read(_ROW[1])[0][0].steps, [0.025, 0.001] * 3 + [0.001])
