"""The stored options of how limits are held, and what they mean.

They lie in the topic `limits` of a site's options. Percentages, seconds, W and kW as
their forms show them; a field that is left out has the default of `SiteRules`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import voluptuous as vol

from .model.snapshot import Sharing
from .site.config import DEFAULT_RULES, SiteRules

CONF_LIMITS: Final = "limits"

CONF_SHARING: Final = "asset_sharing"
CONF_MARGIN: Final = "margin"
CONF_RAMP: Final = "ramp"
CONF_SAFE_DELAY: Final = "safe_delay"
CONF_REBOUND: Final = "rebound"
CONF_HOLD_CONTRACT: Final = "hold_contract"
CONF_TOLERANCE: Final = "tolerance"
CONF_BAND: Final = "band"
CONF_SAMPLES: Final = "samples"
CONF_DEADLINE: Final = "deadline"
CONF_RELAY_ALLOWED: Final = "relay_allowed"
CONF_CALM: Final = "calm"
CONF_RELAY_BACK: Final = "relay_back"

STEPS: Final = ("retry", "tighten", "open_loop", "relay", "repair")
"""What follows one after the other when a limit is not kept."""

NEVER: Final = 0.0
"""A step that is never taken."""

_TIMES: Final = (CONF_DEADLINE, CONF_CALM, CONF_RELAY_BACK)

_figure = vol.All(vol.Coerce(float), vol.Range(min=0))

LIMITS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_SHARING): vol.In([item.value for item in Sharing]),
        vol.Optional(CONF_MARGIN): vol.All(_figure, vol.Range(max=50)),
        vol.Optional(CONF_RAMP): _figure,
        vol.Optional(CONF_SAFE_DELAY): _figure,
        vol.Optional(CONF_REBOUND): _figure,
        vol.Optional(CONF_HOLD_CONTRACT): bool,
        vol.Optional(CONF_TOLERANCE): vol.All(_figure, vol.Range(max=100)),
        vol.Optional(CONF_BAND): _figure,
        vol.Optional(CONF_SAMPLES): vol.All(vol.Coerce(int), vol.Range(min=2)),
        vol.Optional(CONF_RELAY_ALLOWED): bool,
        **{vol.Optional(key): _figure for key in (*_TIMES, *STEPS)},
    }
)
"""Margin and tolerance in %, band in W, ramp in W/s, rebound in W/min, all else in s.

0 leaves a step out; a ramp of 0 is none, a rebound of 0 that of `SiteModel`. A single sample proves nothing.
"""


def site_rules(stored: Mapping[str, Any]) -> SiteRules:
    """Return how limits are held."""
    rules = DEFAULT_RULES
    compliance = rules.compliance
    changed: dict[str, Any] = {
        key: float(stored[key]) for key in (*_TIMES, CONF_BAND) if key in stored
    }
    changed |= {
        key: None if stored[key] == NEVER else float(stored[key])
        for key in STEPS
        if key in stored
    }
    return SiteRules(
        sharing=Sharing(stored.get(CONF_SHARING, rules.sharing)),
        tolerance=float(stored.get(CONF_MARGIN, rules.tolerance * 100)) / 100,
        ramp_up=float(stored.get(CONF_RAMP, 0)) or None,
        safe_delay=float(stored.get(CONF_SAFE_DELAY, rules.safe_delay)),
        rebound=float(stored.get(CONF_REBOUND, 0)) or None,
        hold_contract=bool(stored.get(CONF_HOLD_CONTRACT, rules.hold_contract)),
        compliance=replace(
            compliance,
            tolerance=float(stored.get(CONF_TOLERANCE, compliance.tolerance * 100))
            / 100,
            samples=int(stored.get(CONF_SAMPLES, compliance.samples)),
            relay_allowed=bool(
                stored.get(CONF_RELAY_ALLOWED, compliance.relay_allowed)
            ),
            **changed,
        ),
    )


def shown_rules(rules: SiteRules) -> dict[str, Any]:
    """Return the rules in use as the form shows and stores them."""
    compliance = rules.compliance
    return {
        CONF_SHARING: rules.sharing.value,
        CONF_MARGIN: round(rules.tolerance * 100, 3),
        CONF_RAMP: rules.ramp_up or 0.0,
        CONF_SAFE_DELAY: rules.safe_delay,
        CONF_REBOUND: rules.rebound or 0.0,
        CONF_HOLD_CONTRACT: rules.hold_contract,
        CONF_TOLERANCE: round(compliance.tolerance * 100, 3),
        CONF_SAMPLES: compliance.samples,
        CONF_RELAY_ALLOWED: compliance.relay_allowed,
        **{key: getattr(compliance, key) for key in (*_TIMES, CONF_BAND)},
        **{key: getattr(compliance, key) or NEVER for key in STEPS},
    }
