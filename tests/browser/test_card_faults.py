"""Every card on a phone and a desktop, light and dark: nothing sticks out, all is legible.

Contrast is that of WCAG 2.2 (1.4.3, 1.4.11) against what lies behind, with the colours of
Home Assistant's own themes.
"""

from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect
import pytest

from . import test_cards as cards

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AUDIT = (Path(__file__).parent / "audit.js").read_text()
PHONE = 384
DESKTOP = 900
_SHARED = {
    "--energy-battery-in-color": "#f06292",
    "--energy-battery-out-color": "#4db6ac",
    "--energy-grid-consumption-color": "#488fc2",
    "--error-color": "#db4437",
    "--primary-color": "#009ac7",
    "--success-color": "#43a047",
    "--text-primary-color": "#ffffff",
    "--warning-color": "#ffa600",
}
THEMES = {
    "light": _SHARED
    | {
        "--card-background-color": "#ffffff",
        "--divider-color": "#0000001f",
        "--energy-grid-return-color": "#8353d1",
        "--primary-text-color": "#141414",
        "--secondary-background-color": "#e5e5e5",
        "--secondary-text-color": "#5e5e5e",
    },
    "dark": _SHARED
    | {
        "--card-background-color": "#1c1c1c",
        "--divider-color": "#e1e1e11f",
        "--energy-grid-return-color": "#a280db",
        "--primary-text-color": "#e1e1e1",
        "--secondary-background-color": "#282828",
        "--secondary-text-color": "#9b9b9b",
    },
}
"""As Home Assistant's frontend gives them to a card."""


def orders() -> list[dict[str, Any]]:
    """Return a row of every kind of the timeline."""
    compliance = cards.order()["compliance"]
    return [
        cards.order(),
        cards.order(
            name="emergency_stop_consumption",
            value=True,
            at="2026-11-22T11:58:00+00:00",
            compliance=compliance
            | {"state": "violated", "seconds": None, "measured": 12_345.0},
        ),
        cards.order(
            name="minsetap",
            at="2026-11-22T11:57:00+00:00",
            open=False,
            compliance=compliance | {"state": "infeasible", "seconds": 0.0},
        ),
        cards.order(
            name="maxsetp",
            at="2026-11-22T11:56:00+00:00",
            accepted=False,
            compliance=None,
            applied=None,
            reason="its time tag is too old, in the future or not valid",
        ),
        cards.order(
            name="minsetp",
            source="fallback",
            at="2026-11-22T11:55:00+00:00",
            compliance=compliance | {"state": "unknown"},
        ),
    ]


def stopped() -> dict[str, Any]:
    """Return what changes in a site that is stopped and cannot meet a limit."""
    plan = cards.message()["plan"]
    return {
        "orders": {
            "emergency_stop_consumption": {
                "value": True,
                "source": "operator",
                "at": "x",
            }
        },
        "plan": plan
        | {
            "stopped": ["consumption"],
            "infeasible": [
                {
                    "limit": plan["limits"][0],
                    "missing": 1500.0,
                    "problem": "uncontrollable",
                    "unit": "W",
                }
            ],
        },
        "problems": [
            {
                "key": "stop_not_kept",
                "subject": "car",
                "text": "It comes back by itself",
            }
        ],
    }


def refused_link() -> dict[str, Any]:
    """Return what changes where nobody is connected and somebody was refused."""
    link = cards.message()["link"]
    return {
        "link": link
        | {
            "connected": False,
            "client": None,
            "last_refused_client": "192.0.2.77",
            "last_close_reason": "no test frame was answered",
            "events_waiting": 12,
            "events_dropped": 3,
        }
    }


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "site": ("netflex-site-card", {}),
    "site stopped": ("netflex-site-card", stopped()),
    "timeline": ("netflex-timeline-card", {"timeline": orders()}),
    "demand": ("netflex-demand-card", {}),
    "demand too high": (
        "netflex-demand-card",
        {"demand": cards.message()["demand"] | {"forecast": 9000.0, "power": 12_000.0}},
    ),
    "link": ("netflex-link-card", {}),
    "link refused": ("netflex-link-card", refused_link()),
    "programme": (
        "netflex-programme-card",
        {
            "subjects": {"battery": {"name": "Cellar", "kind": "battery"}},
            "economy": cards.economy(),
        },
    ),
    "quality": ("netflex-quality-card", {"quality": cards.report()}),
    "house": ("netflex-house-card", cards.heated() | {"month": cards.MONTH}),
}


async def dress(page: Page, theme: str) -> None:
    """Give the page a theme of Home Assistant."""
    names = "".join(f"{name}: {value};" for name, value in THEMES[theme].items())
    await page.add_style_tag(
        content=f":root {{ {names} color: var(--primary-text-color); }}"
        "body { background: var(--card-background-color); }"
    )


async def draw(page: Page, case: str, language: str) -> Locator:
    """Draw a case in place of the one before."""
    tag, changes = CASES[case]
    await page.evaluate("window.card?.remove()")
    await cards.show(page, tag, language=language, **changes)
    card = page.locator(tag)
    await expect(card.locator("ha-card > *").first).to_be_visible()
    return card


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("theme", THEMES)
async def test_no_card_has_a_fault(page: Page, theme: str, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 1600})
    await dress(page, theme)
    found = []
    for case in CASES:
        # German words are the longest.
        card = await draw(page, case, "de" if width == PHONE else "en")
        found += [f"{case}: {fault}" for fault in await card.evaluate(AUDIT)]
    assert found == []


async def test_the_keyboard_comes_to_everything_that_acts(page: Page) -> None:
    for case in CASES:
        card = await draw(page, case, "en")
        wanted = await card.evaluate(
            """(card) => {
              const all = card.shadowRoot.querySelectorAll(
                "button, a[href], [tabindex]");
              [...all].forEach((one, index) => { one.dataset.stop = index; });
              return [...all].map((one) => one.dataset.stop);
            }"""
        )
        reached = []
        for _ in wanted:
            await page.keyboard.press("Tab")
            reached.append(
                await page.evaluate(
                    "window.card.shadowRoot.activeElement?.dataset.stop ?? null"
                )
            )
        assert reached == wanted, case


async def test_what_the_audit_looks_for_is_found(page: Page) -> None:
    """A card with one fault of each kind."""
    await dress(page, "light")
    await cards.show(page, "netflex-link-card")
    await expect(page.locator("netflex-link-card h2")).to_be_visible()
    found = await page.locator("netflex-link-card").evaluate(
        f"""(card) => {{
          const wrong = document.createElement("div");
          wrong.innerHTML = `<p style="color: #999">pale</p><svg></svg>
            <p style="width: 3000px">wide</p><button style="height: 40px"></button>`;
          card.shadowRoot.querySelector("ha-card").append(wrong);
          return ({AUDIT})(card);
        }}"""
    )
    for words in (
        '"pale": text has a contrast of 2.85, not 4.5',
        'svg "" has no name',
        '"wide" sticks out by',
        'button "" has no name',
    ):
        assert any(words in fault for fault in found), (words, found)
