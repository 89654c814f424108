"""Repairs come and go with the problems of a site."""

from collections.abc import Awaitable, Callable

from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.netflex.const import DOMAIN
from custom_components.netflex.repairs import (
    POINTS_UNCONFIRMED,
    SEVERITIES,
    AllowClientFlow,
    async_create_fix_flow,
    async_sync_problems,
)
from custom_components.netflex.site.view import SiteProblem
from custom_components.netflex.telecontrol.settings import ProblemKey

from . import sites
from .fakes import FakeSite
from .translations import ENGLISH, placeholders

type Show = Callable[..., Awaitable[None]]


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


@pytest.mark.parametrize("key", [*SEVERITIES, *ProblemKey])
def test_every_problem_has_its_texts(key: str) -> None:
    assert key in SEVERITIES
    texts = ENGLISH["issues"][key]
    assert placeholders(texts["title"]) <= {"site", "subject", "text"}
    if "fix_flow" in texts:
        confirm = texts["fix_flow"]["step"]["confirm"]
        assert placeholders(confirm["title"] + confirm["description"]) <= {
            "site",
            "client",
        }
    else:
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


async def test_S08_a_new_rtu_is_let_in_from_its_repair(
    hass: HomeAssistant, site: FakeSite, entry: MockConfigEntry, show: Show
) -> None:
    assert await async_setup_component(hass, REPAIRS, {})
    refused = problem("new_client", "192.0.2.77")
    await show(problems=(refused,))
    issue = issues(hass)["new_client"]
    assert issue.is_fixable

    flow = await async_create_fix_flow(hass, issue.issue_id, issue.data)
    assert isinstance(flow, AllowClientFlow)
    flow.hass = hass
    shown = await flow.async_step_init()
    assert shown["type"] is FlowResultType.FORM
    assert shown["description_placeholders"] == {
        "site": "Bakery",
        "client": "192.0.2.77",
    }
    assert entry.data["allowed_clients"] == ["192.0.2.10"]

    done = await flow.async_step_confirm({})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.data["allowed_clients"] == ["192.0.2.10", "192.0.2.77"]
    assert entry.runtime_data.changes == 1
    # The station still names it as refused last; it is no news any more.
    await show(problems=(refused, problem("stale_order")))
    assert set(issues(hass)) == {"stale_order"}


async def test_a_client_of_a_removed_site_is_not_let_in(hass: HomeAssistant) -> None:
    flow = AllowClientFlow("gone", "192.0.2.77")
    flow.hass = hass

    result = await flow.async_step_confirm({})

    assert result["type"] is FlowResultType.ABORT
    abort = ENGLISH["issues"]["new_client"]["fix_flow"]["abort"]
    assert result["reason"] in abort


async def test_other_repairs_have_no_fix(hass: HomeAssistant) -> None:
    with pytest.raises(ValueError, match="has no fix"):
        await async_create_fix_flow(hass, "some_issue", None)
