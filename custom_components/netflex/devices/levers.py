"""What stands for a switch where an existing device has none.

A select with an option for each state, a thermostat whose set temperature is lowered,
or the two contacts of an SG-ready heat pump. Each is put in front of an entity port, so
that a load over entities sees a switch and nothing else.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Protocol

from .device import DeviceConfig, DeviceError, ParamValue
from .ports import EntityPort, EntityValue

SECOND_CONTACT = "second_contact"
"""The role of an SG-ready heat pump's second contact."""
OPTIONS = ("on_option", "off_option")
TEMPERATURES = ("on_temperature", "off_temperature")
"""Degrees of the thermostat's own unit."""
LEVER_PARAMS = (*OPTIONS, *TEMPERATURES)

_TOLERANCE = 0.05
"""Degrees within which a set temperature is the one that was set."""


class Lever(Protocol):
    """Makes a switch of what an entity offers."""

    def is_on(self, value: EntityValue) -> bool | None:
        """Whether a state counts as on; None where it says nothing."""

    async def set(self, entity: str, on: bool) -> None:
        """Drive it. That it returns proves nothing."""


class OptionLever:
    """A select: one option is off, everything else is on."""

    def __init__(self, port: EntityPort, on: str, off: str) -> None:
        """Keep the two options."""
        self._port = port
        self._on, self._off = on, off

    def is_on(self, value: EntityValue) -> bool | None:
        """Whether another option than the one for off is chosen."""
        return None if value.value is None else _said(value.value) != self._off

    async def set(self, entity: str, on: bool) -> None:
        """Choose an option."""
        await self._port.set_option(entity, self._on if on else self._off)


def _said(value: float | str | bool) -> str:
    """Return a select's option; ports turn some words into what they mean."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else value


class TemperatureLever:
    """A thermostat: off is a set temperature at which it does not heat."""

    def __init__(self, port: EntityPort, on: float, off: float) -> None:
        """Keep the two temperatures."""
        self._port = port
        self._on, self._off = on, off

    def is_on(self, value: EntityValue) -> bool | None:
        """Whether the set temperature is another than the one for off."""
        if isinstance(value.value, bool | str) or value.value is None:
            return None
        return abs(value.value - self._off) > _TOLERANCE

    async def set(self, entity: str, on: bool) -> None:
        """Change the set temperature."""
        await self._port.set_number(entity, self._on if on else self._off)


class SgReadyLever:
    """Two contacts: 1:0 locks the heat pump, 0:0 leaves it to itself."""

    def __init__(self, port: EntityPort, second: str) -> None:
        """Keep the second contact; the first is the driven entity."""
        self._port = port
        self._second = second

    def is_on(self, value: EntityValue) -> bool | None:
        """Whether it is not locked; a contact that says nothing says nothing."""
        second = self._port.read(self._second)
        if (
            second is None
            or not second.available
            or not isinstance(second.value, bool)
            or not isinstance(value.value, bool)
        ):
            return None
        return not (value.value and not second.value)

    async def set(self, entity: str, on: bool) -> None:
        """Open or close both; the second first, so that 1:1 (forced on) never is."""
        await self._port.set_switch(self._second, False)
        await self._port.set_switch(entity, not on)


class LeverPort:
    """An entity port whose driven entity is a switch. Fulfils `EntityPort`."""

    def __init__(
        self, port: EntityPort, driven: str, lever: Lever, others: Collection[str] = ()
    ) -> None:
        """Put a lever in front of `driven`; `others` it needs to hear from, too."""
        self._port = port
        self._driven = driven
        self._lever = lever
        self._others = frozenset(others)

    def read(self, entity: str) -> EntityValue | None:
        """Return what it says; the driven one as a switch."""
        value = self._port.read(entity)
        if entity != self._driven or value is None:
            return value
        return replace(value, value=self._lever.is_on(value))

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        """Call back on every report, also of what the lever needs besides."""
        return self._port.watch(frozenset(entities) | self._others, callback)

    async def set_number(self, entity: str, value: float) -> None:
        """Set a number."""
        await self._port.set_number(entity, value)

    async def set_option(self, entity: str, option: str) -> None:
        """Choose an option."""
        await self._port.set_option(entity, option)

    async def set_switch(self, entity: str, on: bool) -> None:
        """Switch; the driven one by its lever."""
        if entity == self._driven:
            await self._lever.set(entity, on)
        else:
            await self._port.set_switch(entity, on)


def levered(
    config: DeviceConfig, port: EntityPort
) -> tuple[Mapping[str, str], EntityPort]:
    """Return a device's entities by role and the port that it drives them through.

    Raises DeviceError (`config`) where what stands for the switch is not complete.
    """
    roles = dict(config.entities)
    second = roles.pop(SECOND_CONTACT, None)
    driven = roles.get("switch")
    options = _pair(config.params, OPTIONS, "an option for on and one for off")
    temperatures = _pair(
        config.params, TEMPERATURES, "a temperature for on and one for off"
    )
    if sum(item is not None for item in (second, options, temperatures)) > 1:
        raise DeviceError(
            "config", "options, temperatures and a second contact exclude each other"
        )
    if driven is None:
        return roles, port
    if second is not None:
        return roles, LeverPort(port, driven, SgReadyLever(port, second), (second,))
    if options is not None:
        on, off = map(str, options)
        return roles, LeverPort(port, driven, OptionLever(port, on, off))
    if temperatures is not None:
        high, low = map(float, temperatures)
        return roles, LeverPort(port, driven, TemperatureLever(port, high, low))
    return roles, port


def _pair(
    params: Mapping[str, ParamValue], keys: tuple[str, str], wanted: str
) -> tuple[ParamValue, ParamValue] | None:
    values = [params[key] for key in keys if params.get(key) not in {None, ""}]
    if not values:
        return None
    if len(values) < 2 or values[0] == values[1]:
        raise DeviceError("config", f"it needs {wanted}, and they must differ")
    return values[0], values[1]
