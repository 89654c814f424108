"""What small steps show: whether an asset follows, how fast, where, which way."""

from dataclasses import replace

import pytest

from custom_components.netflex.model.asset import Asset, Category, Nature
from custom_components.netflex.model.connection import GridType, Line, LineValues
from custom_components.netflex.site.commissioning_judge import (
    Move,
    Sample,
    Verdict,
    judge,
)
from custom_components.netflex.site.commissioning_record import Outcome, Turned

L1, L2, L3 = Line
CHARGER = Asset(
    id="car",
    name="Car",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22_080.0,
    phases=3,
    lines=(L1, L2, L3),
)
BATTERY = replace(CHARGER, id="battery", nature=Nature.BATTERY)


def move(
    told: float,
    *,
    device: float | None = 1.0,
    meter: float | None = 1.0,
    own: tuple[Line, ...] = (L1, L2, L3),
    seen: tuple[Line, ...] = (L1, L2, L3),
    noise: float = 0.0,
) -> Move:
    """A step of `told` W at 100 s, of which device and meter show a share."""

    def sample(at: float, share: float, wobble: float = 0.0) -> Sample:
        amps = told * share / 230.0
        return Sample(
            at=at,
            device=None if device is None else 5000.0 + device * told * share,
            currents=LineValues.of(
                {line: 10.0 + amps / len(own) * (line in own) for line in Line}
            )
            if own
            else LineValues(),
            meter=None if meter is None else 800.0 + meter * told * share + wobble,
            lines=LineValues.of(
                {
                    line: 2.0 + (meter or 0.0) * amps / len(seen) * (line in seen)
                    for line in Line
                }
            ),
        )

    return Move(
        told=told,
        told_at=100.0,
        before=(sample(98.0, 0.0), sample(99.0, 0.0, noise)),
        trail=(
            sample(100.2, 0.0),
            sample(101.0, 0.3),
            sample(102.5, 0.9),
            sample(104.0, 1.0),
        ),
        after=(sample(104.0, 1.0), sample(105.0, 1.0)),
    )


def judged(
    asset: Asset = CHARGER,
    grid: GridType = GridType.STAR,
    steps: tuple[float, ...] = (-2760.0, -2760.0),
    **shown: object,
) -> Verdict:
    return judge(asset, [move(step, **shown) for step in steps], grid)  # type: ignore[arg-type]


def test_one_that_follows_is_proven_with_its_times_and_lines() -> None:
    verdict = judged()
    assert verdict.outcome is Outcome.PROVEN
    response = verdict.response
    assert response.told == 2760.0
    assert response.device == pytest.approx(2760.0)
    assert response.meter == pytest.approx(2760.0)
    assert response.device_seconds == pytest.approx(2.5)
    assert response.meter_seconds == pytest.approx(2.5)
    assert response.lines == (L1, L2, L3)
    assert response.lines_agree is True
    assert response.order is None
    assert "own reading moved by 2760 W after 2.5 s" in verdict.text


@pytest.mark.parametrize(
    ("device", "meter", "turned"),
    [
        (-1.0, 1.0, Turned.READING),
        (-1.0, -1.0, Turned.SETPOINT),
        (1.0, -1.0, Turned.METER),
        (None, -1.0, Turned.SETPOINT),
    ],
)
def test_which_sign_is_the_wrong_way_round(
    device: float | None, meter: float, turned: Turned
) -> None:
    verdict = judged(BATTERY, steps=(1000.0, -1000.0), device=device, meter=meter)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.response.turned is turned


@pytest.mark.parametrize(
    ("asset", "device", "meter", "outcome", "words"),
    [
        (CHARGER, 0.0, 0.0, Outcome.NOT_SHOWN, "did not make use"),
        (BATTERY, 0.0, 0.0, Outcome.FAILED, "did not follow"),
        (BATTERY, None, 0.0, Outcome.FAILED, "did not follow"),
        (CHARGER, 1.0, 0.0, Outcome.FAILED, "behind this meter"),
        (CHARGER, 0.0, 1.0, Outcome.FAILED, "its own reading did not"),
        (CHARGER, 1.0, None, Outcome.NOT_SHOWN, "said nothing"),
        (CHARGER, 1.0, 2.4, Outcome.NOT_SHOWN, "does not fit"),
        (CHARGER, None, 1.0, Outcome.PROVEN, "follows"),
    ],
)
def test_what_else_may_be_seen(
    asset: Asset,
    device: float | None,
    meter: float | None,
    outcome: Outcome,
    words: str,
) -> None:
    verdict = judged(asset, device=device, meter=meter)
    assert verdict.outcome is outcome
    assert words in verdict.text


def test_a_car_that_takes_less_than_it_may_follows_all_the_same() -> None:
    verdict = judged(device=0.55, meter=0.55)
    assert verdict.outcome is Outcome.PROVEN


def test_a_house_that_moves_more_than_the_step_shows_nothing() -> None:
    verdict = judged(noise=2000.0)
    assert verdict.outcome is Outcome.NOT_SHOWN
    assert "2000 W by itself" in verdict.text


def test_one_phase_of_three_shows_how_the_charger_is_turned() -> None:
    verdict = judged(steps=(-920.0, -920.0), own=(L1,), seen=(L2,))
    assert verdict.response.lines == (L2,)
    assert verdict.response.lines_agree is False
    assert verdict.response.order == (L2, L3, L1)
    # The same seen where it is configured so already.
    turned = replace(CHARGER, lines=(L2, L3, L1))
    verdict = judged(turned, steps=(-920.0, -920.0), own=(L2,), seen=(L2,))
    assert verdict.response.lines_agree is True
    assert verdict.response.order is None


@pytest.mark.parametrize("own", [(L1,), ()])
def test_an_asset_on_one_line_is_found_on_another(own: tuple[Line, ...]) -> None:
    single = replace(CHARGER, phases=1, lines=(L1,))
    verdict = judged(single, steps=(-920.0, -920.0), own=own, seen=(L3,))
    assert verdict.response.order == (L3,)
    assert verdict.response.lines_agree is False
    assert "L3 fits" in verdict.text


def test_two_lines_of_a_delta_grid() -> None:
    single = replace(CHARGER, phases=1, lines=(L1, L2))
    steps = (-1840.0, -1840.0)
    verdict = judged(single, GridType.DELTA, steps, own=(L1, L2), seen=(L2, L3))
    assert verdict.response.order == (L2, L3)
    verdict = judged(single, GridType.DELTA, steps, own=(L1, L2), seen=(L1, L2))
    assert verdict.response.lines_agree is True


def test_lines_that_are_not_clear_say_nothing() -> None:
    # 1000 W over three lines of which none moves by half an ampere.
    verdict = judged(BATTERY, steps=(300.0, -300.0))
    assert verdict.outcome is Outcome.PROVEN
    assert verdict.response.lines == ()
    assert verdict.response.lines_agree is None
