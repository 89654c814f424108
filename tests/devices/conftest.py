"""Fixtures of the device tests."""

from collections.abc import AsyncIterator
import re

import pytest

from custom_components.netflex.devices.dedicated import DedicatedUnits
from custom_components.netflex.devices.profile_loader import (
    BUILT_IN,
    ProfileLibrary,
    read_file,
)


@pytest.fixture(scope="session")
def profiles() -> ProfileLibrary:
    """The shipped profiles, with pauses and deadlines that a test can wait for."""
    files = []
    for path in sorted(BUILT_IN.glob("*.yaml")):
        source = path.read_text()
        for key, quick in (
            ("spacing", "0"),
            ("connect_delay", "0"),
            ("within_s", "0.2"),
            ("min_interval", "0.02"),
            ("wait", "0.01"),
            ("settle_s", "0.05"),
            ("patience_s", "0.2"),
        ):
            source = re.sub(rf"\b{key}: [\d.]+", f"{key}: {quick}", source)
        files.append(read_file(source, path.name))
    return ProfileLibrary(files)


@pytest.fixture(scope="session")
def shipped() -> ProfileLibrary:
    return ProfileLibrary.load()


@pytest.fixture
async def units(socket_enabled: None) -> AsyncIterator[DedicatedUnits]:
    factory = DedicatedUnits()
    yield factory
    await factory.close()
