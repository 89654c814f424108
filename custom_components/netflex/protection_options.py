"""The stored options of protection beyond the fuse, and of back-up operation.

They lie in the topic `protection` of a site's options; currents in A, where 0 is no
limit. A field that is left out has the default of `Protection`.
"""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from .model.protection import DEFAULT_PROTECTION, Protection, ReactiveScope, TripCurve

CONF_PROTECTION: Final = "protection"

CONF_UNBALANCE: Final = "unbalance"
CONF_NEUTRAL: Final = "neutral"
CONF_CURVE: Final = "trip_curve"
CONF_ISLAND_INPUT: Final = "island_input"
CONF_STOP_ON_ISLAND: Final = "stop_on_island"
CONF_CHARGE_ON_ISLAND: Final = "charge_on_island"
CONF_REACTIVE_SCOPE: Final = "reactive_scope"

CURVES: Final = {
    "off": TripCurve.OFF,
    "fuse_gg": TripCurve.FUSE_GG,
    "breaker_b": TripCurve.BREAKER_B,
    "breaker_c": TripCurve.BREAKER_C,
}
"""Names that translations can use, for the curves."""

_amperes = vol.All(vol.Coerce(float), vol.Range(min=0))

PROTECTION_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_UNBALANCE): _amperes,
        vol.Optional(CONF_NEUTRAL): _amperes,
        vol.Optional(CONF_CURVE): vol.In(list(CURVES)),
        vol.Optional(CONF_ISLAND_INPUT): vol.Any(None, str),
        vol.Optional(CONF_STOP_ON_ISLAND): bool,
        vol.Optional(CONF_CHARGE_ON_ISLAND): bool,
        vol.Optional(CONF_REACTIVE_SCOPE): vol.In([s.value for s in ReactiveScope]),
    }
)


def protection(stored: Mapping[str, Any]) -> Protection:
    """Return how the connection is protected beyond its fuse."""
    default = DEFAULT_PROTECTION
    return Protection(
        unbalance=float(stored.get(CONF_UNBALANCE, 0)) or None,
        neutral=float(stored.get(CONF_NEUTRAL, 0)) or None,
        curve=CURVES[stored.get(CONF_CURVE, "off")],
        stop_blacks_out_island=bool(
            stored.get(CONF_STOP_ON_ISLAND, default.stop_blacks_out_island)
        ),
        charge_on_island=bool(
            stored.get(CONF_CHARGE_ON_ISLAND, default.charge_on_island)
        ),
        reactive_scope=ReactiveScope(
            stored.get(CONF_REACTIVE_SCOPE, default.reactive_scope)
        ),
    )


def island_input(stored: Mapping[str, Any]) -> str | None:
    """Return what says that the house is islanded: a registry id or an entity id."""
    return stored.get(CONF_ISLAND_INPUT) or None


def shown_protection(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored as the form shows it."""
    found = protection(stored)
    return {
        CONF_UNBALANCE: found.unbalance or 0.0,
        CONF_NEUTRAL: found.neutral or 0.0,
        CONF_CURVE: stored.get(CONF_CURVE, "off"),
        CONF_STOP_ON_ISLAND: found.stop_blacks_out_island,
        CONF_CHARGE_ON_ISLAND: found.charge_on_island,
        CONF_REACTIVE_SCOPE: found.reactive_scope.value,
    }
