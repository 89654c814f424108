"""Every recorded push against what it says, and against an independent decoder."""

from datetime import UTC, datetime
from typing import Any

from dlms_cosem import utils
from dlms_cosem.protocol.xdlms.data_notification import DataNotification
from dlms_cosem.protocol.xdlms.general_global_cipher import GeneralGlobalCipher
import pytest

from custom_components.netflex.metering.dlms_apdu import Assembler, DlmsKeys
from custom_components.netflex.metering.dlms_axdr import Datum
from custom_components.netflex.metering.dlms_link import FrameCutter, Framing
from custom_components.netflex.metering.dlms_objects import PushGroup
from custom_components.netflex.metering.dlms_reading import DlmsValues
from custom_components.netflex.metering.dlms_stream import DlmsStream
from custom_components.netflex.model.connection import GridType, LineValues
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.simulation.dlms_meter import Layout

from .dlms_recordings import (
    E450_KEYS,
    KEYS,
    NAMES,
    OTHER_KEY,
    framed,
    meter,
    pushes_of,
    recorded,
    three_pushes,
)

EXPECTED = {
    "e450_hdlc_listed": {
        "meter_time": datetime(2026, 5, 4, 9, 39, 21, tzinfo=UTC),
        "power": 28.0,
        "line_current": LineValues(l1=0.09, l2=0.08, l3=0.0),
        "line_voltage": LineValues(l1=236.0, l2=236.0, l3=0.0),
        "energy_import": 482_939.0,
        "energy_export": 0.0,
        "serial": "1909113",
    },
    "e450_hdlc_quadrants": {
        "meter_time": datetime(2022, 11, 22, 15, 37, 30, tzinfo=UTC),
        "power": 777.0,
        "energy_import": 25_149_419.0,
        "energy_export": 4_422_366.0,
        "reactive_energy": (3_132_846.0, 13_247.0, 3_633_198.0, 15_745_368.0),
        "serial": "44337811",
    },
    "e450_hdlc_enciphered": {
        "meter_time": datetime(2023, 11, 10, 9, 58, 50, tzinfo=UTC),
        "power": 545.0,
        "reactive_power": 9.0 - 379.0,
        "energy_import": 12_048_950.0,
        "energy_export": 18_054.0,
        "energy_import_tariffs": (8_768_040.0, 3_280_910.0),
        "energy_export_tariffs": (18_054.0, 0.0),
    },
    "ma309_mbus_enciphered": {
        "meter_time": datetime(2021, 9, 27, 7, 47, 15, tzinfo=UTC),
        "grid_type": GridType.SINGLE_PHASE,
        "power": 0.0,
        "line_current": LineValues(l1=0.0, l2=0.0, l3=0.0),
        "line_voltage": LineValues(l1=233.7, l2=0.0, l3=0.0),
        "energy_import": 12_937.0,
        "energy_export": 0.0,
    },
    "han_hdlc_structures": {
        "meter_time": datetime(2019, 12, 16, 6, 59, 40, tzinfo=UTC),
        "grid_type": GridType.STAR,
        "power": 1122.0,
        "reactive_power": 1507.0,
        "line_power": LineValues(l1=0.0, l2=1122.0, l3=0.0),
        "line_current": LineValues(l1=0.0, l2=7.5, l3=0.0),
        "line_voltage": LineValues(l1=230.7, l2=249.9, l3=230.8),
        "current_resolution": 0.1,
        "energy_import": 10_049_926.0,
        "energy_export": 8.0,
    },
}


def test_every_recording_is_expected() -> None:
    assert sorted(EXPECTED) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_recording_gives_its_values(name: str) -> None:
    (push,), stream = pushes_of(recorded(name), KEYS.get(name))
    values = DlmsValues("meter")
    values.take(push, 1.0)
    wanted = MeterReading(meter_id="meter", received=1.0, **EXPECTED[name])
    assert values.reading(1.0) == wanted
    assert push.encrypted == (name in KEYS)
    assert (stream.good, stream.damaged, stream.dropped) == (1, 0, 0)
    assert stream.framing is Framing("mbus" if "mbus" in name else "hdlc")


# ------------------------------------------------------------- an independent decoder


def _plain(datum: Datum) -> Any:
    """Return a value in the form of the other decoder."""
    if isinstance(datum.value, tuple):
        return [_plain(item) for item in datum.value]
    return datum.value


def _messages(data: bytes) -> list[bytes]:
    """Return whole messages, still enciphered."""
    assembler = Assembler()
    taken = (assembler.take(frame) for frame in FrameCutter().feed(data))
    return [message for message in taken if message is not None]


def _other(message: bytes, keys: DlmsKeys | None) -> Any:
    """Return the data of a message as dlms-cosem reads it."""
    if keys is not None:
        ciphered = GeneralGlobalCipher.from_bytes(message)
        authentication = keys.authentication or bytes(16)
        message = ciphered.to_plain_apdu(keys.encryption, authentication)
    return utils.parse_as_dlms_data(DataNotification.from_bytes(message).body)


def _octets(value: Any) -> Any:
    if isinstance(value, list):
        return [_octets(item) for item in value]
    return bytes(value) if isinstance(value, bytearray) else value


# It takes a message that is only enciphered for one that is signed.
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"ma309_mbus_enciphered"}))
def test_dlms_cosem_reads_the_same(name: str) -> None:
    keys = KEYS.get(name)
    (push,), _ = pushes_of(recorded(name), keys)
    (message,) = _messages(recorded(name))
    assert _plain(push.data) == _octets(_other(message, keys))


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("keys", [None, E450_KEYS], ids=["plain", "signed"])
def test_dlms_cosem_reads_what_the_simulated_meter_pushes(
    framing: Framing, layout: Layout, keys: DlmsKeys | None
) -> None:
    for data in three_pushes(meter(framing, layout=layout, keys=keys)):
        (push,), _ = pushes_of(data, keys)
        (message,) = _messages(data)
        assert _plain(push.data) == _octets(_other(message, keys))


# -------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        (None, (0, 1, 0)),
        (DlmsKeys(encryption=E450_KEYS.encryption), (1, 0, 0)),
        (DlmsKeys(encryption=OTHER_KEY), (0, 0, 1)),
        (
            DlmsKeys(encryption=OTHER_KEY, authentication=E450_KEYS.authentication),
            (0, 0, 1),
        ),
        (
            DlmsKeys(encryption=E450_KEYS.encryption, authentication=OTHER_KEY),
            (0, 0, 1),
        ),
    ],
    ids=["none", "without-signature", "wrong", "wrong-signed", "wrong-signature"],
)
def test_keys_are_missed_and_wrong_ones_are_seen(
    keys: DlmsKeys | None, counts: tuple[int, int, int]
) -> None:
    stream = DlmsStream(keys)
    stream.feed(recorded("e450_hdlc_enciphered"))
    assert (stream.good, stream.enciphered, stream.wrong_key) == counts
    assert stream.damaged == 0


def test_a_changed_message_is_not_believed() -> None:
    """The checksum of the frame is made good: only the signature tells."""
    wire = meter(keys=E450_KEYS)
    (message,) = _messages(wire.push(PushGroup.TECHNICAL))
    changed = message[:40] + bytes([message[40] ^ 1]) + message[41:]
    stream = DlmsStream(E450_KEYS)
    stream.feed(framed(changed))
    assert (stream.good, stream.wrong_key) == (0, 1)
    stream.feed(framed(message))
    assert (stream.good, stream.wrong_key) == (1, 1)


def test_keys_are_not_shown() -> None:
    assert E450_KEYS.encryption.hex() not in repr(E450_KEYS)
    assert str(E450_KEYS.encryption) not in f"{E450_KEYS} {E450_KEYS!r}"
