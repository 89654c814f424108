"""The layer table: what it lets through and what it stops."""

import ast
import itertools
from pathlib import Path
import tomllib
from typing import Any

import grimp
import pytest

from scripts.layers import LayerTable

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "custom_components" / "netflex"
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
    "importlinter"
]
(CONTRACT,) = CONFIGURATION["contracts"]
TABLE = {
    line.partition(":")[0]: set(line.partition(":")[2].replace(",", " ").split())
    for line in CONTRACT["may_import"]
}
# Folders that belong to the face, and folders that hold no code.
FACE_FOLDERS = {"blueprints", "brand", "flows", "frontend", "market", "translations"}


def faults_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> str:
    """Return what the contract finds in a package of these files."""
    name = f"layered_{tmp_path.name}"
    for path, text in files.items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in (tmp_path / name, file.parent):
            (folder / "__init__.py").touch()
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    options: dict[str, Any] = {
        key: value for key, value in CONTRACT.items() if key not in {"name", "type"}
    }
    contract = LayerTable("layers", {"root_packages": [name]}, options)
    graph = grimp.build_graph(name, include_external_packages=True, cache_dir=None)
    check = contract.check(graph, verbose=False)
    faults = "\n".join(check.metadata["faults"])
    assert check.kept is not bool(faults)
    return faults


@pytest.mark.parametrize(
    ("importer", "imported"), itertools.permutations(sorted(TABLE), 2)
)
def test_imports_between_layers_follow_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, importer: str, imported: str
) -> None:
    def path(layer: str) -> str:
        return "runtime.py" if layer == "face" else f"{layer}/a.py"

    target = path(imported).removesuffix(".py").replace("/", ".")
    dots = "." if importer == "face" else ".."
    files = {path(importer): f"from {dots}{target} import x\n", path(imported): ""}
    faults = faults_of(tmp_path, monkeypatch, files)
    if imported in TABLE[importer]:
        assert not faults
    else:
        assert f"(line 1): {importer} may not import {imported}" in faults


@pytest.mark.parametrize(
    ("module", "text"),
    [
        # One line of the architecture's "must not know" column each.
        ("cli/telecontrol.py", "from ..runtime import x"),
        ("cli/telecontrol.py", "import homeassistant.core"),
        ("site/controller.py", "from homeassistant.core import HomeAssistant"),
        ("simulation/physics.py", "from ..site.controller import x"),
        ("simulation/physics.py", "from ..control.decide import x"),
        ("telecontrol/points.py", "from ..devices.profile import x"),
        ("telecontrol/points.py", "import homeassistant"),
        ("devices/profile.py", "import voluptuous as vol"),
        ("devices/profile.py", "from ..telecontrol.points import x"),
        ("metering/p1.py", "from probatio import Schema"),
        ("metering/p1.py", "from ..control.decide import x"),
        ("telemetry/store.py", "from ..devices.profile import x"),
        ("northbound/cloudio.py", "from ..control.decide import x"),
        ("control/decide.py", "import asyncio"),
        ("control/decide.py", "from time import monotonic"),
        ("control/decide.py", "def f():\n    import random"),
        ("control/decide.py", "import pymodbus"),
        ("iec104/link.py", "import c104"),
        ("iec104/link.py", "import numpy"),
        ("iec104/link.py", "from ..model.orders import x"),
        ("model/orders.py", "from numpy import array"),
        ("model/orders.py", "from .. import const"),
        (
            "model/orders.py",
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from homeassistant.core import HomeAssistant",
        ),
    ],
)
def test_what_a_layer_must_not_know_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str
) -> None:
    targets = dict.fromkeys(
        (
            "const.py", "runtime.py", "site/controller.py", "control/decide.py",
            "devices/profile.py", "telecontrol/points.py", "model/orders.py",
        ),
        "",
    )  # fmt: skip
    assert faults_of(tmp_path, monkeypatch, targets | {module: f"{text}\n"})


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("control/decide.py", "import math\nimport numpy as np"),
        ("control/decide.py", "from datetime import datetime"),
        ("iec104/link.py", "import asyncio\nimport struct"),
        ("iec104/lib60870.py", "import c104"),
        ("devices/modbus_device.py", "import asyncio\nimport pymodbus\nimport yaml"),
        (
            "sensor.py",
            "from homeassistant.core import HomeAssistant\nimport voluptuous",
        ),
        ("telecontrol/__main__.py", "from ..cli.telecontrol import x"),
    ],
)
def test_what_a_layer_may_use_is_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str
) -> None:
    files = {module: f"{text}\n", "cli/telecontrol.py": ""}
    assert not faults_of(tmp_path, monkeypatch, files)


def test_the_table_names_every_layer_and_every_folder() -> None:
    assert set().union(*TABLE.values()) <= set(TABLE)
    for option in ("home_assistant", "no_outside_world", "third_party"):
        assert {line.partition(":")[0] for line in CONTRACT[option]} <= set(TABLE)
    folders = {
        path.name
        for path in PACKAGE.iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert folders <= set(TABLE) | FACE_FOLDERS


def test_the_decision_and_the_model_are_never_asked_for_the_time() -> None:
    """`datetime` is a value there; reading the clock is what makes it one."""
    readers = {"now", "today", "utcnow"}
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for layer in ("control", "model")
        for path in sorted((PACKAGE / layer).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in readers
    ]
    assert found == []
