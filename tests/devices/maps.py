"""Register maps of real devices, laid out by hand from their documents."""

import struct

from .servers import Map, Server, f32, f64, text, u32, u64


def alfen(*, swap: bool = False, shift: int = 0) -> dict[int, Map]:
    """An Alfen station with one socket (Modbus Slave TCP/IP v2.3).

    `swap` sends the low word first, `shift` moves every address.
    """

    def number(words: list[int]) -> list[int]:
        return words[::-1] if swap else words

    station, socket = Map(), Map()

    def put(unit: Map, at: int, words: list[int]) -> None:
        unit.put(at + shift, words)

    put(station, 100, text("ALF_1000", 17))
    put(station, 117, text("Alfen NV", 5))
    put(station, 122, [1])
    put(station, 123, text("6.4.0-4210", 17))
    put(station, 140, text("NG910", 17))
    put(station, 157, text("ACE0123456", 11))
    put(station, 168, [2026, 11, 22, 16, 0, 0])
    put(station, 174, number(u64(123456)))
    put(station, 178, [60])
    put(station, 1100, number(f32(32.0)))
    put(station, 1102, number(f32(21.5)))
    put(station, 1104, [1, 1])
    for at in range(300, 426):
        put(socket, at, [0xFFFF])
    put(socket, 301, number(u64(800)))
    for index, volts in enumerate((230.5, 231.0, 229.5)):
        put(socket, 306 + 2 * index, number(f32(volts)))
    for index, amperes in enumerate((15.5, 15.25, 15.75)):
        put(socket, 320 + 2 * index, number(f32(amperes)))
    put(socket, 336, number(f32(50.0)))
    put(socket, 344, number(f32(10700.0)))
    put(socket, 374, number(f64(1234567.0)))
    put(socket, 1200, [1])
    put(socket, 1201, text("C2", 5))
    put(socket, 1206, number(f32(10.0)))
    put(socket, 1208, number(u32(0)))
    put(socket, 1210, number(f32(0.0)))
    put(socket, 1212, number(f32(10.0)))
    put(socket, 1214, [0, 3])
    return {200: station, 1: socket}


def alfen_takes(validity: int = 60, *, swap: bool = False, shift: int = 0):
    """The behaviour of a station that takes a written current over at once."""

    def on_write(
        server: Server, unit: int, _function: int, address: int, values: list[int]
    ) -> None:
        if unit == 1 and address == 1210 + shift:
            left = u32(validity)
            server.set(1, 1206 + shift, values)
            server.set(1, 1208 + shift, left[::-1] if swap else left)
            server.set(1, 1214 + shift, [1])

    return on_write


def acuvim() -> Map:
    """An Acuvim II with secondary values (manual 1040E1303, block 0x4000)."""
    unit = Map()
    unit.fill(0x4000, 0x4060)
    values = {
        0x4000: 49.98,
        0x4002: 57.5,
        0x4004: 57.75,
        0x4006: 57.25,
        0x4012: 2.5,
        0x4014: 2.25,
        0x4016: 2.0,
        0x401A: 0.25,
        0x401C: 140.0,
        0x401E: 130.0,
        0x4020: -110.0,
        0x4022: 160.0,
        0x402A: 12.0,
    }
    for at, value in values.items():
        unit.put(at, f32(value))
    unit.put(0x4048, u32(123456))
    unit.put(0x404A, u32(654))
    return unit


def moxa() -> Map:
    """An ioLogik E1214 with its default addresses (manual, appendix A)."""
    unit = Map(
        coils=dict.fromkeys(range(6), False),
        discrete={
            **dict.fromkeys(range(6), False),
            **dict.fromkeys(range(4112, 4118), False),
        },
    )
    unit.input.update(dict.fromkeys(range(64, 76), 0))
    return unit


def sunspec(*models: tuple[int, list[int]], base: int = 40000) -> Map:
    """A SunSpec map of models (ID, body after the length)."""
    unit = Map()
    at = base
    unit.put(at, [0x5375, 0x6E53])
    at += 2
    for model, body in models:
        unit.put(at, [model, len(body), *body])
        at += 2 + len(body)
    unit.put(at, [0xFFFF, 0])
    return unit


def common() -> tuple[int, list[int]]:
    """Model 1: manufacturer, model, options, version, serial number, address."""
    return 1, [
        *text("Fronius", 16),
        *text("Symo GEN24 10.0", 16),
        *text("", 8),
        *text("1.34.6-1", 8),
        *text("31234567", 16),
        1,
        0,
    ]


def model(number: int, length: int, values: dict[int, int]) -> tuple[int, list[int]]:
    """A model whose points are named by their offset from the ID register."""
    body = [0] * length
    for offset, value in values.items():
        body[offset - 2] = value & 0xFFFF
    return number, body


def signed(value: int) -> int:
    return struct.unpack(">h", struct.pack(">H", value))[0]
