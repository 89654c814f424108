"""CRC-16/X-25, the checksum of HDLC frames (ISO/IEC 13239)."""

from typing import Final

GOOD_RESIDUE: Final = 0xF0B8
"""What it leaves over content and checksum, before its final inversion."""


def _byte_table() -> list[int]:
    """Return the table by octet (reflected polynomial 0x8408)."""
    table = []
    for octet in range(256):
        value = octet
        for _ in range(8):
            value = (value >> 1) ^ (0x8408 if value & 1 else 0)
        table.append(value)
    return table


BYTE_TABLE: Final = _byte_table()


def residue(octets: bytes) -> int:
    """Return what is left over some octets, without the final inversion."""
    value = 0xFFFF
    for octet in octets:
        value = (value >> 8) ^ BYTE_TABLE[(value ^ octet) & 0xFF]
    return value
