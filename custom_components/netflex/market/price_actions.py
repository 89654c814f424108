"""Prices that Home Assistant's own integrations give as the answer of an action.

Their sensors carry no forecast. An answer is asked for twice an hour: the prices of the
next day appear in the afternoon, and no provider says when.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from ..const import LOGGER
from ..model.failure import reason_of
from ..model.market import PriceSlot
from ..model.phrase import Phrase
from ..northbound.price_formats import PER_KWH, PER_MWH, PriceUnit, read_response, slots

ASK_EVERY: Final = timedelta(minutes=30)
PATIENCE: Final = 60.0
"""s that one action may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    """An integration: the action for each side, its unit, and what it is asked."""

    import_action: str
    export_action: str
    unit: PriceUnit
    data: Callable[[str, date], dict[str, Any]]
    """From the config entry's id and a local day."""
    import_data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What only the action for imports is told."""


_WITHOUT_TAX: Final = MappingProxyType({"incl_vat": False})


def _of_day(entry_id: str, day: date) -> dict[str, Any]:
    return {
        "config_entry": entry_id,
        "start": day.isoformat(),
        "end": day.isoformat(),
    }


PROVIDERS: Final[Mapping[str, _Provider]] = {
    "nordpool": _Provider(
        import_action="get_prices_for_date",
        export_action="get_prices_for_date",
        unit=PER_MWH,
        data=lambda entry_id, day: {
            "config_entry": entry_id,
            "date": day.isoformat(),
        },
    ),
    "energyzero": _Provider(
        import_action="get_energy_prices",
        export_action="get_energy_prices",
        unit=PER_KWH,
        data=lambda entry_id, day: {**_of_day(entry_id, day), **_WITHOUT_TAX},
    ),
    "easyenergy": _Provider(
        import_action="get_energy_usage_prices",
        export_action="get_energy_return_prices",
        unit=PER_KWH,
        data=_of_day,
        import_data=_WITHOUT_TAX,
    ),
    "tibber": _Provider(
        import_action="get_prices",
        export_action="get_prices",
        unit=PER_KWH,
        data=lambda _entry_id, day: {
            "start": f"{day.isoformat()} 00:00:00",
            "end": f"{(day + timedelta(days=1)).isoformat()} 00:00:00",
        },
    ),
}
"""By domain. Taxes are the user's own multiplier and addition, so none are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Market prices, and when they were answered (UTC)."""

    slots: tuple[PriceSlot, ...]
    received: datetime


class ActionPrices:
    """Asks one integration for the prices of today and tomorrow, again and again."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        on_change: Callable[[], None],
        *,
        export: bool,
    ) -> None:
        """Ask nobody yet."""
        self._hass = hass
        self._entry = entry
        self._on_change = on_change
        self._export = export
        self._chosen: tuple[str, str | None] | None = None
        self._end: CALLBACK_TYPE | None = None
        self._task: asyncio.Task[None] | None = None
        self.answer: Answer | None = None
        self.problem: str | None = None
        """Why the newest question brought nothing."""

    @callback
    def async_set(self, provider_entry: str | None, area: str | None) -> None:
        """Ask the integration of this config entry; None: nobody."""
        chosen = None if provider_entry is None else (provider_entry, area)
        if chosen == self._chosen:
            return
        self.async_stop()
        self._chosen, self.answer, self.problem = chosen, None, None
        if chosen is not None:
            self._end = async_track_time_interval(
                self._hass, self._ask, ASK_EVERY, name="netflex prices"
            )
            self._ask(dt_util.utcnow())

    @callback
    def async_stop(self) -> None:
        """Ask nobody any more."""
        self._chosen = None
        if self._end is not None:
            self._end()
            self._end = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    @callback
    def _ask(self, _now: datetime) -> None:
        if self._task is None or self._task.done():
            self._task = self._entry.async_create_background_task(
                self._hass, self._async_ask(), "netflex ask for prices"
            )

    async def _async_ask(self) -> None:
        """Ask once; what was answered before stays until it is stale."""
        assert self._chosen is not None
        entry_id, area = self._chosen
        today, before, fault = dt_util.now().date(), self.problem, None
        try:
            async with asyncio.timeout(PATIENCE):
                prices = await self._async_of_day(entry_id, area, today)
                tomorrow = await self._async_tomorrow(entry_id, area, today)
        except (HomeAssistantError, TimeoutError, ValueError, TypeError) as err:
            self.problem = (
                reason_of(err)
                if str(err)
                else Phrase(
                    "price_action_slow", "The price action does not answer in time"
                )
            )
        except Exception as err:  # noqa: BLE001  another integration's fault is no end
            fault = err
            self.problem = Phrase(
                "price_action_failed",
                "The price action failed: {error}",
                error=type(err).__name__,
            )
        else:
            self.problem = None
            if not prices:
                self.problem = Phrase(
                    "price_action_empty", "The price action has no price for today"
                )
            if prices:
                self.answer = Answer(
                    slots=_joined(prices, tomorrow), received=dt_util.utcnow()
                )
        self._say(before, fault)
        self._on_change()

    def _say(self, before: str | None, fault: Exception | None) -> None:
        """Say once in the log that prices stay away, and once that they are back."""
        assert self._chosen is not None
        entry = self._hass.config_entries.async_get_entry(self._chosen[0])
        provider = self._chosen[0] if entry is None else f"{entry.domain} {entry.title}"
        if before is None and self.problem is not None:
            LOGGER.warning(
                "%s gives no prices: %s", provider, self.problem, exc_info=fault
            )
        elif before is not None and self.problem is None:
            LOGGER.info("%s gives prices again", provider)

    async def _async_tomorrow(
        self, entry_id: str, area: str | None, today: date
    ) -> tuple[PriceSlot, ...]:
        """Return tomorrow's prices; that there are none yet is no fault."""
        try:
            return await self._async_of_day(entry_id, area, today + timedelta(days=1))
        except HomeAssistantError:
            return ()

    async def _async_of_day(
        self, entry_id: str, area: str | None, day: date
    ) -> tuple[PriceSlot, ...]:
        entry = self._hass.config_entries.async_get_entry(entry_id)
        if entry is None or (provider := PROVIDERS.get(entry.domain)) is None:
            raise ValueError(
                Phrase("prices_gone", "The integration that gives prices is gone")
            )
        answer = await self._hass.services.async_call(
            entry.domain,
            provider.export_action if self._export else provider.import_action,
            provider.data(entry_id, day)
            | ({} if self._export else dict(provider.import_data)),
            blocking=True,
            return_response=True,
        )
        zone = dt_util.get_default_time_zone()
        return slots(read_response(answer or {}, provider.unit, zone, area))


def _joined(
    today: tuple[PriceSlot, ...], tomorrow: tuple[PriceSlot, ...]
) -> tuple[PriceSlot, ...]:
    """Return two days as one; a provider may answer more than the day asked for."""
    end = today[-1].end
    return (*today, *(slot for slot in tomorrow if slot.start >= end))
