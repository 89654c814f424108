"""ASDUs and information objects."""

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.iec104 import (
    Asdu,
    Cause,
    DoublePoint,
    MonitorObject,
    Quality,
    TimeTag,
    TypeId,
    describe_apdu,
)
from custom_components.netflex.iec104.apdu import MAX_ASDU, build_i, build_s, build_u
from custom_components.netflex.iec104.asdu import (
    MalformedAsduError,
    UnknownTypeError,
    capacity,
    decode_asdu,
    encode_asdu,
    mirror,
)
from custom_components.netflex.iec104.describe import describe_asdu
from custom_components.netflex.iec104.event_queue import Event, pack_events
from custom_components.netflex.iec104.information_objects import (
    CODECS,
    MAX_IOA,
    UNTAGGED,
    ClockSynchronization,
    CommandObject,
    EndOfInitialization,
    InformationObject,
    QualifiedRequest,
    ReadRequest,
    TestCommand as LinkTestCommand,
    encode_object,
)

TAG = TimeTag(
    milliseconds=5678, minute=34, hour=12, day=1, month=7, year=26, day_of_week=3
)
T = "2e16 22 0c 61 07 1a"

GOLDEN: list[tuple[str, InformationObject]] = [
    ("01 0b2a00 01", MonitorObject(type_id=1, ioa=10763, value=True)),
    ("01 010000 50", MonitorObject(type_id=1, ioa=1, value=False,
        quality=Quality.NOT_TOPICAL | Quality.BLOCKED)),
    ("03 ffffff 82", MonitorObject(type_id=3, ioa=MAX_IOA, value=DoublePoint.ON,
        quality=Quality.INVALID)),
    ("09 010000 0040 00", MonitorObject(type_id=9, ioa=1, value=0.5)),
    ("0b 010000 feff 01", MonitorObject(type_id=11, ioa=1, value=-2,
        quality=Quality.OVERFLOW)),
    ("0d 010000 00004842 00", MonitorObject(type_id=13, ioa=1, value=50.0)),
    (f"1e 010000 01 {T}", MonitorObject(type_id=30, ioa=1, value=True, time_tag=TAG)),
    (f"1f 010000 01 {T}", MonitorObject(type_id=31, ioa=1, value=1, time_tag=TAG)),
    (f"22 010000 0080 00 {T}",
        MonitorObject(type_id=34, ioa=1, value=-1.0, time_tag=TAG)),
    (f"23 010000 0100 00 {T}", MonitorObject(type_id=35, ioa=1, value=1, time_tag=TAG)),
    (f"24 010000 0000803f 00 {T}",
        MonitorObject(type_id=36, ioa=1, value=1.0, time_tag=TAG)),
    ("2d e90300 01", CommandObject(type_id=45, ioa=1001, value=True)),
    ("2d e90300 85", CommandObject(type_id=45, ioa=1001, value=True, qualifier=1,
        select=True)),
    ("2e ec0300 02", CommandObject(type_id=46, ioa=1004, value=DoublePoint.ON)),
    ("30 010000 0040 00", CommandObject(type_id=48, ioa=1, value=0.5)),
    ("31 010000 6400 80", CommandObject(type_id=49, ioa=1, value=100, select=True)),
    ("32 d10700 00004842 00", CommandObject(type_id=50, ioa=2001, value=50.0)),
    (f"3a e90300 00 {T}",
        CommandObject(type_id=58, ioa=1001, value=False, time_tag=TAG)),
    (f"3b ec0300 01 {T}", CommandObject(type_id=59, ioa=1004, value=1, time_tag=TAG)),
    (f"3d 010000 0040 00 {T}",
        CommandObject(type_id=61, ioa=1, value=0.5, time_tag=TAG)),
    (f"3e 010000 6400 00 {T}",
        CommandObject(type_id=62, ioa=1, value=100, time_tag=TAG)),
    (f"3f d10700 00004842 00 {T}",
        CommandObject(type_id=63, ioa=2001, value=50.0, time_tag=TAG)),
    ("46 000000 81", EndOfInitialization(cause=1, after_parameter_change=True)),
    ("64 000000 14", QualifiedRequest(type_id=100, qualifier=20)),
    ("65 000000 05", QualifiedRequest(type_id=101, qualifier=5)),
    ("66 d10700", ReadRequest(ioa=2001)),
    (f"67 000000 {T}", ClockSynchronization(time_tag=TAG)),
    ("69 000000 01", QualifiedRequest(type_id=105, qualifier=1)),
    (f"6b 000000 3412 {T}", LinkTestCommand(counter=0x1234, time_tag=TAG)),
]  # fmt: skip

TAGS = st.builds(
    TimeTag,
    milliseconds=st.integers(0, 65535),
    minute=st.integers(0, 63),
    hour=st.integers(0, 31),
    day=st.integers(0, 31),
    month=st.integers(0, 15),
    year=st.integers(0, 127),
    invalid=st.booleans(),
    summer_time=st.booleans(),
)
VALUES = {
    1: st.booleans(),
    3: st.sampled_from(DoublePoint),
    9: st.integers(-32768, 32767).map(lambda raw: raw / 32768),
    11: st.integers(-32768, 32767),
    13: st.floats(width=32, allow_nan=False),
    45: st.booleans(),
    46: st.sampled_from(DoublePoint),
    48: st.integers(-32768, 32767).map(lambda raw: raw / 32768),
    49: st.integers(-32768, 32767),
    50: st.floats(width=32, allow_nan=False),
}


@st.composite
def objects(draw: st.DrawFn, type_id: int, ioa: int) -> InformationObject:
    base = UNTAGGED.get(type_id, type_id)
    tag = draw(TAGS) if type_id in UNTAGGED else None
    if base <= 13:
        allowed = 0xF0 if base in (1, 3) else 0xF1
        return MonitorObject(
            type_id=type_id,
            ioa=ioa,
            value=draw(VALUES[base]),
            quality=draw(st.integers(0, 255)) & allowed,
            time_tag=tag,
        )
    if base <= 50:
        return CommandObject(
            type_id=type_id,
            ioa=ioa,
            value=draw(VALUES[base]),
            qualifier=draw(st.integers(0, 31 if base in (45, 46) else 127)),
            select=draw(st.booleans()),
            time_tag=tag,
        )
    if type_id == TypeId.M_EI_NA_1:
        return EndOfInitialization(
            ioa=ioa,
            cause=draw(st.integers(0, 127)),
            after_parameter_change=draw(st.booleans()),
        )
    if type_id == TypeId.C_RD_NA_1:
        return ReadRequest(ioa=ioa)
    if type_id == TypeId.C_CS_NA_1:
        return ClockSynchronization(ioa=ioa, time_tag=draw(TAGS))
    if type_id == TypeId.C_TS_TA_1:
        counter = draw(st.integers(0, 65535))
        return LinkTestCommand(ioa=ioa, counter=counter, time_tag=draw(TAGS))
    return QualifiedRequest(
        type_id=type_id, ioa=ioa, qualifier=draw(st.integers(0, 255))
    )


@st.composite
def asdus(draw: st.DrawFn) -> Asdu:
    type_id = draw(st.sampled_from(TypeId))
    sequence = draw(st.booleans())
    count = draw(
        st.integers(1, min(20, capacity(type_id, sequence=sequence)))
        if type_id != TypeId.C_RD_NA_1
        else st.integers(1, 20)
    )
    first = draw(st.integers(0, MAX_IOA - count))
    addresses = (
        range(first, first + count)
        if sequence
        else draw(st.lists(st.integers(0, MAX_IOA), min_size=count, max_size=count))
    )
    return Asdu(
        type_id=type_id,
        cause=draw(st.integers(0, 63)),
        objects=tuple(draw(objects(type_id, ioa)) for ioa in addresses),
        common_address=draw(st.integers(0, 65535)),
        originator=draw(st.integers(0, 255)),
        negative=draw(st.booleans()),
        test=draw(st.booleans()),
        sequence=sequence,
    )


@pytest.mark.parametrize(("octets", "obj"), GOLDEN, ids=lambda one: str(one)[:20])
def test_golden_objects(octets: str, obj: InformationObject):
    raw = bytes.fromhex(octets)
    header = bytes((raw[0], 1, 3, 0, 100, 0))
    asdu = decode_asdu(header + raw[1:])
    assert asdu.objects == (obj,)
    assert encode_asdu(asdu) == header + raw[1:]


def test_every_type_has_a_golden_object():
    assert {bytes.fromhex(octets)[0] for octets, _ in GOLDEN} == set(CODECS)
    assert set(CODECS) == set(TypeId)


@given(asdus())
def test_round_trip(asdu: Asdu):
    raw = encode_asdu(asdu)
    assert len(raw) <= MAX_ASDU
    assert decode_asdu(raw) == asdu


@given(asdus(), st.data())
def test_every_other_length_is_malformed(asdu: Asdu, data: st.DataObject):
    raw = encode_asdu(asdu)
    shorter = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(MalformedAsduError):
        decode_asdu(raw[:shorter])
    with pytest.raises(MalformedAsduError):
        decode_asdu(raw + b"\x00")
    assert decode_asdu(raw + b"\x00", strict_length=False) == asdu


@given(st.binary(max_size=MAX_ASDU))
def test_any_octets_are_decoded_malformed_or_foreign(raw: bytes):
    try:
        asdu = decode_asdu(raw)
    except MalformedAsduError, UnknownTypeError:
        return
    assert 1 <= len(asdu.objects) <= 127


@given(st.binary(max_size=260))
def test_describing_never_fails(raw: bytes):
    assert describe_apdu(raw)
    assert describe_asdu(raw)


def test_descriptions_name_what_matters():
    asdu = encode_asdu(
        Asdu(
            type_id=TypeId.C_SE_TC_1,
            cause=7,
            negative=True,
            test=True,
            originator=9,
            common_address=100,
            objects=(
                CommandObject(
                    type_id=63, ioa=2001, value=50.0, select=True, time_tag=TAG
                ),
            ),
        )
    )
    assert describe_apdu(build_i(3, 4, asdu)) == (
        "I N(S)=3 N(R)=4 C_SE_TC_1 activation_confirmation negative test CA=100 OA=9: "
        "2001=50 select at 2026-07-01 12:34:05.678"
    )
    assert describe_apdu(build_s(5)) == "S N(R)=5"
    assert describe_apdu(build_u(0x43)) == "U TESTFR_ACT"
    assert (
        describe_asdu(bytes.fromhex("7f0106006400"))
        == "ASDU 7f 01 06 00 64 00 (type 127)"
    )


@pytest.mark.parametrize(
    ("type_id", "count", "in_sequence"),
    [(1, 60, 127), (13, 30, 48), (36, 16, 20), (30, 22, 30), (9, 40, 80)],
)
def test_packing_fills_249_octets(type_id: int, count: int, in_sequence: int):
    assert capacity(type_id) == count
    assert capacity(type_id, sequence=True) == in_sequence
    events = [event(type_id, ioa) for ioa in range(1, 202)]
    packed = [decode_asdu(raw) for raw in pack_events(events, 100)]
    assert [len(asdu.objects) for asdu in packed[:-1]] == [count] * (201 // count)
    assert [obj.ioa for asdu in packed for obj in asdu.objects] == list(range(1, 202))


def event(type_id: int, ioa: int) -> Event:
    obj = MonitorObject(type_id=type_id, ioa=ioa, value=0, time_tag=TAG)
    return Event(type_id, Cause.SPONTANEOUS, encode_object(obj))


def test_packing_keeps_the_order_of_types():
    events = [event(type_id, ioa) for ioa, type_id in enumerate((1, 1, 13, 1))]
    assert [raw[:2] for raw in pack_events(events, 100)] == [
        b"\x01\x02",
        b"\x0d\x01",
        b"\x01\x01",
    ]
    assert list(pack_events([], 100)) == []


def test_mirror_keeps_test_bit_and_originator():
    request = bytes((50, 1, 0x86, 7, 0xFF, 0xFF)) + b"body"
    assert mirror(request, 7) == bytes((50, 1, 0x87, 7, 0xFF, 0xFF)) + b"body"
    assert mirror(request, 47, negative=True, common_address=100) == (
        bytes((50, 1, 0x80 | 0x40 | 47, 7, 100, 0)) + b"body"
    )


@pytest.mark.parametrize(
    "obj",
    [
        MonitorObject(type_id=13, ioa=-1, value=0.0),
        MonitorObject(type_id=13, ioa=MAX_IOA + 1, value=0.0),
        MonitorObject(type_id=13, ioa=1, value=3.5e38),
        MonitorObject(type_id=13, ioa=1, value=0.0, quality=256),
        MonitorObject(type_id=11, ioa=1, value=32768),
        MonitorObject(type_id=11, ioa=1, value=1.5),
        MonitorObject(type_id=9, ioa=1, value=1.01),
        MonitorObject(type_id=1, ioa=1, value=2),
        MonitorObject(type_id=3, ioa=1, value=4),
        MonitorObject(type_id=36, ioa=1, value=0.0),
        MonitorObject(type_id=2, ioa=1, value=0),
        CommandObject(type_id=45, ioa=1, value=True, qualifier=32),
        CommandObject(type_id=50, ioa=1, value=1.0, qualifier=128),
        EndOfInitialization(cause=128),
        QualifiedRequest(type_id=100, qualifier=256),
        LinkTestCommand(counter=65536, time_tag=TAG),
    ],
)
def test_what_does_not_fit_is_refused(obj: InformationObject):
    with pytest.raises(ValueError, match=r".+"):
        encode_object(obj)


def test_full_scale_is_the_largest_normalized_value():
    assert encode_object(MonitorObject(type_id=9, ioa=1, value=1.0))[3:5] == b"\xff\x7f"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"objects": ()}, "information objects"),
        ({"type_id": 1}, "one type"),
        ({"sequence": True}, "consecutive"),
    ],
)
def test_inconsistent_asdus_are_refused(changes: dict[str, object], match: str):
    points = tuple(MonitorObject(type_id=13, ioa=ioa, value=0.0) for ioa in (1, 3))
    fields = {"type_id": 13, "cause": 3, "common_address": 1, "objects": points}
    with pytest.raises(ValueError, match=match):
        encode_asdu(Asdu(**fields | changes))


def test_asdu_that_is_too_long_is_refused():
    points = tuple(
        MonitorObject(type_id=13, ioa=ioa, value=0.0) for ioa in range(0, 62, 2)
    )
    with pytest.raises(ValueError, match="249"):
        encode_asdu(Asdu(type_id=13, cause=3, common_address=1, objects=points))
