"""How limits are held, chosen in the options and shown by entities and repairs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from homeassistant.core import HomeAssistant, State
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_site import site_config
from custom_components.netflex.model.plan import (
    SITE,
    Compliance,
    ComplianceState,
    Escalation,
    Infeasible,
    Limit,
    Problem,
    Quantity,
    ReactivePlan,
    Source,
)
from custom_components.netflex.model.snapshot import Sharing
from custom_components.netflex.site.config import DEFAULT_RULES, SiteRules
from custom_components.netflex.site.problems import find_problems
from custom_components.netflex.site.view import SiteView
from custom_components.netflex.site_options import shown_rules, site_rules

from . import sites
from .fakes import NOW, ORDERED, FakeSite, full_view
from .translations import assert_result_is_translated

LIMIT = Limit(
    scope=SITE,
    quantity=Quantity.IMPORT,
    value=18_000.0,
    source=Source.GRID_OPERATOR,
    cause=ORDERED,
    since=NOW,
)


def violated(**changes: Any) -> Compliance:
    return replace(
        Compliance(
            name="maxsetp",
            limit=LIMIT,
            ordered_at=NOW,
            state=ComplianceState.VIOLATED,
            level=Escalation.REPAIR,
            measured=21_000.0,
            seconds=42.0,
            violations=2,
            violation_seconds=310.0,
            worst=3500.0,
            outputs=(sites.RELAY_ID,),
        ),
        **changes,
    )


def with_plan(view: SiteView, **changes: Any) -> dict[str, Any]:
    assert view.plan is not None
    return {"plan": replace(view.plan, **changes)}


async def test_each_direction_shows_how_its_orders_are_kept(
    hass: HomeAssistant,
    all_enabled: None,
    entry: MockConfigEntry,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
) -> None:
    def value(hass: HomeAssistant, key: str) -> State:
        registry = er.async_get(hass)
        unique_id = f"{entry.entry_id}_{key}"
        found = registry.async_get_entity_id("sensor", DOMAIN, unique_id)
        assert found is not None, key
        state = hass.states.get(found)
        assert state is not None
        return state

    assert value(hass, "compliance_consumption").state == "no_order"
    await show(
        **with_plan(
            site.view,
            compliance=(violated(),),
            infeasible=(
                Infeasible(limit=LIMIT, missing=1200.0, problem=Problem.UNCONTROLLABLE),
            ),
        )
    )
    shown = value(hass, "compliance_consumption")
    assert shown.state == "violated"
    assert shown.attributes["orders"][0]["step"] == "repair"
    assert shown.attributes["orders"][0]["worst"] == 3500.0
    assert value(hass, "time_to_comply_consumption").state == "42.0"
    assert value(hass, "violation_time_consumption").state == "310.0"
    assert float(value(hass, "missing_consumption").state) == 1.2
    assert value(hass, "compliance_production").state == "no_order"
    assert float(value(hass, "missing_production").state) == 0.0


@pytest.mark.parametrize(
    ("band", "shown"),
    [
        (None, "0.0"),
        (ReactivePlan(low=-500.0, high=500.0, told=-1500.0, missing=7000.0), "7000.0"),
        (ReactivePlan(low=-500.0, high=500.0, told=0.0, known=False), "unknown"),
    ],
    ids=["no band", "out of reach", "not measured"],
)
async def test_reactive_power_that_nothing_can_give_has_a_sensor(
    hass: HomeAssistant,
    all_enabled: None,
    entry: MockConfigEntry,
    site: FakeSite,
    show: Callable[..., Awaitable[None]],
    band: ReactivePlan | None,
    shown: str,
) -> None:
    await show(**with_plan(site.view, reactive=band))

    unique_id = f"{entry.entry_id}_missing_reactive_power"
    found = er.async_get(hass).async_get_entity_id("sensor", DOMAIN, unique_id)
    assert found is not None
    state = hass.states.get(found)
    assert state is not None
    assert state.state == shown
    assert state.attributes["unit_of_measurement"] == "var"


def test_what_was_done_and_what_did_not_help_are_repairs() -> None:
    view = full_view()
    view = replace(view, **with_plan(view, compliance=(violated(),)))
    found = find_problems(
        view,
        names={sites.RELAY_ID: "Emergency relay"},
        station={},
        inputs={},
        writing={},
        weak=(),
        decision=None,
    )
    texts = {problem.key: problem.text for problem in found}
    assert "exceeded by 3500 W" in texts["limit_not_kept"]
    assert texts["cut_off_by_relay"].startswith("Emergency relay acts")


async def test_both_repairs_have_their_texts(
    hass: HomeAssistant, site: FakeSite
) -> None:
    view = replace(site.view, **with_plan(site.view, compliance=(violated(),)))
    found = find_problems(
        view, names={}, station={}, inputs={}, writing={}, weak=(), decision=None
    )
    site.show(problems=found)
    await hass.async_block_till_done()
    keys = {issue.translation_key for issue in ir.async_get(hass).issues.values()}
    assert {"limit_not_kept", "cut_off_by_relay"} <= keys


# ---------------------------------------------------------------------------- options

FORM: dict[str, Any] = {
    "hold_contract": True,
    "asset_sharing": "asset",
    "margin": 2,
    "ramp": 500,
    "safe_delay": 10,
    "rebound": 6000,
    "deadline": 120,
    "tolerance": 5,
    "band": 250,
    "samples": 3,
    "escalation": {
        "relay_allowed": True,
        "retry": 30,
        "tighten": 0,
        "open_loop": 90,
        "relay": 120,
        "repair": 600,
        "calm": 90,
        "relay_back": 1800,
    },
}


@pytest.fixture
async def limits(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    no_entities: None,
    faked: Callable[[], FakeSite],
) -> Callable[[], Any]:
    """Return what opens the form of a site that is set up."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)

    async def begin() -> Any:
        menu = await hass.config_entries.options.async_init(entry.entry_id)
        result = await hass.config_entries.options.async_configure(
            menu["flow_id"], {"next_step_id": "limits"}
        )
        assert_result_is_translated(result, "options")
        return result

    return begin


async def test_the_rules_are_chosen_in_the_options(
    hass: HomeAssistant, entry: MockConfigEntry, limits: Callable[[], Any]
) -> None:
    form = await limits()
    result = await hass.config_entries.options.async_configure(form["flow_id"], FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    rules = site_config(entry).rules
    assert rules.sharing is Sharing.ASSET
    assert (rules.tolerance, rules.ramp_up, rules.safe_delay) == (0.02, 500.0, 10.0)
    assert rules.rebound == 6000.0
    assert rules.hold_contract
    compliance = rules.compliance
    assert compliance.relay_allowed
    assert (compliance.tolerance, compliance.band, compliance.samples) == (
        0.05,
        250.0,
        3,
    )
    # 0 leaves a step out.
    assert compliance.tighten is None
    assert (compliance.retry, compliance.relay, compliance.repair) == (30, 120, 600)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"margin": -1}, {"margin": "limit_out_of_range"}),
        ({"margin": 51}, {"margin": "limit_out_of_range"}),
        ({"samples": 1}, {"samples": "samples_too_few"}),
        ({"escalation": {"retry": -5}}, {"base": "limit_out_of_range"}),
        ({"escalation": {"relay": 10}}, {"base": "steps_out_of_order"}),
    ],
)
async def test_what_cannot_be_is_said_and_can_be_mended(
    hass: HomeAssistant,
    limits: Callable[[], Any],
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await limits()
    steps = FORM["escalation"] | changes.get("escalation", {})
    result = await hass.config_entries.options.async_configure(
        form["flow_id"], {**FORM, **changes, "escalation": steps}
    )
    assert_result_is_translated(result, "options")
    assert result["errors"] == errors
    result = await hass.config_entries.options.async_configure(form["flow_id"], FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY


def test_what_is_shown_is_what_is_stored() -> None:
    assert site_rules({}) == DEFAULT_RULES
    assert site_rules(shown_rules(DEFAULT_RULES)) == DEFAULT_RULES
    rules = SiteRules(
        sharing=Sharing.CATEGORY,
        ramp_up=20.0,
        safe_delay=0.0,
        rebound=900.0,
        hold_contract=True,
    )
    assert site_rules(shown_rules(rules)) == rules
