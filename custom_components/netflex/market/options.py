"""The stored options of the markets: prices, the imbalance, holidays, the frequency.

They lie in the topic `market` of a site's options. Entities are named by their registry
id, or by their entity id where they have none. Money is per kWh as on an invoice, a
stale price is one of so many hours ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import voluptuous as vol

from ..model.market import SETTLEMENT_PERIOD
from ..northbound.elia import DEFAULT_URL
from ..northbound.price_formats import AS_IT_IS, Tariff

CONF_MARKET: Final = "market"
CONF_IMPORT: Final = "import"
CONF_EXPORT: Final = "export"
CONF_IMBALANCE: Final = "imbalance"
CONF_PRICE_ENTITY: Final = "price_entity"
CONF_ATTRIBUTE: Final = "attribute"
CONF_STALE_HOURS: Final = "stale_hours"
CONF_FIXED: Final = "fixed"
CONF_PRICE_SERVICE: Final = "price_service"
CONF_AREA: Final = "area"
CONF_MULTIPLIER: Final = "multiplier"
CONF_ADDITION: Final = "addition"
CONF_ELIA: Final = "elia"
CONF_ELIA_URL: Final = "elia_url"
CONF_FORECAST_ENTITY: Final = "forecast_entity"
CONF_SETTLEMENT: Final = "settlement_minutes"
CONF_HOLIDAYS: Final = "holiday_calendar"
CONF_FREQUENCY: Final = "frequency_entity"

SIDES: Final = (CONF_IMPORT, CONF_EXPORT)
DEFAULT_STALE_HOURS: Final = 6.0
SETTLEMENTS: Final = (15, 30, 60)
"""Minutes of the settlement periods that are in use in Europe."""

_figure = vol.Coerce(float)


def one_source(values: dict[str, Any]) -> dict[str, Any]:
    """Refuse a price that comes from two places."""
    sources = (CONF_PRICE_ENTITY, CONF_PRICE_SERVICE, CONF_FIXED)
    if sum(key in values for key in sources) > 1:
        raise vol.Invalid("a price comes from one source")
    return values


PRICE_SCHEMA: Final = vol.Schema(
    vol.All(
        {
            vol.Optional(CONF_PRICE_ENTITY): str,
            vol.Optional(CONF_ATTRIBUTE): str,
            vol.Optional(CONF_PRICE_SERVICE): str,
            vol.Optional(CONF_AREA): str,
            vol.Optional(CONF_FIXED): _figure,
            vol.Optional(CONF_STALE_HOURS, default=DEFAULT_STALE_HOURS): vol.All(
                _figure, vol.Range(min=0.05, max=168)
            ),
            vol.Optional(CONF_MULTIPLIER, default=1.0): vol.All(
                _figure, vol.Range(min=0, max=10)
            ),
            vol.Optional(CONF_ADDITION, default=0.0): _figure,
        },
        one_source,
    )
)

IMBALANCE_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_ELIA, default=False): bool,
        vol.Optional(CONF_ELIA_URL, default=DEFAULT_URL): vol.All(
            str, vol.Match(r"^https?://[^\s?#]+$")
        ),
        vol.Optional(CONF_FORECAST_ENTITY): str,
        vol.Optional(CONF_ATTRIBUTE): str,
        vol.Optional(CONF_STALE_HOURS, default=1.0): vol.All(
            _figure, vol.Range(min=0.05, max=168)
        ),
    }
)

MARKET_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_IMPORT, default=dict): PRICE_SCHEMA,
        vol.Optional(CONF_EXPORT, default=dict): PRICE_SCHEMA,
        vol.Optional(CONF_IMBALANCE, default=dict): IMBALANCE_SCHEMA,
        vol.Optional(CONF_SETTLEMENT, default=int(SETTLEMENT_PERIOD / 60)): vol.All(
            vol.Coerce(int), vol.In(SETTLEMENTS)
        ),
        vol.Optional(CONF_HOLIDAYS): str,
        vol.Optional(CONF_FREQUENCY): str,
    }
)
"""Nobody outside the house is asked before somebody has switched that on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOptions:
    """Where one price comes from; without a source there is none.

    `fixed` is currency per MWh before the tariff, `service` the id of the config entry
    whose action gives prices. `stale_after` in s.
    """

    entity: str | None = None
    attribute: str | None = None
    service: str | None = None
    area: str | None = None
    fixed: float | None = None
    stale_after: float = DEFAULT_STALE_HOURS * 3600
    tariff: Tariff = AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOptions:
    """The sensor whose attribute predicts the imbalance."""

    entity: str
    attribute: str | None
    stale_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOptions:
    """Everything that a user has said of the markets. `settlement` in s."""

    import_price: PriceOptions
    export_price: PriceOptions
    settlement: float
    elia_url: str | None
    """None: Elia is not asked."""
    forecast: ForecastOptions | None
    holidays: str | None
    frequency: str | None


def market_options(stored: Mapping[str, Any]) -> MarketOptions:
    """Return the options of the markets from their stored form."""
    values = MARKET_SCHEMA(dict(stored))
    imbalance = values[CONF_IMBALANCE]
    forecast = imbalance.get(CONF_FORECAST_ENTITY)
    return MarketOptions(
        import_price=_price(values[CONF_IMPORT]),
        export_price=_price(values[CONF_EXPORT]),
        settlement=values[CONF_SETTLEMENT] * 60.0,
        elia_url=imbalance[CONF_ELIA_URL] if imbalance[CONF_ELIA] else None,
        forecast=None
        if forecast is None
        else ForecastOptions(
            entity=forecast,
            attribute=imbalance.get(CONF_ATTRIBUTE),
            stale_after=imbalance[CONF_STALE_HOURS] * 3600,
        ),
        holidays=values.get(CONF_HOLIDAYS),
        frequency=values.get(CONF_FREQUENCY),
    )


def _price(values: Mapping[str, Any]) -> PriceOptions:
    fixed = values.get(CONF_FIXED)
    return PriceOptions(
        entity=values.get(CONF_PRICE_ENTITY),
        attribute=values.get(CONF_ATTRIBUTE),
        service=values.get(CONF_PRICE_SERVICE),
        area=values.get(CONF_AREA),
        fixed=None if fixed is None else fixed * 1000,
        stale_after=values[CONF_STALE_HOURS] * 3600,
        tariff=Tariff(
            multiplier=values[CONF_MULTIPLIER], addition=values[CONF_ADDITION] * 1000
        ),
    )
