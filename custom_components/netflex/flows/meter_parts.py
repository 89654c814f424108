"""Parts of the meters' forms: the capacity tariff, and who else reads the port."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Final

from homeassistant.helpers.selector import (
    BooleanSelector,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from ..entry_meter import (
    CONF_PEAK_HOLD,
    CONF_PEAK_MINIMUM,
    CONF_PEAK_MINIMUM_RULE,
    CONF_PEAK_PRICE,
    CONF_PEAK_SHAVE,
    CONF_SHARE,
    CONF_SHARE_ALLOWED,
    CONF_SHARE_PORT,
    CONF_TARGET_PEAK,
    DEFAULT_PEAK_MINIMUM,
    DEFAULT_SHARE_PORT,
)
from ..model.demand import CapacityHold, MinimumRule
from .fields import (
    SECTION_SHARING,
    SECTION_TARIFF,
    Fields,
    choice,
    number,
    part,
    whole_number,
)

EXAMPLE_NETWORK: Final = "192.168.1.0/24"
_PORTS: Final = range(1024, 65_536)


def tariff_fields() -> Fields:
    """Return the part of a form about the capacity tariff."""
    return part(
        SECTION_TARIFF,
        {
            vol.Optional(CONF_TARGET_PEAK): number("kW"),
            vol.Optional(CONF_PEAK_PRICE): number("EUR/kW"),
            vol.Required(CONF_PEAK_MINIMUM, default=DEFAULT_PEAK_MINIMUM): number("kW"),
            vol.Required(
                CONF_PEAK_MINIMUM_RULE, default=MinimumRule.PER_MONTH.value
            ): choice([rule.value for rule in MinimumRule], "minimum_rule"),
            vol.Required(CONF_PEAK_HOLD, default=CapacityHold.OFF.value): choice(
                [hold.value for hold in CapacityHold], "capacity_hold"
            ),
            vol.Required(CONF_PEAK_SHAVE, default=True): BooleanSelector(),
        },
    )


def tariff_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the capacity tariff as it is stored; what is left empty is absent."""
    return {
        CONF_TARGET_PEAK: values.get(CONF_TARGET_PEAK),
        CONF_PEAK_PRICE: values.get(CONF_PEAK_PRICE),
        CONF_PEAK_MINIMUM: values[CONF_PEAK_MINIMUM],
        CONF_PEAK_MINIMUM_RULE: values[CONF_PEAK_MINIMUM_RULE],
        CONF_PEAK_HOLD: values[CONF_PEAK_HOLD],
        CONF_PEAK_SHAVE: values[CONF_PEAK_SHAVE],
    }


def tariff_errors(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the capacity tariff."""
    target, price = values.get(CONF_TARGET_PEAK), values.get(CONF_PEAK_PRICE)
    errors = {}
    if target is not None and target <= 0:
        errors[CONF_TARGET_PEAK] = "target_invalid"
    if price is not None and price <= 0:
        errors[CONF_PEAK_PRICE] = "price_invalid"
    if values[CONF_PEAK_MINIMUM] < 0:
        errors[CONF_PEAK_MINIMUM] = "minimum_invalid"
    return errors


def share_fields() -> Fields:
    """Return the part of a form about other readers of the port."""
    return part(
        SECTION_SHARING,
        {
            vol.Required(CONF_SHARE, default=False): BooleanSelector(),
            vol.Required(CONF_SHARE_PORT, default=DEFAULT_SHARE_PORT): whole_number(),
            vol.Optional(CONF_SHARE_ALLOWED, default=list): TextSelector(
                TextSelectorConfig(multiple=True)
            ),
        },
    )


def share_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return who else reads the port, as it is stored."""
    readers = [reader.strip() for reader in values.get(CONF_SHARE_ALLOWED, ())]
    return {
        CONF_SHARE: values[CONF_SHARE],
        CONF_SHARE_PORT: values[CONF_SHARE_PORT],
        CONF_SHARE_ALLOWED: list(dict.fromkeys(filter(None, readers))),
    }


def share_errors(shared: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is wrong with who else reads the port, and the details.

    `shared` are the stored values.
    """
    if not shared[CONF_SHARE]:
        return {}, {}
    if shared[CONF_SHARE_PORT] not in _PORTS:
        return {CONF_SHARE_PORT: "share_port_invalid"}, {}
    if not shared[CONF_SHARE_ALLOWED]:
        return {CONF_SHARE_ALLOWED: "share_nobody"}, {}
    for reader in shared[CONF_SHARE_ALLOWED]:
        try:
            ip_network(reader, strict=False)
        except ValueError:
            return {CONF_SHARE_ALLOWED: "share_reader_invalid"}, {"detail": reader}
    return {}, {}
