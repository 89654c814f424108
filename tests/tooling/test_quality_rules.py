"""Rules of the quality scale that can be seen in the files, for all of them at once."""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
import struct

from homeassistant.const import Platform
import pytest

from . import settings_page

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "custom_components" / "netflex"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLATFORMS = sorted(item for item in Platform if (PACKAGE / f"{item}.py").exists())
READ_ONLY = {Platform.BINARY_SENSOR, Platform.EVENT, Platform.SENSOR}
FACE = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("", "flows", "frontend", "market")
    for path in sorted((PACKAGE / folder).glob("*.py"))
}
"""Everything that knows Home Assistant."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


# ------------------------------------------------------------------------------ brands


@pytest.mark.parametrize("theme", ["", "dark_"])
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("icon", 256, 256),
        ("icon@2x", 512, 512),
        ("logo", 128, 256),
        ("logo@2x", 256, 512),
    ],
)
def test_brands_have_the_sizes_that_are_asked_for(
    theme: str, name: str, least: int, most: int
) -> None:
    """An icon is square; a logo's shorter side counts. Transparent, as PNG."""
    content = (PACKAGE / "brand" / f"{theme}{name}.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert least <= min(width, height) <= most
    assert width == height or name.startswith("logo")
    assert content[25] in {4, 6} or b"tRNS" in content, "not transparent"


# ---------------------------------------------------------------------------- entities


@pytest.mark.parametrize("platform", PLATFORMS)
def test_parallel_updates_are_decided_for_each_platform(platform: Platform) -> None:
    """What takes commands takes one at a time, or says why not."""
    path = PACKAGE / f"{platform}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith("PARALLEL_UPDATES ="))
    assert lines[at - 1].startswith("# "), "it says why"
    value = int(lines[at].partition("=")[2])
    if platform in READ_ONLY:
        assert value == 0
    else:
        assert value == 1 or "refused" in lines[at - 1]


def test_no_icon_and_no_name_is_in_the_code() -> None:
    """They are in icons.json and in the translations."""
    found = []
    for path, tree in FACE.items():
        for name, call in calls(tree):
            if name.endswith("Description"):
                given = {word.arg for word in call.keywords}
                found += [f"{path.name}: {key}" for key in given & {"icon", "name"}]
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                text = " ".join(map(ast.unparse, node.targets))
                if re.search(r"_attr_(icon|name)\b", text):
                    found.append(f"{path.name}: {text}")
    assert found == []


def test_entities_listen_only_while_they_are_there() -> None:
    """What one subscribes to begins in async_added_to_hass and ends with it."""
    wrong, seen = [], 0
    for path, tree in FACE.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef) or not any(
                "Entity" in ast.unparse(base) for base in node.bases
            ):
                continue
            for method in node.body:
                if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                text = ast.unparse(method)
                listens = re.search(r"\.async_on_(?!remove)\w+\(|async_track_\w+", text)
                if listens is None:
                    continue
                seen += 1
                if (
                    method.name != "async_added_to_hass"
                    or "self.async_on_remove(" not in text
                ):
                    wrong.append(f"{path.name}: {node.name}.{method.name}")
    assert wrong == []
    assert seen > 1


@pytest.mark.parametrize("platform", sorted({*PLATFORMS} - READ_ONLY))
def test_a_control_knows_of_no_device(platform: Platform) -> None:
    """What it takes goes to the coordinator, and from there to the decision."""
    tree = FACE[PACKAGE / f"{platform}.py"]
    imported = {
        str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert "coordinator" in imported or platform is Platform.BUTTON
    assert not imported & {"devices", "iec104", "links", "northbound", "runtime"}
    text = ast.unparse(tree)
    assert "runtime_data" not in text
    assert "hass.services" not in text


# ----------------------------------------------------------------------------- actions


def test_actions_are_registered_whether_or_not_a_site_is_loaded() -> None:
    """Only what async_setup calls registers them."""
    (tree,) = (tree for path, tree in FACE.items() if path.name == "lifecycle.py")
    functions = {
        node.name: ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
    }
    assert "async_register_actions(hass)" in functions["async_setup"]
    assert "async_register_actions" not in functions["async_setup_entry"]
    registering = {
        path.name
        for path, tree in FACE.items()
        for name, _call in calls(tree)
        if name.endswith(("services.async_register", "async_register_admin_service"))
    }
    assert registering
    assert all(name.startswith("actions") for name in registering)


def test_every_action_looks_for_a_site_that_runs() -> None:
    """Each begins with what refuses, in the user's words, a site that does not."""
    refusing = ("loaded_entry(call)", "driven_asset(call)", "part_of_device(call")
    handlers = 0
    for path, tree in FACE.items():
        if not path.name.startswith("actions"):
            continue
        functions = {
            node.name: ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for name, call in calls(tree):
            if not name.endswith(("services.async_register", "register_admin_service")):
                continue
            handlers += 1
            handler = next(
                functions[argument.id]
                for argument in call.args
                if isinstance(argument, ast.Name) and argument.id in functions
            )
            helpers = [
                functions[key] for key in functions if f" {key}(call)" in handler
            ]
            assert any(
                word in text for text in (handler, *helpers) for word in refusing
            )
    assert handlers > 20


# ------------------------------------------------------------------------------ forms


def test_everything_that_is_set_up_can_be_changed() -> None:
    english = json.loads(settings_page.ENGLISH.read_text(encoding="utf-8"))
    assert "reconfigure" in english["config"]["step"]
    for kind, texts in english["config_subentries"].items():
        assert texts["initiate_flow"]["reconfigure"], kind


# ----------------------------------------------------------------------- documentation


def test_every_setting_is_documented() -> None:
    english = json.loads(settings_page.ENGLISH.read_text(encoding="utf-8"))
    assert "](.github/docs/settings.md)" in README
    assert settings_page.PAGE.read_text("utf-8") == settings_page.page(english), (
        "run: python -m tests.tooling.settings_page"
    )


def test_every_link_within_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / ".github/docs").rglob("*.md"))]
    missing = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert missing == []
