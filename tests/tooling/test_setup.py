"""scripts/setup: quick when there is nothing to do, and helpful when it cannot."""

from pathlib import Path
import shutil
import subprocess
import time

import pytest

ROOT = Path(__file__).parents[2]
# What a shell script may count on; no Python and no package manager among it.
BASIC_TOOLS = (
    "awk", "basename", "bash", "cat", "cksum", "cp", "dirname", "find", "flock", "grep",
    "head", "id", "ln", "mkdir", "mktemp", "mv", "realpath", "rm", "sed", "tail",
    "timeout", "true",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which nothing is set up."""
    folder = tmp_path / "netflex"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def setup(
    checkout: Path, tools: Path, *arguments: str, **environment: str
) -> tuple[int, str]:
    """Run scripts/setup with the tools of one folder; return status and messages."""
    done = subprocess.run(
        ["bash", str(checkout / "scripts" / "setup"), *arguments],
        env={"PATH": str(tools), "HOME": str(checkout.parent)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    return done.returncode, done.stderr


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASIC_TOOLS:
        if path := shutil.which(name):
            (folder / name).symlink_to(path)
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
    (folder / name).chmod(0o755)


def lose_python(checkout: Path, tools: Path) -> None:
    """Leave only a python3 that has neither venv nor pip, and is too old."""
    program(tools, "python3", 'echo "no module named venv" >&2; exit 1')
    script = checkout / "scripts" / "setup"
    text = script.read_text()
    assert "/usr/bin/python3;" in text
    script.write_text(text.replace("/usr/bin/python3;", ";"))


def record_uv(tools: Path, calls: Path) -> None:
    """Put a uv there that makes empty environments and notes its commands."""
    program(
        tools,
        "uv",
        f"""echo "$1" >>"{calls}"
        case "$*" in
          *--help*) echo --group ;;
          venv*)
            mkdir -p "${{@: -1}}/bin"
            ln -s "$(type -P true)" "${{@: -1}}/bin/python"
            ;;
        esac""",
    )


def test_nothing_to_do_is_quick_and_says_nothing() -> None:
    def once() -> float:
        start = time.perf_counter()
        done = subprocess.run(
            [ROOT / "scripts" / "setup"], capture_output=True, text=True, check=True
        )
        assert done.stdout + done.stderr == ""
        return time.perf_counter() - start

    # Far more than it takes (0.2 s), and far less than building anything.
    assert min(once() for _ in range(3)) < 10


def test_without_python_it_says_what_it_tried_and_what_to_do(
    checkout: Path, tools: Path
) -> None:
    lose_python(checkout, tools)
    status, messages = setup(checkout, tools)
    assert status == 1
    assert "ERROR: uv cannot be brought here." in messages
    assert "no module named venv" in messages
    assert "What to do: install uv, or a python3 with venv and pip" in messages


def test_without_any_download_it_names_every_way_that_it_tried(
    checkout: Path, tools: Path
) -> None:
    lose_python(checkout, tools)
    program(
        tools,
        "uv",
        'case "$*" in *--help*) echo --group ;; *) echo "no such host" >&2; exit 2 ;; esac',
    )
    status, messages = setup(checkout, tools)
    assert status == 1
    tried = [line for line in messages.splitlines() if line.startswith("  - ")]
    assert [line[4:13] for line in tried] == [
        "python3.1", "uv python", "python3 -", "Debian's ",
    ]  # fmt: skip
    assert "no such host" in tried[1]
    assert "What to do: install Python 3.14" in messages


def test_an_interrupted_environment_is_made_anew(checkout: Path, tools: Path) -> None:
    """A folder without its stamp is never taken for a finished one."""
    calls = checkout.parent / "calls"
    record_uv(tools, calls)
    for name in ("python3.14", "python3.13"):
        (tools / name).symlink_to(tools / "true")
    left_over = checkout / ".venv" / "lib" / "half"
    left_over.mkdir(parents=True)

    assert setup(checkout, tools)[0] == 0
    assert not left_over.exists()
    made = calls.read_text().split()
    assert made.count("venv") == 2

    calls.unlink()
    assert setup(checkout, tools) == (0, "")
    assert not calls.exists()

    # Other packages: the difference is installed, the environment stays.
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text().replace("ruff==", "ruff==9."))
    assert setup(checkout, tools)[0] == 0
    assert "venv" not in calls.read_text().split()


def test_missing_peers_are_a_failure_in_ci_only(checkout: Path, tools: Path) -> None:
    lose_python(checkout, tools)
    record_uv(tools, checkout.parent / "calls")
    program(tools, "python3.14", 'case "$2" in *"(3, 8)"*) exit 1 ;; esac')
    status, messages = setup(checkout, tools)
    assert status == 0
    assert "tests against c104 and cloud.iO will be skipped" in messages
    status, messages = setup(checkout, tools, CI="true")
    assert status == 1
    assert "required in CI" in messages


def test_the_second_engine_is_compiled_for_ci_only(checkout: Path, tools: Path) -> None:
    calls = checkout.parent / "calls"
    record_uv(tools, calls)
    for name in ("python3.14", "python3.13"):
        (tools / name).symlink_to(tools / "true")
    program(tools, "dpkg-query", "echo ii")
    stamp = checkout / ".venv" / ".complete-lib60870"
    status, messages = setup(checkout, tools)
    assert status == 0
    assert "Tests of the IEC 104 engine c104 will be skipped" in messages
    assert setup(checkout, tools) == (0, "")
    assert stamp.read_text() == "not c104==2.2.1"

    status, messages = setup(checkout, tools, "--ci")
    assert status == 0
    assert "cannot be compiled without cmake" in messages
    status, messages = setup(checkout, tools, "--ci", CI="true")
    assert status == 1
    assert "cmake is required in CI" in messages

    for name in ("cmake", "g++"):
        (tools / name).symlink_to(tools / "true")
    calls.unlink()
    assert setup(checkout, tools, "--ci") == (0, "")
    assert stamp.read_text() == "c104==2.2.1"
    assert "pip" in calls.read_text().split()
    calls.unlink()
    assert setup(checkout, tools, "--ci") == (0, "")
    assert not calls.exists()


def test_uv_is_told_what_pip_was_told(checkout: Path, tools: Path) -> None:
    lose_python(checkout, tools)
    program(
        tools,
        "python3",
        """case "$*" in *"pip config list") ;; *) exit 1 ;; esac
        echo ":env:.cert='/certificates/of/this/machine.pem'"
        echo "global.index-url='https://index.example.invalid/simple'"
        echo "global.extra-index-url='https://a.example.invalid https://b.example.invalid'"
        echo "global.cert='/certificates/of/another.pem'"
        """,
    )
    program(tools, "python3.14", "")
    seen = checkout.parent / "seen"
    program(
        tools,
        "uv",
        f"""case "$*" in *--help*) echo --group; exit ;; esac
        printf '%s\\n' "${{UV_DEFAULT_INDEX-}}" "${{UV_INDEX-}}" "${{SSL_CERT_FILE-}}" \\
          "${{UV_INDEX_STRATEGY-}}" >"{seen}"
        exit 1""",
    )
    setup(checkout, tools)
    assert seen.read_text().splitlines() == [
        "https://index.example.invalid/simple",
        "https://a.example.invalid https://b.example.invalid",
        "/certificates/of/this/machine.pem",
        "unsafe-best-match",
    ]
    # What the user told uv itself counts more.
    setup(checkout, tools, UV_DEFAULT_INDEX="https://own.example.invalid")
    assert seen.read_text().splitlines()[0] == "https://own.example.invalid"
