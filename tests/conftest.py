"""Fixtures that every test may use."""

import pytest
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

# Imported before the first test: the test plug-in brings a package of the name
# custom_components too, and whichever is imported first is the one that counts.
from custom_components.netflex.const import DOMAIN  # noqa: F401


@pytest.fixture(autouse=True)
def auto_enable_custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration of this checkout."""


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write snapshots the way that Home Assistant does."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)
