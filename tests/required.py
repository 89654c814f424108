"""Which tests need something that a machine may lack, and what a skip of them means.

On a developer's machine such a test is skipped and named at the end of the run. In CI
everything is installed, so there a skip is a failure.
"""

from collections import Counter
from collections.abc import Generator
from importlib import import_module
import os
from pathlib import Path
import shutil

import pytest

REQUIRED_IN_CI = ("peer", "browser", "lib60870")

_ROOT = Path(__file__).parent.parent
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """Return the interpreter that has c104, an independent IEC 104 stack."""
    python = _ROOT / ".venv-peers" / "bin" / "python"
    if not (python.parent.parent / ".complete").exists():
        pytest.skip("c104 is not installed: scripts/setup says why")
    return python


@pytest.fixture(scope="session")
def lib60870() -> None:
    """Need the second IEC 104 engine in this very environment."""
    try:
        import_module("c104")
    except ImportError:
        pytest.skip("c104 is not installed for this Python: scripts/setup --ci")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the browser that playwright drives."""
    for name in _CHROMIUM_NAMES:
        if path := shutil.which(name):
            return Path(path)
    pytest.skip("Chromium is not installed: scripts/setup --ci, as root")


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """Return the MQTT broker, which Debian keeps out of a user's search path."""
    if path := shutil.which("mosquitto", path=f"{os.environ.get('PATH')}:/usr/sbin"):
        return Path(path)
    pytest.skip("mosquitto is not installed: scripts/setup --ci, as root")


@pytest.fixture(scope="session")
def postgresql() -> Path:
    """Return the folder of PostgreSQL's server programs, the newest that there is."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(versions, key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    if path := shutil.which("postgres"):
        return Path(path).parent
    pytest.skip("PostgreSQL is not installed: scripts/setup --ci, as root")


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = any(item.get_closest_marker(name) for name in REQUIRED_IN_CI)
    if required and report.skipped and not hasattr(report, "wasxfail") and _in_ci():
        report.outcome = "failed"
        report.longrepr = f"skipped, but required in CI: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skips = Counter(
        _reason(report) for report in terminalreporter.stats.get("skipped", [])
    )
    if skips:
        terminalreporter.section("skipped")
        for reason, count in sorted(skips.items()):
            terminalreporter.line(f"{count} x {reason}")
    # Set by scripts/test: what failed before the tests must not scroll away.
    if failed := os.environ.get("NETFLEX_FAILED_CHECKS"):
        terminalreporter.section("checks that failed before the tests", red=True)
        terminalreporter.line(failed.replace(",", ", "))


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)
