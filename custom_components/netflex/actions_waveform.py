"""The action that records the waveform of a meter to files and draws it."""

from functools import partial
from pathlib import Path
from typing import Final

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import slugify
import voluptuous as vol

from .actions_common import part_of_device
from .const import DOMAIN
from .entry_data import SubentryType
from .entry_s1 import LONGEST_RECORDING
from .metering.errors import MeterError
from .metering.recorder import Recording
from .metering.recording_files import save_recording
from .words import said

SERVICE_RECORD_WAVEFORM: Final = "record_waveform"
ATTR_SECONDS: Final = "seconds"
ATTR_BEFORE: Final = "before"
KEPT: Final = 100
"""Recordings that are kept; older ones make room."""
_SUFFIXES: Final = ("npz", "cfg", "dat", "svg")

RECORD_WAVEFORM_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Optional(ATTR_SECONDS, default=2.0): vol.All(
            vol.Coerce(float), vol.Range(min=0.1, max=LONGEST_RECORDING)
        ),
        vol.Optional(ATTR_BEFORE, default=0.0): vol.All(
            vol.Coerce(float), vol.Range(min=0.0, max=LONGEST_RECORDING)
        ),
    }
)


@callback
def async_register_waveform(hass: HomeAssistant) -> None:
    """Register the action, which exists whether or not a site is loaded."""
    async_register_admin_service(
        hass,
        DOMAIN,
        SERVICE_RECORD_WAVEFORM,
        _async_record_waveform,
        schema=RECORD_WAVEFORM_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_record_waveform(call: ServiceCall) -> ServiceResponse:
    """Record what comes next, and what came before, and return where it is."""
    hass = call.hass
    if (found := part_of_device(call, {SubentryType.METER})) is None:
        raise _no_waveform()
    entry, meter_id = found
    name = entry.subentries[meter_id].title
    seconds, before = call.data[ATTR_SECONDS], call.data[ATTR_BEFORE]
    if seconds + before > LONGEST_RECORDING:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="recording_too_long",
            translation_placeholders={"longest": f"{LONGEST_RECORDING:g}"},
        )
    try:
        recording = await entry.runtime_data.async_record_waveform(
            meter_id, seconds, before=before
        )
    except MeterError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="recording_failed",
            translation_placeholders={"meter": name, "error": said(hass, err)},
        ) from err
    if recording is None:
        raise _no_waveform()
    folder = Path(hass.config.path(DOMAIN, "waveforms"))
    try:
        files = await hass.async_add_executor_job(
            partial(_save, recording, folder, name)
        )
    except OSError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="recording_failed",
            translation_placeholders={"meter": name, "error": said(hass, err)},
        ) from err
    return {
        "files": [str(path) for path in files],
        "started": recording.started.isoformat(),
        "seconds": round(float(recording.times[-1]) + 1 / recording.rate, 3),
        "samples": len(recording.times),
        "complete": recording.complete,
    }


def _save(recording: Recording, folder: Path, name: str) -> tuple[Path, ...]:
    """Write a recording, and delete the oldest ones beyond those that are kept."""
    stamp = (
        f"{recording.started:%Y%m%dT%H%M%S}{recording.started.microsecond // 1000:03}Z"
    )
    files = save_recording(recording, folder, f"{slugify(name)}_{stamp}", station=name)
    pictures = sorted(
        folder.glob("*_*Z.svg"), key=lambda path: (path.stat().st_mtime, path.name)
    )
    for picture in pictures[:-KEPT]:
        for suffix in _SUFFIXES:
            picture.with_suffix(f".{suffix}").unlink(missing_ok=True)
    return files


def _no_waveform() -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key="no_waveform"
    )
