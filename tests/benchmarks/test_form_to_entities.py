"""From the end of a P1 meter's form to entities with values, over real wires."""

import asyncio
import sys

from homeassistant.core import HomeAssistant
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.face.test_user_ports import KINDS, delta_entry, form_to_entities, port

pytestmark = pytest.mark.usefixtures("socket_enabled")

WANTED = 3.0
"""s; a meter speaks once a second, so a second of it may be the meter's."""


@pytest.mark.parametrize("kind", KINDS)
async def test_form_to_entities(
    hass: HomeAssistant,
    benchmark: BenchmarkFixture,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    async with port(kind) as url:
        seconds = await form_to_entities(hass, delta_entry(), url)
    # It has been measured; what is told here is only where the figures are kept.
    benchmark.pedantic(lambda: asyncio.isfuture(None), rounds=1)
    benchmark.extra_info["seconds"] = round(seconds, 2)
    with capsys.disabled():
        sys.stdout.write(f"\nform to entities over {kind}: {seconds:.2f} s\n")
    if benchmark.enabled:
        assert seconds <= WANTED
