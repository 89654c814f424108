"""Golden register values: from the vendors' documents and wire traces."""

import math
import struct

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.devices.registers import (
    Encoding,
    Order,
    RegisterType,
    decode,
    encode,
    is_absent,
    registers_of,
)

MSW = Encoding()
LSW = Encoding(word=Order.LITTLE)
SWAPPED = Encoding(byte=Order.LITTLE)
T = RegisterType


@pytest.mark.parametrize(
    ("words", "kind", "encoding", "value"),
    [
        # evcc wire trace of an Alfen: 230.16 V at 306.
        ([0x4366, 0x28F5], T.F32, MSW, 230.16),
        ([0x28F5, 0x4366], T.F32, LSW, 230.16),
        ([0x40E0, 0x0000], T.F32, MSW, 7.0),
        ([0x6643, 0xF528], T.F32, SWAPPED, 230.16),
        ([0xFFFF], T.S16, MSW, -1),
        ([0xFFFF], T.U16, MSW, 65535),
        ([0x0001, 0x0002], T.U32, MSW, 65538),
        ([0x0002, 0x0001], T.U32, LSW, 65538),
        ([0xFFFF, 0xFFFE], T.S32, MSW, -2),
        ([0, 0, 1, 0], T.U64, MSW, 65536),
        ([0xFFFF] * 3 + [0xFFFD], T.S64, MSW, -3),
        ([0x4132, 0xD687, 0, 0], T.F64, MSW, 1234567.0),
        ([0x4E47, 0x3931, 0x3000, 0x4141], T.STR, MSW, "NG910"),
        ([0x4E47, 0x3931, 0x3000, 0x4141], T.STR, LSW, "NG910"),
        ([1], T.BIT, MSW, True),
    ],
)
def test_golden_values(
    words: list[int], kind: RegisterType, encoding: Encoding, value: float | str
) -> None:
    decoded = decode(words, kind, encoding)
    if isinstance(value, float) and isinstance(decoded, float):
        assert math.isclose(decoded, value, rel_tol=1e-6)
    else:
        assert decoded == value


_RANGES = {
    T.U16: (0, 2**16 - 1),
    T.S16: (-(2**15), 2**15 - 1),
    T.U32: (0, 2**32 - 1),
    T.S32: (-(2**31), 2**31 - 1),
    T.U64: (0, 2**53),
    T.S64: (-(2**53), 2**53),
}


@given(
    st.sampled_from(sorted(_RANGES)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.integers(*_RANGES[kind]))
    ),
    st.sampled_from(
        [MSW, LSW, SWAPPED, Encoding(word=Order.LITTLE, byte=Order.LITTLE)]
    ),
)
def test_what_is_encoded_is_decoded(
    typed: tuple[RegisterType, int], encoding: Encoding
) -> None:
    kind, value = typed
    words = encode(value, kind, encoding)
    assert len(words) == registers_of(kind)
    assert decode(words, kind, encoding) == value


@given(st.floats(width=32, allow_nan=False), st.sampled_from([MSW, LSW, SWAPPED]))
def test_floats_survive(value: float, encoding: Encoding) -> None:
    assert decode(encode(value, T.F32, encoding), T.F32, encoding) == value
    assert decode(encode(value, T.F64, encoding), T.F64, encoding) == value


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (60.0000000001, T.U16, [60]),
        (6.0 / 0.1, T.U16, [60]),
        (59.9, T.U16, [59]),
        (-59.9, T.S16, [65536 - 59]),
    ],
)
def test_fractions_go_toward_zero(
    value: float, kind: RegisterType, words: list[int]
) -> None:
    assert encode(value, kind, MSW) == words


@pytest.mark.parametrize(
    ("value", "kind"),
    [(65536, T.U16), (-1, T.U16), (40000, T.S16), (1e40, T.F32), (2**32, T.U32)],
)
def test_what_does_not_fit_is_refused(value: float, kind: RegisterType) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(value, kind, MSW)


@pytest.mark.parametrize(
    ("words", "kind", "nan", "absent"),
    [
        ([0xFFFF], T.U16, ["type"], True),
        ([0x8000], T.S16, ["type"], True),
        ([0xFFFF], T.S16, ["type"], False),
        ([0xFFFF, 0xFFFF], T.U32, ["type"], True),
        ([0x8000, 0], T.S32, ["type"], True),
        ([0xFFFF, 0xFFFF], T.F32, [], True),
        ([0x7FC0, 0], T.F32, [], True),
        ([0xFFFF] * 4, T.F64, [], True),
        ([0xFFFF] * 4, T.U64, ["ffff"], True),
        ([0, 0], T.U32, ["zero"], True),
        ([0, 0], T.U32, ["type"], False),
        ([0xFFFE], T.U16, [0xFFFE], True),
        ([0x2020], T.STR, [], True),
        ([0], T.BIT, ["zero"], True),
    ],
)
def test_sentinels(
    words: list[int], kind: RegisterType, nan: list[str | int], absent: bool
) -> None:
    assert is_absent(words, decode(words, kind, MSW), kind, nan) is absent


def test_the_pattern_of_alfen_is_not_a_number_in_any_width() -> None:
    assert math.isnan(struct.unpack(">f", b"\xff" * 4)[0])
    assert math.isnan(struct.unpack(">d", b"\xff" * 8)[0])
