"""A test that lacks what it needs: named at home, a failure in CI."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, text: str, **environment: str) -> tuple[int, str]:
    """Run pytest on a module of that text; return its status and its output."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n peer\n browser\n")
    (tmp_path / "test_sample.py").write_text(f"import pytest\n{text}")
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in {"CI", "NETFLEX_FAILED_CHECKS"}
        and not key.startswith(("PYTEST_", "GITHUB_"))
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.required",
            "test_sample.py",
        ],
        cwd=tmp_path,
        env=inherited
        | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


SKIPPING = """
@pytest.mark.{marker}
def test_needs_it():
    pytest.skip("it is not installed")
"""


@pytest.mark.parametrize("marker", ["peer", "browser"])
def test_skip_is_named_in_the_last_lines(tmp_path: Path, marker: str) -> None:
    status, output = run(tmp_path, SKIPPING.format(marker=marker))
    assert status == 0
    lines = output.splitlines()
    assert lines[-2:] == ["1 x it is not installed", lines[-1]]
    assert lines[-1].startswith("1 skipped")


@pytest.mark.parametrize("marker", ["peer", "browser"])
def test_skip_of_what_ci_must_have_fails_there(tmp_path: Path, marker: str) -> None:
    status, output = run(tmp_path, SKIPPING.format(marker=marker), CI="true")
    assert status == 1
    assert "skipped, but required in CI: it is not installed" in output


def test_skip_in_a_fixture_of_what_ci_must_have_fails_there(tmp_path: Path) -> None:
    text = """
@pytest.fixture
def it():
    pytest.skip("it is not installed")

@pytest.mark.peer
def test_needs_it(it):
    pass
"""
    assert run(tmp_path, text, CI="true")[0] == 1
    assert run(tmp_path, text)[0] == 0


def test_other_outcomes_stay_what_they_are_in_ci(tmp_path: Path) -> None:
    text = """
@pytest.mark.peer
def test_passes():
    pass

@pytest.mark.peer
@pytest.mark.xfail(strict=True)
def test_fails_as_expected():
    assert False

def test_skips_for_a_reason_of_its_own():
    pytest.skip("not on this machine")
"""
    status, output = run(tmp_path, text, CI="true")
    assert status == 0
    assert "1 x not on this machine" in output
    assert output.splitlines()[-1].startswith("1 passed, 1 skipped, 1 xfailed")


def test_checks_that_failed_are_named_after_the_tests(tmp_path: Path) -> None:
    text = "def test_passes():\n    pass\n"
    output = run(tmp_path, text, NETFLEX_FAILED_CHECKS="mypy,ruff check")[1]
    assert "mypy, ruff check" in output.splitlines()[-2]
    assert "checks that failed" not in run(tmp_path, text)[1]
