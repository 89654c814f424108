"""Framing of APDUs."""

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.iec104.apdu import (
    MAX_ASDU,
    ApduFramer,
    ControlFieldError,
    IApdu,
    LengthError,
    SApdu,
    StartOctetError,
    UApdu,
    UFunction,
    build_i,
    build_s,
    build_u,
    parse_apdu,
)

NUMBERS = st.integers(0, 32767)


@pytest.mark.parametrize(
    ("octets", "apdu"),
    [
        ("680407000000", UApdu(UFunction.STARTDT_ACT)),
        ("68040b000000", UApdu(UFunction.STARTDT_CON)),
        ("680413000000", UApdu(UFunction.STOPDT_ACT)),
        ("680423000000", UApdu(UFunction.STOPDT_CON)),
        ("680443000000", UApdu(UFunction.TESTFR_ACT)),
        ("680483000000", UApdu(UFunction.TESTFR_CON)),
        ("680401000a00", SApdu(5)),
        ("68040100feff", SApdu(32767)),
        (
            "680e02000400640106006400 00000014",
            IApdu(1, 2, bytes.fromhex("64010600640000000014")),
        ),
    ],
)
def test_golden_apdus(octets: str, apdu: object):
    assert parse_apdu(bytes.fromhex(octets)) == apdu


@given(NUMBERS, NUMBERS, st.binary(max_size=MAX_ASDU))
def test_information_round_trip(send: int, receive: int, asdu: bytes):
    assert parse_apdu(build_i(send, receive, asdu)) == IApdu(send, receive, asdu)


@given(NUMBERS)
def test_supervisory_round_trip(receive: int):
    assert parse_apdu(build_s(receive)) == SApdu(receive)


def test_asdu_beyond_249_octets_is_refused():
    with pytest.raises(ValueError, match="249"):
        build_i(0, 0, bytes(250))


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("680403000000", ControlFieldError),
        ("680447000000", ControlFieldError),
        ("680407000001", ControlFieldError),
        ("680401010000", ControlFieldError),
        ("680401000100", ControlFieldError),
        ("680400000100", ControlFieldError),
        ("68050700000000", LengthError),
        ("68050100000000", LengthError),
    ],
)
def test_bad_control_fields(octets: str, error: type[Exception]):
    with pytest.raises(error):
        parse_apdu(bytes.fromhex(octets))


@given(st.data())
def test_any_segmentation_gives_the_same_apdus(data: st.DataObject):
    apdus = data.draw(
        st.lists(
            st.builds(build_i, NUMBERS, NUMBERS, st.binary(max_size=MAX_ASDU))
            | st.builds(build_s, NUMBERS)
            | st.builds(build_u, st.sampled_from(UFunction)),
            max_size=8,
        )
    )
    stream = b"".join(apdus)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer = ApduFramer()
    cut = [
        apdu
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for apdu in framer.feed(stream[start:end])
    ]
    assert cut == apdus
    assert framer.fault is None


@pytest.mark.parametrize(
    ("tail", "error"),
    [
        (b"\x00", StartOctetError),
        (b"\x68\x03", LengthError),
        (b"\x68\xfe", LengthError),
    ],
)
def test_a_fault_is_found_at_the_earliest_octet(tail: bytes, error: type[Exception]):
    framer = ApduFramer()
    assert framer.feed(build_s(1) + tail) == [build_s(1)]
    assert isinstance(framer.fault, error)
    assert framer.feed(build_s(1)) == []
