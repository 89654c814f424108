"""A state is read once, and again when its entity says something."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, State

from custom_components.netflex.market.kept import Kept


async def test_a_state_is_read_again_when_it_is_repeated_or_changed(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    reads = 0
    kept = Kept[str]()

    def read(state: State) -> str:
        nonlocal reads
        reads += 1
        return state.state

    def look() -> str:
        state = hass.states.get("sensor.price")
        assert state is not None
        return kept.of(state, lambda: read(state))

    hass.states.async_set("sensor.price", "1")
    assert [look(), look(), reads] == ["1", "1", 1]
    freezer.tick(timedelta(seconds=1))
    hass.states.async_set("sensor.price", "1")
    assert [look(), look(), reads] == ["1", "1", 2]
    hass.states.async_set("sensor.price", "2")
    assert [look(), reads] == ["2", 3]
    kept.forget()
    assert [look(), reads] == ["2", 4]
