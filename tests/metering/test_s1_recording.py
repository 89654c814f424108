"""Recordings of the waveform: what is kept, and files that others can read."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import re
import struct
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from custom_components.netflex.metering.comtrade import Edition, to_comtrade
from custom_components.netflex.metering.recorder import Recorder, Recording
from custom_components.netflex.metering.recording_files import save_recording
from custom_components.netflex.metering.s1 import S1Framer
from custom_components.netflex.metering.s1_analysis import S1Analysis, S1Settings
from custom_components.netflex.metering.waveform_svg import draw

from .s1_waves import METER, SINGLE, ZERO, pieces, sine, star, stream

_STARTED = datetime(2026, 3, 29, 0, 59, 59, 250000, tzinfo=UTC)


def _recording(
    seconds: float = 1.0, *, current: float = 10.0, lost: slice | None = None
) -> Recording:
    frames = stream(star(current, 20), seconds)
    analysis = S1Analysis("meter", S1Settings(keep=60.0))
    if lost is not None:
        del frames[lost]
    for data in pieces(b"".join(frames), 5850):
        analysis.take(data, None)
    cut = analysis.recorder.cut(0.0, seconds, started=_STARTED)
    assert cut is not None
    return cut


# ---------------------------------------------------------------------- the recorder


def test_only_the_newest_seconds_are_kept() -> None:
    analysis = S1Analysis("meter", S1Settings(keep=2.0))
    for data in pieces(b"".join(stream(star(), 5.0)), 5850):
        analysis.take(data, None)
    recording = analysis.recorder.cut(0.0, 5.0, started=_STARTED)
    assert recording is not None
    assert 2.0 <= len(recording.times) / 2600 <= 2.1
    begin = 5.0 - len(recording.times) / 2600
    assert recording.started == _STARTED + timedelta(seconds=round(begin, 6))


def test_cut_is_exact_to_the_sample() -> None:
    analysis = S1Analysis("meter")
    frames = stream(star(), 2.0)
    for data in pieces(b"".join(frames), 1000):
        analysis.take(data, None)
    recording = analysis.recorder.cut(0.5, 1.25, started=_STARTED)
    assert recording is not None
    digits = np.concatenate([b.digits for b in S1Framer().feed(b"".join(frames))])
    assert np.array_equal(recording.digits, digits[1300:3250])
    assert recording.times[:3] == pytest.approx([0, 1 / 2600, 2 / 2600], abs=1e-9)
    assert recording.complete
    assert recording.rate == 2600
    assert recording.frequency == 50
    assert recording.started == _STARTED


def test_gap_is_seen_in_the_times() -> None:
    recording = _recording(lost=slice(1000, 1100))
    assert not recording.complete
    assert len(recording.times) == 2500
    assert recording.times[1000] - recording.times[999] == pytest.approx(101 / 2600)


def test_newest_format_alone_is_cut() -> None:
    first = stream(star(), 0.5)
    analysis = S1Analysis("meter")
    second = stream([sine(230), *[ZERO] * 6], 0.5, info=SINGLE, first=len(first))
    analysis.take(b"".join(first + second), None)
    recording = analysis.recorder.cut(0.0, 1.0, started=_STARTED)
    assert recording is not None
    assert len(recording.times) == 1300
    assert recording.started == _STARTED + timedelta(seconds=0.5)


def test_nothing_there_is_none() -> None:
    recorder = Recorder(5.0)
    assert recorder.cut(0.0, 1.0, started=_STARTED) is None


@pytest.mark.parametrize("seconds", [0.0, -1.0, 61.0])
def test_more_than_can_be_kept_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="60 s"):
        Recorder(seconds)


# -------------------------------------------------------------------------- COMTRADE


@dataclass
class _Comtrade:
    """What a reader makes of two files, by the text of the standard alone."""

    station: str
    revision: int
    names: list[str]
    units: list[str]
    values: list[list[float]]
    times: list[float]
    rates: list[tuple[float, int]]
    first: datetime
    trigger: datetime
    rest: list[str]


def _parse(configuration: str, data: bytes) -> _Comtrade:
    assert configuration.endswith("\r\n")
    lines = configuration[:-2].split("\r\n")
    station, _device, revision = lines.pop(0).split(",")
    total, analog, digital = lines.pop(0).split(",")
    count = int(analog.removesuffix("A"))
    assert (int(total), digital) == (count, "0D")
    channels = [lines.pop(0).split(",") for _ in range(count)]
    assert all(len(channel) == 13 for channel in channels)
    assert [int(channel[0]) for channel in channels] == list(range(1, count + 1))
    assert all(channel[12] == "P" for channel in channels)
    assert float(lines.pop(0)) == 50
    number = int(lines.pop(0))
    rates: list[tuple[float, int]] = []
    for _ in range(max(number, 1)):
        rate, end = lines.pop(0).split(",")
        rates.append((float(rate), int(end)))
    first, trigger = (
        datetime.strptime(lines.pop(0), "%d/%m/%Y,%H:%M:%S.%f") for _ in range(2)
    )
    kind = lines.pop(0)
    octets = {"BINARY": "h", "BINARY32": "i"}[kind]
    assert float(lines.pop(0)) == 1
    row = struct.Struct(f"<II{count}{octets}")
    assert len(data) == row.size * rates[-1][1]
    values: list[list[float]] = []
    times: list[float] = []
    for index, (sample, time, *raw) in enumerate(row.iter_unpack(data)):
        assert sample == index + 1
        times.append(time * 1e-6)
        for channel, entry in zip(channels, raw, strict=True):
            assert int(channel[8]) <= entry <= int(channel[9])
        values.append(
            [
                float(channel[5]) * entry + float(channel[6])
                for channel, entry in zip(channels, raw, strict=True)
            ]
        )
    return _Comtrade(
        station=station,
        revision=int(revision),
        names=[channel[1] for channel in channels],
        units=[channel[4] for channel in channels],
        values=values,
        times=times,
        rates=rates,
        first=first,
        trigger=trigger,
        rest=lines,
    )


def test_comtrade_of_1999() -> None:
    recording = _recording()
    read = _parse(*to_comtrade(recording, station="Home", edition=Edition.Y1999))
    assert (read.station, read.revision) == ("Home", 1999)
    assert read.names == ["U1", "I1", "U2", "I2", "U3", "I3", "IN"]
    assert read.units == ["V", "A", "V", "A", "V", "A", "A"]
    assert read.rates == [(2600.0, 2600)]
    assert read.first == read.trigger == _STARTED.replace(tzinfo=None)
    assert read.rest == []
    assert read.times == pytest.approx(recording.times.tolist(), abs=1e-6)
    assert np.allclose(read.values, recording.samples(), rtol=0, atol=1e-9)


def test_comtrade_of_2013() -> None:
    recording = _recording(current=2000.0)
    read = _parse(*to_comtrade(recording, station="Home", edition=Edition.Y2013))
    assert read.revision == 2013
    assert read.rest == ["0,x", "A,3"]
    # 32 bits keep every digit of the meter.
    assert np.allclose(read.values, recording.samples(), rtol=0, atol=1e-6)


def test_large_currents_lose_digits_in_1999_and_nothing_else() -> None:
    recording = _recording(current=2000.0)
    read = _parse(*to_comtrade(recording, station="Home", edition=Edition.Y1999))
    step = 2000 * np.sqrt(2) / 32767
    error = np.abs(np.array(read.values) - recording.samples())
    assert error[:, 0].max() < 1e-9
    assert 0.1 * step < error[:, 1].max() <= 0.51 * step


def test_comtrade_with_a_gap_gives_the_times_instead_of_a_rate() -> None:
    recording = _recording(lost=slice(500, 600))
    read = _parse(*to_comtrade(recording, station="Home"))
    assert read.rates == [(0.0, 2500)]
    assert read.times[500] - read.times[499] == pytest.approx(101 / 2600, abs=2e-6)


def test_comtrade_times_are_utc() -> None:
    local = replace(
        _recording(), started=_STARTED.astimezone(ZoneInfo("Europe/Brussels"))
    )
    assert _parse(*to_comtrade(local, station="Home")).first == _STARTED.replace(
        tzinfo=None
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Huis, nr. 5\r\n", "Huis nr. 5"),
        ("Straße", "Strae"),
        ("ü", "netflex"),
        ("x" * 99, "x" * 64),
    ],
)
def test_station_names_fit_their_field(name: str, written: str) -> None:
    assert _parse(*to_comtrade(_recording(0.1), station=name)).station == written


# ----------------------------------------------------------------------------- files


def test_files_of_a_recording(tmp_path: Path) -> None:
    recording = _recording()
    paths = save_recording(recording, tmp_path / "new", "wave", station="Home")
    assert [path.name for path in paths] == [
        "wave.npz",
        "wave.cfg",
        "wave.dat",
        "wave.svg",
    ]
    with np.load(paths[0], allow_pickle=False) as arrays:
        assert np.array_equal(arrays["u1"], recording.samples()[:, 0])
        assert np.array_equal(arrays["in"], recording.samples()[:, 6])
        assert np.array_equal(arrays["time"], recording.times)
        assert str(arrays["started"]) == "2026-03-29T00:59:59.250000+00:00"
        assert float(arrays["rate"]) == 2600
    read = _parse(paths[1].read_bytes().decode("ascii"), paths[2].read_bytes())
    assert len(read.values) == 2600
    for path in paths:
        assert METER.encode() not in path.read_bytes()


def _points(picture: str) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(picture)  # noqa: S314 (our own)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]  # type: ignore[misc]
        for line in lines
    ]


def test_picture_shows_every_channel_that_has_something() -> None:
    picture = draw(_recording(0.1), title="Home <1> & more")
    curves = _points(picture)
    assert len(curves) == 6
    assert {len(curve) for curve in curves} == {260}
    assert "Home &lt;1&gt; &amp; more" in picture
    assert [label for label in ("U1", "I3", "IN") if f">{label}<" in picture] == [
        "U1",
        "I3",
    ]


def test_picture_of_a_long_recording_is_small_and_keeps_its_peaks() -> None:
    recording = _recording(10.0)
    digits = recording.digits.copy()
    digits[13000, 0] = 32000
    picture = draw(replace(recording, digits=digits), title="Long")
    assert len(picture) < 200_000
    curves = _points(picture)
    assert min(y for _, y in curves[0]) < min(y for _, y in curves[1]) - 30
    every = [value for curve in curves for _, value in curve]
    assert 40 < min(every) < max(every) < 520


def test_picture_of_silence() -> None:
    recording = _recording(0.02)
    silent = replace(recording, digits=np.zeros_like(recording.digits))
    assert _points(draw(silent, title="Silence")) == []
    one = replace(recording, digits=recording.digits[:1], times=recording.times[:1])
    assert len(_points(draw(one, title="One"))) == 6
    assert not re.search("nan|inf", draw(one, title="One"))
