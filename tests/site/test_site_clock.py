"""What is announced stands while it is about the same."""

from datetime import UTC, datetime, timedelta

from custom_components.netflex.site.site_clock import SiteClock

NOW = datetime(2026, 11, 28, 12, 0, 0, 400_000, tzinfo=UTC)


def test_an_announcement_is_a_whole_second_and_does_not_tremble() -> None:
    passed = 0.0
    clock = SiteClock(lambda: 100.0 + passed, lambda: NOW + timedelta(seconds=passed))
    assert clock.announced(None, None) is None
    first = clock.announced(130.0, None)
    assert first == datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)
    passed = 10.0
    assert clock.announced(131.5, first) is first
    assert clock.announced(140.0, first) == first + timedelta(seconds=10)
    assert clock.announced(None, first) is None
