"""An override of the user's own: in force, shown, journalled, and over by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custom_components.netflex.model.modes import BatteryMode
from custom_components.netflex.model.snapshot import Override, UserLimits
from custom_components.netflex.site.users import UserWishes
from custom_components.netflex.telecontrol.journal_files import list_segments
from custom_components.netflex.telecontrol.journal_format import RecordKind, decode

from .bench import running


@pytest.mark.usefixtures("socket_enabled")
async def test_it_reaches_the_device_and_ends_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path / "orders") as bench:
        until = datetime.now(UTC) + timedelta(seconds=6)
        bench.site.set_user_limits(
            "battery",
            UserLimits(
                mode=BatteryMode.IDLE,
                override=Override(target_power=1500.0, until=until),
            ),
        )
        assert set(bench.site.overrides) == {"battery"}
        await bench.until(lambda: bench.plant.storage.power > 1400)
        await bench.until(lambda: not bench.site.overrides)
        assert datetime.now(UTC) >= until
        # The mode counts again, and is still the user's own.
        assert bench.site.view.user["battery"].mode is BatteryMode.IDLE
        await bench.until(lambda: abs(bench.plant.storage.power) < 100)
        journal = bench.host.journal
        assert journal is not None
        await journal.settled(2.0)
        records = [
            decode(line)
            for segment in list_segments(journal.folder)
            for line in segment.path.read_bytes().rstrip(b"\0").splitlines()
            if line
        ]
        told = [r.data["value"] for r in records if r.kind == RecordKind.OVERRIDE]
        assert told == [f"Override until {until:%Y-%m-%d %H:%M} UTC: 1.50 kW", None]


def test_what_must_be_stored_at_once() -> None:
    wishes = UserWishes(
        lambda _kind, _data: None,
        locked=frozenset({"car"}),
        overrides={"boiler": Override(switch=True)},
    )
    assert wishes.locked == {"car"}
    assert wishes.limits["boiler"].override == Override(switch=True)
    assert not wishes.put("sun", UserLimits(power=1000.0))
    assert wishes.put("sun", UserLimits(power=1000.0, locked=True))
    assert wishes.put("boiler", UserLimits())
    wishes.drop("car")
    assert wishes.locked == {"sun"}
