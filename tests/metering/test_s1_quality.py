"""Power quality of waveforms whose quantities are known in closed form."""

from itertools import pairwise
from math import cos, pi, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray
import pytest

from custom_components.netflex.metering.power_quality import (
    to_quality,
    window_length,
    window_values,
)
from custom_components.netflex.metering.s1_analysis import (
    S1Analysis,
    S1Settings,
    to_reading,
)
from custom_components.netflex.metering.waveform import Wiring
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.model.power_quality import PowerQuality
from custom_components.netflex.model.reading import line_import_current

from .s1_waves import (
    DELTA,
    PER_SECOND,
    SINGLE,
    STAR,
    ZERO,
    Channel,
    Tone,
    pieces,
    sine,
    star,
    stream,
)

_EXACT = 1e-9
_SAMPLING = pytest.mark.parametrize(
    ("samples_per_period", "frequency"),
    [
        (52.0, 50.0),
        (52.0, 49.2),
        (80.0, 50.3),
        (2500 / 49.2, 49.2),
        (4000 / 50.7, 50.7),
    ],
    ids=["52", "52 at 49.2 Hz", "80", "2500/s at 49.2 Hz", "4000/s at 50.7 Hz"],
)


def _samples(
    channels: list[Channel], samples_per_period: float, frequency: float
) -> NDArray[np.float64]:
    """Return one window of exact samples, without the digits of a meter."""
    rate = samples_per_period * frequency
    return np.array(
        [
            [channel.at(number / rate, frequency) for channel in channels]
            for number in range(window_length(samples_per_period))
        ]
    )


def _quality(
    channels: list[Channel],
    wiring: Wiring,
    samples_per_period: float = 52.0,
    frequency: float = 50.0,
) -> PowerQuality:
    lines = wiring.lines_of(_samples(channels, samples_per_period, frequency))
    window = window_values(
        lines, wiring, samples_per_period=samples_per_period, frequency=frequency
    )
    return to_quality([window, window], wiring, meter_id="meter", received=1.0)


_VOLTAGE = (Tone(1, 230.0), Tone(3, 4.6, 40), Tone(5, 9.2, 170), Tone(25, 1.1, 3))
_CURRENT = (Tone(1, 16.0, 30), Tone(3, 3.0, 55), Tone(5, 2.0, 100), Tone(7, 1.0))
_LOADED = [
    Channel(_VOLTAGE, offset=0.5),
    Channel(_CURRENT, offset=-0.25),
    *[ZERO] * 5,
]
_ONE = Wiring(grid_type=GridType.SINGLE_PHASE)


@_SAMPLING
def test_single_phase_in_closed_form(
    samples_per_period: float, frequency: float
) -> None:
    quality = _quality(_LOADED, _ONE, samples_per_period, frequency)
    (line,) = quality.lines
    voltage = sqrt(230**2 + 4.6**2 + 9.2**2 + 1.1**2 + 0.5**2)
    current = sqrt(16**2 + 3**2 + 2**2 + 1 + 0.25**2)
    power = (
        230 * 16 * cos(radians(30))
        + 4.6 * 3 * cos(radians(15))
        + 9.2 * 2 * cos(radians(70))
        + 0.5 * -0.25
    )
    assert line.voltage == pytest.approx(voltage, rel=_EXACT)
    assert line.current == pytest.approx(current, rel=_EXACT)
    assert line.power == pytest.approx(power, rel=_EXACT)
    assert line.reactive_power == pytest.approx(230 * 16 * sin(radians(30)), rel=_EXACT)
    assert line.apparent_power == pytest.approx(voltage * current, rel=_EXACT)
    assert line.power_factor == pytest.approx(power / voltage / current, rel=_EXACT)
    assert line.voltage_distortion == pytest.approx(
        sqrt(4.6**2 + 9.2**2 + 1.1**2) / 230, rel=_EXACT
    )
    assert line.current_distortion == pytest.approx(sqrt(14) / 16, rel=_EXACT)
    assert line.voltage_offset == pytest.approx(0.5, rel=1e-7)
    assert line.current_offset == pytest.approx(-0.25, rel=1e-7)
    expected = dict.fromkeys(range(1, 26), 0.0) | {1: 230.0, 3: 4.6, 5: 9.2, 25: 1.1}
    assert line.voltage_harmonics == pytest.approx(list(expected.values()), abs=1e-7)
    assert line.current_harmonics[:7] == pytest.approx([16, 0, 3, 0, 2, 0, 1], abs=1e-7)
    assert (quality.power, quality.apparent_power) == (
        line.power,
        line.apparent_power,
    )
    assert quality.frequency == frequency
    assert quality.periods == 20
    assert quality.voltage_unbalance is None
    assert quality.neutral_current is None


def test_crest_factors() -> None:
    # A whole number of samples in a quarter of a period: the peaks are sampled.
    quality = _quality([sine(230), sine(10, 90), *[ZERO] * 5], _ONE)
    assert quality.lines[0].voltage_crest == pytest.approx(sqrt(2), rel=_EXACT)
    assert quality.lines[0].current_crest == pytest.approx(sqrt(2), rel=_EXACT)
    assert quality.reactive_power == pytest.approx(2300, rel=_EXACT)
    assert quality.power_factor == pytest.approx(0, abs=_EXACT)


def test_capacitive_and_injecting_signs() -> None:
    ahead = _quality([sine(230), sine(10, -30), *[ZERO] * 5], _ONE)
    assert ahead.reactive_power == pytest.approx(-1150, rel=_EXACT)
    back = _quality([sine(230), sine(10, 180), *[ZERO] * 5], _ONE)
    assert back.power == pytest.approx(-2300, rel=_EXACT)
    assert back.power_factor == pytest.approx(-1, rel=_EXACT)


def test_interharmonics_count_in_rms_alone() -> None:
    wave = Channel((Tone(1, 10.0), Tone(1, 0.0)))
    samples = _samples([sine(230), wave, *[ZERO] * 5], 52.0, 50.0)
    times = np.arange(len(samples)) / 2600
    samples[:, 1] += sqrt(2) * 3.0 * np.sin(2 * pi * 85 * times)
    window = window_values(
        _ONE.lines_of(samples), _ONE, samples_per_period=52.0, frequency=50.0
    )
    (line,) = to_quality([window], _ONE, meter_id="m", received=0).lines
    assert line.current == pytest.approx(sqrt(109), rel=_EXACT)
    assert line.current_distortion == pytest.approx(0, abs=_EXACT)


def test_a_low_rate_has_fewer_harmonics() -> None:
    quality = _quality(_LOADED[:1] + [ZERO] * 6, _ONE, samples_per_period=20.0)
    assert len(quality.lines[0].voltage_harmonics) == 9
    # 2500 a second at 50 Hz: the 25th is half the sampling rate and cannot be told.
    quality = _quality(star(), _ONE, samples_per_period=50.0)
    assert len(quality.lines[0].voltage_harmonics) == 24


def test_nothing_to_measure_is_none_not_zero() -> None:
    quality = _quality([sine(230), *[ZERO] * 6], _ONE)
    (line,) = quality.lines
    assert line.current == pytest.approx(0, abs=1e-12)
    assert line.current_distortion is None
    assert line.current_crest is None
    assert line.power_factor is None
    dead = _quality([ZERO] * 7, Wiring(grid_type=GridType.STAR))
    assert dead.voltage_unbalance is None
    assert dead.reversed_order is None


@_SAMPLING
def test_star_with_unequal_loads(samples_per_period: float, frequency: float) -> None:
    channels = [
        sine(231, 0), sine(10, 20),
        sine(229, 120), sine(4, 120 + 180),
        sine(230, 240), sine(7, 240 - 10),
        ZERO,
    ]  # fmt: skip
    wiring = Wiring(grid_type=GridType.STAR)
    quality = _quality(channels, wiring, samples_per_period, frequency)
    powers = [231 * 10 * cos(radians(20)), -229 * 4, 230 * 7 * cos(radians(10))]
    assert [line.power for line in quality.lines] == pytest.approx(powers, rel=_EXACT)
    assert quality.power == pytest.approx(sum(powers), rel=_EXACT)
    assert quality.reactive_power == pytest.approx(
        231 * 10 * sin(radians(20)) - 230 * 7 * sin(radians(10)), rel=1e-8
    )
    assert quality.apparent_power == pytest.approx(2310 + 916 + 1610, rel=_EXACT)
    # Not measured: the sum of the phasors of the lines.
    phasors = [
        10 * np.exp(-1j * radians(20)),
        4 * np.exp(-1j * radians(300)),
        7 * np.exp(-1j * radians(230)),
    ]
    assert quality.neutral_current == pytest.approx(abs(sum(phasors)), rel=_EXACT)


def test_neutral_current_as_measured() -> None:
    channels = [*star(), ZERO]
    channels[6] = Channel((Tone(3, 6.0),))
    wiring = Wiring(grid_type=GridType.STAR, neutral_measured=True)
    assert _quality(channels[:7], wiring).neutral_current == pytest.approx(6.0)


def test_triplen_harmonics_add_up_in_the_neutral() -> None:
    channels = star()
    for column, lag in ((1, 0), (3, 120), (5, 240)):
        channels[column] = Channel((Tone(1, 10, lag), Tone(3, 3, 3 * lag)))
    quality = _quality(channels, Wiring(grid_type=GridType.STAR))
    assert quality.neutral_current == pytest.approx(9.0, rel=_EXACT)


def test_unbalance_by_symmetrical_components() -> None:
    turn = 120
    positive, negative, zero = 230.0, 4.6, 2.3
    channels: list[Channel] = []
    for phase in range(3):
        lag = turn * phase
        channels += [
            Channel(
                (Tone(1, positive, lag), Tone(1, negative, -lag), Tone(1, zero, 0))
            ),
            Channel((Tone(1, 10.0, lag), Tone(1, 1.0, -lag))),
        ]
    quality = _quality([*channels, ZERO], Wiring(grid_type=GridType.STAR))
    assert quality.voltage_unbalance == pytest.approx(0.02, rel=_EXACT)
    assert quality.current_unbalance == pytest.approx(0.1, rel=_EXACT)
    assert quality.reversed_order is False


def test_reversed_phase_order() -> None:
    forward = star()
    swapped = [*forward[:2], *forward[4:6], *forward[2:4], ZERO]
    quality = _quality(swapped, Wiring(grid_type=GridType.STAR))
    assert quality.reversed_order is True
    assert quality.voltage_unbalance == pytest.approx(0, abs=1e-9)


def _delta(loads: list[tuple[int, int, float, float]]) -> list[Channel]:
    """Return a delta grid of 230 V; loads between two lines: I in A, lag in degrees.

    The potentials of the lines are 132.8 V to a point that does not exist; the second
    current is left at zero, as some meters print it.
    """
    potential = [230 / sqrt(3) * np.exp(-1j * radians(120 * k)) for k in range(3)]
    currents = [0j, 0j, 0j]
    for first, second, current, lag in loads:
        voltage = potential[first] - potential[second]
        flow = current * voltage / abs(voltage) * np.exp(-1j * radians(lag))
        currents[first] += flow
        currents[second] -= flow

    def channel(phasor: complex) -> Channel:
        return Channel((Tone(1, abs(phasor), -np.degrees(np.angle(phasor))),))

    return [
        channel(potential[0] - potential[1]),
        channel(currents[0]),
        ZERO,
        ZERO,
        channel(potential[2] - potential[1]),
        channel(currents[2]),
        ZERO,
    ]


@_SAMPLING
def test_delta_sample_by_sample(samples_per_period: float, frequency: float) -> None:
    channels = _delta([(0, 1, 10, 0), (1, 2, 5, 30), (2, 0, 8, -20)])
    quality = _quality(
        channels, Wiring(grid_type=GridType.DELTA), samples_per_period, frequency
    )
    power = 230 * (10 + 5 * cos(radians(30)) + 8 * cos(radians(20)))
    reactive = 230 * (5 * sin(radians(30)) - 8 * sin(radians(20)))
    assert quality.power == pytest.approx(power, rel=_EXACT)
    assert quality.reactive_power == pytest.approx(reactive, rel=1e-8)
    l1, l2, l3 = quality.lines
    assert [line.voltage for line in quality.lines] == pytest.approx([230] * 3)
    assert (l2.power, l2.reactive_power, l2.power_factor) == (None, None, None)
    assert (l1.power or 0) + (l3.power or 0) == pytest.approx(power, rel=_EXACT)
    # The second line carries what L1-L2 brings and L2-L3 takes.
    flow = -10 * np.exp(0j) + 5 * np.exp(-1j * radians(120 + 30))
    assert l2.current == pytest.approx(abs(flow), rel=1e-8)
    assert quality.neutral_current is None
    assert quality.voltage_unbalance == pytest.approx(0, abs=1e-9)
    assert quality.reversed_order is False


def test_balanced_delta_has_the_power_factor_of_its_load() -> None:
    load = [(0, 1, 10.0, 25.0), (1, 2, 10.0, 25.0), (2, 0, 10.0, 25.0)]
    quality = _quality(_delta(load), Wiring(grid_type=GridType.DELTA))
    assert quality.power_factor == pytest.approx(cos(radians(25)), rel=_EXACT)
    assert quality.apparent_power == pytest.approx(3 * 2300, rel=_EXACT)
    assert [line.current for line in quality.lines] == pytest.approx([10 * sqrt(3)] * 3)


def test_signs_turn_currents_round() -> None:
    channels = star()
    channels[3] = sine(10, 120 + 180)
    wiring = Wiring(grid_type=GridType.STAR, signs=(1, -1, 1, 1))
    quality = _quality(channels, wiring)
    assert quality.power == pytest.approx(6900, rel=_EXACT)
    assert quality.neutral_current == pytest.approx(0, abs=1e-9)
    delta = _delta([(0, 1, 10, 0), (1, 2, 10, 0), (2, 0, 10, 0)])
    turned = Wiring(grid_type=GridType.DELTA, signs=(-1, 1, -1, 1))
    assert _quality(delta, turned).power == pytest.approx(-6900, rel=_EXACT)


# ------------------------------------------------- through frames, with their digits


def _analysed(
    frames: list[bytes], size: int = 9000, **more: object
) -> list[PowerQuality]:
    analysis = S1Analysis("meter", S1Settings(**more))  # type: ignore[arg-type]
    return [
        quality
        for data in pieces(b"".join(frames), size)
        for quality in analysis.take(data, None).qualities
    ]


@pytest.mark.parametrize(
    ("info", "rate", "frequency"),
    [
        (SINGLE, 52, 50.0),
        (SINGLE, 52, 49.2),
        (SINGLE & ~PER_SECOND, 25, 50.0),
        (SINGLE & ~PER_SECOND, 25, 49.2),
        (SINGLE, 51, 50.4),
    ],
    ids=["52", "52 at 49.2 Hz", "2500/s", "2500/s at 49.2 Hz", "odd"],
)
def test_single_phase_through_frames(info: int, rate: int, frequency: float) -> None:
    frames = stream(
        [Channel(_VOLTAGE[:3]), Channel(_CURRENT), *[ZERO] * 5],
        3.0,
        info=info,
        rate=rate,
        frequency=frequency,
    )
    *_, quality = _analysed(frames)
    (line,) = quality.lines
    # Digits of 25 mV and 1 mA are all that is between.
    assert line.voltage == pytest.approx(230.22988, abs=0.005)
    assert line.current == pytest.approx(sqrt(270), abs=0.0005)
    assert line.power == pytest.approx(3206.566, abs=0.2)
    assert line.reactive_power == pytest.approx(1840.0, abs=0.1)
    assert line.current_distortion == pytest.approx(sqrt(14) / 16, abs=1e-5)
    assert line.current_harmonics[:7] == pytest.approx([16, 0, 3, 0, 2, 0, 1], abs=5e-4)
    assert quality.frequency == frequency


def test_whatever_the_pieces_the_quality_is_the_same() -> None:
    frames = stream(star(8, 25), 2.0)
    whole = _analysed(frames, 10**9)
    assert len(whole) == 2
    for size in (777, 5850, 23400):
        for ours, theirs in zip(_analysed(frames, size), whole, strict=True):
            assert ours.power == pytest.approx(theirs.power, rel=1e-12)
            assert ours.periods == theirs.periods


@pytest.mark.parametrize("frequency", [49.2, 50.0, 50.01, 51.0])
def test_one_value_a_second(frequency: float) -> None:
    values = _analysed(stream(star(), 8.3, frequency=frequency))
    assert len(values) == 8
    assert sum(value.periods for value in values) / frequency <= 8.3
    assert {value.periods for value in values} <= {40, 50, 60}
    steps = [later.received - earlier.received for earlier, later in pairwise(values)]
    assert sum(steps) / len(steps) == pytest.approx(1.0, abs=0.04)


def test_reading_of_a_star() -> None:
    channels = star(10, 30)
    channels[3] = sine(5, 120 + 180)
    (value,) = _analysed(stream(channels, 1.0))
    reading = to_reading(value)
    assert reading.meter_id == "meter"
    assert reading.grid_type is GridType.STAR
    assert reading.power == value.power
    assert reading.line_power == LineValues(
        l1=value.lines[0].power, l2=value.lines[1].power, l3=value.lines[2].power
    )
    assert reading.line_current.l2 == pytest.approx(5, abs=1e-3)
    assert line_import_current(reading).l2 == pytest.approx(-5, abs=1e-3)
    assert reading.line_voltage.l3 == pytest.approx(230, abs=0.01)
    assert reading.frequency == 50.0
    assert reading.energy_import is None
    assert reading.meter_time is None


def test_reading_of_a_delta_grid_has_the_shape_of_p1() -> None:
    channels = _delta([(0, 1, 10, 0)])
    (value,) = _analysed(stream(channels, 1.0, info=DELTA))
    reading = to_reading(value)
    assert reading.grid_type is GridType.DELTA
    assert reading.power == pytest.approx(2300, abs=1)
    assert [line for line, _ in reading.line_voltage.items()] == [Line.L1, Line.L3]
    assert [line for line, _ in reading.line_power.items()] == [Line.L1, Line.L3]
    currents = [current for _, current in reading.line_current.items()]
    assert currents == pytest.approx([10, 10, 0], abs=1e-3)


def test_the_users_grid_type_outranks_the_meters_word() -> None:
    channels = _delta([(0, 1, 10, 0)])
    values = _analysed(stream(channels, 1.0, info=STAR), grid_type=GridType.DELTA)
    assert values[0].grid_type is GridType.DELTA
    assert values[0].lines[1].current == pytest.approx(10, abs=1e-3)
