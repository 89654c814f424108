"""The processes of a simulated site: kept running, and ended for good."""

import asyncio
import socket
import sys
from typing import Any

from homeassistant.core import HomeAssistant
import pytest

from custom_components.netflex import simulated_site
from custom_components.netflex.simulated_site import SimulatedWires, free_ports

from .test_unload import until


async def test_a_process_that_ends_is_started_again_some_times_and_then_said(
    hass: HomeAssistant,
    socket_enabled: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wires = SimulatedWires(hass, await described(hass))
    monkeypatch.setattr(simulated_site, "RESTART_DELAY", 0.0)
    monkeypatch.setattr(simulated_site, "RESTARTS", 1)
    monkeypatch.setattr(simulated_site, "START_LIMIT", 0.05)
    monkeypatch.setattr(simulated_site, "_MODULE", "custom_components.netflex.nothing")
    await wires.start()
    await until(lambda: caplog.text.count("is not started again") == 2)
    assert caplog.text.count("ended by itself: status 1") == 4
    monkeypatch.setattr(simulated_site.sys, "executable", "/nothing/python")
    caplog.clear()
    await wires.start()
    await until(lambda: caplog.text.count("is not started again") == 2)
    assert "No such file" in caplog.text
    await wires.stop()


async def described(hass: HomeAssistant) -> dict[str, Any]:
    data, _ = await hass.async_add_executor_job(
        simulated_site.describe_simulated_site, "Site", lambda: "01ID"
    )
    return data


async def test_a_process_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulated_site, "GRACE", 0.05)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(flush=True); time.sleep(600)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", stubborn, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    await simulated_site._end(process)
    assert process.returncode == -9
    await simulated_site._end(process)


async def test_devices_listen_once_it_has_started(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    """So that a site that is set up does not begin with an alarm for each of them."""
    data = await described(hass)
    wires = SimulatedWires(hass, data)
    await wires.start()
    try:
        for port in data["simulation"]["wires"].values():
            await hass.async_add_executor_job(connect, port)
    finally:
        await wires.stop()


def connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        pass


def test_ports_are_different_and_free(socket_enabled: None) -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass
