"""Ports of loopback that stay free until a test uses them."""

import secrets
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below those that the system gives to clients and to whoever asks for any: what it
gave once it may give again to another test before the first one listens."""


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    while True:
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
