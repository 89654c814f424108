"""P1 telegrams: parsing beside dsmr-parser, and what a telegram costs on arrival."""

from collections.abc import Callable
from statistics import median
import sys
from time import perf_counter_ns

from dsmr_parser.parsers import TelegramParser
from dsmr_parser.telegram_specifications import BELGIUM_FLUVIUS
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from custom_components.netflex.metering.p1 import parse_telegram
from custom_components.netflex.metering.p1_framer import TelegramFramer
from custom_components.netflex.metering.p1_reading import to_reading
from tests.metering.recordings import NAMES, expected, recorded, telegrams_of

WANTED = 5.0
"""Times dsmr-parser's telegrams per second, over all files together."""
_ROUNDS = 31
_PER_FILE = 10


def _belgian() -> dict[str, list[bytes]]:
    """Return the telegrams of each undamaged Belgian recording, ten at most."""
    return {
        name: [
            data.rstrip(b"\xff") for data in telegrams_of(recorded(name))[:_PER_FILE]
        ]
        for name in NAMES
        if name.startswith("be_") and not expected(name)["damaged"]
    }


def _microseconds(call: Callable[[], object]) -> float:
    start = perf_counter_ns()
    call()
    return (perf_counter_ns() - start) / 1000


def test_parsing_beside_dsmr_parser(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turn and turn about on the same telegrams, medians per telegram."""
    theirs = TelegramParser(BELGIUM_FLUVIUS)
    files = _belgian()
    rounds = 3 if benchmark.disabled else _ROUNDS
    lines = [f"{'us per telegram':52}{'ours':>9}{'dsmr-parser':>13}{'ratio':>8}"]
    totals = [0.0, 0.0]
    for name, telegrams in files.items():
        texts = [data.decode("ascii") for data in telegrams]
        times = [
            (
                sum(
                    _microseconds(lambda d=data: parse_telegram(d))
                    for data in telegrams
                ),
                sum(_microseconds(lambda t=text: theirs.parse(t)) for text in texts),
            )
            for _ in range(rounds)
        ]
        ours = median(pair[0] for pair in times) / len(telegrams)
        peer = median(pair[1] for pair in times) / len(telegrams)
        totals = [totals[0] + ours, totals[1] + peer]
        lines.append(f"{name:52}{ours:9.0f}{peer:13.0f}{peer / ours:8.1f}")
    ratio = totals[1] / totals[0]
    lines.append(f"{'all files':52}{totals[0]:9.0f}{totals[1]:13.0f}{ratio:8.1f}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    benchmark.extra_info.update(
        ratio=ratio,
        ours_per_second=1e6 * len(files) / totals[0],
        peer_per_second=1e6 * len(files) / totals[1],
    )
    every = [data for telegrams in files.values() for data in telegrams]
    benchmark(lambda: [parse_telegram(data) for data in every])
    if not benchmark.disabled:
        assert ratio >= WANTED


def test_from_the_last_byte_to_the_reading(benchmark: BenchmarkFixture) -> None:
    """The longest telegram as a serial line brings it, in pieces of 16 bytes."""
    data = recorded("be_emucs21_3ph_gas_water_ean_relays")
    pieces = [data[start : start + 16] for start in range(0, len(data), 16)]
    framer = TelegramFramer()
    *before, last = pieces

    def arrive() -> tuple[tuple[()], dict[str, object]]:
        for piece in before:
            framer.feed(piece)
        return (), {}

    def end() -> None:
        for telegram in framer.feed(last):
            to_reading(telegram, meter_id="meter", received=0.0)

    benchmark.pedantic(end, setup=arrive, rounds=200)
    assert framer.damaged == 0
    assert framer.good >= 1
