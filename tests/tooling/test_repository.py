"""What no file of the repository may hold, and what its settings must agree on."""

import json
from pathlib import Path
import re
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.version import Version
import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = {
    requirement.name: requirement
    for requirement in map(
        Requirement,
        [
            *PROJECT["project"]["dependencies"],
            *PROJECT["project"]["optional-dependencies"]["lib60870"],
            *(pin for group in PROJECT["dependency-groups"].values() for pin in group),
        ],
    )
}

# Written so that no pattern matches its own line.
FORBIDDEN = {
    "an address of a package registry": (
        r"py[p]i\.org|python[h]osted\.org|registry\.np[m]js|deb\.de[b]ian\.org"
        r"|security\.de[b]ian\.org|proxy\.go[l]ang\.org|crates\.i[o]\b"
    ),
    "a path of one machine": r"(?<![\w.$}*/-])/(wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/",
    "a secret": (
        r"-----BEGIN [A-Z ]*PRIVATE KE[Y]-----|\bgh[pousr][_][A-Za-z0-9]{36}"
        r"|\bAKI[A][0-9A-Z]{16}\b|\beyJ[hbGciO][\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
    ),
    "something left undone": r"\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b|NotImplemented[E]rror",
}


def files_of_the_repository() -> list[Path]:
    """Return what is under version control or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [
        path for name in listed.split("\0") if name and (path := ROOT / name).is_file()
    ]


FILES = files_of_the_repository()
TEXTS = {
    path: text
    for path in FILES
    if "\0" not in (text := path.read_text(encoding="utf-8", errors="replace"))
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an address of a package registry", "https://pypi" + ".org/simple"),
        ("an address of a package registry", "deb http://deb.debian" + ".org/debian"),
        ("a path of one machine", 'open("/wor' + 'k/main/x")'),
        ("a path of one machine", "cd /hom" + "e/somebody/netflex"),
        ("a secret", "-----BEGIN RSA PRIVATE KE" + "Y-----"),
        ("a secret", 'token = "ghp_' + "a1" * 18 + '"'),
        ("something left undone", "# TO" + "DO: later"),
        ("something left undone", "raise NotImplemented" + "Error"),
    ],
)
def test_the_patterns_find_what_they_are_for(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


def test_only_one_file_is_named_manifest() -> None:
    """Hassfest takes every file of that name for an integration's."""
    assert [
        str(path.relative_to(ROOT)) for path in FILES if path.name == "manifest.json"
    ] in ([], ["custom_components/netflex/manifest.json"])


def test_the_repository_holds_one_integration() -> None:
    inside = {path.relative_to(ROOT).parts for path in FILES}
    assert {parts[1] for parts in inside if parts[0] == "custom_components"} == {
        "netflex"
    }


def test_the_top_of_the_repository_holds_what_it_may() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert {name for name in top if not name.startswith(".")} == {
        "LICENSE",
        "README.md",
        "custom_components",
        "hacs.json",
        "pyproject.toml",
        "scripts",
        "tests",
    }


def test_no_lock_file_is_kept() -> None:
    """It would name the addresses of whichever index wrote it."""
    assert [path for path in FILES if path.name.endswith(".lock")] == []


def test_every_requirement_is_exact() -> None:
    pins = [
        str(pin)
        for pin in PINS.values()
        if not re.fullmatch(r"==[\w.]+", str(pin.specifier))
    ]
    assert pins == []


def test_manifest_and_project_agree() -> None:
    file = ROOT / "custom_components" / "netflex" / "manifest.json"
    manifest = json.loads(file.read_text())
    assert manifest["version"] == PROJECT["project"]["version"]
    for wanted in map(Requirement, manifest["requirements"]):
        (pin,) = PINS[wanted.name].specifier
        assert wanted.specifier.contains(Version(pin.version)), wanted
        # An exact version would keep the integration from loading on the day that
        # Home Assistant moves its own.
        assert all(part.operator not in {"==", "==="} for part in wanted.specifier)


def test_hacs_asks_for_no_newer_home_assistant_than_the_tests_run() -> None:
    asked = json.loads((ROOT / "hacs.json").read_text())["homeassistant"]
    (pin,) = PINS["homeassistant"].specifier
    assert Version(asked) <= Version(pin.version)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if TEXTS.get(path, "").startswith("#!")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_program_can_be_run(path: Path) -> None:
    assert path.stat().st_mode & 0o111
    if "bash" in TEXTS[path].splitlines()[0]:
        subprocess.run(["bash", "-n", path], check=True)
        assert "set -euo pipefail" in TEXTS[path]
