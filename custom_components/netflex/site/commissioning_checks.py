"""The checks of a commissioning: what each tells, watches, and concludes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from ..control.units import charger_ceiling, power_per_ampere
from ..model.asset import Asset, AssetState, ChargerState, Direction, Nature
from ..model.connection import NO_LINE_VALUES
from ..model.phrase import Phrase, listed, sentences
from ..model.plan import Setpoint
from ..model.reading import line_import_current
from ..model.snapshot import Override, OverrideReason
from .commissioning_judge import Move, Sample, judge, spread
from .commissioning_record import Check, Outcome, Result, Task
from .commissioning_stage import Stage
from .config import OutputConfig
from .outputs import contact_agrees
from .rehearsal_plant import Look

STEPPED: Final = frozenset({Nature.CHARGER, Nature.INVERTER, Nature.BATTERY})
"""What is moved by small steps; switching a load off is none."""
CHARGER_STEP: Final = 4.0
"""A per line."""
BATTERY_STEP: Final = 1000.0
"""W, and at most a fifth of what it is rated for."""
INVERTER_STEP: Final = 0.4
"""Share of the present production that is held back."""
LEAST_PRODUCTION: Final = 500.0
"""W from which a step of an inverter can be seen."""
FLOWS: Final = 100.0
"""W from which something flows that a stop can end."""
_STEADY: Final = 0.15
"""Share of a step by which a device that has levelled may still move."""
_TEST: Final = OverrideReason.COMMISSIONING


async def carry_out(stage: Stage, task: Task) -> Result:
    """Return what one check shows; what it told is taken back by who called it.

    Raises EndedError where something else needs the site.
    """
    if task.check is Check.RESPONSE:
        return await _response(stage, task)
    if task.check is Check.SOFTWARE_STOP:
        return await _software_stop(stage, task)
    if task.check is Check.RELAY:
        return await _relay(stage, task)
    return await _stop_input(stage, task)


def _result(
    stage: Stage,
    task: Task,
    outcome: Outcome,
    text: str,
    seconds: float | None = None,
) -> Result:
    return Result(
        check=task.check,
        subject=task.subject,
        name=task.name,
        outcome=outcome,
        text=text,
        at=stage.ports.utcnow(),
        seconds=seconds,
    )


# ----------------------------------------------------------------------- small steps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """What an asset is told, and the W that this should be.

    `judged`: the decision tells it at once, so that what follows is the asset's own
    answer; what is loosened comes slowly and only leads to the next step.
    """

    override: Override
    power: float
    judged: bool = False


async def _response(stage: Stage, task: Task) -> Result:
    state = await _answering(stage, task.subject)
    look = stage.look()
    asset = look.model.assets[task.subject]
    if (why := _unfit(look, asset, state)) is not None:
        return _result(stage, task, Outcome.NOT_SHOWN, why)
    assert state is not None
    levels = _levels(look, asset, state)
    if not levels:
        return _result(
            stage,
            task,
            Outcome.NOT_SHOWN,
            Phrase("tried_no_room", "There is no room for a step"),
        )
    stage.hold_others(asset.id)
    step = max(abs(one.power - other.power) for one, other in pairwise(levels))
    last: _Level | None = None
    before: tuple[Sample, ...] = ()
    moves: list[Move] = []
    for wanted in levels:
        stage.tell(asset.id, wanted.override)
        told = await stage.until(partial(_told, stage, asset, wanted), stage.pace.ready)
        told_at = stage.now
        if not told:
            return _result(stage, task, Outcome.NOT_SHOWN, _bound(stage, asset, wanted))
        if not wanted.judged and not await _draws(stage, asset, wanted):
            return _result(
                stage,
                task,
                Outcome.NOT_SHOWN,
                Phrase(
                    "tried_not_used", "{name} does not make use of it", name=asset.name
                ),
            )
        trail = await _watch(stage, asset, step, moves=wanted.judged)
        level_end = tuple(s for s in trail if s.at >= stage.now - stage.pace.level)
        if wanted.judged and last is not None:
            moves.append(
                Move(
                    told=wanted.power - last.power,
                    told_at=told_at,
                    before=before,
                    trail=trail,
                    after=level_end,
                )
            )
        last, before = wanted, level_end
    verdict = judge(asset, moves, look.model.connection.grid_type)
    return Result(
        check=task.check,
        subject=task.subject,
        name=task.name,
        outcome=verdict.outcome,
        text=verdict.text,
        at=stage.ports.utcnow(),
        seconds=verdict.response.meter_seconds,
        response=verdict.response,
    )


async def _answering(stage: Stage, subject: str) -> AssetState | None:
    """Return what a device or output says, once it answers; None: it does not."""

    def found() -> AssetState | None:
        state = stage.look().snapshot.states.get(subject)
        return state if state is not None and state.available else None

    await stage.until(lambda: found() is not None, stage.pace.confirm)
    return found()


def _unfit(look: Look, asset: Asset, state: AssetState | None) -> str | None:
    """Return why an asset cannot be moved now, in words."""
    if state is None:
        return _silent(asset.name)
    user = look.snapshot.user.get(asset.id)
    if user is not None and user.locked:
        return Phrase(
            "tried_locked", "{name} is locked out for maintenance", name=asset.name
        )
    if user is not None and user.override is not None:
        return Phrase(
            "tried_override", "An override of {name} is in force", name=asset.name
        )
    if asset.nature is Nature.CHARGER and state.charger_state in {
        ChargerState.IDLE,
        ChargerState.FAULT,
    }:
        return Phrase("tried_no_car", "No car is connected")
    if asset.nature is Nature.INVERTER and -(state.power or 0.0) < LEAST_PRODUCTION:
        return Phrase(
            "tried_too_little", "It produces too little for a step to be seen"
        )
    return None


def _silent(name: str) -> Phrase:
    return Phrase("tried_silent", "{name} does not answer", name=name)


def _levels(look: Look, asset: Asset, state: AssetState) -> tuple[_Level, ...]:
    """Return what is told one after the other; empty where there is no room."""
    grid = look.model.connection.grid_type
    if asset.nature is Nature.CHARGER:
        lines = sum(1 for _, current in state.currents.items() if current >= 1.0)
        lines = lines or len(asset.lines)
        watts = power_per_ampere(grid, asset, lines)
        most = charger_ceiling(asset, watts, lines)
        low = asset.minimum_current
        high = min(low + CHARGER_STEP, most)
        if high < low + 1.0:
            return ()
        pair = [
            _Level(
                override=Override(current=amps, reason=_TEST),
                power=amps * watts,
                judged=amps is low,
            )
            for amps in (high, low)
        ]
        return (*pair, *pair)
    if asset.nature is Nature.BATTERY:
        step = _battery_step(asset)
        if step <= 0:
            return ()
        return tuple(
            _Level(
                override=Override(target_power=power, reason=_TEST),
                power=power,
                judged=number > 0,
            )
            for number, power in enumerate((0.0, step, 0.0, -step, 0.0))
        )
    produced = -(state.power or 0.0)
    held = float(round(produced * (1 - INVERTER_STEP)))
    free = _Level(
        override=Override(power=asset.rated_production, reason=_TEST), power=-produced
    )
    bound = _Level(
        override=Override(power=held, reason=_TEST), power=-held, judged=True
    )
    return free, bound, free, bound


def _battery_step(asset: Asset) -> float:
    rated = min(asset.rated_consumption, asset.rated_production)
    return float(round(min(BATTERY_STEP, 0.2 * rated)))


def _setpoint(stage: Stage, asset_id: str) -> Setpoint | None:
    plan = stage.look().plan
    return None if plan is None else plan.setpoints.get(asset_id)


def _told(stage: Stage, asset: Asset, wanted: _Level) -> bool:
    """Whether the decision lets an asset have what is wanted."""
    if (setpoint := _setpoint(stage, asset.id)) is None:
        return False
    value, told = setpoint.value, wanted.override
    if asset.nature is Nature.INVERTER:
        # A limit above what it produces is none.
        produced = -wanted.power
        if not wanted.judged:
            return value is None or value >= produced
        return value is not None and value <= produced + 1.0
    aim = told.current if told.target_power is None else told.target_power
    assert aim is not None
    return value is not None and abs(value - aim) <= 0.1 + 0.01 * abs(aim)


def _bound(stage: Stage, asset: Asset, wanted: _Level) -> str:
    """Return why the decision did not let it have what was asked, in words."""
    setpoint = _setpoint(stage, asset.id)
    causes = () if setpoint is None else setpoint.causes
    why = (
        listed(*(cause.text for cause in causes))
        if causes
        else Phrase("tried_undecided", "it was not decided in time")
    )
    return Phrase(
        "tried_bound",
        "A step to {power} was not possible: {why}",
        power=_power(abs(wanted.power)),
        why=why,
    )


def _power(value: float) -> str:
    return f"{value:.0f} W"


def _waited(seconds: float) -> str:
    return f"{seconds:.0f} s"


def _after(seconds: float) -> str:
    return f"{seconds:.1f} s"


async def _draws(stage: Stage, asset: Asset, wanted: _Level) -> bool:
    """Wait until a charger's car draws what it may; others need no waking."""
    if asset.nature is not Nature.CHARGER:
        return True
    least = 0.5 * wanted.power / max(1, len(asset.lines))

    def draws() -> bool:
        state = stage.look().snapshot.states.get(asset.id)
        if state is None or state.power is None:
            return state is not None and state.charger_state is ChargerState.CHARGING
        return state.power >= least

    return await stage.until(draws, stage.pace.ready)


async def _watch(
    stage: Stage, asset: Asset, step: float, *, moves: bool = False
) -> tuple[Sample, ...]:
    """Return what is seen until it is level, for `answer` s at most.

    `step` is the W beside which what still moves is small. `moves`: a step was told.
    A device that is asked slowly shows late what the meter shows already.
    """
    first = _sample(stage.look(), asset)
    samples: list[Sample] = [first]
    begun = stage.now
    while (passed := stage.now - begun) < stage.pace.answer:
        await stage.look_again()
        samples.append(newest := _sample(stage.look(), asset))
        window = [s for s in samples if s.at >= stage.now - stage.pace.level]
        seen = moves or _moved(first.meter, newest.meter, step)
        late = seen and not _moved(first.device, newest.device, step)
        if (
            passed >= 2 * stage.pace.level
            and (not late or passed >= stage.pace.poll)
            and spread(window, _device) <= _STEADY * step
            and spread(window, _meter) <= 2 * _STEADY * step
        ):
            break
    return tuple(samples)


def _moved(first: float | None, newest: float | None, step: float) -> bool:
    """Whether a power has changed by a good part of a step; unknown counts as yes."""
    return first is None or newest is None or abs(newest - first) >= 0.4 * step


def _device(sample: Sample) -> float | None:
    return sample.device


def _meter(sample: Sample) -> float | None:
    return sample.meter


def _sample(look: Look, asset: Asset) -> Sample:
    state = look.snapshot.states.get(asset.id)
    reading = look.snapshot.reading
    return Sample(
        at=look.at,
        device=None if state is None else state.power,
        currents=NO_LINE_VALUES if state is None else state.currents,
        meter=None if reading is None else reading.power,
        lines=NO_LINE_VALUES if reading is None else line_import_current(reading),
    )


# -------------------------------------------------------------------- software stops


async def _software_stop(stage: Stage, task: Task) -> Result:
    if (state := await _answering(stage, task.subject)) is None:
        return _result(stage, task, Outcome.NOT_SHOWN, _silent(task.name))
    asset = stage.look().model.assets[task.subject]
    stage.hold_others(asset.id)
    await _set_in_motion(stage, asset, state)
    before = _sample(stage.look(), asset)
    told_at = stage.now
    stage.tell(asset.id, Override(stop=True, reason=_TEST))

    def confirmed() -> bool:
        setpoint = _setpoint(stage, asset.id)
        return (
            setpoint is not None and setpoint.emergency and stage.ports.done(asset.id)
        )

    if not await stage.until(confirmed, stage.pace.confirm):
        return _result(
            stage,
            task,
            Outcome.FAILED,
            Phrase(
                "tried_unconfirmed",
                "The stop was not confirmed within {time}",
                time=_waited(stage.pace.confirm),
            ),
        )
    took = stage.now - told_at
    if before.device is None and asset.nature is Nature.LOAD:
        return await _seen_to_stop(stage, task, asset, before, told_at, took)
    if before.device is None or abs(before.device) < FLOWS:
        return _result(stage, task, Outcome.NOT_SHOWN, _idle(took), took)
    return await _stopped(stage, task, asset, before, told_at, took)


def _idle(took: float) -> str:
    return Phrase(
        "tried_idle",
        "Written and confirmed after {took}; nothing flowed that it could have ended",
        took=_after(took),
    )


async def _seen_to_stop(
    stage: Stage, task: Task, asset: Asset, before: Sample, told_at: float, took: float
) -> Result:
    """Return whether the meter shows that a load without a reading of its own stopped."""
    rated = asset.rated_consumption
    if not await stage.until(
        lambda: _fell(stage, asset, before, rated), stage.pace.confirm
    ):
        return _result(stage, task, Outcome.NOT_SHOWN, _idle(took), took)
    seconds = stage.now - told_at
    return _result(
        stage,
        task,
        Outcome.PROVEN,
        Phrase(
            "tried_meter_fell",
            "Confirmed after {took}; the meter of the connection point fell by about "
            "its {rated} after {seconds}",
            took=_after(took),
            rated=_power(rated),
            seconds=_after(seconds),
        ),
        seconds,
    )


def _fell(stage: Stage, asset: Asset, before: Sample, flowed: float) -> bool:
    """Whether the meter has lost about what flowed."""
    meter = _sample(stage.look(), asset).meter
    if meter is None or before.meter is None:
        return False
    return 0.5 <= (before.meter - meter) / flowed <= 1.5


async def _stopped(
    stage: Stage, task: Task, asset: Asset, before: Sample, told_at: float, took: float
) -> Result:
    """Return whether what flowed has ended, by its own reading and by the meter."""
    flowed = before.device
    assert flowed is not None
    left = max(0.1 * abs(flowed), FLOWS / 2)

    def ended() -> bool:
        power = _sample(stage.look(), asset).device
        return power is not None and abs(power) <= left

    if not await stage.until(ended, stage.pace.answer):
        power = _sample(stage.look(), asset).device
        figures = {
            "took": _after(took),
            "waited": _waited(stage.pace.answer),
            "flowed": _power(flowed),
        }
        text = (
            Phrase(
                "tried_reading_gone",
                "Confirmed after {took}, but after {waited} it has no reading of its "
                "own; before it was {flowed}",
                **figures,
            )
            if power is None
            else Phrase(
                "tried_flows_on",
                "Confirmed after {took}, but its own reading is {power} after "
                "{waited}; before it was {flowed}",
                power=_power(power),
                **figures,
            )
        )
        return _result(stage, task, Outcome.FAILED, text)
    seconds = stage.now - told_at
    seen = await stage.until(
        lambda: _fell(stage, asset, before, flowed), stage.pace.confirm
    )
    proof = listed(
        Phrase(
            "tried_stopped",
            "Confirmed after {took}; its own reading went from {flowed} to 0 after "
            "{seconds}",
            took=_after(took),
            flowed=_power(flowed),
            seconds=_after(seconds),
        ),
        Phrase("tried_meter_shows", "the meter of the connection point shows it")
        if seen
        else Phrase(
            "tried_meter_unclear",
            "the meter did not show it clearly, other things moved meanwhile",
        ),
    )
    return _result(stage, task, Outcome.PROVEN, proof, seconds)


async def _set_in_motion(stage: Stage, asset: Asset, state: AssetState) -> None:
    """Have something flow that a stop can end, where the asset lets that be asked."""
    override: Override | None = None
    if asset.nature is Nature.CHARGER and state.charger_state not in {
        ChargerState.IDLE,
        ChargerState.FAULT,
    }:
        override = Override(current=asset.minimum_current, reason=_TEST)
    elif asset.nature is Nature.BATTERY:
        override = Override(target_power=_battery_step(asset), reason=_TEST)
    elif asset.nature is Nature.LOAD:
        override = Override(switch=True, reason=_TEST)
    if override is not None:
        stage.tell(asset.id, override)

    def flows() -> bool:
        power = _sample(stage.look(), asset).device
        return power is not None and abs(power) >= FLOWS

    if _sample(stage.look(), asset).device is not None:
        await stage.until(flows, stage.pace.ready / 4)
    power = _sample(stage.look(), asset).device
    await _watch(stage, asset, max(4 * FLOWS, abs(power or asset.rated_consumption)))


# ------------------------------------------------------------------------- outputs


async def _relay(stage: Stage, task: Task) -> Result:
    config = stage.ports.outputs()[task.subject]
    if await _answering(stage, task.subject) is None:
        return _result(stage, task, Outcome.NOT_SHOWN, _silent(task.name))
    stage.hold_others(task.subject, *config.output.assets)
    if config.output.assets:
        # What was stopped just before comes back slowly.
        await stage.until(
            lambda: _behind(stage.look(), config) is not None, stage.pace.ready / 4
        )
    before = _behind(stage.look(), config)
    told_at = stage.now
    stage.tell(task.subject, Override(stop=True, reason=_TEST))
    acts = config.output.energised_when_stopped
    if not await stage.until(lambda: _coil(stage, config) is acts, stage.pace.confirm):
        return _result(
            stage,
            task,
            Outcome.FAILED,
            Phrase(
                "relay_no_coil",
                "The coil did not switch within {time}",
                time=_waited(stage.pace.confirm),
            ),
        )
    coil = stage.now - told_at
    has_contact = config.wiring.contact_when_stopped is not None
    if has_contact and not await stage.until(
        lambda: _contact(stage, config, stopped=True), stage.pace.confirm
    ):
        return _result(
            stage,
            task,
            Outcome.FAILED,
            listed(
                _switched(coil),
                Phrase(
                    "relay_no_contact",
                    "the auxiliary contact did not follow within {time}",
                    time=_waited(stage.pace.confirm),
                ),
            ),
        )
    contact = stage.now - told_at
    ended = before is not None and await stage.until(
        lambda: _has_ended(stage, config, before), stage.pace.answer
    )
    flow = stage.now - told_at
    stage.tell(task.subject, None)
    back = await stage.until(
        lambda: (
            _coil(stage, config) is not acts
            and (not has_contact or _contact(stage, config, stopped=False))
        ),
        stage.pace.confirm,
    )
    parts = [_switched(coil)]
    if has_contact:
        parts.append(
            Phrase(
                "relay_contact",
                "the auxiliary contact followed after {time}",
                time=_after(contact),
            )
        )
    if before is not None:
        parts.append(
            Phrase(
                "relay_ended",
                "what is behind it fell from {power} to 0 after {time}",
                power=_power(before),
                time=_after(flow),
            )
            if ended
            else Phrase(
                "relay_flows_on",
                "what is behind it did not end: {power} flowed before",
                power=_power(before),
            )
        )
    if not back:
        parts.append(Phrase("relay_not_back", "it did not come back"))
    text = listed(*parts)
    if not back or (before is not None and not ended):
        return _result(stage, task, Outcome.FAILED, text)
    if not has_contact and before is None:
        return _result(
            stage,
            task,
            Outcome.NOT_SHOWN,
            sentences(
                text,
                Phrase(
                    "relay_coil_alone",
                    "Without an auxiliary contact, and with nothing flowing behind it, "
                    "the coil alone proves nothing",
                ),
            ),
            coil,
        )
    return _result(stage, task, Outcome.PROVEN, text, contact if has_contact else flow)


def _switched(seconds: float) -> Phrase:
    return Phrase("relay_coil", "The coil switched after {time}", time=_after(seconds))


def _coil(stage: Stage, config: OutputConfig) -> bool | None:
    state = stage.look().snapshot.states.get(config.output.asset_id)
    return None if state is None or not state.available else state.enabled


def _contact(stage: Stage, config: OutputConfig, *, stopped: bool) -> bool:
    state = stage.look().snapshot.states.get(config.output.asset_id)
    return state is not None and contact_agrees(config, state, stopped=stopped)


def _behind(look: Look, config: OutputConfig) -> float | None:
    """Return the W that flow behind an output; None where nothing does, or nobody says."""
    known = list(_powers(look, config))
    total = sum(map(abs, known))
    return total if known and total >= FLOWS else None


def _powers(look: Look, config: OutputConfig) -> Iterator[float]:
    for asset_id in config.output.assets:
        state = look.snapshot.states.get(asset_id)
        if state is not None and state.available and state.power is not None:
            yield state.power


def _has_ended(stage: Stage, config: OutputConfig, before: float) -> bool:
    """Whether what flowed behind an output has ended.

    An inverter whose contactor opens may fall silent: that is an end, too, once the
    meter shows it; here only what still says something else is against it.
    """
    left = max(0.1 * before, FLOWS / 2)
    return sum(map(abs, _powers(stage.look(), config))) <= left


# ---------------------------------------------------------------------- stop buttons


async def _stop_input(stage: Stage, task: Task) -> Result:
    holder = task.subject
    stage.expected = frozenset({holder})
    stage.ask(
        Phrase("button_press", "Press the stop button now: {name}", name=task.name)
    )
    if not await stage.until(lambda: bool(_held(stage, holder)), stage.pace.press):
        stage.ask(None)
        return _result(
            stage,
            task,
            Outcome.NOT_SHOWN,
            Phrase(
                "button_not_pressed",
                "Nobody pressed it within {time}",
                time=_waited(stage.pace.press),
            ),
        )
    pressed_at = stage.now
    directions = _held(stage, holder)

    def carried_out() -> bool:
        look = stage.look()
        plan = look.plan
        return (
            plan is not None
            and directions <= plan.stopped
            and all(look.missing.get(direction) == () for direction in directions)
        )

    proven = await stage.until(carried_out, stage.pace.confirm)
    seconds = stage.now - pressed_at
    missing = sorted(
        {
            name
            for direction in directions
            for name in stage.look().missing.get(direction, ())
        }
    )
    stage.ask(
        Phrase("button_release", "Release the stop button now: {name}", name=task.name)
    )
    released = await stage.until(lambda: not _held(stage, holder), stage.pace.press)
    stage.ask(None)
    what = _STOPPED[directions]
    if not proven:
        left = ", ".join(missing) or Phrase("button_decision", "the decision")
        return _result(
            stage,
            task,
            Outcome.FAILED,
            Phrase(
                "button_unconfirmed",
                "It stops {what}, but this did not confirm within {time}: {left}",
                what=what,
                time=_waited(stage.pace.confirm),
                left=left,
            ),
        )
    text = Phrase(
        "button_confirmed",
        "It stops {what}: everything confirmed after {time}",
        what=what,
        time=_after(seconds),
    )
    if not released:
        again = Phrase("button_not_released", "It was not released again")
        return _result(stage, task, Outcome.FAILED, sentences(text, again))
    again = Phrase("button_released", "released again")
    return _result(stage, task, Outcome.PROVEN, listed(text, again), seconds)


_STOPPED: Final = {
    frozenset({Direction.CONSUMPTION}): Phrase("button_consumption", "consumption"),
    frozenset({Direction.PRODUCTION}): Phrase("button_production", "production"),
    frozenset(Direction): Phrase("button_both", "consumption and production"),
}


def _held(stage: Stage, holder: str) -> frozenset[Direction]:
    local = stage.look().snapshot.local_stops
    return frozenset(
        direction for direction in Direction if holder in local.holders(direction)
    )
