"""Modes: how a user wants an asset to be used, inside every limit."""

from enum import StrEnum


class ChargerMode(StrEnum):
    """How a charger charges."""

    OFF = "off"
    MINIMUM = "minimum"
    """At its minimum current."""
    SOLAR = "solar"
    """Only what would be injected otherwise."""
    SOLAR_MINIMUM = "solar_minimum"
    """At least its minimum, more from what would be injected."""
    FAST = "fast"
    """As much as the limits leave."""
    DEADLINE = "deadline"
    """An amount of energy by a time: sun first, the rest spread until then."""


class BatteryMode(StrEnum):
    """How a battery is used."""

    SELF_CONSUMPTION = "self_consumption"
    """It keeps the connection point at zero."""
    IDLE = "idle"
    """It rests, unless a limit needs it."""
    PROGRAMME = "programme"
    """It follows its programme; without one it keeps the connection point at zero."""


class LoadMode(StrEnum):
    """How a flexible load is used."""

    ALWAYS = "always"
    """On as long as the limits leave room."""
    SOLAR = "solar"
    """On while the sun carries it, or its comfort needs it."""


type Mode = ChargerMode | BatteryMode | LoadMode
