"""The stored form of programmes: which entities they follow."""

from types import MappingProxyType

from homeassistant.config_entries import ConfigSubentry

from custom_components.netflex.entry_programme import (
    followed_entities,
    mode_data,
    programmes,
)
from custom_components.netflex.model.programme import (
    CurvePoint,
    Hold,
    ImbalanceChase,
    ModeEntry,
    PeakApproach,
    ProgrammeMode,
    TimedPrice,
)
from custom_components.netflex.model.schedule import Schedule

from . import sites


def follows(name: str) -> Schedule:
    return Schedule(entity=name)


def test_every_entity_that_a_programme_names_is_followed() -> None:
    chase = ImbalanceChase(
        charge_curve=(CurvePoint(price=0.0, charge=50.0),),
        discharge_curve=(CurvePoint(price=0.0, charge=60.0),),
        import_rates=(
            TimedPrice(value=10.0),
            TimedPrice(value=5.0, schedule=follows("schedule.day_rate")),
        ),
        export_rates=(TimedPrice(value=1.0, schedule=follows("schedule.feed_in")),),
        default_prices=(TimedPrice(value=80.0, schedule=follows("calendar.guess")),),
    )
    approach = PeakApproach(
        peak=follows("schedule.peak"),
        force_charge=50.0,
        encourage_charge=80.0,
        assumed_power=1000.0,
    )
    entries = (
        ModeEntry(mode=ProgrammeMode.IMBALANCE_CHASE, parameters=chase),
        ModeEntry(mode=ProgrammeMode.PEAK_APPROACH, parameters=approach),
        ModeEntry(
            mode=ProgrammeMode.HOLD, parameters=Hold(), schedule=follows("switch.away")
        ),
    )
    modes = [
        ConfigSubentry(
            data=MappingProxyType(mode_data(entry, [], number)),
            subentry_type="battery_mode",
            title=str(number),
            unique_id=None,
        )
        for number, entry in enumerate(entries)
    ]
    battery = ConfigSubentry(
        data=MappingProxyType(sites.BATTERY),
        subentry_type="battery",
        title="Battery",
        unique_id=None,
    )
    assert followed_entities(programmes(modes, [battery])) == {
        "schedule.day_rate",
        "schedule.feed_in",
        "calendar.guess",
        "schedule.peak",
        "switch.away",
    }
