"""Payloads: JSON, zipped JSON, CBOR; damaged and oversized ones are refused."""

from contextlib import suppress
import json
from math import isnan
import struct
import zlib

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.northbound import cbor
from custom_components.netflex.northbound.codec import (
    MOST_OCTETS,
    Format,
    PayloadError,
    TooLargeError,
    decode,
    encode,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=10), VALUES, max_size=6)

# RFC 8949, appendix A: (octets, value).
EXAMPLES = [
    ("00", 0),
    ("1817", 23),
    ("1818", 24),
    ("1903e8", 1000),
    ("1b000000e8d4a51000", 1_000_000_000_000),
    ("1bffffffffffffffff", 2**64 - 1),
    ("20", -1),
    ("3903e7", -1000),
    ("f90000", 0.0),
    ("f93c00", 1.0),
    ("f97bff", 65504.0),
    ("f90001", 5.960464477539063e-08),
    ("f9c400", -4.0),
    ("fa47c35000", 100000.0),
    ("fb3ff199999999999a", 1.1),
    ("f97c00", float("inf")),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("6449455446", "IETF"),
    ("62c3bc", "ü"),
    ("83010203", [1, 2, 3]),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
    ("7f657374726561646d696e67ff", "streaming"),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
]


@pytest.mark.parametrize(("octets", "value"), EXAMPLES)
def test_examples_of_the_standard_are_read(octets: str, value: object) -> None:
    found = cbor.decode(bytes.fromhex(octets))
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read() -> None:
    found = cbor.decode(bytes.fromhex("f97e00"))
    assert isnan(found)


@given(OBJECTS)
def test_what_is_written_as_cbor_is_read_back(data: dict[str, object]) -> None:
    octets = encode(data, Format.CBOR)
    assert octets[0] >> 5 == 5
    assert decode(octets) == data


@given(OBJECTS)
def test_what_is_written_as_json_is_read_back_packed_or_not(
    data: dict[str, object],
) -> None:
    octets = encode(data, Format.JSON)
    assert decode(octets) == json.loads(octets)
    assert decode(b"z" + zlib.compress(octets)) == json.loads(octets)


@given(st.binary(max_size=200))
def test_no_octets_do_anything_but_be_read_or_refused(octets: bytes) -> None:
    for lead in (b"", b"{", b"z", b"\xa1", b"\xbf", b"\xa1\x61a"):
        with suppress(PayloadError):
            assert isinstance(decode(lead + octets), dict)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"{",
        b'{"value": }',
        b"[1]",
        b"\xa1\x61",
        b"\xa1\x01\x02",
        b"\xa0\x00",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a" + b"\x81" * 40 + b"\x00",
        b"\xa1\x61a\x9f" + b"\x00" * 30_000 + b"\xff",
        b"z123",
        b"z" + zlib.compress(b'{"value": 1}')[:-6],
        b"z" + zlib.compress(b"[1]"),
        b"{" + b'"a":{' * 5000,
    ],
)
def test_damaged_payloads_are_refused_with_a_reason(payload: bytes) -> None:
    with pytest.raises(PayloadError, match=r"."):
        decode(payload)


def test_too_large_is_refused_before_and_after_unpacking() -> None:
    large = json.dumps({"value": "a" * (MOST_OCTETS + 1)}).encode()
    with pytest.raises(TooLargeError):
        decode(large)
    packed = zlib.compress(large)
    assert len(packed) < MOST_OCTETS
    with pytest.raises(TooLargeError):
        decode(b"z" + packed)


def test_what_is_no_value_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        cbor.encode({"a": object()})
    with pytest.raises(TypeError):
        cbor.encode(2**64)
    with pytest.raises(ValueError, match="JSON"):
        encode({"a": float("nan")}, Format.JSON)


def test_doubles_are_written_in_full() -> None:
    assert cbor.encode(1.1) == b"\xfb" + struct.pack(">d", 1.1)
