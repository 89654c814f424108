"""Writes .github/docs/settings.md: every field of every form, as the forms themselves say it.

Run it after a change of the English texts: `python -m tests.tooling.settings_page`.
"""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / ".github/docs" / "settings.md"
ENGLISH: Final = ROOT / "custom_components" / "netflex" / "translations" / "en.json"
HEAD: Final = """\
# Every setting

Each field of each form, with the words of the form itself. How to go about it is in the
[README](../../README.md#set-up); what is set by topic afterwards is in its
[table of options](../../README.md#options). A form shows the fields that the chosen device needs.

This page is made from the texts of the forms; a test holds it against them.
"""

type Texts = Mapping[str, Any]


def page(english: Texts) -> str:
    """Return the whole page."""
    parts = [
        HEAD,
        *_part("Setting up a site", english["config"]),
        *(
            line
            for texts in english["config_subentries"].values()
            for line in _part(texts["entry_type"], texts)
        ),
        *_part("Options (*Configure* on the site's entry)", english["options"]),
    ]
    return "\n".join(parts)


def _part(title: str, texts: Texts) -> Iterator[str]:
    yield f"## {title}\n"
    shown: list[list[tuple[str, str]]] = []
    for step in texts["step"].values():
        rows = list(_rows(step))
        # Changing something asks for the same as adding it.
        if not rows or rows in shown:
            continue
        shown.append(rows)
        yield f"### {_cell(step['title'])}\n"
        yield "| field | |\n|---|---|"
        yield from (f"| {name} | {said} |" for name, said in rows)
        yield ""


def _rows(step: Texts) -> Iterator[tuple[str, str]]:
    said = step.get("data_description", {})
    for key, name in step.get("data", {}).items():
        yield _cell(name), _cell(said[key])
    for section in step.get("sections", {}).values():
        for name, text in _rows(section):
            yield f"{_cell(section['name'])}: {name}", text


def _cell(text: str) -> str:
    """Return a text on one line; what a running form fills in is left open."""
    line = " ".join(text.replace("|", "\\|").split())
    return re.sub(r"{\w+}", "…", line)


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(ENGLISH.read_text(encoding="utf-8"))), "utf-8")
