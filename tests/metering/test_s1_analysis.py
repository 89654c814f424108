"""The analysis of one S1 port: its clock, gaps, formats, and what it costs to go on."""

import random
from statistics import fmean

import pytest

from custom_components.netflex.metering.s1_analysis import S1Analysis, S1Settings
from custom_components.netflex.metering.s1_format import S1Counts
from custom_components.netflex.model.connection import GridType
from custom_components.netflex.model.power_quality import PowerQuality

from .s1_waves import DELTA, STAR, VALID, ZERO, fcs, pieces, sine, star, stream

_RATE = 2600.0
_STREAM = stream(star(), 256 / 26)
"""9.8 s, a whole number of turns of the sequence: it can be repeated without a gap."""


def _take(
    analysis: S1Analysis, frames: list[bytes], at: float | None = None, size: int = 117
) -> list[PowerQuality]:
    """Feed frames, `size` a time, as they come in real time from `at` on."""
    found: list[PowerQuality] = []
    done = 0
    for first in range(0, len(frames), size):
        part = frames[first : first + size]
        done += len(part)
        received = None if at is None else at + done / _RATE
        found += analysis.take(b"".join(part), received).qualities
    return found


def test_arrival_is_what_readings_carry() -> None:
    found = _take(S1Analysis("meter"), _STREAM, at=1000.0)
    assert len(found) == 9
    for second, quality in enumerate(found, start=1):
        # A block of 45 ms after the window at most.
        assert quality.received == pytest.approx(1000 + second, abs=0.05)


def test_lost_frames_move_the_clock_and_cost_their_window() -> None:
    analysis = S1Analysis("meter")
    frames = _STREAM[:5000] + _STREAM[5200:]
    found = _take(analysis, frames)
    assert analysis.counts == S1Counts(good=len(frames), lost=200)
    assert analysis._clock.time == pytest.approx(len(_STREAM) / _RATE)
    assert sum(value.periods for value in found) <= len(frames) / 52
    assert all(value.power == pytest.approx(6900, abs=1) for value in found)


@pytest.mark.parametrize("missing", [1, 4])
def test_a_few_missing_samples_are_interpolated(missing: int) -> None:
    frames = [
        data for k, data in enumerate(_STREAM[:13000]) if k % 100 >= missing or k < 100
    ]
    analysis = S1Analysis("meter")
    found = _take(analysis, frames)
    assert analysis.counts.lost == 129 * missing
    assert len(found) == 5
    assert sum(value.filled for value in found) == 129 * missing
    for value in found:
        # A straight line through 1 or 4 samples of each hundred.
        assert value.power == pytest.approx(6900, rel=1e-3 * missing)
        assert value.lines[0].voltage == pytest.approx(230, rel=1e-3 * missing)
        assert value.lines[0].voltage_distortion == pytest.approx(0, abs=4e-3 * missing)


def test_more_missing_samples_are_not_made_up() -> None:
    frames = [data for k, data in enumerate(_STREAM[:13000]) if k % 100 >= 5]
    assert not _take(S1Analysis("meter"), frames)


@pytest.mark.parametrize("missing", [100, 256, 300, 1000, 5000])
def test_a_gap_longer_than_the_sequence_is_known_by_its_time(missing: int) -> None:
    analysis = S1Analysis("meter")
    _take(analysis, _STREAM[:6500], at=50.0)
    _take(analysis, _STREAM[6500 + missing : 13000], at=50.0 + (6500 + missing) / _RATE)
    # A gap of exactly one turn of the sequence shows no gap at all.
    expected = 0 if missing == 256 else missing
    assert analysis.counts.lost == expected


def test_wavering_arrival_invents_no_gap() -> None:
    draw = random.Random(3)
    analysis = S1Analysis("meter")
    data = _STREAM[:12000] + _STREAM[12003:]
    done = 0
    for first in range(0, len(data), 260):
        part = data[first : first + 260]
        done += len(part)
        late = draw.uniform(0.0, 0.05)
        analysis.take(b"".join(part), 7.0 + done / _RATE + late)
    assert analysis.counts.lost == 3


def test_another_connection_begins_behind_the_old_one() -> None:
    analysis = S1Analysis("meter")
    _take(analysis, _STREAM[:6500], at=100.0)
    assert analysis.reopen() == S1Counts(good=6500)
    found = _take(analysis, _STREAM[:6500], at=160.0)
    assert analysis.counts == S1Counts(good=6500)
    assert analysis._clock.time == pytest.approx(62.5, abs=0.05)
    assert found[0].received == pytest.approx(160.2, abs=0.3)


def test_invalid_samples_are_not_measured() -> None:
    good = stream(star(), 1.0)
    bad = stream([sine(500)] * 7, 0.5, info=STAR & ~VALID, first=len(good))
    after = stream(star(), 1.0, first=len(good) + len(bad))
    analysis = S1Analysis("meter")
    found = _take(analysis, good + bad + after)
    assert analysis.counts.invalid == len(bad)
    assert fmean(value.lines[0].voltage for value in found) == pytest.approx(
        230, abs=0.1
    )
    assert analysis._clock.time == pytest.approx(2.5, abs=0.01)


def test_another_format_begins_anew() -> None:
    delta = [sine(230), sine(5), ZERO, ZERO, sine(230, 60), ZERO, ZERO]
    first = stream(star(), 1.3)
    analysis = S1Analysis("meter")
    found = _take(
        analysis, first + stream(delta, 1.3, info=DELTA, rate=40, first=len(first))
    )
    assert [value.grid_type for value in found] == [GridType.STAR, GridType.DELTA]
    assert found[1].power == pytest.approx(1150, abs=1)
    assert analysis.format is not None
    assert analysis.format.rate == 40


def test_dead_grid_with_a_dead_frequency_is_survived() -> None:
    analysis = S1Analysis("meter")
    found = _take(analysis, stream([ZERO] * 7, 1.2, frequency=50.0))
    assert found[0].power == 0
    per_second = stream([ZERO] * 7, 1.2, info=STAR & ~0b10, rate=25)
    dead = [_without_frequency(frame) for frame in per_second]
    found = _take(S1Analysis("meter"), dead)
    assert found[0].lines[0].voltage == 0
    assert found[0].voltage_unbalance is None


def _without_frequency(frame: bytes) -> bytes:
    content = frame[1:21] + b"\0\0" + frame[23:42]
    return frame[:1] + content + fcs(content).to_bytes(2, "little") + frame[-1:]


def test_random_octets_raise_nothing_and_keep_nothing() -> None:
    draw = random.Random(17)
    analysis = S1Analysis("meter", S1Settings(keep=0.5))
    for _ in range(60):
        start = draw.randrange(len(_STREAM) - 600)
        data = bytearray(b"".join(_STREAM[start : start + draw.randrange(600)]))
        for _ in range(draw.randrange(40)):
            if data:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        analysis.take(bytes(data), draw.uniform(0, 1e6))
    kept = sum(len(piece.block) for piece in analysis.recorder._pieces)
    assert kept <= 0.5 * _RATE + 600
    assert analysis._tools is not None
    assert len(analysis._tools.window) < 520


def test_what_is_kept_does_not_grow() -> None:
    analysis = S1Analysis("meter", S1Settings(keep=1.0))
    data = list(pieces(b"".join(_STREAM), 45 * 520))
    for repeat in range(1, 4):
        for part in data:
            analysis.take(part, None)
            assert len(analysis.recorder._pieces) <= 7
            assert len(analysis._windows) <= 5
        assert analysis.counts == S1Counts(good=repeat * len(_STREAM))
