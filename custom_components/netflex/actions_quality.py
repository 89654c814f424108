"""The action that returns the report on a site's data."""

from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
import voluptuous as vol

from .actions_common import loaded_entry
from .const import DOMAIN
from .site.quality_problems import fault_text
from .telemetry.quality import QualityReport, SourceQuality
from .words import words_of

SERVICE_GET_DATA_QUALITY: Final = "get_data_quality"

GET_DATA_QUALITY_SCHEMA: Final = vol.Schema(
    {vol.Required(ATTR_CONFIG_ENTRY_ID): cv.string}
)


@callback
def async_register_quality(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_DATA_QUALITY,
        _async_get_data_quality,
        schema=GET_DATA_QUALITY_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get_data_quality(call: ServiceCall) -> ServiceResponse:
    """Return what the last 24 hours of data were like, and the newest daily report."""
    quality = loaded_entry(call).runtime_data.quality
    daily = quality.daily
    answer: dict[str, Any] = words_of(call.hass).say_all(
        {
            "now": report_message(quality.report()),
            "daily": None if daily is None else report_message(daily),
        }
    )
    return answer


def report_message(report: QualityReport) -> dict[str, Any]:
    """Return a report for other programs: shares in %, times in ISO 8601."""
    return {
        "start": _iso(report.start),
        "end": _iso(report.end),
        "observed": _percent(report.observed),
        "sources": [_source(source) for source in report.sources],
        "faults": [
            {
                "source": fault.source,
                "name": fault.name,
                "series": fault.series,
                "kind": fault.kind.value,
                "text": fault_text(fault),
            }
            for fault in report.faults
        ],
    }


def _source(source: SourceQuality) -> dict[str, Any]:
    offset = source.clock_offset
    return {
        "source": source.source,
        "name": source.name,
        "completeness": _percent(source.completeness),
        "plausibility": _percent(source.plausibility),
        "clock_offset": None if offset is None else round(offset, 1),
        "series": [
            {
                "series": row.series,
                "received": row.received,
                "expected": row.expected,
                "completeness": _percent(row.completeness),
                "plausibility": _percent(row.plausibility),
            }
            for row in source.series
        ],
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
