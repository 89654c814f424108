"""CRC-16/ARC, the check of a P1 telegram (DSMR P1 5.0.2, 6.2)."""

from array import array
from functools import cache
from struct import unpack

_POLYNOMIAL = 0xA001


@cache
def _table() -> array[int]:
    """Return what 16 bits shifted out of the register leave behind, by their value.

    The CRC is linear: the entry of a value is the sum of the entries of its bits.
    """
    table = [0]
    for bit in range(16):
        remainder = 1 << bit
        for _ in range(16):
            remainder = (remainder >> 1) ^ (_POLYNOMIAL if remainder & 1 else 0)
        table += [remainder ^ entry for entry in table]
    return array("H", table)


def crc16(data: bytes) -> int:
    """Return the CRC-16/ARC of the data: polynomial 0xA001 reflected, initially 0.

    Two bytes are taken at a step. With an initial value of 0 a leading zero byte
    changes nothing, so data of an odd length is filled up in front.
    """
    table = _table()
    if len(data) & 1:
        data = b"\0" + data
    crc = 0
    for word in unpack(f"<{len(data) >> 1}H", data):
        crc = table[crc ^ word]
    return crc
