"""Connection tests of the forms: read only, and nothing is held afterwards."""

from contextlib import AsyncExitStack
import logging
from types import TracebackType
from typing import Final, Self

from homeassistant.components.modbus import async_get_temporary_unit
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from ..devices.chosen import ChosenUnits
from ..devices.device import DeviceConfig, ProbeError, ProbeResult
from ..devices.factory import probe
from ..devices.ports import LinkParams, ModbusUnit
from ..links import Entities, modbus_params
from ..metering.dlms_port import DlmsFound, probe_dlms
from ..metering.errors import MeterError
from ..metering.p1_objects import Telegram
from ..metering.p1_port import probe_p1
from ..metering.s1_port import S1Found, probe_s1
from ..model.failure import reason_of
from ..profiles import async_profiles
from ..site.config import DlmsConfig
from ..words import words_of

_LOGGER = logging.getLogger(__name__)

P1_TIMEOUT: Final = 15.0
"""s: a meter sends every second, an old one every ten."""


S1_TIMEOUT: Final = 5.0
"""s, for each of the two speeds: a meter sends thousands of frames a second."""


DLMS_TIMEOUT: Final = 20.0
"""s: a meter pushes every 5 s, some every 10 s."""


class TemporaryUnits:
    """Units on Home Assistant's shared connections, held only inside the context."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Hold nothing yet."""
        self._hass = hass
        self._stacks: dict[LinkParams, AsyncExitStack] = {}

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give back whatever a test left."""
        await self.close()

    async def close(self) -> None:
        """Give back everything."""
        for link in list(self._stacks):
            await self.release(link)

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        """Return a unit; raises HomeAssistantError if the link is used otherwise."""
        stack = self._stacks.setdefault(link, AsyncExitStack())
        return await stack.enter_async_context(
            async_get_temporary_unit(self._hass, modbus_params(link), unit_id)
        )

    async def release(self, link: LinkParams) -> None:
        """Give back the units of one link."""
        if (stack := self._stacks.pop(link, None)) is not None:
            await stack.aclose()


type Tested[ResultT] = tuple[ResultT | None, str | None, str]
"""What a test found, or the key of its error and the details in words."""


async def async_test_device(
    hass: HomeAssistant, config: DeviceConfig
) -> Tested[ProbeResult]:
    """Test a device or the entities that stand for one."""
    profiles = await async_profiles(hass)
    try:
        async with TemporaryUnits(hass) as shared:
            units = ChosenUnits(shared)
            try:
                result = await probe(
                    config, units=units, entities=Entities(hass), profiles=profiles
                )
            finally:
                await units.close()
    except ProbeError as err:
        return None, err.key, _sentence(words_of(hass).say(err.text))
    except HomeAssistantError as err:
        return None, "link_settings", reason_of(err)
    except Exception as err:
        _LOGGER.exception("The connection test of %s failed", config.name)
        return None, "unknown", reason_of(err)
    return result, None, ""


def _sentence(text: str) -> str:
    """Return what is said of a device as a sentence that stands for itself."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else ""


async def async_test_p1(url: str) -> Tested[Telegram]:
    """Test a P1 port: one good telegram must come."""
    try:
        return await probe_p1(url, P1_TIMEOUT), None, ""
    except MeterError as err:
        return None, err.key, reason_of(err)
    except Exception as err:
        _LOGGER.exception("The test of a P1 port failed")
        return None, "unknown", reason_of(err)


async def async_test_s1(url: str, baudrate: int | None) -> Tested[S1Found]:
    """Test an S1 port: good frames must come, at the speed given or at any."""
    try:
        return await probe_s1(url, S1_TIMEOUT, baudrate=baudrate), None, ""
    except MeterError as err:
        return None, err.key, reason_of(err)
    except Exception as err:
        _LOGGER.exception("The test of an S1 port failed")
        return None, "unknown", reason_of(err)


async def async_test_dlms(url: str, config: DlmsConfig) -> Tested[DlmsFound]:
    """Test a pushed DLMS meter: one push must come that can be read."""
    try:
        found = await probe_dlms(url, DLMS_TIMEOUT, keys=config.keys, line=config.line)
    except MeterError as err:
        return None, err.key, reason_of(err)
    except Exception as err:
        _LOGGER.exception("The test of a pushed DLMS meter failed")
        return None, "unknown", reason_of(err)
    return found, None, ""
