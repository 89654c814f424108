"""Normally closed inputs hold and release the site's own stops (S13)."""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.netflex.local_stop_inputs import SILENCE_SECONDS, LocalStopWatch
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.orders import NO_LOCAL_STOPS, LocalStops
from custom_components.netflex.telecontrol_options import LocalStopInputs

BUTTON = "binary_sensor.button"
KEY_SWITCH = "input_boolean.key_switch"
INPUTS = LocalStopInputs(production=(BUTTON,), consumption=(BUTTON, KEY_SWITCH))


class StoppableSite:
    """What the watch needs of a site."""

    def __init__(self) -> None:
        self.local_stops = NO_LOCAL_STOPS
        self.silent: Mapping[str, str] = {}
        self.changes = 0

    def set_local_stop(self, direction: Direction, holder: str, *, held: bool) -> None:
        self.changes += 1
        self.local_stops = self.local_stops.with_holder(direction, holder, held=held)

    def set_stop_inputs(self, names: Mapping[str, str]) -> None:
        self.stop_inputs = dict(names)

    def set_silent_inputs(self, silent: Mapping[str, str]) -> None:
        self.silent = silent


@pytest.fixture
def stoppable() -> StoppableSite:
    return StoppableSite()


@pytest.fixture
async def watch(
    hass: HomeAssistant, stoppable: StoppableSite
) -> AsyncGenerator[LocalStopWatch]:
    watch = LocalStopWatch(hass, stoppable)  # type: ignore[arg-type]
    yield watch
    watch.async_stop()


async def says(hass: HomeAssistant, entity_id: str, state: str) -> None:
    hass.states.async_set(entity_id, state)
    await hass.async_block_till_done()


def held(*production: str, consumption: tuple[str, ...] = ()) -> LocalStops:
    return LocalStops(
        production=frozenset(production), consumption=frozenset(consumption)
    )


async def test_S13_an_open_contact_stops_and_each_releases_its_own(
    hass: HomeAssistant, stoppable: StoppableSite, watch: LocalStopWatch
) -> None:
    for entity_id in (BUTTON, KEY_SWITCH):
        await says(hass, entity_id, "on")
    watch.async_set(INPUTS)
    assert stoppable.local_stops == NO_LOCAL_STOPS

    await says(hass, BUTTON, "off")
    assert stoppable.local_stops == held(BUTTON, consumption=(BUTTON,))
    await says(hass, KEY_SWITCH, "off")
    await says(hass, BUTTON, "on")
    assert stoppable.local_stops == held(consumption=(KEY_SWITCH,))
    await says(hass, KEY_SWITCH, "on")
    assert stoppable.local_stops == NO_LOCAL_STOPS


async def test_S06_an_input_leaves_the_switchs_stop_alone(
    hass: HomeAssistant, stoppable: StoppableSite, watch: LocalStopWatch
) -> None:
    stoppable.local_stops = held("entity", "binary_sensor.former")
    await says(hass, BUTTON, "off")
    watch.async_set(LocalStopInputs(production=(BUTTON,)))

    # An input that is not one any more holds nothing.
    assert stoppable.local_stops == held("entity", BUTTON)
    await says(hass, BUTTON, "on")
    assert stoppable.local_stops == held("entity")
    watch.async_set(LocalStopInputs())
    assert stoppable.local_stops == held("entity")


@pytest.mark.parametrize("silence", ["unavailable", "unknown", None])
@pytest.mark.parametrize("last", ["on", "off"])
async def test_S13_an_input_that_says_nothing_keeps_what_it_said_last(
    hass: HomeAssistant,
    stoppable: StoppableSite,
    watch: LocalStopWatch,
    silence: str | None,
    last: str,
) -> None:
    await says(hass, BUTTON, last)
    watch.async_set(LocalStopInputs(production=(BUTTON,)))
    before = stoppable.local_stops
    assert bool(before.production) is (last == "off")

    if silence is None:
        hass.states.async_remove(BUTTON)
        await hass.async_block_till_done()
    else:
        await says(hass, BUTTON, silence)
    assert stoppable.local_stops == before
    assert stoppable.silent == {}
    later = dt_util.utcnow() + timedelta(seconds=SILENCE_SECONDS + 1)
    async_fire_time_changed(hass, later)
    await hass.async_block_till_done()

    assert stoppable.local_stops == before
    assert set(stoppable.silent) == {BUTTON}
    expected = "its stop holds" if last == "off" else "stops nothing until"
    assert expected in stoppable.silent[BUTTON]
    await says(hass, BUTTON, "on")
    assert stoppable.silent == {}
    assert stoppable.local_stops == NO_LOCAL_STOPS


async def test_S13_a_short_silence_as_after_a_start_is_not_said(
    hass: HomeAssistant, stoppable: StoppableSite, watch: LocalStopWatch
) -> None:
    stoppable.local_stops = held(BUTTON)
    watch.async_set(LocalStopInputs(production=(BUTTON,)))
    assert stoppable.local_stops == held(BUTTON)
    await says(hass, BUTTON, "off")

    later = dt_util.utcnow() + timedelta(seconds=SILENCE_SECONDS + 1)
    async_fire_time_changed(hass, later)
    await hass.async_block_till_done()

    assert stoppable.silent == {}
    assert stoppable.changes == 0


async def test_S13_a_renamed_or_removed_input_keeps_its_stop(
    hass: HomeAssistant, stoppable: StoppableSite, watch: LocalStopWatch
) -> None:
    registry = er.async_get(hass)
    button = registry.async_get_or_create(
        "binary_sensor", "modbus", "button", suggested_object_id="button"
    )
    await says(hass, BUTTON, "off")
    watch.async_set(LocalStopInputs(production=(button.id,)))
    assert stoppable.local_stops == held(BUTTON)

    renamed = "binary_sensor.red_button"
    registry.async_update_entity(BUTTON, new_entity_id=renamed)
    await hass.async_block_till_done()
    assert stoppable.local_stops == held(renamed)
    await says(hass, renamed, "on")
    assert stoppable.local_stops == NO_LOCAL_STOPS
    await says(hass, renamed, "off")
    registry.async_remove(renamed)
    hass.states.async_remove(renamed)
    await hass.async_block_till_done()
    assert stoppable.local_stops == held(button.id)


async def test_a_stopped_watch_follows_nothing(
    hass: HomeAssistant, stoppable: StoppableSite, watch: LocalStopWatch
) -> None:
    await says(hass, BUTTON, "unknown")
    watch.async_set(LocalStopInputs(production=(BUTTON,)))
    watch.async_stop()

    await says(hass, BUTTON, "off")
    later = dt_util.utcnow() + timedelta(seconds=SILENCE_SECONDS + 1)
    async_fire_time_changed(hass, later)
    await hass.async_block_till_done()

    assert stoppable.changes == 0
    assert stoppable.silent == {}
