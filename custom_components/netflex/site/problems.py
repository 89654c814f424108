"""What a user must know or do, found in the view of a site."""

from collections.abc import Iterable, Iterator, Mapping

from ..control.stops import Weakness, WeakStop
from ..devices.metered_charger import MeterStatus
from ..metering.p1_shared import SHARE_PROBLEM
from ..model.phrase import Phrase
from ..model.plan import Compliance, Escalation, Infeasible
from ..model.reading import BreakerState
from .quality_problems import quality_problems
from .view import MeterView, SiteProblem, SiteView


def find_problems(
    view: SiteView,
    *,
    names: Mapping[str, str],
    station: Mapping[str, str],
    inputs: Mapping[str, str],
    writing: Mapping[str, str],
    weak: Iterable[WeakStop],
    decision: str | None,
    loop_endangers: bool = False,
    synchronised: bool = True,
) -> tuple[SiteProblem, ...]:
    """Return the problems of a site, each with its cause in a user's words.

    `names` are the assets' names by id, `station` the station's own problems by
    key, `inputs` what silent inputs of local stops mean by input, `writing` why a
    device takes no setpoint by the device's name, `weak` what a stop could not be
    relied on for (S12), `decision` why the newest one failed, `loop_endangers` whether
    the loop is held up so often that reactions suffer, `synchronised` whether the clock
    may be relied on.
    """
    problems = [
        SiteProblem(key=key, subject="station", text=text)
        for key, text in sorted(station.items())
    ]
    if view.link.problem is not None:
        problems.append(
            SiteProblem(
                key="station_not_listening", subject="station", text=view.link.problem
            )
        )
    if (client := view.link.last_refused_client) is not None:
        problems.append(
            SiteProblem(
                key="new_client",
                subject=client,
                text=Phrase(
                    "client_refused",
                    "{client} tried to connect and is not an allowed client",
                    client=client,
                ),
            )
        )
    problems.extend(
        SiteProblem(key="local_stop_input_silent", subject=entity_id, text=text)
        for entity_id, text in sorted(inputs.items())
    )
    problems.extend(
        SiteProblem(key="device_not_told", subject=name, text=text)
        for name, text in sorted(writing.items())
    )
    problems.extend(_asset_problems(view, names))
    problems.extend(_meter_problems(view))
    problems.extend(_weak(item, names) for item in weak)
    problems.extend(_stop_problems(view, names))
    problems.extend(_virtual_meters(view))
    problems.extend(quality_problems(view.quality))
    if not synchronised:
        problems.append(
            SiteProblem(
                key="clock_not_synchronised",
                subject="site",
                text=Phrase(
                    "clocks_differ",
                    "Our clock and the meter's differ by more than five minutes",
                ),
            )
        )
    if decision is not None:
        problems.append(
            SiteProblem(key="decision_failed", subject="site", text=decision)
        )
    if loop_endangers:
        seconds = view.loop_lag or 0.0
        problems.append(
            SiteProblem(
                key="loop_held_up",
                subject="site",
                text=Phrase(
                    "loop_lag",
                    "At worst {lag} in the last minute",
                    lag=f"{seconds:.1f} s",
                ),
            )
        )
    return tuple(problems)


def shadow_problem(*, wanted: bool, shadow: bool) -> dict[str, str]:
    """Say that the site only decides, or why it does not although it is `wanted`."""
    if not wanted:
        return {}
    if shadow:
        return {
            "in_shadow": Phrase(
                "in_shadow",
                "Everything is decided and shown, nothing is written to any device or "
                "relay, local stops included",
            )
        }
    return {
        "shadow_overruled": Phrase(
            "shadow_overruled",
            "Orders of the grid operator are in force and are carried out, although "
            "the site is set to shadow",
        )
    }


_UNFOLLOWED = Phrase("unfollowed", "it does not do what it is told")

NOT_FOLLOWED_AFTER = 30.0
"""s that an asset may take to do what it is told before somebody is asked to look."""


FALLBACK_SOON = 5.0
"""s before a device falls back in which its setpoint should long have been renewed."""


def _asset_problems(view: SiteView, names: Mapping[str, str]) -> Iterator[SiteProblem]:
    """Yield what the assets do with what they are told."""
    for asset_id, state in sorted(view.states.items()):
        name = names.get(asset_id, asset_id)
        if state.contested:
            yield SiteProblem(
                key="two_controllers",
                subject=asset_id,
                text=Phrase(
                    "contested", "Something else changes what {name} is told", name=name
                ),
            )
        elif state.available and state.unfollowed > NOT_FOLLOWED_AFTER:
            yield SiteProblem(
                key="setpoint_not_followed",
                subject=asset_id,
                text=Phrase(
                    "subject_problem",
                    "{name}: {problem}",
                    name=name,
                    problem=state.problem or _UNFOLLOWED,
                ),
            )
        left = state.fallback_in
        if state.available and left is not None and left < FALLBACK_SOON:
            yield SiteProblem(
                key="falls_back",
                subject=asset_id,
                text=Phrase(
                    "falls_back",
                    "{name} falls back by itself in {left}: what it is told is not "
                    "renewed in time",
                    name=name,
                    left=f"{left:.0f} s",
                ),
            )
        if state.writes_left == 0:
            yield SiteProblem(
                key="write_budget_spent",
                subject=asset_id,
                text=Phrase(
                    "writes_spent",
                    "The memory of {name} may not be written more often today",
                    name=name,
                ),
            )


SILENCE = frozenset(
    {
        "no_data",
        "not_p1",
        "encrypted",
        "not_s1",
        "damaged",
        "unknown_format",
        "not_dlms",
        "key_missing",
        "key_wrong",
    }
)
"""Why a meter is silent, where the remedy is a text of its own."""


def _meter_problems(view: SiteView) -> list[SiteProblem]:
    """Say what is wrong with the meters, and that nothing measures the connection."""
    problems = []
    if view.site_meter is None:
        problems.append(
            SiteProblem(
                key="no_site_meter",
                subject="site",
                text=Phrase(
                    "no_site_meter", "No meter of the connection point is configured"
                ),
            )
        )
    if (switch := view.meter_switch) is not None:
        used = view.meters[switch.used].name
        problems.append(
            SiteProblem(
                key="meter_replaced",
                subject=switch.preferred,
                text=Phrase(
                    "meter_replaced",
                    "{meter} measures the connection point instead. {reason}",
                    meter=used,
                    reason=switch.reason,
                ),
            )
        )
    for meter in view.meters.values():
        problems.extend(_problems_of(meter, is_used=meter.meter_id == view.site_meter))
    return problems


def _problems_of(meter: MeterView, *, is_used: bool) -> list[SiteProblem]:
    """Name what is wrong with one meter."""
    found: list[tuple[str, str]] = []
    if not meter.available and meter.problem is not None:
        generic = "site_meter_silent" if is_used else "meter_silent"
        known = meter.problem_key in SILENCE
        found.append(
            (f"meter_{meter.problem_key}" if known else generic, meter.problem)
        )
    if meter.available:
        found.extend((finding.key, finding.text) for finding in meter.findings)
        found.extend(_said_by(meter))
    if (text := meter.details.get(SHARE_PROBLEM)) is not None:
        found.append(("share_failed", str(text)))
    return [
        SiteProblem(key=key, subject=meter.meter_id, text=text) for key, text in found
    ]


_BREAKER = {
    BreakerState.DISCONNECTED: Phrase("breaker_disconnected", "disconnected"),
    BreakerState.READY: Phrase("breaker_ready", "ready for reconnection"),
}


def _said_by(meter: MeterView) -> Iterator[tuple[str, str]]:
    """Yield what a smart meter says that bounds the site."""
    if (reading := meter.reading) is None:
        return
    if reading.breaker not in {None, BreakerState.CONNECTED}:
        yield (
            "breaker_open",
            Phrase(
                "breaker_open",
                "The meter reports its breaker as {breaker}",
                breaker=_BREAKER[reading.breaker],
            ),
        )
    if reading.power_threshold is not None:
        yield (
            "meter_threshold",
            Phrase(
                "meter_power_threshold",
                "The meter disconnects above {power}",
                power=f"{reading.power_threshold / 1000:.3g} kW",
            ),
        )
    if reading.fuse_threshold is not None:
        yield (
            "meter_fuse_threshold",
            Phrase(
                "meter_cuts_off",
                "The meter cuts off above {current} per line",
                current=f"{reading.fuse_threshold:.3g} A",
            ),
        )


def _stop_problems(view: SiteView, names: Mapping[str, str]) -> list[SiteProblem]:
    """Name what a stop does not reach, and limits that cannot be met."""
    if view.plan is None:
        return []
    problems = [
        SiteProblem(
            key="asset_not_stopped",
            subject=asset_id,
            text=Phrase(
                "not_reached",
                "{name} is not reached by the stop in force",
                name=names.get(asset_id, asset_id),
            ),
        )
        for asset_id in view.plan.uncontrolled
    ]
    problems.extend(_infeasible(item) for item in view.plan.infeasible)
    problems.extend(
        SiteProblem(
            key=item.key,
            subject=names.get(item.subject, item.subject),
            text=item.text,
        )
        for item in view.plan.alarms
    )
    for item in view.plan.compliance:
        problems.extend(_not_kept(item, names))
    return problems


def _not_kept(item: Compliance, names: Mapping[str, str]) -> Iterator[SiteProblem]:
    """Say what was done about an order that is not kept, and that nothing helped."""
    for output in item.outputs:
        yield SiteProblem(
            key="cut_off_by_relay",
            subject=output,
            text=Phrase(
                "relay_acts",
                "{relay} acts since this was not kept: {limit}",
                relay=names.get(output, output),
                limit=item.limit.cause.text,
            ),
        )
    if item.level is Escalation.REPAIR:
        yield SiteProblem(
            key="limit_not_kept",
            subject=item.name,
            text=Phrase(
                "exceeded",
                "{limit}. It is exceeded by {power}",
                limit=item.limit.cause.text,
                power=f"{item.worst:.0f} W",
            ),
        )


def _virtual_meters(view: SiteView) -> Iterator[SiteProblem]:
    """Yield what chargers that balance themselves have gone without for too long."""
    for meter in view.virtual_meters.values():
        if meter.status is MeterStatus.ERROR and meter.problem is not None:
            yield SiteProblem(
                key="virtual_meter_failed", subject=meter.meter_id, text=meter.problem
            )


def _infeasible(item: Infeasible) -> SiteProblem:
    return SiteProblem(
        key="limit_infeasible",
        subject=item.limit.cause.key,
        text=Phrase(
            "limit_missing",
            "{limit}: {missing} missing",
            limit=item.limit.cause.text,
            missing=f"{item.missing:.0f} {item.limit.quantity.unit}",
        ),
    )


def _weak(item: WeakStop, names: Mapping[str, str]) -> SiteProblem:
    """Name an asset that a stop does not reach, or not for good (S12)."""
    name = names.get(item.asset_id, item.asset_id)
    if item.weakness is Weakness.NOT_STOPPED:
        return SiteProblem(
            key="stop_not_possible",
            subject=item.asset_id,
            text=Phrase(
                f"nothing_stops_{item.direction}",
                f"Nothing stops the {item.direction} of {{name}}",
                name=name,
            ),
        )
    return SiteProblem(
        key="stop_not_kept",
        subject=item.asset_id,
        text=Phrase(
            f"stop_ends_{item.direction}",
            f"A stop of {{name}} has to be refreshed: its {item.direction} would "
            "return by itself while Home Assistant is down",
            name=name,
        ),
    )
