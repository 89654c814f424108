"""Fixtures that every test may use."""

from asyncio.selector_events import BaseSelectorEventLoop
from pathlib import Path
from typing import Any

from homeassistant.util import executor
from hypothesis import HealthCheck, settings
import pytest
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

# Imported before the first test: the test plug-in brings a package of this name
# too, and whichever is imported first is the one that counts.
import custom_components
from tests.ports import free_port

pytest_plugins = ["tests.report", "tests.required"]

_ROOT = Path(__file__).parent.parent
assert list(custom_components.__path__) == [str(_ROOT / "custom_components")]

# Home Assistant interrupts each of its idle threads that has not ended within a
# share of these s, 30 ms where there are many; the one that is just handing the end
# on to the next then takes it along, and a busy machine fails a test at its end. A
# thread that hangs is caught by the test's own limit.
executor.EXECUTOR_SHUTDOWN_TIMEOUT = 300

# A plain run draws the same examples each time and gives each the time that it takes:
# how long one takes says what else the machine does. New ones are searched for with
# `--hypothesis-profile=search`.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def auto_enable_custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant find the integration of this checkout.

    Only where a test has a Home Assistant: most test the layers below it, which
    would pay for starting one.
    """
    if "hass" in request.fixturenames:
        # The recorder has to be there before Home Assistant is.
        if "recorder_mock" in request.fixturenames:
            request.getfixturevalue("recorder_mock")
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture
def unused_tcp_port() -> int:
    """Stand in for the plug-in's: that one's ports are not free for long."""
    return free_port()


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write snapshots the way that Home Assistant does."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture(scope="session", autouse=True)
def accepted_while_closing() -> None:
    """Drop a connection that was accepted while its server closed.

    asyncio fails an assertion of its own then, and only its debug mode, which
    Home Assistant's tests use, raises it: into whichever test runs.
    """
    accept: Any = BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]

    async def guarded(
        self: Any,
        factory: Any,
        connection: Any,
        extra: Any,
        sslcontext: Any = None,
        server: Any = None,
        *timeouts: Any,
    ) -> None:
        if server is not None and server._sockets is None:
            connection.close()
            return
        await accept(self, factory, connection, extra, sslcontext, server, *timeouts)

    BaseSelectorEventLoop._accept_connection2 = guarded  # type: ignore[attr-defined]
