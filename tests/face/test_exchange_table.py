"""The form of an exchange table."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.entry_device import device_config
from custom_components.netflex.model.asset import Nature
from custom_components.netflex.model.connection import GridType

from . import sites
from .fakes import FakeSite
from .test_subentry_flows import Form, device_answers, only_subentry

TABLE: dict[str, Any] = {
    "name": "Kiln",
    "host": " PLC.lan",
    "port": 502,
    "points": ["request; write; 100", " accepted; read; 200 ", ""],
    "more": {"unit": 1, "deadline": 5, "heartbeat": 1, "transport": "tcp"},
}
ASSETS = {
    "load": {
        "rated_power": 50_000,
        "phases": "3",
        "lines": [],
        "never_shed": False,
        "more": {"priority": 0, "minimum_on": 0, "minimum_off": 60},
    },
}


@pytest.fixture
def entry() -> MockConfigEntry:
    """A site without meters and assets."""
    return sites.site_entry(complete=False)


@pytest.fixture(autouse=True)
def _running(no_entities: None, site: FakeSite) -> None:
    """Every form is opened on a site that runs."""


async def test_a_load_over_a_table(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    form = Form(hass, entry, "load")
    await form.begin()
    result = await form.choose("table")
    assert result["step_id"] == "table"
    with device_answers(Nature.LOAD, serial=None) as test:
        result = await form.submit(TABLE)
    assert result["step_id"] == "asset"
    assert test.await_args.args[1].table == (
        "request; write; 100",
        "accepted; read; 200",
    )
    result = await form.submit(ASSETS["load"])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    config = device_config(only_subentry(entry), GridType.STAR)
    assert config.link is not None
    assert config.link.host == "plc.lan"
    assert config.params == {"unit": 1, "deadline": 5, "heartbeat": 1}
    assert config.asset is not None
    assert not config.asset.stays_stopped
    # Changed, it shows what is stored.
    again = Form(hass, entry, "load")
    await again.begin(only_subentry(entry).subentry_id)
    assert again.result["step_id"] == "table"
    assert again.shown["points"] == ["request; write; 100", "accepted; read; 200"]


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"points": []}, {"points": "table_invalid"}),
        ({"points": ["request; write; x"]}, {"points": "table_invalid"}),
        ({"host": " "}, {"host": "host_missing"}),
        ({"port": 0}, {"port": "port_out_of_range"}),
        ({"more": {**TABLE["more"], "unit": 256}}, {"base": "table_unit_out_of_range"}),
        ({"more": {**TABLE["more"], "deadline": 0}}, {"base": "table_times_invalid"}),
    ],
)
@pytest.mark.parametrize("kind", ["load", "inverter"])
async def test_what_cannot_be_is_said(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    kind: str,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = Form(hass, entry, kind)
    await form.begin()
    await form.choose("table")
    result = await form.submit({**TABLE, **changes})
    assert result["errors"] == errors
