"""The cards, drawn from messages of the feed."""

import json
from typing import Any

from playwright.async_api import Page, expect
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CAUSE = {"source": "grid_operator", "text": "MAXSETP 50 % of 20.00 kW"}


def message(**changes: Any) -> dict[str, Any]:
    """Return a message of the feed in which an order limits a charger."""
    limit = {
        "scope": "site",
        "id": None,
        "quantity": "import",
        "value": 10_000.0,
        "source": "grid_operator",
        "text": "MAXSETP 50 % of 20.00 kW",
        "since": "2026-11-22T12:00:00+00:00",
    }
    return {
        "title": "Bakery",
        "connection": {"grid_type": "3N400", "main_fuse": 40.0},
        "telecontrol": True,
        "meter": {
            "id": "p1",
            "name": "P1",
            "available": True,
            "problem": None,
            "power": 4200.0,
            "currents": {"L1": 8.0, "L2": 39.5},
            "line_powers": {},
        },
        "assets": {
            "car": {
                "available": True,
                "power": 3600.0,
                "currents": {},
                "enabled": None,
                "charger_state": "charging",
                "state_of_charge": None,
                "follows": True,
                "problem": None,
                "setpoint": {
                    "kind": "current",
                    "value": 6.0,
                    "emergency": False,
                    "causes": [CAUSE],
                },
            }
        },
        "subjects": {"car": {"name": "Charger", "kind": "charger"}},
        "entities": {"car_power": "sensor.charger_power"},
        "orders": {"maxsetp": {"value": 50.0, "source": "operator", "at": "x"}},
        "local_stops": {"production": [], "consumption": []},
        "proofs": [],
        "link": {
            "listening": True,
            "connected": True,
            "client": "192.0.2.10",
            "since": "2026-11-22T12:00:00+00:00",
            "last_interrogation": None,
            "clock_offset": 0.012,
            "last_close_reason": None,
            "last_refused_client": None,
            "events_waiting": 0,
            "events_dropped": 0,
            "problem": None,
            "address": "0.0.0.0:2404",
            "points_confirmed": False,
        },
        "demand": {
            "start": "2026-11-22T12:00:00+00:00",
            "elapsed": 300.0,
            "average": 1800.0,
            "power": 3600.0,
            "forecast": 4200.0,
            "complete": True,
            "target": 4000.0,
            "headroom": 3300.0,
            "month_peak": 4000.0,
            "month_peak_at": None,
            "billed": 3850.0,
            "cost": 192.5,
        },
        "problems": [],
        "plan": {
            "metered": True,
            "stopped": [],
            "limits": [limit],
            "ordered": [limit],
            "infeasible": [],
            "headroom": {"import": 5800.0, "injection": None, "lines": {}},
            "compliance": [],
            "uncontrolled": [],
        },
        "samples": [[1e9, 4000.0, None, None], [1e9 + 5, 4200.0, 10_000.0, None]],
        "timeline": [],
    } | changes


def order(**changes: Any) -> dict[str, Any]:
    return {
        "name": "maxsetp",
        "value": 50.0,
        "source": "operator",
        "at": "2026-11-22T12:00:00+00:00",
        "accepted": True,
        "reason": None,
        "client": None,
        "applied": 0.185,
        "open": True,
        "compliance": {
            "name": "maxsetp",
            "state": "inside",
            "seconds": 4.0,
            "measured": 9000.0,
            "limit": 10_000.0,
            "outside_for": None,
            "violations": 0,
            "level": "none",
        },
    } | changes


_SHOW = """async ({ tag, language, first, refusal }) => {
  await import("/netflex.js");
  window.subscriptions = 0;
  const connection = {
    sendMessagePromise: async () => [{ entry_id: "site", title: "Bakery" }],
    subscribeMessage: async (listener, request) => {
      window.request = request;
      window.subscriptions += 1;
      window.tell = listener;
      if (refusal) throw refusal;
      listener(first);
      return () => { window.subscriptions -= 1; };
    },
  };
  const card = document.createElement(tag);
  // What Home Assistant's own dashboards set on every card.
  Object.assign(card, { preview: false, editMode: false, layout: "grid", isPanel: false });
  card.setConfig({});
  card.hass = { language, locale: { language }, config: {}, connection };
  window.card = card;
  document.body.append(card);
}"""


async def show(
    page: Page,
    tag: str,
    *,
    language: str = "en",
    refusal: dict[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Draw one card; return its first message."""
    first = message(**changes)
    given = {"tag": tag, "language": language, "first": first, "refusal": refusal}
    await page.evaluate(_SHOW, given)
    return first


async def tell(page: Page, told: dict[str, Any]) -> None:
    """Send one more message."""
    await page.evaluate("(told) => window.tell(told)", told)


async def test_site_says_what_is_bound_and_why(page: Page) -> None:
    await show(page, "netflex-site-card")
    await expect(page.get_by_text("4.2 kW").first).to_be_visible()
    await expect(page.get_by_text("Limited by the grid operator")).to_be_visible()
    charger = page.get_by_role("button", name="Charger")
    await expect(charger).to_contain_text("≤ 6.0 A")
    await expect(charger).to_contain_text("MAXSETP 50 % of 20.00 kW")
    assert "bound" in (await charger.get_attribute("class") or "")


async def test_a_line_that_nobody_measures_is_not_zero(page: Page) -> None:
    await show(page, "netflex-site-card")
    first = page.get_by_role("meter", name="Main fuse L1")
    await expect(first).to_have_attribute("aria-valuetext", "8.0 A / 40 A")
    third = page.get_by_role("meter", name="Main fuse L3")
    await expect(third).to_have_attribute("aria-valuetext", "– A / 40 A")
    assert await third.get_attribute("aria-valuenow") is None


async def test_a_limit_of_zero_is_shown_and_no_limit_is_called_none(page: Page) -> None:
    given = message()
    zero = given["plan"]["limits"][0] | {"value": 0.0, "text": "MAXSETP 0 %"}
    given["plan"]["limits"] = [zero]
    await show(page, "netflex-site-card", plan=given["plan"])
    await expect(page.get_by_text("Import limit: 0.0 kW (MAXSETP 0 %")).to_be_visible()
    await expect(page.get_by_text("Injection limit: none")).to_be_visible()


async def test_a_stale_meter_shows_no_old_figures(page: Page) -> None:
    given = message()
    meter = given["meter"] | {"available": False, "problem": "No telegram for 8 s"}
    plan = given["plan"] | {"metered": False}
    await show(page, "netflex-site-card", meter=meter, plan=plan)
    await expect(page.get_by_text("No telegram for 8 s")).to_be_visible()
    await expect(page.get_by_text("Not measured", exact=True)).to_be_visible()
    await expect(page.get_by_text("4.2 kW")).to_have_count(0)


async def test_a_stop_and_what_cannot_be_met_come_first(page: Page) -> None:
    given = message()
    missing = {
        "limit": given["plan"]["limits"][0],
        "missing": 2500.0,
        "unit": "W",
        "problem": "uncontrollable",
    }
    reactive = missing | {"missing": 7000.0, "unit": "var"}
    plan = given["plan"] | {
        "stopped": ["consumption"],
        "infeasible": [missing, reactive],
    }
    await show(page, "netflex-site-card", plan=plan)
    await expect(page.get_by_text("Emergency stop", exact=True)).to_be_visible()
    await expect(page.get_by_text("2.5 kW too much")).to_be_visible()
    await expect(page.get_by_text("7.0 kvar too much")).to_be_visible()


async def test_an_asset_opens_its_entity_by_keyboard(page: Page) -> None:
    await show(page, "netflex-site-card")
    await page.evaluate(
        """() => document.addEventListener(
            "hass-more-info", (event) => { window.opened = event.detail.entityId; })"""
    )
    await page.get_by_role("button", name="Charger").focus()
    await page.keyboard.press("Enter")
    assert await page.evaluate("window.opened") == "sensor.charger_power"


async def test_focus_survives_a_new_message(page: Page) -> None:
    await show(page, "netflex-site-card")
    await page.get_by_role("button", name="Charger").focus()
    await tell(page, {"meter": message()["meter"] | {"power": -900.0}})
    await expect(page.get_by_text("into the grid")).to_be_visible()
    focused = "window.card.shadowRoot.activeElement.getAttribute('aria-label')"
    assert "Charger" in await page.evaluate(focused)


async def test_names_are_text_never_markup(page: Page) -> None:
    name = "<img src=x onerror=window.hacked=1>"
    await show(
        page, "netflex-site-card", subjects={"car": {"name": name, "kind": "charger"}}
    )
    await expect(page.get_by_text(name)).to_be_visible()
    assert await page.evaluate("window.hacked") is None


async def test_an_order_arrives_and_its_proof_follows(page: Page) -> None:
    await show(page, "netflex-timeline-card")
    await expect(page.get_by_text("No order has arrived")).to_be_visible()
    await tell(page, {"timeline": [order(applied=None, compliance=None)]})
    row = page.get_by_role("row", name="MAXSETP")
    await expect(row).to_contain_text("50 %")
    await tell(page, {"timeline": [order()]})
    await expect(row).to_contain_text("185 ms")
    await expect(row).to_contain_text("kept, within 4.0 s")
    refused = order(accepted=False, reason="101 % is out of range", compliance=None)
    await tell(page, {"timeline": [refused]})
    await expect(row).to_contain_text("refused, 101 % is out of range")


async def test_the_chart_breaks_where_nothing_was_measured(page: Page) -> None:
    samples = [[0, 1.0], [5, 2.0], [10, None], [15, 3.0], [20, 4.0], [90, 5.0]]
    drawn = await page.evaluate(
        """async (samples) => {
          const { paths } = await import("/timeline-card.js");
          return paths(samples, (sample) => sample[1], (x, y) => [x, y]);
        }""",
        samples,
    )
    assert drawn == "M0 1 L5 2 M15 3 L20 4 M90 5"


async def test_a_quarter_that_will_be_too_high_is_red(page: Page) -> None:
    given = await show(page, "netflex-demand-card")
    forecast = page.locator("path.forecast")
    await expect(forecast).to_have_class("forecast bad")
    await expect(page.get_by_text("10 min left")).to_be_visible()
    await tell(page, {"demand": given["demand"] | {"forecast": 3000.0}})
    await expect(forecast).to_have_class("forecast")
    await tell(page, {"demand": None})
    await expect(page.get_by_text("No meter measures the quarter")).to_be_visible()


async def test_the_link_tells_who_is_connected_or_refused(page: Page) -> None:
    given = await show(page, "netflex-link-card")
    await expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    await expect(page.get_by_text("192.0.2.10")).to_be_visible()
    link = given["link"] | {
        "connected": False,
        "last_close_reason": "t1 ran out",
        "last_refused_client": "192.0.2.66",
    }
    await tell(page, {"link": link})
    await expect(page.get_by_text("Waits for the operator")).to_be_visible()
    await expect(page.get_by_text("t1 ran out")).to_be_visible()
    await expect(page.get_by_text("192.0.2.66 tried to connect")).to_be_visible()


async def test_two_cards_share_a_subscription_and_leave_it(page: Page) -> None:
    await show(page, "netflex-site-card")
    await page.evaluate(
        """() => {
          const other = document.createElement("netflex-link-card");
          other.setConfig({});
          other.hass = window.card.hass;
          document.body.append(other);
          window.other = other;
        }"""
    )
    await expect(page.get_by_text("192.0.2.10")).to_be_visible()
    assert await page.evaluate("window.subscriptions") == 1
    await page.evaluate("() => { window.card.remove(); window.other.remove(); }")
    await page.wait_for_function("window.subscriptions === 0")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("not_loaded", "Deze site draait niet"),
        ("not_found", "Deze site is er niet meer"),
        ("unknown_error", "Something else"),
    ],
)
async def test_why_a_site_cannot_be_followed_is_said_in_the_users_language(
    page: Page, code: str, said: str
) -> None:
    refusal = {"code": code, "message": "Something else"}
    await show(page, "netflex-site-card", language="nl", refusal=refusal)
    await expect(page.get_by_text(said)).to_be_visible()


async def test_a_site_that_stopped_is_said_instead_of_old_figures(page: Page) -> None:
    await show(page, "netflex-site-card")
    await tell(page, {"unloaded": True})
    await expect(page.get_by_text("The site is being started again")).to_be_visible()
    await expect(page.get_by_text("4.2 kW")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("nl", "Beperkt door de netbeheerder"),
        ("fr", "Limité par le gestionnaire de réseau"),
        ("de", "Vom Netzbetreiber begrenzt"),
        ("pt", "Limited by the grid operator"),
    ],
)
async def test_cards_speak_the_users_language(
    page: Page, language: str, text: str
) -> None:
    await show(page, "netflex-site-card", language=language)
    await expect(page.get_by_text(text)).to_be_visible()


async def test_every_language_says_everything_in_its_own_words(page: Page) -> None:
    languages: dict[str, dict[str, str]] = json.loads(
        await page.evaluate(
            """async () => JSON.stringify((await import("/strings.js")).LANGUAGES)"""
        )
    )
    english = languages.pop("en")
    assert set(languages) == {"nl", "fr", "de"}
    alike = {"order_test", "q_local"}
    own = {"nl": {"bound_contract"}}
    for language, texts in languages.items():
        assert set(texts) == set(english), language
        same = {key for key in english if texts[key] == english[key]}
        assert same - alike - own.get(language, set()) == set(), language
        for key, text in english.items():
            assert text.count("{") == texts[key].count("{"), (language, key)


def economy(**changes: Any) -> dict[str, Any]:
    """Return programmes, prices and dispatch as the feed tells them."""
    return {
        "programmes": {
            "battery": {
                "followed": True,
                "active": "charge_to",
                "effective": "self_consumption",
                "wish": -1500.0,
                "constraints": ["grid_operator", "state_of_energy"],
                "inactive": [{"mode": "imbalance_chase", "text": "no imbalance"}],
                "preview": [
                    {
                        "start": "2026-11-28T10:00:00+00:00",
                        "end": "2026-11-28T22:00:00+00:00",
                        "modes": ["charge_to", "self_consumption"],
                    },
                    {
                        "start": "2026-11-28T22:00:00+00:00",
                        "end": "2026-11-30T10:00:00+00:00",
                        "modes": ["self_consumption"],
                    },
                ],
            }
        },
        "import_price": 0.2315,
        "export_price": None,
        "import_prices": [],
        "imbalance": {"price": 190.4, "volume": 143.9, "quality": "x", "start": "x"},
        "dispatches": [
            {
                "source": "Axle",
                "action": "discharge_max",
                "power": None,
                "start": "2026-11-28T10:00:00+00:00",
                "end": "2026-11-28T11:00:00+00:00",
                "active": True,
            }
        ],
        "proofs": [
            {
                "source": "Axle",
                "action": "discharge_max",
                "start": "2026-11-27T10:00:00+00:00",
                "end": "2026-11-27T11:00:00+00:00",
                "delivered": None,
                "baseline": None,
            }
        ],
    } | changes


async def test_the_programme_card_says_what_is_active_what_binds_and_what_comes(
    page: Page,
) -> None:
    subjects = {"battery": {"name": "Cellar", "kind": "battery"}}
    await show(
        page,
        "netflex-programme-card",
        economy=economy(),
        currency="EUR",
        subjects=subjects,
    )
    await expect(page.get_by_text("Cellar")).to_be_visible()
    for text in (
        "0.2315 EUR/kWh",
        "190.40 EUR/MWh, 144 MW short",
        "grid operator",
        "Imbalance chase: no imbalance",
        "Axle: discharge with all it can",
        "Axle: no proof",
    ):
        await expect(page.get_by_text(text)).to_be_visible()
    chart = page.get_by_role("img", name="The coming 48 hours")
    await expect(chart).to_be_visible()
    bars = await chart.locator("rect").evaluate_all(
        "bars => bars.map((bar) => [bar.getAttribute('x'), bar.getAttribute('width')])"
    )
    assert bars == [["0", "120"], ["0", "480"]]


async def test_the_programme_card_of_a_site_without_one_says_so(page: Page) -> None:
    await show(page, "netflex-programme-card", economy=None, currency="EUR")
    await expect(page.get_by_text("No battery has a programme")).to_be_visible()


async def test_the_dashboard_has_what_the_site_has_and_nothing_else(page: Page) -> None:
    site = {
        "entry_id": "01ABC",
        "title": "Bakery",
        "telecontrol": False,
        "demand": True,
        "economy": True,
        "subjects": {
            "car": {"name": "Charger", "kind": "charger"},
            "bare": {"name": "Nothing to show", "kind": "load"},
        },
        "entities": {"car_power": "sensor.charger_power"},
    }
    made = await page.evaluate(
        """async (sites) => {
          const { dashboard } = await import("/strategy.js");
          const twins = [...sites, { ...sites[0], entry_id: "01DEF", title: "Mill" }];
          return [dashboard(sites, "en"), dashboard([], "en"), dashboard(twins, "en")];
        }""",
        [site],
    )
    # Icons are enough for one site only.
    assert not any("show_icon_and_title" in view for view in made[0]["views"])
    assert [
        view["title"] for view in made[2]["views"] if view["show_icon_and_title"]
    ] == [
        "Bakery",
        "Bakery: At home",
        "Mill",
        "Mill: At home",
    ]
    view, house = made[0]["views"]
    assert house["path"] == "house-01abc"
    (section,) = house["sections"]
    assert [card["type"] for card in section["cards"]] == ["custom:netflex-house-card"]
    cards = [card for section in view["sections"] for card in section["cards"]]
    types = [card["type"] for card in cards]
    assert "custom:netflex-site-card" in types
    assert "custom:netflex-demand-card" in types
    assert "custom:netflex-programme-card" in types
    assert "custom:netflex-link-card" not in types
    assert "custom:netflex-timeline-card" not in types
    headings = [card["heading"] for card in cards if card["type"] == "heading"]
    assert headings == ["Charger"]
    assert "No Netflex site" in made[1]["views"][0]["cards"][0]["content"]


def heated(**changes: Any) -> dict[str, Any]:
    """Return what changes of a site whose boiler a broker holds back."""
    cause = {
        "source": "dispatch",
        "key": "remote_hold",
        "text": "broker.example holds it back since 17:00",
    }
    boiler = message()["assets"]["car"] | {
        "charger_state": None,
        "setpoint": {
            "kind": "switch",
            "value": 0.0,
            "emergency": False,
            "causes": [cause | changes.pop("cause", {})],
        },
    }
    house = {
        "temperature": 48.5,
        "held_until": "2026-11-22T18:30:00+00:00",
        "override_until": None,
    }
    return {
        "assets": {"boiler": boiler},
        "subjects": {
            "boiler": {
                "name": "Boiler",
                "kind": "load",
                "device_id": "d1",
                "comfort_low": 45.0,
                "comfort_high": 65.0,
            }
        },
        "house": {"boiler": house | changes},
    }


async def test_a_house_is_told_what_is_held_back_why_and_until_when(page: Page) -> None:
    await show(page, "netflex-house-card", **heated())
    await expect(page.get_by_text("Boiler is held back now.")).to_be_visible()
    row = page.get_by_role("listitem")
    await expect(row).to_contain_text("broker.example holds it back since 17:00")
    await expect(row).to_contain_text("Until ")
    await expect(row).to_contain_text("48.5 °C now: 3.5 °C above the 45.0 °C")
    await expect(
        page.get_by_text("The highest quarter hour was 4.0 kW")
    ).to_be_visible()


async def test_not_now_is_one_button_and_can_be_taken_back(page: Page) -> None:
    await show(page, "netflex-house-card", **heated())
    await page.evaluate(
        """() => {
          window.calls = [];
          window.card.hass = { ...window.card.hass,
            callService: async (...call) => { window.calls.push(call); } };
        }"""
    )
    await page.get_by_role("button", name="Boiler: Not now (2 h)").click()
    granted = heated(override_until="2026-11-22T19:30:00+00:00")
    granted["assets"]["boiler"]["setpoint"] = {
        "kind": "switch",
        "value": 1.0,
        "emergency": False,
        "causes": [],
    }
    await tell(page, granted)
    await expect(page.get_by_text("Nothing is held back now.")).to_be_visible()
    await expect(page.get_by_text("runs because you asked for it")).to_be_visible()
    await page.get_by_role("button", name="Boiler: Take it back").click()
    assert await page.evaluate("window.calls") == [
        [
            "netflex",
            "set_override",
            {"device_id": "d1", "switch": True, "duration": {"hours": 2}},
        ],
        ["netflex", "clear_override", {"device_id": "d1"}],
    ]


async def test_what_protects_the_grid_cannot_be_put_off(page: Page) -> None:
    cause = {"source": "grid_operator", "text": "MAXSETP 0 % of 20.00 kW"}
    await show(page, "netflex-house-card", **heated(cause=cause, held_until=None))
    await expect(page.get_by_text("This cannot be put off")).to_be_visible()
    await expect(page.get_by_text("Until whoever asked for it")).to_be_visible()
    await expect(page.get_by_role("button")).to_have_count(0)


async def test_a_device_that_waits_for_the_sun_is_not_held_back(page: Page) -> None:
    cause = {"source": "self_consumption", "text": "It waits for the sun"}
    await show(page, "netflex-house-card", **heated(cause=cause, held_until=None))
    await expect(page.get_by_text("Nothing is held back now.")).to_be_visible()
    await expect(page.get_by_text("Boiler: waits")).to_be_visible()
    await expect(page.get_by_role("button", name="Boiler: Not now")).to_be_visible()


async def test_what_nobody_measures_leaves_no_margin(page: Page) -> None:
    await show(page, "netflex-house-card", **heated(temperature=None))
    await expect(page.get_by_role("listitem")).not_to_contain_text("°C")


MONTH = {
    "saved": 35.5,
    "peak_avoided": 2200.0,
    "tariff_saved": 9.17,
    "self_sufficiency": 0.61,
    "self_use": 0.75,
    "missed": 1500.0,
    "coverage": 0.9,
}


async def test_a_house_is_told_what_the_month_brought_in_words(page: Page) -> None:
    await show(page, "netflex-house-card", **heated(), month=MONTH)
    said = page.locator(".month .brought")
    await expect(said).to_have_text(
        [
            "The battery has saved €35.50 so far.",
            "It kept the highest quarter hour 2.2 kW lower, which is worth €9.17.",
            "61 % of what was used came from the own sun and battery.",
            "Limits of the grid operator kept 1.5 kWh back.",
            "Measured for 90 % of the time; the rest is in none of this.",
        ]
    )


async def test_what_is_not_known_of_a_month_is_not_said(page: Page) -> None:
    month = dict.fromkeys(MONTH) | {"saved": -1.2, "peak_avoided": 3.0, "missed": 0.0}
    await show(page, "netflex-house-card", **heated(), month=month)
    said = page.locator(".month .brought")
    await expect(said).to_have_text(
        ["The battery has cost €1.20 more than it saved so far."]
    )
    await tell(page, heated() | {"month": None})
    await expect(said).to_have_count(0)


async def test_a_refusal_of_not_now_is_said(page: Page) -> None:
    await show(page, "netflex-house-card", **heated())
    await page.evaluate(
        """() => { window.card.hass = { ...window.card.hass,
            callService: async () => { throw new Error("Not allowed"); } }; }"""
    )
    await page.get_by_role("button", name="Boiler: Not now").click()
    await expect(page.get_by_role("alert")).to_have_text("Not allowed")
    await page.evaluate(
        """() => { window.card.hass = { ...window.card.hass,
            loadBackendTranslation: async (category, domain) =>
              (key, figures) => `${category} ${domain}: ${key} ${figures.site}`,
            callService: async () => { throw Object.assign(new Error("Bakery is not running."), {
              translation_domain: "netflex", translation_key: "site_not_loaded",
              translation_placeholders: { site: "Bakery" } }); } }; }"""
    )
    await page.get_by_role("button", name="Boiler: Not now").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "exceptions netflex: component.netflex.exceptions.site_not_loaded.message Bakery"
    )


def report(**changes: Any) -> dict[str, Any]:
    def source(name: str, came: float | None, believed: float | None) -> dict[str, Any]:
        return {
            "source": name,
            "name": name,
            "completeness": came,
            "plausibility": believed,
            "clock_offset": 1.5 if name == "P1" else None,
            "series": [],
        }

    return {
        "start": "2026-11-21T06:00:00+00:00",
        "end": "2026-11-22T06:00:00+00:00",
        "observed": 100.0,
        "sources": [
            source("P1", 99.9, 100.0),
            source("Charger", 71.0, 100.0),
            source("Roof", None, None),
        ],
        "faults": [
            {
                "source": "Charger",
                "name": "Charger",
                "series": "power",
                "kind": "missing",
                "text": "29 % are missing",
            }
        ],
    } | changes


async def test_the_daily_report_is_a_table_with_the_worst_first(page: Page) -> None:
    await show(page, "netflex-quality-card", quality=report())
    names = page.get_by_role("rowheader")
    await expect(names).to_have_text(["Charger", "P1", "Roof"])
    row = page.get_by_role("row", name="Charger")
    await expect(row.get_by_role("cell").first).to_have_text("71.0 %")
    await expect(row.get_by_role("cell").first).to_have_class("bad")
    # What was not looked at is not 0 %.
    await expect(page.get_by_role("row", name="Roof")).to_contain_text("–")
    await expect(page.get_by_text("Charger: 29 % are missing")).to_be_visible()


async def test_a_day_without_a_fault_and_no_day_yet_are_said(page: Page) -> None:
    await show(page, "netflex-quality-card", quality=report(faults=[]))
    await expect(page.get_by_text("Everything arrived")).to_be_visible()
    await tell(page, {"quality": None})
    await expect(page.get_by_text("The first report comes")).to_be_visible()


async def test_a_problem_says_whose_it_is_once(page: Page) -> None:
    problems = [
        {"key": "a", "subject": "P1", "text": "Its clock stands still"},
        {"key": "b", "subject": "Charger", "text": "Charger does not follow"},
        {"key": "c", "subject": "site", "text": "Two clocks differ"},
        *({"key": "d", "subject": "", "text": f"Number {n}"} for n in range(3)),
    ]
    await show(page, "netflex-site-card", problems=problems)
    await expect(page.get_by_text("P1: Its clock stands still")).to_be_visible()
    await expect(
        page.get_by_text("Charger does not follow", exact=True)
    ).to_be_visible()
    await expect(page.get_by_text("Two clocks differ", exact=True)).to_be_visible()
    await expect(page.get_by_text("2 more: see Repairs.")).to_be_visible()
