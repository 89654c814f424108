"""Options of a site by topic: the operator's link, its loss, points, TLS, inputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    TextSelector,
    TextSelectorConfig,
)
import voluptuous as vol

from ..coordinator import NetflexConfigEntry
from ..entry_data import CONF_TELECONTROL
from ..flexoffer_options import CONF_FLEXOFFERS
from ..iec104 import (
    EndOfInitializationRule,
    ParameterError,
    SecondClientRule,
    StaleCommandRule,
    TimeZoneMode,
    TlsSettings,
)
from ..iec104.engine import Engine, is_installed
from ..iec104.lib60870_deviations import DEVIATIONS
from ..iec104.tls import MinimumVersion
from ..market.options import CONF_MARKET
from ..metadata_options import CONF_METADATA
from ..model.failure import reason_of
from ..model.orders import OrderName
from ..northbound_options import CONF_NORTHBOUND
from ..protection_options import CONF_PROTECTION
from ..readings_options import CONF_READINGS
from ..site_options import CONF_LIMITS
from ..telecontrol.link_loss import LinkLossAction
from ..telecontrol.settings import SetpointFeedback, TelecontrolSettings
from ..telecontrol_options import (
    CONF_ACTION,
    CONF_AUTHORITIES,
    CONF_CERTIFICATE,
    CONF_DELAY,
    CONF_ENABLED,
    CONF_END_OF_INITIALIZATION,
    CONF_ENGINE,
    CONF_FALLBACK,
    CONF_KEY,
    CONF_LINK,
    CONF_LINK_LOSS,
    CONF_MAX_COMMAND_DELAY,
    CONF_MINIMUM_VERSION,
    CONF_PEER_NAMES,
    CONF_POINTS,
    CONF_REVOCATIONS,
    CONF_SECOND_CLIENT,
    CONF_SELECT_TIMEOUT,
    CONF_SETPOINT_FEEDBACK,
    CONF_SHADOW,
    CONF_STALE_COMMAND,
    CONF_TERMINATION,
    CONF_TIME_ZONE,
    CONF_TLS,
    LINK_PARAMETERS,
    OptionsError,
    checked_options,
    tls_settings,
)
from ..words import said
from .commissioning import CONF_COMMISSIONING, CommissioningSteps
from .fields import choice, flat, more, number, suggested, whole_number
from .flexoffers import FlexOfferSteps
from .limits import LimitSteps
from .local_stops import LocalStopSteps
from .market import MarketSteps
from .metadata import MetadataSteps
from .northbound import NorthboundSteps
from .points import PointSteps
from .protection import ProtectionSteps
from .readings import ReadingSteps
from .shadow import ShadowSteps
from .site_checks import Errors

FALLBACK_ORDERS: Final = (
    OrderName.MINSETP,
    OrderName.MAXSETP,
    OrderName.MAXSETAP,
    OrderName.MINSETAP,
)
SITE_TOPICS: Final = [
    "local_stops",
    CONF_LIMITS,
    CONF_PROTECTION,
    CONF_MARKET,
    CONF_READINGS,
    CONF_METADATA,
    CONF_NORTHBOUND,
    CONF_FLEXOFFERS,
    CONF_SHADOW,
    CONF_COMMISSIONING,
]
TOPICS: Final = [
    CONF_LINK,
    CONF_LINK_LOSS,
    CONF_POINTS,
    CONF_TLS,
    CONF_ENGINE,
    *SITE_TOPICS,
]
FILES: Final = (CONF_CERTIFICATE, CONF_KEY, CONF_AUTHORITIES)

LINK_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_END_OF_INITIALIZATION): choice(
            [rule.value for rule in EndOfInitializationRule], "end_of_initialization"
        ),
        vol.Required(CONF_SECOND_CLIENT): choice(
            [rule.value for rule in SecondClientRule], "second_client"
        ),
        vol.Required(CONF_TERMINATION): BooleanSelector(),
        vol.Required(
            CONF_SETPOINT_FEEDBACK, default=SetpointFeedback.RETURN_INFORMATION.value
        ): choice([item.value for item in SetpointFeedback], "setpoint_feedback"),
        vol.Required(CONF_TIME_ZONE): choice(
            [mode.value for mode in TimeZoneMode], "time_zone"
        ),
        vol.Required(CONF_MAX_COMMAND_DELAY): number("s"),
        vol.Required(CONF_STALE_COMMAND): choice(
            [rule.value for rule in StaleCommandRule], "stale_command"
        ),
        **more(
            {
                **{vol.Required(name): number("s") for name in ("t0", "t1", "t2")},
                vol.Required("t3"): number("s"),
                vol.Required("k"): whole_number(),
                vol.Required("w"): whole_number(),
                vol.Required(CONF_SELECT_TIMEOUT): number("s"),
            }
        ),
    }
)

LINK_LOSS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACTION): choice(
            [action.value for action in LinkLossAction], "link_loss_action"
        ),
        vol.Required(CONF_DELAY): number("s"),
        vol.Required(CONF_FALLBACK): section(
            vol.Schema(
                {vol.Optional(name.value): number("%") for name in FALLBACK_ORDERS}
            )
        ),
    }
)

TLS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ENABLED, default=False): BooleanSelector(),
        **{vol.Optional(key): TextSelector() for key in FILES},
        **more(
            {
                vol.Optional(CONF_REVOCATIONS): TextSelector(),
                vol.Optional(CONF_PEER_NAMES, default=list): TextSelector(
                    TextSelectorConfig(multiple=True)
                ),
                vol.Required(
                    CONF_MINIMUM_VERSION, default=MinimumVersion.TLS_1_2.value
                ): choice([version.value for version in MinimumVersion]),
            }
        ),
    }
)


ENGINE_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_ENGINE): choice([engine.value for engine in Engine], "engine")}
)


class NetflexOptionsFlow(
    PointSteps,
    LocalStopSteps,
    LimitSteps,
    ProtectionSteps,
    MarketSteps,
    ReadingSteps,
    MetadataSteps,
    NorthboundSteps,
    FlexOfferSteps,
    ShadowSteps,
    CommissioningSteps,
):
    """Changes one topic of a site; nothing is reloaded, only new wires drop the link.

    Without telecontrol there are no topics of the operator's.
    """

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the topic."""
        try:
            self.options = checked_options(self.config_entry.options)
            self.settings({CONF_ENGINE: Engine.BUILTIN.value})
        except OptionsError as err:
            return self.async_abort(
                reason="options_error",
                description_placeholders={"error": said(self.hass, err)},
            )
        if not self.config_entry.data[CONF_TELECONTROL]:
            return await self.async_step_site()
        if self._faults(CONF_ENGINE, self.options[CONF_ENGINE])[0]:
            # The engine is gone: without another one nothing else can be changed.
            return await self.async_step_engine(
                {CONF_ENGINE: self.options[CONF_ENGINE]}
            )
        choice_of_engines = is_installed(Engine.C104)
        return self.async_show_menu(
            step_id="init",
            menu_options=[
                topic for topic in TOPICS if topic != CONF_ENGINE or choice_of_engines
            ],
        )

    async def async_step_site(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the topic where there is no operator."""
        return self.async_show_menu(step_id="site", menu_options=SITE_TOPICS)

    # ------------------------------------------------------------------------ the link

    async def async_step_link(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the rules and times of the protocol."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = _link_values(self.settings())
        if user_input is not None:
            shown = flat(user_input)
            errors, details = self._faults(CONF_LINK, shown, {CONF_MAX_COMMAND_DELAY})
            if not errors:
                return self.finish({CONF_LINK: shown})
        return self.async_show_form(
            step_id=CONF_LINK,
            data_schema=self.add_suggested_values_to_schema(
                LINK_SCHEMA, suggested(shown)
            ),
            errors=errors,
            description_placeholders=details,
        )

    async def async_step_link_loss(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what becomes of setpoints once the link is lost."""
        errors: Errors = {}
        details: dict[str, str] = {}
        policy = self.settings().link_loss
        shown: Mapping[str, Any] = {
            CONF_ACTION: policy.action.value,
            CONF_DELAY: policy.delay,
            CONF_FALLBACK: {
                name.value: value for name, value in policy.fallback.items()
            },
        }
        if user_input is not None:
            shown = user_input
            errors, details = self._faults(CONF_LINK_LOSS, user_input)
            if not errors:
                return self.finish({CONF_LINK_LOSS: user_input})
        return self.async_show_form(
            step_id=CONF_LINK_LOSS,
            data_schema=self.add_suggested_values_to_schema(LINK_LOSS_SCHEMA, shown),
            errors=errors,
            description_placeholders=details,
        )

    async def async_step_engine(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which stack carries the station."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown = {CONF_ENGINE: self.options[CONF_ENGINE]}
        if user_input is not None:
            shown = user_input
            errors, details = self._faults(
                CONF_ENGINE, user_input[CONF_ENGINE], {CONF_ENGINE}
            )
            if not errors:
                return self.finish(user_input)
        return self.async_show_form(
            step_id=CONF_ENGINE,
            data_schema=self.add_suggested_values_to_schema(ENGINE_SCHEMA, shown),
            errors=errors,
            description_placeholders=details
            | {"deviations": "\n".join(f"- {item.text}" for item in DEVIATIONS)},
        )

    def _faults(
        self, topic: str, values: Any, own_fields: set[str] | None = None
    ) -> tuple[Errors, dict[str, str]]:
        """Return what the station would refuse; fields of sections count as base."""
        try:
            self.settings({topic: values})
        except OptionsError as err:
            cause = err.__cause__
            field = cause.field if isinstance(cause, ParameterError) else None
            shown = field if field is not None and field in (own_fields or ()) else None
            return {shown or "base": "not_possible"}, {"detail": reason_of(err)}
        return {}, {}

    # ----------------------------------------------------------------------------- TLS

    async def async_step_tls(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the files of TLS, and read them."""
        errors: Errors = {}
        details: dict[str, str] = {}
        shown: dict[str, Any] = dict(self.options.get(CONF_TLS, {}))
        if user_input is not None:
            shown = self._located(flat(user_input))
            if shown[CONF_ENABLED]:
                errors, details = await self._async_tls_faults(shown)
            if not errors:
                return await self._async_finish_tls(shown)
        return self.async_show_form(
            step_id=CONF_TLS,
            data_schema=self.add_suggested_values_to_schema(
                TLS_SCHEMA, suggested(shown)
            ),
            errors=errors,
            description_placeholders=details,
        )

    def _located(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the form's values with every file below the configuration's folder."""
        located = dict.fromkeys(FILES, "") | values
        for key in (*FILES, CONF_REVOCATIONS):
            if text := str(located.get(key, "")).strip():
                located[key] = self.hass.config.path(text)
            elif key == CONF_REVOCATIONS:
                located.pop(key, None)
        names = (name.strip() for name in located[CONF_PEER_NAMES])
        located[CONF_PEER_NAMES] = list(dict.fromkeys(filter(None, names)))
        return located

    async def _async_tls_faults(
        self, values: Mapping[str, Any]
    ) -> tuple[Errors, dict[str, str]]:
        if missing := [key for key in FILES if not values[key]]:
            return dict.fromkeys(missing, "file_missing"), {}
        settings = tls_settings(values)
        assert settings is not None
        fault = await self.hass.async_add_executor_job(_tls_fault, values, settings)
        if fault is None:
            return {}, {}
        field, error, detail = fault
        return {field: error}, {"detail": detail}

    async def _async_finish_tls(self, values: dict[str, Any]) -> ConfigFlowResult:
        """Keep the files; those that were named before are read again all the same."""
        unchanged = self.options.get(CONF_TLS) == values
        entry: NetflexConfigEntry = self.config_entry
        loaded = entry.state is ConfigEntryState.LOADED
        if unchanged and loaded and values[CONF_ENABLED]:
            await entry.runtime_data.async_reload_certificates()
        return self.finish({CONF_TLS: values})


def _link_values(settings: TelecontrolSettings) -> dict[str, Any]:
    """Return the rules and times in use as the form shows them."""
    return {
        CONF_END_OF_INITIALIZATION: settings.end_of_initialization.value,
        CONF_SECOND_CLIENT: settings.second_client.value,
        CONF_TERMINATION: settings.termination,
        CONF_SETPOINT_FEEDBACK: settings.setpoint_feedback.value,
        CONF_TIME_ZONE: settings.time_zone.mode.value,
        CONF_MAX_COMMAND_DELAY: settings.max_command_delay,
        CONF_STALE_COMMAND: settings.stale_command.value,
        CONF_SELECT_TIMEOUT: settings.select_timeout,
        **{name: getattr(settings.link, name) for name in LINK_PARAMETERS},
    }


def _tls_fault(
    values: Mapping[str, Any], settings: TlsSettings
) -> tuple[str, str, str] | None:
    """Return field, error and detail of what is wrong with the files. Blocking."""
    for key in FILES:
        try:
            Path(values[key]).read_bytes()
        except OSError as err:
            return key, "file_unreadable", reason_of(err)
    try:
        settings.server_context()
    except OSError as err:
        return "base", "tls_unusable", reason_of(err)
    return None
