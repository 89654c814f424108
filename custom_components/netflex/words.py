"""What the site says, in the languages of the integration.

The texts are those under `common` of the translations, by the keys of the phrases.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo
import re
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .model.failure import reason_of
from .model.phrase import Moment, Phrase

_CATEGORY: Final = "common"
_PREFIX: Final = f"component.{DOMAIN}.{_CATEGORY}."
_DECIMAL_COMMA: Final = frozenset({"nl", "fr", "de"})
_FIGURE: Final = re.compile(r"(-?\d+)\.(\d+(?: \S+)?)")


class Words:
    """One language: says phrases, and leaves every other text as it is."""

    def __init__(
        self,
        language: str,
        texts: Mapping[str, str],
        zone: tzinfo = UTC,
        *,
        half_days: bool = False,
    ) -> None:
        """Take the language's texts, by their full translation keys.

        Times are said as clocks in `zone` show them; `half_days`: with AM and PM.
        """
        self.language = language
        self._texts = texts
        self._zone = zone
        self._clock_form = "%I:%M %p" if half_days else "%H:%M"
        self._comma = language.partition("-")[0] in _DECIMAL_COMMA

    def say(self, text: str) -> str:
        """Return a text in this language, in English where it has no words for it."""
        if isinstance(text, Moment):
            return self._clock(text)
        if not isinstance(text, Phrase):
            return text
        words = self._texts.get(f"{_PREFIX}{text.key}")
        if words is None:
            return str(text)
        figures = {name: self._figure(item) for name, item in text.figures.items()}
        try:
            return words.format(**figures)
        except KeyError:
            # It was stored by a version that said it with other figures.
            return str(text)

    def say_all(self, value: Any) -> Any:
        """Return a value with its texts in this language, in lists and objects too."""
        if isinstance(value, str):
            return self.say(value)
        if isinstance(value, list):
            return [self.say_all(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self.say_all(item) for key, item in value.items()}
        return value

    def _figure(self, figure: str) -> str:
        if self._comma and (found := _FIGURE.fullmatch(figure)):
            return f"{found[1]},{found[2]}"
        return self.say(figure)

    def _clock(self, moment: Moment) -> str:
        """Return a time, with its date where that is not today's."""
        at = moment.at.astimezone(self._zone)
        today = dt_util.utcnow().astimezone(self._zone).date()
        clock = at.strftime(self._clock_form)
        return clock if at.date() == today else f"{at:%Y-%m-%d} {clock}"


@callback
def words_of(hass: HomeAssistant) -> Words:
    """Return the language and the time zone that Home Assistant itself is set to."""
    language = hass.config.language
    texts = async_get_cached_translations(hass, language, _CATEGORY, DOMAIN)
    return Words(language, texts, dt_util.get_default_time_zone())


@callback
def said(hass: HomeAssistant, err: BaseException) -> str:
    """Return what an error says, in the language of Home Assistant itself."""
    return words_of(hass).say(reason_of(err))


async def async_words(
    hass: HomeAssistant,
    language: str,
    zone: str | None = None,
    *,
    half_days: bool = False,
) -> Words:
    """Return the language of a user, and how their clocks go.

    `zone` names the time zone that is shown to them; without one, or with one that is
    not known here, it is Home Assistant's own. `half_days`: with AM and PM.
    """
    texts = await async_get_translations(hass, language, _CATEGORY, {DOMAIN})
    known = None if zone is None else await dt_util.async_get_time_zone(zone)
    zone_of_user = known or dt_util.get_default_time_zone()
    return Words(language, texts, zone_of_user, half_days=half_days)
