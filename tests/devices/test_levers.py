"""What stands for a switch: what it says while it says nothing, and what it passes on."""

import pytest

from custom_components.netflex.devices.levers import (
    LeverPort,
    OptionLever,
    SgReadyPort,
    TemperatureLever,
)
from custom_components.netflex.devices.ports import EntityValue

from .test_entity_device import Entities


class Optional(Entities):
    """Entities of which one has options."""

    async def set_option(self, entity: str, option: str) -> None:
        self.options.append((entity, option))

    def __init__(self, **values: EntityValue) -> None:
        super().__init__(**values)
        self.options: list[tuple[str, str]] = []


def contacts(**second: object) -> Optional:
    return Optional(
        switch__lock=EntityValue(value=False),
        switch__boost=EntityValue(value=True, **second),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("value", [None, "unknown", True])
def test_a_thermostat_without_a_set_temperature_says_nothing(
    value: str | bool | None,
) -> None:
    entities = Optional(climate__living=EntityValue(value=value))
    lever = TemperatureLever(entities, 21.0, 7.0)
    port = LeverPort(entities, "climate.living", lever)
    read = port.read("climate.living")
    assert read is not None
    assert read.value is None
    assert port.read("climate.other") is None


def test_an_sg_ready_contact_that_is_away_says_nothing_of_the_state() -> None:
    port = SgReadyPort(contacts(), "switch.lock", "switch.boost")
    read = port.read("switch.boost")
    assert read is not None
    assert read.value == "recommended"
    away = SgReadyPort(contacts(available=False), "switch.lock", "switch.boost")
    for entity in ("switch.lock", "switch.boost"):
        read = away.read(entity)
        assert read is not None
        assert read.value is None


async def test_what_is_not_driven_by_a_lever_is_passed_on() -> None:
    entities = Optional(
        switch__other=EntityValue(value=False),
        number__limit=EntityValue(value=6.0),
        select__mode=EntityValue(value="eco"),
    )
    lever = OptionLever(entities, "eco", "off")
    for port in (
        LeverPort(entities, "select.mode", lever),
        SgReadyPort(entities, "switch.lock", "switch.boost"),
    ):
        await port.set_number("number.limit", 16.0)
        await port.set_switch("switch.other", True)
        await port.set_option("select.tariff", "night")
        assert port.read("number.limit") == entities.read("number.limit")
    assert entities.calls == [("number.limit", 16.0), ("switch.other", True)] * 2
    assert entities.options == [("select.tariff", "night")] * 2
