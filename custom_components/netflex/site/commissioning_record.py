"""What the commissioning of a site finds: results with their evidence, and how far it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from ..control.codec import CodecError, decode, encode, kept_text, must_be, stored_text
from ..devices.device import DeviceConfig
from ..model.connection import Line
from ..model.phrase import Phrase
from .config import OutputConfig

VERSION: Final = 1


class Check(StrEnum):
    """What is tried."""

    RESPONSE = "response"
    """An asset is moved by a small step: does it follow, on which lines, which way?"""
    SOFTWARE_STOP = "software_stop"
    """An asset is stopped as an emergency stop does it."""
    RELAY = "relay"
    """An emergency output acts."""
    STOP_INPUT = "stop_input"
    """Somebody presses a stop button of the site."""


class Outcome(StrEnum):
    """What came of it."""

    PROVEN = "proven"
    FAILED = "failed"
    NOT_SHOWN = "not_shown"
    """Nothing was seen that speaks for or against it: no car, no sun, a restless meter."""


class Turned(StrEnum):
    """Which sign is the wrong way round."""

    READING = "reading"
    """What the device says of its own power."""
    SETPOINT = "setpoint"
    """What it is told."""
    METER = "meter"
    """The meter of the connection point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How an asset followed small steps. W, load positive, per step; s since the order.

    `lines` are those of the connection point that moved, empty where that could not be
    told; `order` is what the asset's own phases should be named then, None where the
    configuration agrees or nothing better is known.
    """

    told: float
    device: float | None = None
    """By its own reading; None: it has none."""
    meter: float | None = None
    device_seconds: float | None = None
    meter_seconds: float | None = None
    lines: tuple[Line, ...] = ()
    lines_agree: bool | None = None
    order: tuple[Line, ...] | None = None
    turned: Turned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One check of one subject that a run goes through."""

    check: Check
    subject: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check of one subject: an asset, an output, or an input by its holder."""

    check: Check
    subject: str
    name: str
    outcome: Outcome
    text: str
    """What was measured, in words."""
    at: datetime
    """UTC."""
    setup: str = ""
    """Fingerprint of how the subject was set up then; see `fingerprint`."""
    seconds: float | None = None
    """From the order to the proof."""
    response: Response | None = None


type Results = Mapping[tuple[str, Check], Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningStatus:
    """How far the newest run has come; `ended` None: it runs.

    `step`, `prompt` and `ended_early` are words for a user; a prompt asks somebody on
    the site to do something now.
    """

    started: datetime
    step: str = ""
    prompt: str | None = None
    done: int = 0
    total: int = 0
    results: tuple[Result, ...] = ()
    """Of this run."""
    ended: datetime | None = None
    ended_early: str | None = None
    """Why it did not come to its end."""


def fingerprint(config: DeviceConfig | OutputConfig) -> str:
    """Return what a proof depends on: another device, link or wiring is another one.

    Names, priorities, limits and the phase map may change without a new proof.
    """
    device = config.device if isinstance(config, OutputConfig) else config
    parts: list[Any] = [
        device.profile,
        device.link,
        sorted(device.params.items()),
        sorted(device.entities.items()),
        device.table,
        device.virtual_meter,
    ]
    if isinstance(config, OutputConfig):
        output = config.output
        parts += [
            sorted(output.stops),
            output.energised_when_stopped,
            sorted(output.assets),
            config.wiring.contact_when_stopped,
        ]
    return sha256(repr(parts).encode()).hexdigest()[:16]


def to_dict(results: Iterable[Result]) -> dict[str, Any]:
    """Return results ready for JSON, with what says their texts in any language."""
    return {
        "version": VERSION,
        "results": [
            {**encode(item), "text": stored_text(item.text)} for item in results
        ],
    }


def from_dict(stored: Mapping[str, Any]) -> dict[tuple[str, Check], Result]:
    """Return stored results; ValueError where they are damaged or of another version."""
    if stored.get("version") != VERSION:
        raise CodecError("version", must_be(str(VERSION)))
    listed = stored.get("results")
    if not isinstance(listed, list):
        raise CodecError("results", Phrase("must_be_a_list", "must be a list"))
    found = [_decoded(item, f"results[{i}]") for i, item in enumerate(listed)]
    return {(item.subject, item.check): item for item in found}


def _decoded(stored: Any, place: str) -> Result:
    if not isinstance(stored, dict) or "text" not in stored:
        return decode(Result, stored, place)
    text = kept_text(stored["text"], f"{place}.text")
    return replace(decode(Result, {**stored, "text": str(text)}, place), text=text)
