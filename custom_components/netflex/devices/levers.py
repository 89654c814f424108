"""What stands for a switch where an existing device has none.

A select with an option for each state, a thermostat whose set temperature is lowered,
or the two contacts of an SG-ready heat pump. Each is put in front of an entity port, so
that a load over entities sees a switch and nothing else.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Protocol, override

from ..model.asset import HeatPumpState
from ..model.phrase import Phrase
from .device import DeviceConfig, DeviceError, ParamValue
from .ports import EntityPort, EntityValue

HEAT_PUMP = "heat_pump"
"""The role by which its state is read and chosen."""
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
    """Two contacts, which make the four states of SG-ready."""

    def __init__(self, port: EntityPort, first: str, second: str) -> None:
        """Name the contacts; the first is the driven entity."""
        self._port = port
        self._first, self._second = first, second

    def state(self) -> HeatPumpState | None:
        """Return what the contacts say; one that says nothing says nothing."""
        contacts = []
        for entity in (self._first, self._second):
            value = self._port.read(entity)
            if (
                value is None
                or not value.available
                or not isinstance(value.value, bool)
            ):
                return None
            contacts.append(value.value)
        return _STATES[contacts[0], contacts[1]]

    def is_on(self, value: EntityValue) -> bool | None:
        """Whether it is not locked."""
        state = self.state()
        return None if state is None else state is not HeatPumpState.BLOCKED

    async def set(self, entity: str, on: bool) -> None:
        """Lock it or leave it to itself."""
        await self.set_state(HeatPumpState.NORMAL if on else HeatPumpState.BLOCKED)

    async def set_state(self, state: HeatPumpState) -> None:
        """Open or close both, in an order in which it is never forced on the way.

        Nor locked for a moment on the way from one state in which it runs to another.
        """
        first, second = _CONTACTS[state]
        if first:
            await self._port.set_switch(self._second, second)
            await self._port.set_switch(self._first, first)
        else:
            await self._port.set_switch(self._first, first)
            await self._port.set_switch(self._second, second)


_CONTACTS: Mapping[HeatPumpState, tuple[bool, bool]] = {
    HeatPumpState.BLOCKED: (True, False),
    HeatPumpState.NORMAL: (False, False),
    HeatPumpState.RECOMMENDED: (False, True),
    HeatPumpState.FORCED: (True, True),
}
"""Of the label: the first contact and the second."""
_STATES = {contacts: state for state, contacts in _CONTACTS.items()}


class LeverPort:
    """An entity port whose driven entity is a switch. Fulfils `EntityPort`."""

    def __init__(self, port: EntityPort, driven: str, lever: Lever) -> None:
        """Put a lever in front of `driven`."""
        self._port = port
        self._driven = driven
        self._lever = lever

    def read(self, entity: str) -> EntityValue | None:
        """Return what it says; the driven one as a switch."""
        value = self._port.read(entity)
        if entity != self._driven or value is None:
            return value
        return replace(value, value=self._lever.is_on(value))

    def watch(
        self, entities: Collection[str], callback: Callable[[str], None]
    ) -> Callable[[], None]:
        """Call back on every report."""
        return self._port.watch(entities, callback)

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


class SgReadyPort(LeverPort):
    """A port whose second contact is what an SG-ready heat pump's state is chosen by."""

    def __init__(self, port: EntityPort, first: str, second: str) -> None:
        """Put the lever in front of both contacts."""
        self._contacts = SgReadyLever(port, first, second)
        super().__init__(port, first, self._contacts)
        self._second = second

    @override
    def read(self, entity: str) -> EntityValue | None:
        """Return what it says; the second contact as the state of the heat pump."""
        value = super().read(entity)
        if entity != self._second or value is None:
            return value
        return replace(value, value=self._contacts.state())

    @override
    async def set_option(self, entity: str, option: str) -> None:
        """Choose an option; of the second contact, the state of the heat pump."""
        if entity == self._second:
            await self._contacts.set_state(HeatPumpState(option))
        else:
            await super().set_option(entity, option)


def levered(
    config: DeviceConfig, port: EntityPort
) -> tuple[Mapping[str, str], EntityPort]:
    """Return a device's entities by role and the port that it drives them through.

    Raises DeviceError (`config`) where what stands for the switch is not complete.
    """
    roles = dict(config.entities)
    second = roles.pop(SECOND_CONTACT, None)
    driven = roles.get("switch")
    options = _pair(
        config.params,
        OPTIONS,
        Phrase("two_options", "an option for on and one for off"),
    )
    temperatures = _pair(
        config.params,
        TEMPERATURES,
        Phrase("two_temperatures", "a temperature for on and one for off"),
    )
    if sum(item is not None for item in (second, options, temperatures)) > 1:
        raise DeviceError(
            "config",
            Phrase(
                "one_lever",
                "options, temperatures and a second contact exclude each other",
            ),
        )
    if driven is None:
        return roles, port
    if second is not None:
        roles[HEAT_PUMP] = second
        return roles, SgReadyPort(port, driven, second)
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
        raise DeviceError(
            "config",
            Phrase(
                "lever_needs", "it needs {wanted}, and they must differ", wanted=wanted
            ),
        )
    return values[0], values[1]
