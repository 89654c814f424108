"""What the core says to a user is said in the user's language."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
import inspect
import json
import re
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.control import explain
from custom_components.netflex.control.codec import kept_text, stored_text
from custom_components.netflex.model.asset import Direction
from custom_components.netflex.model.connection import Line
from custom_components.netflex.model.orders import OrderName
from custom_components.netflex.model.phrase import Moment, Phrase
from custom_components.netflex.model.plan import Cause, Quantity, Source
from custom_components.netflex.site.view import SiteProblem
from custom_components.netflex.words import Words, async_words, words_of

from . import sites
from .fakes import FakeSite
from .translations import ENGLISH, INTEGRATION, placeholders

_LIMIT = explain.fuse(Line.L1, 25.0)
_SAMPLES: dict[str, Any] = {
    "base": 20_000.0,
    "charge": 12.0,
    "ceiling": 90.0,
    "cost": 3.5,
    "deadline": datetime(2026, 11, 28, 7, tzinfo=UTC),
    "direction": Direction.PRODUCTION,
    "energy": 12_500.0,
    "floor": 10.0,
    "free": 2500.0,
    "grid": False,
    "high": 21.0,
    "holders": "button",
    "late": False,
    "limit": _LIMIT,
    "line": Line.L2,
    "low": 19.0,
    "missing": 4000.0,
    "name": "Garage",
    "number": 3,
    "percent": 50.0,
    "quantity": Quantity.UNBALANCE,
    "source": Source.FUSE,
    "temperature": 18.5,
    "value": 16.0,
    "what": "charges",
}


def causes() -> Iterator[Cause]:
    """Yield every cause that the decision knows, the variants of some included."""
    for name, function in vars(explain).items():
        function = inspect.unwrap(function) if callable(function) else function
        if (
            inspect.isfunction(function)
            and function.__module__ == explain.__name__
            and inspect.signature(function).return_annotation is Cause
            and name not in {"grid_order", "safe_state", "override", "user_word"}
        ):
            given = inspect.signature(function).parameters
            yield function(**{key: _SAMPLES[key] for key in given})
    for order in (
        OrderName.MAXSETP, OrderName.MINSETP, OrderName.MAXSETAP, OrderName.MINSETAP
    ):  # fmt: skip
        yield explain.grid_order(order, 50.0, 20_000.0, "contract")
    for what in ("safe_current", "line", "rest", "not_raised", "not_back"):
        yield explain.safe_state(what)


def texts(language: str) -> dict[str, str]:
    """Return the texts of a language as Home Assistant names them."""
    content = json.loads(
        (INTEGRATION / "translations" / f"{language}.json").read_text()
    )
    return {
        f"component.netflex.common.{key}": text
        for key, text in content["common"].items()
    }


def test_a_phrase_is_its_text() -> None:
    phrase = Phrase(
        "main_fuse", "Main fuse {current} on {line}", current="25 A", line="L1"
    )
    assert phrase == "Main fuse 25 A on L1"
    assert json.dumps([phrase]) == '["Main fuse 25 A on L1"]'


@pytest.mark.parametrize("cause", list(causes()), ids=lambda cause: cause.text.key)
def test_every_cause_has_words_of_its_own(cause: Cause) -> None:
    """The English words are those that the core itself uses, figure by figure."""
    assert isinstance(cause.text, Phrase)
    english = texts("en")[f"component.netflex.common.{cause.text.key}"]
    assert english.format(**cause.text.figures) == str(cause.text)
    for language in ("nl", "fr", "de"):
        assert Words(language, texts(language)).say(cause.text) != str(cause.text)


def _keys(node: ast.expr) -> list[str]:
    """Return the patterns of the keys that an expression can be."""
    match node:
        case ast.Constant(value=str(key)):
            return [re.escape(key)]
        case ast.IfExp():
            return [*_keys(node.body), *_keys(node.orelse)]
        case ast.JoinedStr():
            parts = [
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
                for part in node.values
            ]
            return ["".join(parts)]
    raise AssertionError(ast.unparse(node))


def _phrases() -> Iterator[tuple[str, ast.Call]]:
    """Yield where the code makes phrases."""
    for path in sorted(INTEGRATION.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Phrase":
                yield f"{path.name}:{node.lineno}", node


def test_every_phrase_of_the_code_is_in_the_translations() -> None:
    wrong = []
    for place, call in _phrases():
        figures = {word.arg for word in call.keywords}
        for pattern in _keys(call.args[0]):
            found = [key for key in ENGLISH["common"] if re.fullmatch(pattern, key)]
            wrong += [place] if not found else []
            for key in found:
                words = ENGLISH["common"][key]
                if None not in figures and placeholders(words) != figures:
                    wrong.append(f"{place}: {key} has other figures")
                if isinstance(english := call.args[1], ast.Constant):
                    wrong += [] if english.value == words else [f"{place}: {key}"]
    assert wrong == []


def test_no_words_are_kept_that_nobody_says() -> None:
    said = [pattern for _, call in _phrases() for pattern in _keys(call.args[0])]
    assert [
        key
        for key in ENGLISH["common"]
        if not any(re.fullmatch(pattern, key) for pattern in said)
    ] == []


def test_figures_have_the_languages_decimal_sign() -> None:
    cause = explain.fuse(Line.L1, 25.5)
    assert Words("nl", texts("nl")).say(cause.text) == "Hoofdzekering 25,5 A op L1"
    assert (
        Words("de-AT", texts("de")).say(cause.text).startswith("Hauptsicherung 25,5 A")
    )
    address = Phrase("client_refused", "{client} tried", client="192.168.1.4")
    assert "192.168.1.4" in Words("fr", texts("fr")).say(address)


def test_a_figure_that_is_a_phrase_is_said_too() -> None:
    cause = explain.cut_off(_LIMIT)
    assert Words("nl", texts("nl")).say(cause.text) == (
        "Door een relais afgeschakeld, omdat dit niet nageleefd wordt: "
        "Hoofdzekering 25,0 A op L1"
    )


def test_what_has_no_words_stays_english() -> None:
    words = Words("nl", texts("nl"))
    assert words.say("Nobody answers") == "Nobody answers"
    assert words.say(Phrase("unheard_of", "{what} it is", what="So")) == "So it is"
    assert words.say_all({"list": [explain.full(100.0).text, 3]}) == {
        "list": ["De batterij is vol", 3]
    }


def test_what_was_stored_with_other_figures_stays_english() -> None:
    """Words of a newer version may ask for what an older one did not store."""
    kept = Phrase.kept("main_fuse", "Main fuse 25 A", {"current": "25 A"})
    assert Words("nl", texts("nl")).say(kept) == "Main fuse 25 A"


def test_a_time_is_said_as_the_reader_s_clock_shows_it(
    freezer: FrozenDateTimeFactory,
) -> None:
    at = datetime(2026, 11, 28, 22, 30, tzinfo=UTC)
    freezer.move_to(at)
    text = Phrase(
        "remote_hold",
        "{host} holds it back since {time}",
        host="Aggregator",
        time=Moment(at),
    )
    # Whatever has no reader has it in UTC, and says so.
    assert text == "Aggregator holds it back since 2026-11-28 22:30 UTC"
    dutch, english = texts("nl"), texts("en")
    brussels, york = ZoneInfo("Europe/Brussels"), ZoneInfo("America/New_York")
    assert Words("nl", dutch, brussels).say(text).endswith("23:30")
    assert Words("en", english, york, half_days=True).say(text) == (
        "Aggregator holds it back since 05:30 PM"
    )
    freezer.tick(3600)
    # In Brussels it was yesterday.
    assert Words("nl", dutch, brussels).say(text).endswith("2026-11-28 23:30")
    assert Words("en", english, york).say(text).endswith("since 17:30")
    stored = json.loads(json.dumps(stored_text(text)))
    kept = kept_text(stored, "text")
    assert kept == text
    assert Words("en", english, york).say(kept).endswith("since 17:30")


async def test_the_zone_of_a_user_is_home_assistant_s_where_it_is_not_known(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await hass.config.async_set_time_zone("Europe/Brussels")
    at = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    freezer.move_to(at)
    text = Phrase(
        "remote_enable", "{host} lets it run since {time}", host="A", time=Moment(at)
    )
    for zone, clock in (
        ("America/New_York", "07:00"),
        (None, "13:00"),
        ("Atlantis/Capital", "13:00"),
    ):
        words = await async_words(hass, "en", zone)
        assert words.say(text) == f"A lets it run since {clock}"
    assert words_of(hass).say(text).endswith("13:00")


async def test_home_assistant_has_the_words(hass: HomeAssistant) -> None:
    words = await async_words(hass, "fr")
    assert words.say(explain.full(100.0).text) == "La batterie est pleine"
    other = await async_words(hass, "fy")
    assert other.say(explain.full(100.0).text) == "The battery is full"


async def test_the_languages_of_a_site_its_repairs_and_its_cards(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    faked: Callable[[], FakeSite],
    hass_ws_client: WebSocketGenerator,
    socket_enabled: None,
) -> None:
    """A card follows its user, what is stored follows Home Assistant."""
    hass.config.language = "nl"
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    site = faked()
    plan = site.view.plan
    assert plan is not None
    told = replace(plan.setpoints[sites.CHARGER_ID], causes=(_LIMIT,))
    lag = Phrase("loop_lag", "At worst {lag} in the last minute", lag="0.5 s")
    site.show(
        plan=replace(plan, setpoints={**plan.setpoints, sites.CHARGER_ID: told}),
        problems=(SiteProblem(key="loop_held_up", subject="site", text=lag),),
    )
    await hass.async_block_till_done()

    setpoint = er.async_get(hass).async_get_entity_id(
        "sensor", DOMAIN, f"{sites.CHARGER_ID}_setpoint"
    )
    assert setpoint is not None
    state = hass.states.get(setpoint)
    assert state is not None
    assert state.attributes["cause"] == "Hoofdzekering 25,0 A op L1"
    assert state.attributes["cause_key"] == "main_fuse"
    (shown,) = (
        issue.translation_placeholders
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key == "loop_held_up"
    )
    assert shown is not None
    assert shown["text"] == "In het slechtste geval 0,5 s in de laatste minuut"

    client = await hass_ws_client(hass)
    subscription = {"type": "netflex/subscribe", "entry_id": entry.entry_id}
    for language, words in (
        ({"language": "de"}, "Hauptsicherung 25,0 A auf L1"),
        ({"language": "en"}, "Main fuse 25.0 A on L1"),
        ({}, "Hoofdzekering 25,0 A op L1"),
    ):
        await client.send_json_auto_id(subscription | language)
        assert (await client.receive_json())["success"]
        told_card = (await client.receive_json())["event"]["assets"][sites.CHARGER_ID]
        assert told_card["setpoint"]["causes"][0]["text"] == words
