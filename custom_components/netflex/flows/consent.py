"""Who consents to what is told: asked by every form after which somebody is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from homeassistant.helpers.selector import BooleanSelector, TextSelector
import voluptuous as vol

from ..northbound_options import CONF_CONSENT_AT, CONF_CONSENT_BY
from .site_checks import Errors

CONF_AGREE: Final = "agree"


def consent_fields(*, named: bool) -> dict[vol.Marker, Any]:
    """Return the fields of a consent; `named`: nothing goes on without a name."""
    by = vol.Required if named else vol.Optional
    return {
        by(CONF_CONSENT_BY): TextSelector(),
        vol.Required(CONF_AGREE, default=False): BooleanSelector(),
    }


def consent_of(values: dict[str, Any], now: datetime) -> tuple[dict[str, Any], Errors]:
    """Take the fields out of a form; return the consent to be stored, and what lacks.

    With errors there is no consent.
    """
    by = str(values.pop(CONF_CONSENT_BY, "")).strip()
    errors: Errors = {}
    if not by:
        errors[CONF_CONSENT_BY] = "name_missing"
    if not values.pop(CONF_AGREE, False):
        errors[CONF_AGREE] = "consent_needed"
    if errors:
        return {}, errors
    return {CONF_CONSENT_BY: by, CONF_CONSENT_AT: now.isoformat()}, {}


def same_consent(stored: Mapping[str, Any] | None, given: Mapping[str, Any]) -> bool:
    """Whether somebody has consented before."""
    return stored is not None and stored[CONF_CONSENT_BY] == given[CONF_CONSENT_BY]
