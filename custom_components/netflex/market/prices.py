"""One price of energy, as a sensor says it, an action answers it, or a user fixes it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
import math

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.util import dt as dt_util

from ..model.market import PriceSeries, PriceSlot
from ..model.phrase import Phrase
from ..northbound.price_formats import PriceUnit, read_forecast, read_unit, slots
from ..watched import WatchedEntities
from .kept import Kept
from .missing import not_available
from .options import PriceOptions
from .price_actions import ActionPrices

_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))

_DAY = timedelta(days=1)


class PriceInput:
    """Follows the source of one price."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        on_change: Callable[[], None],
        *,
        export: bool,
    ) -> None:
        """Follow nothing yet; `export`: what is got, not what is paid."""
        self._options = PriceOptions()
        self._known: PriceSeries | None = None
        """What was read last, with the day behind it."""
        self._entities = WatchedEntities(hass, on_change)
        self._kept = Kept[PriceSeries | None]()
        self._actions = ActionPrices(hass, entry, on_change, export=export)

    @callback
    def async_set(self, options: PriceOptions) -> None:
        """Follow the source that the options name."""
        if options != self._options:
            self._known = None
        self._options = options
        self._kept.forget()
        self._entities.async_set(
            () if options.entity is None else (options.entity,), reports=True
        )
        self._actions.async_set(options.service, options.area)

    @callback
    def async_stop(self) -> None:
        """Follow nothing any more."""
        self._entities.async_stop()
        self._actions.async_stop()

    def read(self) -> tuple[PriceSeries | None, str | None]:
        """Return the price, and why there is none although there should be.

        What its source has said of the last day is still known, whatever it says now.
        """
        series, problem = self._read()
        if series is not None:
            series = series.remembering(self._known, dt_util.utcnow() - _DAY)
            self._known = series
        return series, problem

    def _read(self) -> tuple[PriceSeries | None, str | None]:
        options = self._options
        if options.fixed is not None:
            return _fixed(options, dt_util.utcnow()), None
        if options.service is not None:
            return self._answered()
        if options.entity is None:
            return None, None
        name = self._entities.entity_id(options.entity)
        state = self._entities.state(options.entity)
        if state is None or state.state == STATE_UNAVAILABLE:
            return None, not_available(name)
        unit = read_unit(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT))
        if unit is None:
            return None, Phrase(
                "no_price_unit",
                "{entity} has no unit of a price of energy",
                entity=name,
            )
        zone = dt_util.get_default_time_zone()
        series = self._kept.of(
            state, lambda: price_of_state(state, unit, options, zone)
        )
        if series is not None:
            return series, None
        return None, Phrase("says_no_price", "{entity} says no price", entity=name)

    def _answered(self) -> tuple[PriceSeries | None, str | None]:
        options, answer = self._options, self._actions.answer
        if answer is None:
            return None, self._actions.problem
        series = PriceSeries(
            slots=options.tariff.apply(answer.slots),
            received=answer.received,
            stale_after=options.stale_after,
        )
        return series, self._actions.problem


def _fixed(options: PriceOptions, now: datetime) -> PriceSeries:
    """Return a price that never changes; nothing about it grows old."""
    assert options.fixed is not None
    start, end = _ALWAYS
    slot = PriceSlot(start=start, end=end, value=options.fixed)
    return PriceSeries(
        slots=options.tariff.apply([slot]),
        received=now,
        stale_after=(end - now).total_seconds(),
    )


def price_of_state(
    state: State, unit: PriceUnit, options: PriceOptions, zone: tzinfo
) -> PriceSeries | None:
    """Return the prices of a sensor: its forecast, and its value where that has a gap.

    The value counts from its last change until the forecast goes on, or until it is
    stale. None: it says nothing.
    """
    today = state.last_reported.astimezone(zone).date()
    forecast = slots(
        read_forecast(state.attributes, unit, zone, today, options.attribute)
    )
    own = _own_value(state, unit, options.stale_after)
    if own is not None:
        forecast = _with(own, state.last_reported, forecast)
    if not forecast:
        return None
    return PriceSeries(
        slots=options.tariff.apply(forecast),
        received=state.last_reported,
        stale_after=options.stale_after,
    )


def _own_value(state: State, unit: PriceUnit, stale_after: float) -> PriceSlot | None:
    if state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return None
    try:
        value = float(state.state)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return PriceSlot(
        start=state.last_changed,
        end=state.last_reported + timedelta(seconds=stale_after),
        value=value * unit.factor,
    )


def _with(
    own: PriceSlot, at: datetime, forecast: tuple[PriceSlot, ...]
) -> tuple[PriceSlot, ...]:
    """Return a forecast with the present value where it has none for the present.

    What comes after the forecast is not what holds now.
    """
    if any(slot.start <= at < slot.end for slot in forecast):
        return forecast
    before = [slot for slot in forecast if slot.end <= at]
    after = [slot for slot in forecast if slot.start > at]
    start = max([own.start, *(slot.end for slot in before)])
    end = min([own.end, *(slot.start for slot in after)])
    return (*before, PriceSlot(start=start, end=end, value=own.value), *after)
