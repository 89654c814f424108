"""`--report DIR`: what tests have to show, as pages without anything from outside."""

from collections.abc import Callable
from html import escape
from pathlib import Path
import re

import pytest

_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
h2 { margin: 2em 0 .2em; font-size: 1.1em } p { margin: .2em 0 .6em; color: #555 }
svg { max-width: 100%; height: auto }
"""

type Show = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--report",
        metavar="DIR",
        help="draw the closed-loop runs into DIR/closed-loop.html",
    )


def _folder(config: pytest.Config) -> Path | None:
    named = config.getoption("--report")
    return None if named is None else Path(named)


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Show | None:
    """Return what keeps a test's drawing; None where no report is wanted."""
    folder = _folder(request.config)
    if folder is None:
        return None
    text = (request.function.__doc__ or "").strip()

    def keep(name: str, svg: str) -> None:
        parts = folder / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        title = f"{request.node.name} {name}".strip()
        file = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{request.path.stem}-{title}")
        page = f"<h2>{escape(title)}</h2>\n<p>{escape(text)}</p>\n{svg}\n"
        (parts / f"{file[:150]}.html").write_text(page, encoding="utf-8")

    return keep


def pytest_configure(config: pytest.Config) -> None:
    """Forget what an earlier run has drawn."""
    folder = _folder(config)
    if folder is None or hasattr(config, "workerinput"):
        return
    for part in (folder / "parts").glob("*.html"):
        part.unlink()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Bring the parts of all workers into one page."""
    folder = _folder(session.config)
    if folder is None or hasattr(session.config, "workerinput"):
        return
    parts = sorted((folder / "parts").glob("*.html"))
    body = "".join(part.read_text(encoding="utf-8") for part in parts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "closed-loop.html").write_text(
        "<!doctype html><meta charset='utf-8'><title>Closed loop</title>"
        f"<style>{_STYLE}</style><h1>The decision in closed loop</h1>\n{body}",
        encoding="utf-8",
    )
