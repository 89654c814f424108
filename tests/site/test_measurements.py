"""What the grid operator reads per category."""

from dataclasses import replace

from custom_components.netflex.model.asset import Asset, AssetState, Category, Nature
from custom_components.netflex.site.measurements import STATE_TIMEOUT, measure

from .fakes import load

BATTERY = Asset(
    id="battery", name="Battery", nature=Nature.BATTERY, category=Category.STORAGE
)


def state(asset_id: str, **values: object) -> AssetState:
    known = AssetState(asset_id=asset_id, available=True, at=100.0)
    return replace(known, **values)  # type: ignore[arg-type]


def test_A25_a_category_without_assets_is_zero_and_good() -> None:
    measured = measure({}, {}, 100.0)
    assert set(measured) == set(Category)
    assert all(m.power == 0 and m.topical for m in measured.values())


def test_powers_of_one_category_are_summed() -> None:
    other = replace(BATTERY, id="other")
    measured = measure(
        {"battery": BATTERY, "other": other},
        {
            "battery": state("battery", power=-3000.0, reactive_power=200.0),
            "other": state("other", power=1000.0),
        },
        100.0,
    )[Category.STORAGE]
    assert measured.power == -2000.0
    assert measured.reactive_power == 200.0
    assert measured.topical


def test_A26_a_silent_asset_keeps_its_last_word_and_is_not_topical() -> None:
    states = {"battery": state("battery", power=-3000.0)}
    measured = measure({"battery": BATTERY}, states, 100.0 + STATE_TIMEOUT + 1)
    assert measured[Category.STORAGE].power == -3000.0
    assert not measured[Category.STORAGE].topical


def test_A26_an_asset_that_never_spoke_is_not_a_good_zero() -> None:
    measured = measure({"battery": BATTERY}, {}, 100.0)
    assert not measured[Category.STORAGE].topical


def test_a_load_without_a_sensor_counts_at_its_rating_while_on() -> None:
    boiler = load()
    on = measure({"boiler": boiler}, {"boiler": state("boiler", enabled=True)}, 100.0)
    off = measure({"boiler": boiler}, {"boiler": state("boiler", enabled=False)}, 100.0)
    assert on[Category.FLEXIBLE_CONSUMPTION].power == 2000.0
    assert on[Category.FLEXIBLE_CONSUMPTION].topical
    assert off[Category.FLEXIBLE_CONSUMPTION].power == 0.0
    unknown = measure({"boiler": boiler}, {"boiler": state("boiler")}, 100.0)
    assert not unknown[Category.FLEXIBLE_CONSUMPTION].topical
