"""Closed-loop runs are drawn into the report, if one is wanted."""

from collections.abc import Iterator

import pytest

from tests.report import Show

from .charts import chart
from .closed_loop import STARTED


@pytest.fixture(autouse=True)
def _drawn(draw: Show | None) -> Iterator[None]:
    """Draw every loop that a test has run for a while."""
    STARTED.clear()
    yield
    if draw is None:
        return
    for number, loop in enumerate(STARTED):
        if len(loop.samples) > 30:
            name = "" if len(STARTED) == 1 else f"({number + 1})"
            draw(name, chart(loop, name))
    STARTED.clear()
