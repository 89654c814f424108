"""What each check of a commissioning concludes from what it sees, on virtual time."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.netflex.control.explain import COMING_BACK
from custom_components.netflex.control.units import power_per_ampere
from custom_components.netflex.devices.device import DeviceConfig
from custom_components.netflex.model.asset import (
    Asset,
    AssetState,
    Category,
    ChargerState,
    Direction,
    EmergencyOutput,
    Nature,
)
from custom_components.netflex.model.connection import (
    ConnectionPoint,
    GridType,
    Line,
    LineValues,
)
from custom_components.netflex.model.orders import LinkState, LocalStops
from custom_components.netflex.model.plan import (
    Cause,
    Plan,
    Setpoint,
    SetpointKind,
    Source,
)
from custom_components.netflex.model.reading import MeterReading
from custom_components.netflex.model.snapshot import (
    NO_USER_LIMITS,
    Override,
    SiteModel,
    Snapshot,
    UserLimits,
)
from custom_components.netflex.site.commissioning_checks import carry_out
from custom_components.netflex.site.commissioning_record import (
    Check,
    Outcome,
    Result,
    Task,
)
from custom_components.netflex.site.commissioning_stage import (
    CommissioningPace,
    CommissioningPorts,
    EndedError,
    Stage,
)
from custom_components.netflex.site.config import OutputConfig, OutputWiring
from custom_components.netflex.site.rehearsal_plant import Look
from tests.virtual_time import now, virtual_time

PACE = CommissioningPace(
    look=0.2, level=2.0, ready=40.0, poll=4.0, answer=30.0, confirm=5.0, press=60.0
)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
ALL = tuple(Line)
CHARGER = Asset(
    id="charger",
    name="Charger",
    nature=Nature.CHARGER,
    category=Category.EV,
    rated_consumption=22_080.0,
    phases=3,
    lines=ALL,
)
BATTERY = Asset(
    id="battery",
    name="Battery",
    nature=Nature.BATTERY,
    category=Category.STORAGE,
    rated_consumption=5_000.0,
    rated_production=5_000.0,
    phases=3,
    lines=ALL,
)
SOLAR = Asset(
    id="solar",
    name="Solar",
    nature=Nature.INVERTER,
    category=Category.SOLAR,
    rated_production=12_000.0,
    phases=3,
    lines=ALL,
)
BOILER = Asset(
    id="boiler",
    name="Boiler",
    nature=Nature.LOAD,
    category=Category.FLEXIBLE_CONSUMPTION,
    rated_consumption=2_400.0,
    phases=3,
    lines=ALL,
)
KINDS = {
    Nature.CHARGER: SetpointKind.CURRENT,
    Nature.BATTERY: SetpointKind.POWER,
    Nature.INVERTER: SetpointKind.PRODUCTION,
    Nature.LOAD: SetpointKind.SWITCH,
}
SUN, HOUSE = 6_000.0, 3_000.0
FUSE = Cause(source=Source.FUSE, key="fuse", text="the main fuse leaves 2 A")


class House:
    """A site of a few devices that do within half a second what they are told.

    What is not as it should be is set by the test: `deaf` devices take and confirm what
    they are told and go on, `unread` ones say nothing of their power, `unwritten` ones
    confirm nothing.
    """

    def __init__(self, *assets: Asset, output: OutputConfig | None = None) -> None:
        self.assets = {asset.id: asset for asset in assets}
        self.output = output
        self.car = True
        self.deaf: set[str] = set()
        self.unread: set[str] = set()
        self.silent: set[str] = set()
        self.unwritten: set[str] = set()
        self.user: dict[str, UserLimits] = {}
        self.bound: tuple[float | None, tuple[Cause, ...]] | None = None
        """What the decision tells every asset whatever it is asked."""
        self.undecided = False
        self.busy: str | None = None
        self.metered = True
        self.held: frozenset[Direction] = frozenset()
        self.missing: dict[Direction, tuple[str, ...]] = {}
        self.stopped = True
        self.prompts: list[str] = []
        self.changes: dict[str, Any] = {}
        """What a look at the site finds otherwise than it is below."""
        self.coil_works = self.contact_works = self.springs_back = True
        self._coil = output is not None and not output.output.energised_when_stopped
        self._contact = False
        self._cut: frozenset[str] = frozenset()
        self._told = {key: self._wanted(key, NO_USER_LIMITS) for key in self.assets}
        self._done = dict(self._told)
        self.stage = Stage(
            CommissioningPorts(
                look=lambda _orders: self.look(),
                link=LinkState,
                done=lambda key: key not in self.unwritten,
                devices=lambda: dict[str, DeviceConfig](),
                outputs=self._outputs,
                busy=lambda: self.busy,
                decide=self._decide,
                save=lambda: None,
                record=lambda _kind, _data: None,
                monotonic=now,
                utcnow=lambda: AT,
                on_change=lambda: None,
            )
        )
        self.stage.pace = PACE
        self.stage.ask = self._ask

    # What is decided.

    def _outputs(self) -> Mapping[str, OutputConfig]:
        return {} if self.output is None else {self.output.output.asset_id: self.output}

    def _wanted(self, key: str, user: UserLimits) -> Setpoint:
        asset, asked = self.assets[key], user.override or Override()
        free = {
            Nature.CHARGER: 6.0,
            Nature.BATTERY: 0.0,
            Nature.INVERTER: None,
            Nature.LOAD: 1.0,
        }[asset.nature]
        wishes = (
            asked.current,
            asked.target_power,
            asked.power,
            None if asked.switch is None else float(asked.switch),
        )
        value = next((wish for wish in wishes if wish is not None), free)
        causes: tuple[Cause, ...] = ()
        if self.bound is not None:
            value, causes = self.bound
        return Setpoint(
            asset_id=key,
            kind=KINDS[asset.nature],
            value=0.0 if asked.stop else value,
            causes=causes,
            emergency=asked.stop,
        )

    def _decide(self) -> None:
        user, loop = self.stage.overlay(self.user), asyncio.get_running_loop()
        for key in self.assets:
            told = self._wanted(key, user.get(key, NO_USER_LIMITS))
            self._told[key] = told
            if key not in self.deaf:
                loop.call_later(0.5, self._done.__setitem__, key, told)
        if self.output is not None:
            override = user.get(self.output.output.asset_id, NO_USER_LIMITS).override
            self._drive(self.output, stops=override is not None and override.stop)

    def _drive(self, config: OutputConfig, *, stops: bool) -> None:
        acts = config.output.energised_when_stopped
        if not self.coil_works or not (stops or self.springs_back):
            return
        self._coil = acts if stops else not acts
        if self.contact_works:
            self._contact = stops
            self._cut = config.output.assets if stops else frozenset()

    # What is seen.

    def _power(self, asset: Asset) -> float:
        told = self._done[asset.id]
        if asset.id in self._cut:
            return 0.0
        value = told.value
        if asset.nature is Nature.INVERTER:
            return -min(SUN, SUN if value is None else value)
        assert value is not None
        if asset.nature is Nature.CHARGER:
            watts = power_per_ampere(GridType.STAR, asset, len(asset.lines))
            return value * watts if self.car else 0.0
        return value * asset.rated_consumption if asset.nature is Nature.LOAD else value

    def _state(self, asset: Asset) -> AssetState:
        power = self._power(asset)
        return AssetState(
            asset_id=asset.id,
            available=asset.id not in self.silent,
            power=None if asset.id in self.unread else power,
            currents=LineValues.of({line: abs(power) / 690.0 for line in ALL}),
            charger_state=ChargerState.CHARGING if self.car else ChargerState.IDLE,
        )

    def look(self) -> Look:
        changes, look = dict(self.changes), self._look()
        islanded = changes.pop("islanded", False)
        return replace(
            look, snapshot=replace(look.snapshot, islanded=islanded), **changes
        )

    def _look(self) -> Look:
        states = {asset.id: self._state(asset) for asset in self.assets.values()}
        if self.output is not None:
            key = self.output.output.asset_id
            states[key] = AssetState(
                asset_id=key,
                available=key not in self.silent,
                enabled=self._coil,
                details={"contact": self._contact},
            )
        power = HOUSE + sum(map(self._power, self.assets.values()))
        amps = power / 690.0
        return Look(
            at=now(),
            model=SiteModel(
                connection=ConnectionPoint(
                    grid_type=GridType.STAR,
                    main_fuse=63.0,
                    contract_consumption=40_000.0,
                    contract_injection=40_000.0,
                ),
                assets=self.assets,
            ),
            snapshot=Snapshot(
                reading=MeterReading(
                    meter_id="meter",
                    received=now(),
                    power=power,
                    line_current=LineValues.of(dict.fromkeys(ALL, amps)),
                    signed_currents=True,
                )
                if self.metered
                else None,
                states=states,
                user=self.user,
                local_stops=self._local(),
            ),
            plan=Plan(
                at=now(),
                setpoints={} if self.undecided else self._told,
                metered=True,
                stopped=self.held if self.stopped else frozenset(),
            ),
            base=None,
            shadow=False,
            missing=self.missing,
        )

    def _local(self) -> LocalStops:
        local = LocalStops()
        for direction in self.held:
            local = local.with_holder(direction, "button", held=True)
        return local

    def _ask(self, prompt: str | None) -> None:
        if prompt is not None:
            self.prompts.append(prompt)

    async def carry_out(self, check: Check, subject: str) -> Result:
        name = self.assets[subject].name if subject in self.assets else subject.title()
        task = Task(check=check, subject=subject, name=name)
        self.stage.check = check
        return await carry_out(self.stage, task)


# ------------------------------------------------------------------------- small steps


@virtual_time
@pytest.mark.parametrize("asset", [CHARGER, BATTERY, SOLAR])
async def test_an_asset_that_does_what_it_is_told_is_proven(asset: Asset) -> None:
    house = House(asset)
    result = await house.carry_out(Check.RESPONSE, asset.id)
    assert result.outcome is Outcome.PROVEN, result.text
    assert result.response is not None
    assert result.response.device == pytest.approx(result.response.told)
    assert result.response.meter == pytest.approx(result.response.told)
    assert result.response.lines == ALL
    assert result.seconds == pytest.approx(0.5, abs=0.25)


@virtual_time
async def test_a_charger_that_says_nothing_of_its_power_is_seen_by_the_meter() -> None:
    house = House(CHARGER)
    house.unread.add("charger")
    result = await house.carry_out(Check.RESPONSE, "charger")
    assert result.outcome is Outcome.PROVEN, result.text
    assert result.response is not None
    assert result.response.device is None


@virtual_time
@pytest.mark.parametrize(
    "asset",
    [
        replace(BATTERY, rated_production=0.0),
        replace(CHARGER, maximum_current=6.5),
    ],
)
async def test_where_there_is_no_room_for_a_step_none_is_told(asset: Asset) -> None:
    house = House(asset)
    result = await house.carry_out(Check.RESPONSE, asset.id)
    assert result.outcome is Outcome.NOT_SHOWN
    assert result.text == "There is no room for a step"
    assert house.stage.overlay({}) == {}


def silence(house: House) -> None:
    house.silent.add("battery")


def lock(house: House) -> None:
    house.user["battery"] = UserLimits(locked=True)


def bind(house: House) -> None:
    house.bound = (0.0, (FUSE,))


def leave_undecided(house: House) -> None:
    house.undecided = True


@virtual_time
@pytest.mark.parametrize(
    ("prevent", "words"),
    [
        (silence, "Battery does not answer"),
        (lock, "Battery is locked out for maintenance"),
        (
            bind,
            "A step to 1000 W was not possible: the main fuse leaves 2 A",
        ),
        (
            leave_undecided,
            "A step to 0 W was not possible: it was not decided in time",
        ),
    ],
)
async def test_what_is_in_the_way_of_a_step_is_named(
    prevent: Callable[[House], None], words: str
) -> None:
    house = House(BATTERY)
    prevent(house)
    result = await house.carry_out(Check.RESPONSE, "battery")
    assert result.outcome is Outcome.NOT_SHOWN
    assert result.text == words


@virtual_time
async def test_a_full_car_makes_no_use_of_what_it_may_draw() -> None:
    house = House(CHARGER)
    # It is connected, and takes nothing.
    house.deaf.add("charger")
    house._done["charger"] = replace(house._done["charger"], value=0.0)
    result = await house.carry_out(Check.RESPONSE, "charger")
    assert result.outcome is Outcome.NOT_SHOWN
    assert result.text == "Charger does not make use of it"


# ---------------------------------------------------------------------- software stops


@virtual_time
@pytest.mark.parametrize("asset", [CHARGER, BATTERY, SOLAR, BOILER])
async def test_a_stop_that_ends_what_flowed_is_proven_by_reading_and_meter(
    asset: Asset,
) -> None:
    house = House(asset)
    result = await house.carry_out(Check.SOFTWARE_STOP, asset.id)
    assert result.outcome is Outcome.PROVEN, result.text
    assert "its own reading went from" in result.text
    assert "the meter of the connection point shows it" in result.text
    assert result.seconds == pytest.approx(0.5, abs=0.25)


@virtual_time
@pytest.mark.parametrize(("works", "outcome"), [(True, Outcome.PROVEN), (False, None)])
async def test_of_a_load_without_a_reading_the_meter_shows_that_it_stopped(
    works: bool, outcome: Outcome | None
) -> None:
    house = House(BOILER)
    house.unread.add("boiler")
    if not works:
        house.deaf.add("boiler")
    result = await house.carry_out(Check.SOFTWARE_STOP, "boiler")
    assert result.outcome is (outcome or Outcome.NOT_SHOWN), result.text
    words = "fell by about its 2400 W" if works else "nothing flowed that it could"
    assert words in result.text


@virtual_time
async def test_without_a_meter_s_word_such_a_stop_is_not_shown() -> None:
    house = House(BOILER)
    house.unread.add("boiler")
    house.metered = False
    result = await house.carry_out(Check.SOFTWARE_STOP, "boiler")
    assert result.outcome is Outcome.NOT_SHOWN


@virtual_time
@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        (
            lambda house: house.silent.add("solar"),
            Outcome.NOT_SHOWN,
            "Solar does not answer",
        ),
        (
            lambda house: house.unwritten.add("solar"),
            Outcome.FAILED,
            "The stop was not confirmed within 5 s",
        ),
        (
            lambda house: house.deaf.add("solar"),
            Outcome.FAILED,
            "Confirmed after 0.0 s, but its own reading is -6000 W after 30 s; before "
            "it was -6000 W",
        ),
    ],
)
async def test_a_stop_that_is_not_taken_or_not_done_fails(
    fault: Callable[[House], Any], outcome: Outcome, words: str
) -> None:
    house = House(SOLAR)
    fault(house)
    result = await house.carry_out(Check.SOFTWARE_STOP, "solar")
    assert result.outcome is outcome
    assert result.text == words


@virtual_time
async def test_a_reading_that_goes_with_the_stop_is_no_proof() -> None:
    house = House(SOLAR)
    told = house.stage.tell

    def tell(subject: str, override: Override | None) -> None:
        if override is not None and override.stop:
            house.unread.add("solar")
        told(subject, override)

    house.stage.tell = tell  # type: ignore[method-assign]
    result = await house.carry_out(Check.SOFTWARE_STOP, "solar")
    assert result.outcome is Outcome.FAILED
    assert "after 30 s it has no reading of its own" in result.text
    assert "before it was -6000 W" in result.text


@virtual_time
async def test_a_meter_that_shows_something_else_is_said_and_the_reading_is_proof() -> (
    None
):
    house = House(SOLAR)
    house.metered = False
    result = await house.carry_out(Check.SOFTWARE_STOP, "solar")
    assert result.outcome is Outcome.PROVEN
    assert "the meter did not show it clearly" in result.text


# --------------------------------------------------------- what ends a run, and after it


@virtual_time
async def test_a_local_stop_in_the_middle_ends_the_run() -> None:
    house = House(BATTERY)
    test = asyncio.create_task(house.carry_out(Check.SOFTWARE_STOP, "battery"))
    await asyncio.sleep(1.0)
    house.held = frozenset({Direction.CONSUMPTION})
    with pytest.raises(EndedError, match="local stop is held by button"):
        await test


@virtual_time
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shadow": True}, "the site is in shadow"),
        ({"islanded": True}, "the house is away from the grid"),
        ({"plan": None}, "nobody measures the connection point"),
    ],
)
async def test_nothing_is_tried_where_it_would_show_nothing(
    changes: dict[str, Any], words: str
) -> None:
    house = House(BATTERY)
    test = asyncio.create_task(house.carry_out(Check.RESPONSE, "battery"))
    await asyncio.sleep(1.0)
    house.changes = changes
    with pytest.raises(EndedError, match=words):
        await test


@virtual_time
async def test_a_rehearsal_that_begins_ends_the_run() -> None:
    house = House(BATTERY)
    test = asyncio.create_task(house.carry_out(Check.RESPONSE, "battery"))
    await asyncio.sleep(1.0)
    house.busy = "a rehearsal runs"
    with pytest.raises(EndedError, match="a rehearsal runs"):
        await test


@virtual_time
async def test_what_was_stopped_is_waited_for_until_it_flows_as_before() -> None:
    house = House(SOLAR)
    before = house.look()
    house.stage.tell("solar", Override(stop=True))
    await asyncio.sleep(1.0)
    back = asyncio.create_task(house.stage.recover(before))
    await asyncio.sleep(5.0)
    assert not back.done()
    # It produces again, but the decision says that it is still coming back.
    house.bound = (None, (Cause(source=Source.SAFE_STATE, key=COMING_BACK, text=""),))
    house.stage.put_back()
    await asyncio.sleep(5.0)
    assert not back.done()
    house.bound = None
    house.stage.tell("solar", None)
    await asyncio.sleep(0.5)
    await back
    assert now() < PACE.ready


@virtual_time
async def test_what_does_not_come_back_is_not_waited_for_for_ever() -> None:
    house = House(SOLAR)
    before = house.look()
    house.stage.tell("solar", Override(stop=True))
    await asyncio.sleep(1.0)
    await house.stage.recover(before)
    assert now() == pytest.approx(1.0 + PACE.ready, abs=0.3)


# ----------------------------------------------------------------------------- outputs


def relay(*behind: str, contact: bool = True) -> OutputConfig:
    return OutputConfig(
        output=EmergencyOutput(
            asset_id="relay",
            name="Relay",
            stops=frozenset({Direction.PRODUCTION}),
            assets=frozenset(behind),
        ),
        device=DeviceConfig(device_id="relay", name="Relay"),
        wiring=OutputWiring(contact_when_stopped=True if contact else None),
    )


@virtual_time
@pytest.mark.parametrize("contact", [True, False])
@pytest.mark.parametrize("behind", [("solar",), ()])
async def test_a_relay_is_proven_by_its_contact_or_by_what_it_interrupts(
    behind: tuple[str, ...], contact: bool
) -> None:
    house = House(SOLAR, output=relay(*behind, contact=contact))
    result = await house.carry_out(Check.RELAY, "relay")
    assert "The coil switched after" in result.text
    assert ("the auxiliary contact followed after" in result.text) is contact
    assert ("what is behind it fell from 6000 W to 0" in result.text) is bool(behind)
    if contact or behind:
        assert result.outcome is Outcome.PROVEN
        return
    # Nothing but the coil's own word.
    assert result.outcome is Outcome.NOT_SHOWN
    assert "the coil alone proves nothing" in result.text


def no_answer(house: House) -> None:
    house.silent.add("relay")


def no_coil(house: House) -> None:
    house.coil_works = False


def welded(house: House) -> None:
    house.contact_works = False


def stuck(house: House) -> None:
    house.springs_back = False


@virtual_time
@pytest.mark.parametrize(
    ("fault", "contact", "outcome", "words"),
    [
        (no_answer, True, Outcome.NOT_SHOWN, "Relay does not answer"),
        (no_coil, True, Outcome.FAILED, "The coil did not switch within 5 s"),
        (
            welded,
            True,
            Outcome.FAILED,
            "the auxiliary contact did not follow within 5 s",
        ),
        (
            welded,
            False,
            Outcome.FAILED,
            "what is behind it did not end: 6000 W flowed before",
        ),
        (stuck, True, Outcome.FAILED, "it did not come back"),
    ],
)
async def test_a_relay_that_does_not_do_its_work_fails(
    fault: Callable[[House], None], contact: bool, outcome: Outcome, words: str
) -> None:
    house = House(SOLAR, output=relay("solar", contact=contact))
    fault(house)
    result = await house.carry_out(Check.RELAY, "relay")
    assert result.outcome is outcome, result.text
    assert words in result.text


# ------------------------------------------------------------------------ stop buttons

BOTH = frozenset(Direction)


async def press(house: House, held: frozenset[Direction], seconds: float) -> None:
    """Press the button after 1 s, hold it for so long, and let go."""
    await asyncio.sleep(1.0)
    house.held = held
    await asyncio.sleep(seconds)
    house.held = frozenset()


async def try_button(
    house: House, held: frozenset[Direction], seconds: float
) -> Result:
    hand = asyncio.create_task(press(house, held, seconds))
    result = await house.carry_out(Check.STOP_INPUT, "button")
    await hand
    return result


@virtual_time
async def test_a_button_that_stops_everything_is_proven_and_says_what_to_do() -> None:
    house = House(SOLAR)
    house.missing = dict.fromkeys(BOTH, ())
    result = await try_button(house, BOTH, 3.0)
    assert result.outcome is Outcome.PROVEN, result.text
    assert result.text.startswith("It stops consumption and production: everything")
    assert house.prompts == [
        "Press the stop button now: Button",
        "Release the stop button now: Button",
    ]


@virtual_time
async def test_what_a_button_does_not_stop_is_named() -> None:
    house = House(SOLAR)
    production = frozenset({Direction.PRODUCTION})
    house.missing = {Direction.PRODUCTION: ("Solar", "Relay")}
    result = await try_button(house, production, 10.0)
    assert result.outcome is Outcome.FAILED
    assert result.text == (
        "It stops production, but this did not confirm within 5 s: Relay, Solar"
    )


@virtual_time
async def test_a_button_that_the_decision_does_not_hear_fails() -> None:
    house = House(SOLAR)
    house.stopped = False
    house.missing = {Direction.CONSUMPTION: ()}
    result = await try_button(house, frozenset({Direction.CONSUMPTION}), 10.0)
    assert result.outcome is Outcome.FAILED
    assert result.text.endswith("within 5 s: the decision")


@virtual_time
async def test_a_button_that_stays_pressed_fails() -> None:
    house = House(SOLAR)
    house.missing = {Direction.CONSUMPTION: ()}
    result = await try_button(house, frozenset({Direction.CONSUMPTION}), 100.0)
    assert result.outcome is Outcome.FAILED
    assert result.text.endswith("It was not released again")
