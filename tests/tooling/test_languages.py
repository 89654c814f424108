"""Each language says all that English says, and says it itself."""

import json
from pathlib import Path
import re
from typing import Any

import pytest

from .integration_files import leaves, translation_faults
from .languages import LANGUAGES, SHARED_WORDS, language_faults, text_faults

PACKAGE = Path(__file__).parents[2] / "custom_components" / "netflex"


def texts(language: str) -> dict[str, Any]:
    return json.loads((PACKAGE / "translations" / f"{language}.json").read_text())


ENGLISH = texts("en")


def test_there_are_no_other_languages() -> None:
    """A language that the checks below do not know would never be looked at."""
    files = {path.stem for path in (PACKAGE / "translations").iterdir()}
    assert files == {"en", *LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_complete_and_translated(language: str) -> None:
    assert list(language_faults(ENGLISH, texts(language), language)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_hassfests_rules_hold_for_each_language(language: str) -> None:
    assert list(translation_faults(texts(language))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_excused_that_need_not_be(language: str) -> None:
    english, other = leaves(ENGLISH), leaves(texts(language))
    shared = " ".join(text for path, text in english.items() if other[path] == text)
    used = {*re.findall(r"\w+", shared)}
    assert SHARED_WORDS[language] - used == set()


@pytest.mark.parametrize(
    ("english", "text", "fault"),
    [
        ("Port {port} is in use", "Poort {poort} is bezet", "other placeholders"),
        ("Run `check` first", "Voer eerst `toets` uit", "other code"),
        ("**Nothing** is safe", "Niets is veilig", "other bold parts"),
        ("Faults:\n\n- {detail}", "Fouten:\n\n{detail}", "other list items"),
        ("See [help]({url})", "Zie hulp ({url})", "other links"),
        ("One.\n\nTwo.", "Een. Twee.", "other paragraphs"),
        ("The port of {name}", "Le port d'{name}", "apostrophe before a placeholder"),
        ("Main fuse", "Main fuse", "is still English"),
        ("Site: {site}, {text}", "Site: {site}, {text}", None),
        ("Modbus TCP", "Modbus TCP", None),
        ("Choose the main fuse", "Kies the hoofdzekering", "partly English: the"),
        ("Choose the main fuse", "Kies de hoofdzekering", None),
    ],
)
def test_faults_of_a_text_are_found(english: str, text: str, fault: str | None) -> None:
    found = list(text_faults(english, text, "nl"))
    assert found == [] if fault is None else any(fault in one for one in found)


def test_what_is_missing_or_too_much_is_found() -> None:
    english = {"config": {"error": {"in_use": "In use", "gone": "Gone"}}}
    other = {"config": {"error": {"in_use": "Bezet", "stray": "Verdwaald"}}}
    assert list(language_faults(english, other, "nl")) == [
        "config.error.gone is missing",
        "config.error.stray is not in English",
    ]
