"""The bridge to a broker: where to, as whom, what is allowed, and who consents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util import dt as dt_util
import voluptuous as vol

from ..model.failure import reason_of
from ..northbound.codec import Format
from ..northbound.connection import probe
from ..northbound.settings import NorthboundSettings, Protocol
from ..northbound.tls import TlsFilesError, check_files
from ..northbound_files import adopt, stage
from ..northbound_options import (
    CERTIFICATE,
    CONF_BROKER,
    CONF_BROKER_PORT,
    CONF_CONSENT,
    CONF_CONTROL,
    CONF_ENABLED,
    CONF_ENDPOINT,
    CONF_FILES,
    CONF_FORMAT,
    CONF_LONGEST,
    CONF_LOST_AFTER,
    CONF_MOST_STORED,
    CONF_NORTHBOUND,
    CONF_PASSWORD,
    CONF_PROTOCOL,
    CONF_TRANSACTIONS,
    CONF_USE_TLS,
    CONF_USERNAME,
    FILES,
    KEY,
    NORTHBOUND_SCHEMA,
    PACES,
    bridge_settings,
    endpoint_problem,
)
from ..site_northbound import common_name, northbound_folder
from .consent import consent_fields, consent_of
from .fields import choice, flat, more, number, suggested, whole_number
from .site_checks import Errors
from .topics import TopicFlow
from .uploads import UploadError, read_upload

CONF_SAVE_ANYWAY: Final = "save_anyway"
_RECIPIENT: Final = (CONF_PROTOCOL, CONF_BROKER, CONF_ENDPOINT, CONF_CONTROL)
"""Whoever consents consents to these: when one changes, consent is asked for anew."""

UNREACHABLE: Final = frozenset(
    {
        "broker_refused",
        "broker_untrusted",
        "certificate_refused",
        "connection_lost",
        "connection_refused",
        "name_unknown",
        "no_answer",
        "not_authorised",
        "tls_failed",
    }
)
"""What a connection test may say; each has a text of its own."""


def _upload_key(name: str) -> str:
    return f"{name}_file"


def _form(*, ask_to_save: bool) -> vol.Schema:
    """Return the form; after a test that failed it may be saved all the same."""
    pem = FileSelector(FileSelectorConfig(accept=".pem,.crt,.cer,.key"))
    return vol.Schema(
        {
            vol.Required(CONF_ENABLED, default=False): BooleanSelector(),
            vol.Required(CONF_PROTOCOL, default=Protocol.CLOUDIO_02.value): choice(
                [item.value for item in Protocol], "northbound_protocol"
            ),
            vol.Optional(CONF_BROKER): TextSelector(),
            vol.Required(CONF_BROKER_PORT): whole_number(),
            vol.Optional(CONF_ENDPOINT): TextSelector(),
            vol.Required(CONF_USE_TLS): BooleanSelector(),
            **{vol.Optional(_upload_key(name)): pem for name in FILES},
            vol.Optional(CONF_USERNAME): TextSelector(),
            vol.Optional(CONF_PASSWORD): TextSelector(
                TextSelectorConfig(type=TextSelectorType.PASSWORD)
            ),
            vol.Required(CONF_CONTROL): BooleanSelector(),
            **(
                {vol.Optional(CONF_SAVE_ANYWAY, default=False): BooleanSelector()}
                if ask_to_save
                else {}
            ),
            **more(
                {
                    vol.Required(CONF_FORMAT): choice(
                        [item.value for item in Format], "northbound_format"
                    ),
                    vol.Required(CONF_TRANSACTIONS): BooleanSelector(),
                    vol.Required(CONF_LOST_AFTER): number("s"),
                    vol.Required(CONF_LONGEST): number("s"),
                    vol.Required(CONF_MOST_STORED): whole_number(),
                    **{vol.Required(name): number("s") for name in PACES},
                }
            ),
        }
    )


class NorthboundSteps(TopicFlow):
    """The steps that set up the bridge and ask for consent."""

    def __init__(self) -> None:
        """Know no files yet."""
        super().__init__()
        self._uploads: dict[str, str] = {}
        self._staged: Path | None = None
        self._bridge_options: dict[str, Any] = {}

    async def async_step_northbound(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the broker, the files, and what is allowed; try the connection."""
        errors: Errors = {}
        details = {"detail": ""}
        stored: Mapping[str, Any] = self.options.get(CONF_NORTHBOUND, {})
        shown = _shown(stored)
        ask_to_save = False
        if user_input is not None:
            shown = flat(user_input)
            anyway = shown.pop(CONF_SAVE_ANYWAY, False)
            errors = await self._async_take_uploads(shown)
            if not shown[CONF_ENABLED] and not shown.get(CONF_BROKER):
                return self.finish({CONF_NORTHBOUND: None})
            if not errors:
                errors, details = await self._async_check(stored, shown, anyway=anyway)
            if not errors:
                return await self._async_consent_or_finish(stored)
            ask_to_save = not UNREACHABLE.isdisjoint(errors.values())
        return self.async_show_form(
            step_id=CONF_NORTHBOUND,
            data_schema=self.add_suggested_values_to_schema(
                _form(ask_to_save=ask_to_save), suggested(shown)
            ),
            errors=errors,
            description_placeholders={
                **details,
                "files": ", ".join(
                    name
                    for name in FILES
                    if name in self._uploads or name in stored.get(CONF_FILES, {})
                )
                or "-",
            },
        )

    async def async_step_northbound_consent(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask who consents to what is told, and to whom."""
        errors: Errors = {}
        if user_input is not None:
            consent, errors = consent_of(dict(user_input), dt_util.utcnow())
            if not errors:
                return await self._async_finish(
                    {**self._bridge_options, CONF_CONSENT: consent}
                )
        return self.async_show_form(
            step_id="northbound_consent",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(consent_fields(named=True)), user_input or {}
            ),
            errors=errors,
            description_placeholders={
                "broker": self._bridge_options[CONF_BROKER],
                "endpoint": self._bridge_options[CONF_ENDPOINT],
            },
        )

    async def _async_take_uploads(self, shown: dict[str, Any]) -> Errors:
        """Read what was uploaded; it is kept while the form comes back with errors."""
        errors: Errors = {}
        for name in FILES:
            file_id = shown.pop(_upload_key(name), None)
            if file_id is None:
                continue
            try:
                self._uploads[name] = await self.hass.async_add_executor_job(
                    read_upload, self.hass, file_id
                )
            except UploadError as err:
                errors[_upload_key(name)] = err.key
        return errors

    async def _async_check(
        self, stored: Mapping[str, Any], shown: dict[str, Any], *, anyway: bool
    ) -> tuple[Errors, dict[str, str]]:
        """Bring the form into a draft; return what is wrong with it, and details."""
        errors: Errors = {
            key: "field_missing"
            for key in (CONF_BROKER, CONF_ENDPOINT)
            if not str(shown.get(key, "")).strip()
        }
        if errors:
            return errors, {"detail": ""}
        values = {key: value for key, value in shown.items() if value != ""}
        for key in (CONF_BROKER, CONF_ENDPOINT):
            values[key] = str(values[key]).strip()
        if CONF_USERNAME not in values:
            values.pop(CONF_PASSWORD, None)
        elif CONF_PASSWORD not in values and CONF_PASSWORD in stored:
            values[CONF_PASSWORD] = stored[CONF_PASSWORD]
        if endpoint_problem(Protocol(values[CONF_PROTOCOL]), values[CONF_ENDPOINT]):
            return {CONF_ENDPOINT: "endpoint_invalid"}, {"detail": ""}
        folder = northbound_folder(self.hass, self.config_entry.entry_id)
        try:
            staged, marks = await self.hass.async_add_executor_job(
                stage, folder, stored.get(CONF_FILES, {}), self._uploads
            )
        except OSError as err:
            return {"base": "files_not_kept"}, {"detail": reason_of(err)}
        self._staged = staged
        try:
            self._bridge_options = NORTHBOUND_SCHEMA({**values, CONF_FILES: marks})
        except vol.MultipleInvalid as err:
            return {
                str(item.path[0]) if item.path[0] not in _IN_SECTION else "base": (
                    "northbound_out_of_range"
                )
                for item in err.errors
            }, {"detail": ", ".join(str(item.path[0]) for item in err.errors)}
        settings = bridge_settings(self._bridge_options, staged)
        if found := await self.hass.async_add_executor_job(_files_problem, settings):
            return {"base": found.key}, {"detail": reason_of(found)}
        if not self._bridge_options[CONF_ENABLED] or anyway:
            return {}, {}
        problem = await probe(settings)
        if problem is None:
            return {}, {}
        key = problem.key if problem.key in UNREACHABLE else "connection_lost"
        return {"base": key}, {"detail": problem.text}

    async def _async_consent_or_finish(
        self, stored: Mapping[str, Any]
    ) -> ConfigFlowResult:
        consent = stored.get(CONF_CONSENT)
        same = all(stored.get(key) == self._bridge_options[key] for key in _RECIPIENT)
        if not self._bridge_options[CONF_ENABLED] or (consent is not None and same):
            kept = {} if consent is None else {CONF_CONSENT: consent}
            return await self._async_finish({**self._bridge_options, **kept})
        return await self.async_step_northbound_consent()

    async def _async_finish(self, values: dict[str, Any]) -> ConfigFlowResult:
        if self._staged is not None:
            await self.hass.async_add_executor_job(adopt, self._staged)
        return self.finish({CONF_NORTHBOUND: values})


_IN_SECTION: Final = frozenset(
    {CONF_LOST_AFTER, CONF_LONGEST, CONF_MOST_STORED, CONF_TRANSACTIONS, *PACES}
)


def _shown(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored, or the defaults, as the form shows it; never a password."""
    nothing = {
        CONF_ENABLED: False,
        CONF_PROTOCOL: Protocol.CLOUDIO_02.value,
        CONF_BROKER: "-",
        CONF_ENDPOINT: "-",
    }
    shown = dict(NORTHBOUND_SCHEMA(dict(stored) or nothing))
    if not stored:
        del shown[CONF_BROKER], shown[CONF_ENDPOINT]
    for key in (CONF_PASSWORD, CONF_FILES, CONF_CONSENT):
        shown.pop(key, None)
    return shown


def _files_problem(settings: NorthboundSettings) -> TlsFilesError | None:
    """Return what is wrong with the files of TLS. Blocking."""
    if settings.tls is None:
        return None
    name = common_name(settings)
    if name is not None and settings.tls.certificate is None:
        return TlsFilesError("certificate_missing", f"{CERTIFICATE}, {KEY}")
    try:
        check_files(settings.tls, dt_util.utcnow(), name)
    except TlsFilesError as err:
        return err
    return None
