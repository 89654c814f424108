"""Repairs come and go with the problems of a site."""

from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.components.repairs.issue_handler import RepairsFlowManager
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.entry_site import station_settings
from custom_components.netflex.iec104.engine import Engine
from custom_components.netflex.repair_flows import FIXABLE
from custom_components.netflex.repairs import (
    ENGINE_MISSING,
    POINTS_UNCONFIRMED,
    SEVERITIES,
    async_create_fix_flow,
    async_sync_engine,
    async_sync_points,
    async_sync_problems,
)
from custom_components.netflex.simulated_entry import CONF_SIMULATION
from custom_components.netflex.site.view import SiteProblem
from custom_components.netflex.telecontrol.order_store import OrderStoreError
from custom_components.netflex.telecontrol.settings import ProblemKey
from custom_components.netflex.telecontrol_options import missing_engine

from . import sites
from .fakes import FakeSite
from .translations import ENGLISH, placeholders

type Show = Callable[..., Awaitable[None]]
type Fixes = tuple[Callable[[str], Awaitable[Any]], Callable[..., Awaitable[Any]]]


def problem(key: str, subject: str = "station", text: str = "Because") -> SiteProblem:
    return SiteProblem(key=key, subject=subject, text=text)


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Return our repairs by their translation key.

    Without the one about points, which every site here has and other tests look at.
    """
    return {
        str(issue.translation_key): issue
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.translation_key != POINTS_UNCONFIRMED
    }


_OWN_FIGURES = {
    "new_client": ("client",),
    "points_unconfirmed": ("profile",),
    "engine_missing": ("engine",),
}


@pytest.mark.parametrize(
    "key", [*SEVERITIES, *ProblemKey, POINTS_UNCONFIRMED, ENGINE_MISSING]
)
def test_every_problem_has_its_texts(key: str) -> None:
    assert key in {*SEVERITIES, POINTS_UNCONFIRMED, ENGINE_MISSING}
    texts = ENGLISH["issues"][key]
    assert placeholders(texts["title"]) <= {"site", "subject", "text"}
    if "fix_flow" in texts:
        confirm = texts["fix_flow"]["step"]["confirm"]
        given = {"site", "subject", "text", *_OWN_FIGURES.get(key, ())}
        assert placeholders(confirm["title"] + confirm["description"]) <= given
        assert key in FIXABLE
    else:
        assert key not in FIXABLE
        assert placeholders(texts["description"]) <= {"site", "subject", "text"}


async def test_a_repair_comes_and_goes_with_its_problem(
    hass: HomeAssistant, site: FakeSite, show: Show
) -> None:
    await show(problems=(problem("site_meter_silent", sites.METER_ID, "No data"),))
    issue = issues(hass)["site_meter_silent"]
    assert issue.severity is ir.IssueSeverity.ERROR
    assert not issue.is_fixable
    assert issue.translation_placeholders == {
        "site": "Bakery",
        "subject": "P1 port",
        "text": "No data",
    }

    await show(problems=(problem("station_not_listening"),))
    assert set(issues(hass)) == {"station_not_listening"}
    await show(problems=())
    assert issues(hass) == {}


async def test_the_same_problem_with_other_figures_stays_one_repair(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    for missing in ("100 missing", "200 missing"):
        async_sync_problems(
            hass, entry, [problem("limit_infeasible", "maxsetp", missing)]
        )

    assert len(ir.async_get(hass).issues) == 1
    placeholders_shown = issues(hass)["limit_infeasible"].translation_placeholders
    assert placeholders_shown is not None
    assert placeholders_shown["text"] == "200 missing"


async def test_a_problem_without_a_text_of_its_own_shows_all_the_same(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    entry.add_to_hass(hass)
    async_sync_problems(hass, entry, [problem("never_heard_of", text="Something")])

    shown = issues(hass)["other"].translation_placeholders
    assert shown is not None
    assert shown["text"] == "Something"


async def test_repairs_of_other_sites_are_left_alone(hass: HomeAssistant) -> None:
    one = MockConfigEntry(domain=DOMAIN, data=sites.SITE_DATA, entry_id="one")
    other = MockConfigEntry(domain=DOMAIN, data=sites.SITE_DATA, entry_id="other")
    async_sync_problems(hass, one, [problem("stale_order")])
    async_sync_problems(hass, other, [problem("decision_failed", "site")])

    async_sync_problems(hass, one, [])

    assert set(issues(hass)) == {"decision_failed"}


@pytest.fixture
async def fixes(hass: HomeAssistant) -> Fixes:
    """Home Assistant's own manager of the flows that fix repairs."""
    assert await async_setup_component(hass, REPAIRS, {})
    flows: RepairsFlowManager = hass.data[REPAIRS]["flow_manager"]

    async def begin(key: str) -> Any:
        issue = next(
            issue
            for issue in ir.async_get(hass).issues.values()
            if issue.translation_key == key
        )
        assert issue.is_fixable
        shown = await flows.async_init(DOMAIN, context={"issue_id": issue.issue_id})
        assert shown["type"] is FlowResultType.FORM
        confirm = ENGLISH["issues"][key]["fix_flow"]["step"]["confirm"]
        wanted = placeholders(confirm["title"] + confirm["description"])
        assert wanted <= set(shown["description_placeholders"] or {})
        return shown

    async def answer(shown: Any, **values: str) -> Any:
        return await flows.async_configure(shown["flow_id"], values)

    return begin, answer


async def test_S08_a_new_rtu_is_let_in_from_its_repair(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Show,
    fixes: Fixes,
) -> None:
    begin, answer = fixes
    refused = problem("new_client", "192.0.2.77")
    await show(problems=(refused,))
    shown = await begin("new_client")
    assert shown["description_placeholders"]["client"] == "192.0.2.77"
    assert entry.data["allowed_clients"] == ["192.0.2.10"]

    done = await answer(shown)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.data["allowed_clients"] == ["192.0.2.10", "192.0.2.77"]
    assert entry.runtime_data.changes == 1
    # The station still names it as refused last; it is no news any more.
    await show(problems=(refused, problem("decision_failed")))
    assert set(issues(hass)) == {"decision_failed"}


async def test_a_client_of_a_removed_site_is_not_let_in(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Show,
    fixes: Fixes,
) -> None:
    begin, answer = fixes
    await show(problems=(problem("new_client", "192.0.2.77"),))
    shown = await begin("new_client")
    await hass.config_entries.async_remove(entry.entry_id)
    result = await answer(shown)

    assert result["type"] is FlowResultType.ABORT
    abort = ENGLISH["issues"]["new_client"]["fix_flow"]["abort"]
    assert result["reason"] in abort


async def test_S06_orders_of_a_backup_are_released_with_who_said_so(
    hass: HomeAssistant, site: FakeSite, show: Show, fixes: Fixes
) -> None:
    begin, answer = fixes
    await show(problems=(problem("orders_restored"),))
    shown = await begin("orders_restored")
    refused = await answer(shown, name=" ", reference="Case 7")
    assert refused["errors"] == {"base": "who_and_where"}
    with patch.object(site, "release_orders", side_effect=OrderStoreError("full")):
        refused = await answer(shown, name="J. Peeters", reference="Case 7")
    assert refused["errors"] == {"base": "not_stored"}
    assert "orders_restored" in issues(hass)
    with patch.object(site, "release_orders") as release:
        done = await answer(shown, name=" J. Peeters", reference="Case 7 ")
    assert done["type"] is FlowResultType.CREATE_ENTRY
    release.assert_awaited_once_with("J. Peeters", "Case 7")
    assert issues(hass) == {}


async def test_S06_nothing_is_released_for_a_site_that_does_not_run(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Show,
    fixes: Fixes,
) -> None:
    begin, answer = fixes
    await show(problems=(problem("orders_restored"),))
    shown = await begin("orders_restored")
    await hass.config_entries.async_unload(entry.entry_id)
    result = await answer(shown, name="J. Peeters", reference="Case 7")
    assert result["reason"] == "site_not_running"


async def test_shadow_that_orders_overrule_is_turned_off(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Show,
    fixes: Fixes,
) -> None:
    begin, answer = fixes
    kept = dict(entry.options)
    hass.config_entries.async_update_entry(entry, options={**kept, "shadow": True})
    await show(problems=(problem("shadow_overruled"),))
    done = await answer(await begin("shadow_overruled"))
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == kept


async def test_the_built_in_engine_is_kept_instead_of_one_that_is_gone(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, fixes: Fixes
) -> None:
    begin, answer = fixes
    options = {"version": 1, "engine": Engine.C104.value}
    hass.config_entries.async_update_entry(entry, options=options)
    with patch(
        "custom_components.netflex.telecontrol_options.is_installed",
        lambda engine: engine is not Engine.C104,
    ):
        async_sync_engine(hass, entry)
        done = await answer(await begin(ENGINE_MISSING))
        assert done["type"] is FlowResultType.CREATE_ENTRY
        assert missing_engine(entry.options) is None
    assert ENGINE_MISSING not in issues(hass)


@pytest.mark.parametrize("enabled", [False, True])
async def test_the_built_in_engine_stands_in_for_one_that_has_no_tls(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, enabled: bool
) -> None:
    files = {name: f"/ssl/{name}.pem" for name in ("certificate", "key", "authorities")}
    options = {"version": 1, "engine": "c104", "tls": {"enabled": enabled, **files}}
    hass.config_entries.async_update_entry(entry, options=options)
    with patch(
        "custom_components.netflex.telecontrol_options.is_installed", return_value=True
    ):
        async_sync_engine(hass, entry)
        assert (ENGINE_MISSING in issues(hass)) is enabled
        if enabled:
            settings = station_settings(entry)
            assert settings is not None
            assert settings.engine is Engine.BUILTIN
            assert settings.tls is not None


async def test_a_repair_leads_to_the_options_where_it_is_done(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, fixes: Fixes
) -> None:
    begin, answer = fixes
    async_sync_points(hass, entry, client_came=True)
    done = await answer(await begin(POINTS_UNCONFIRMED))
    assert done["reason"] == "goes_on"
    kind, flow_id = done["next_flow"]
    assert kind == "options_flow"
    shown = hass.config_entries.options.async_get(flow_id)
    assert shown["handler"] == entry.entry_id
    # Nothing is settled by having opened it.
    assert ir.async_get(hass).async_get_issue(
        DOMAIN, f"{POINTS_UNCONFIRMED}_{entry.entry_id}"
    )


async def test_nobody_has_to_compare_the_points_of_a_simulated_site(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry
) -> None:
    async_sync_points(hass, entry, client_came=True)
    issue_id = f"{POINTS_UNCONFIRMED}_{entry.entry_id}"
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is not None
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_SIMULATION: {}}
    )
    async_sync_points(hass, entry, client_came=True)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None


async def test_a_repair_leads_to_the_form_of_its_meter(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    show: Show,
    fixes: Fixes,
) -> None:
    begin, answer = fixes
    wrong = problem("meter_key_wrong", sites.METER_ID)
    await show(problems=(wrong,))
    done = await answer(await begin("meter_key_wrong"))
    kind, flow_id = done["next_flow"]
    assert kind == "config_subentries_flow"
    shown = hass.config_entries.subentries.async_get(flow_id)
    assert shown["handler"] == (entry.entry_id, "meter")
    assert shown["context"]["subentry_id"] == sites.METER_ID
    assert "meter_key_wrong" in issues(hass)

    shown = await begin("meter_key_wrong")
    hass.config_entries.async_remove_subentry(entry, sites.METER_ID)
    assert (await answer(shown))["reason"] == "device_removed"


async def test_other_repairs_have_no_fix(hass: HomeAssistant) -> None:
    with pytest.raises(ValueError, match="has no fix"):
        await async_create_fix_flow(hass, "some_issue", None)
    unknown = {"entry_id": "bakery", "key": "stale_order", "subject": ""}
    with pytest.raises(KeyError):
        await async_create_fix_flow(hass, "some_issue", unknown)
