"""Writes a recording to disk; blocks, so it belongs into an executor."""

from pathlib import Path

import numpy as np

from .comtrade import Edition, to_comtrade
from .recorder import Recording
from .s1_format import CHANNELS
from .waveform_svg import draw


def save_recording(
    recording: Recording,
    folder: Path,
    name: str,
    *,
    station: str,
    edition: Edition = Edition.Y2013,
) -> tuple[Path, ...]:
    """Write NAME.npz, NAME.cfg, NAME.dat and NAME.svg; return their paths.

    The compressed numpy file has the channels by their names in V and A, `time` in s,
    and `started`, `rate` and `frequency`. None of the files names the meter.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays, configuration, data, picture = (
        folder / f"{name}.{kind}" for kind in ("npz", "cfg", "dat", "svg")
    )
    samples = recording.samples()
    np.savez_compressed(
        arrays,
        allow_pickle=False,
        time=recording.times,
        started=np.array(recording.started.isoformat()),
        rate=np.array(recording.rate),
        frequency=np.array(recording.frequency),
        **{channel: samples[:, column] for column, channel in enumerate(CHANNELS)},
    )
    text, rows = to_comtrade(recording, station=station, edition=edition)
    configuration.write_text(text, encoding="ascii", newline="")
    data.write_bytes(rows)
    title = f"{station}, {recording.started:%Y-%m-%d %H:%M:%S %Z}"
    picture.write_text(draw(recording, title=title), encoding="utf-8")
    return arrays, configuration, data, picture
