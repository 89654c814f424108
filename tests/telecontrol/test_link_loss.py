"""The age of a lost link: which boot it belongs to, and what of it is stored."""

from pathlib import Path

import pytest

from custom_components.netflex.telecontrol.link_loss import LinkMark, SystemClock

from .bench import Clock


def test_a_boot_has_one_name() -> None:
    assert SystemClock().boot_id() == SystemClock().boot_id()
    assert SystemClock().utc().tzinfo is not None


def test_where_the_boot_has_no_name_every_start_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the wall clock counts: an age never starts anew because nobody knows."""

    def unreadable(_path: Path, encoding: str) -> str:
        raise PermissionError("no /proc")

    monkeypatch.setattr(Path, "read_text", unreadable)
    one, other = SystemClock(), SystemClock()
    assert one.boot_id() != other.boot_id()
    mark = LinkMark.now(one, connected=False, age=50.0)
    assert 50.0 <= mark.age_now(other) < 51.0


@pytest.mark.parametrize(
    "changes",
    [
        {"utc": "2026-06-01T12:00:00"},
        {"connected": 1},
        {"utc": "yesterday"},
        {"more": 1},
    ],
)
def test_a_mark_of_another_form_is_no_mark(changes: dict[str, object]) -> None:
    mark = LinkMark.now(Clock(), connected=True)
    stored = mark.to_json()
    assert LinkMark.from_json(stored) == mark
    with pytest.raises(ValueError):
        LinkMark.from_json(stored | changes)
