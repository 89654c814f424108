"""Fixtures of the protocol's tests."""

from collections.abc import Generator
import logging

import pytest


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    """Let these tests use the loopback interface."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Fail a test that left a warning or an error in the log."""
    yield
    loud = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.WARNING
        # The loop runs in debug mode here and says when a machine is slow.
        and not record.getMessage().startswith("Executing <")
    ]
    assert not loud
