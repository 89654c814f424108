"""What the documentation says of triggers, conditions and actions holds."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any, cast
from unittest.mock import MagicMock

from homeassistant.const import CONF_OPTIONS
from homeassistant.helpers import config_validation as cv
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
import pytest
import voluptuous as vol

from custom_components.netflex.actions import async_register_actions
from custom_components.netflex.condition import CONDITIONS
from custom_components.netflex.trigger import TRIGGERS

from .translations import ENGLISH, INTEGRATION

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KINDS: dict[str, Any] = {"triggers": TRIGGERS, "conditions": CONDITIONS}
PAGES = [(kind, key) for kind, found in KINDS.items() for key in found]


def described(kind: str) -> dict[str, Any]:
    """Return what is offered in the UI: fields by the name of what has them."""
    content = load_yaml_dict(str(INTEGRATION / f"{kind}.yaml"))
    return {
        name: cast(dict[str, Any], item)["fields"]
        for name, item in content.items()
        if not name.startswith(".")
    }


def schema_of(validator: Any) -> dict[Any, Any]:
    """Return the fields of an action's schema, whatever else it has to fulfil."""
    if isinstance(validator, vol.All):
        (validator,) = (
            item for item in validator.validators if isinstance(item, vol.Schema)
        )
    found: dict[Any, Any] = validator.schema
    return found


def registered() -> dict[str, dict[Any, Any]]:
    """Return the schemas of all actions that are registered, whatever is loaded."""
    hass = MagicMock()
    async_register_actions(hass)
    found = {}
    for call in hass.services.async_register.call_args_list:
        _domain, name, _handler, *more = call.args
        found[name] = schema_of(call.kwargs.get("schema") or more[0])
    return found


def ask_for_the_same(schema: dict[Any, Any], fields: dict[str, Any]) -> None:
    """Check that the UI offers what is taken, and asks for what must be there."""
    assert {str(key) for key in schema} == set(fields)
    for key in schema:
        shown = fields[str(key)]
        if isinstance(key, vol.Required):
            assert shown.get("required"), key
        elif shown.get("required"):
            assert key.default is not vol.UNDEFINED, key


def test_every_action_takes_what_it_offers() -> None:
    offered, taken = described("services"), registered()
    assert set(offered) == set(taken)
    for name, schema in taken.items():
        ask_for_the_same(schema, offered[name])


@pytest.mark.parametrize("name", described("services"))
def test_every_action_is_documented_with_each_field(name: str) -> None:
    lines = [line for line in README.splitlines() if line.startswith("| `netflex.")]
    (line,) = (item for item in lines if f"`netflex.{name}`" in item)
    for field in set(described("services")[name]) - {"config_entry_id"}:
        assert f"`{field}`" in line, field


@pytest.mark.parametrize(("kind", "key"), PAGES)
class TestPages:
    """Each trigger and each condition has a page of its own."""

    def page(self, kind: str, key: str) -> str:
        return (ROOT / ".github/docs" / kind / f"{key}.md").read_text(encoding="utf-8")

    def test_it_is_linked(self, kind: str, key: str) -> None:
        assert f"[`netflex.{key}`](.github/docs/{kind}/{key}.md)" in README
        assert self.page(kind, key).startswith(f"# {ENGLISH[kind][key]['name']}\n")

    def test_it_names_every_option_and_choice(self, kind: str, key: str) -> None:
        schema = KINDS[kind][key].schema.schema[CONF_OPTIONS]
        fields = described(kind)[key]
        ask_for_the_same(schema, fields)
        options = self.page(kind, key).partition("## Options")[2].partition("\n## ")[0]
        for name, field in fields.items():
            assert f"**{ENGLISH[kind][key]['fields'][name]['name']}**" in options
            assert f"(`{name}`" in options
            for choice in field["selector"].get("select", {}).get("options", ()):
                assert f"`{choice}`" in options, choice

    async def test_its_examples_are_valid(self, kind: str, key: str) -> None:
        blocks = re.findall(r"```yaml\n(.*?)```", self.page(kind, key), re.DOTALL)
        assert len(blocks) == 2
        for block in blocks:
            content = cast(dict[str, Any], parse_yaml(block))
            used = list(self.uses(content, kind, key))
            assert used
            for item in used:
                KINDS[kind][key].schema({CONF_OPTIONS: item[CONF_OPTIONS]})
        example = cast(dict[str, Any], parse_yaml(blocks[1]))
        assert set(example) <= {"alias", "triggers", "conditions", "actions"}
        assert cv.ensure_list(example["triggers"])
        assert cv.ensure_list(example["actions"])

    def uses(self, part: Any, kind: str, key: str) -> Iterator[dict[str, Any]]:
        """Yield where an example uses it, however deep."""
        if isinstance(part, list):
            for item in part:
                yield from self.uses(item, kind, key)
        elif isinstance(part, dict):
            if part.get(kind.removesuffix("s")) == f"netflex.{key}":
                yield part
            for item in part.values():
                yield from self.uses(item, kind, key)


def test_no_page_is_of_something_that_is_gone() -> None:
    found = {
        (file.parent.name, file.stem)
        for kind in KINDS
        for file in (ROOT / ".github/docs" / kind).iterdir()
    }
    assert found == set(PAGES)
