"""Brokers for tests: plain, and with TLS and client certificates."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.certificates import CertificateAuthority

from .broker import Broker


@pytest.fixture
async def broker(
    mosquitto: Path, tmp_path: Path, socket_enabled: None
) -> AsyncGenerator[Broker]:
    """A broker that everybody may use."""
    broker = Broker(mosquitto, tmp_path)
    await broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def tls_broker(
    mosquitto: Path, tmp_path: Path, socket_enabled: None
) -> AsyncGenerator[Broker]:
    """A broker that asks for certificates of one authority."""
    broker = Broker(mosquitto, tmp_path, CertificateAuthority(tmp_path, "authority"))
    await broker.start()
    yield broker
    broker.stop()
