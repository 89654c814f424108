"""A charger that is only measured, by sensors of another integration."""

from collections.abc import Callable, Mapping
import time
from types import MappingProxyType

from ..model.asset import Asset, AssetState
from ..model.phrase import Phrase
from ..model.plan import Setpoint
from .device import Applied, DeviceError
from .natures import Driven, asset_state
from .ports import EntityPort, EntityValue
from .profile_parts import MEASURES
from .registers import Value
from .words import entity_away, entity_gone

_ROLES = ("power", "current_l1", "current_l2", "current_l3")

_KEYS: Mapping[str, str] = MappingProxyType({"energy": "energy_consumed"})
"""Roles that a state calls otherwise."""


def measures(roles: Mapping[str, str]) -> bool:
    """Whether roles tell what a charger draws."""
    return any(role in roles for role in _ROLES)


class SensedCharger:
    """Reads power, currents and energy of a charger. Fulfils `Device`.

    Its state is as old as the oldest of the sensors that say what it draws: what is
    compared with another meter must be of the same moment.
    """

    def __init__(
        self,
        *,
        asset: Asset,
        roles: Mapping[str, str],
        entities: EntityPort,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind an asset to sensors by role."""
        self._asset = asset
        self._roles = dict(roles)
        self._entities = entities
        self._clock = clock
        self._unwatch: Callable[[], None] | None = None
        self._on_state: Callable[[AssetState], None] | None = None
        self.state = AssetState(asset_id=asset.id, available=False)
        """What the sensors said last."""

    @property
    def device_id(self) -> str:
        """The asset's id."""
        return self._asset.id

    async def start(self, on_state: Callable[[AssetState], None]) -> None:
        """Begin to listen."""
        self._on_state = on_state
        self._unwatch = self._entities.watch(
            frozenset(self._roles.values()), lambda _entity: self._changed()
        )
        self._changed()

    async def stop(self) -> None:
        """Stop listening."""
        self._on_state = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    async def apply(self, setpoint: Setpoint) -> Applied:
        """Refuse: sensors drive nothing."""
        raise DeviceError(
            "no_control",
            Phrase("only_measured_charger", "this charger is only measured"),
        )

    def _changed(self) -> None:
        read = {role: self._entities.read(name) for role, name in self._roles.items()}
        missing = self._missing(read)
        ages = [
            value.last_reported
            for role, value in read.items()
            if role in _ROLES and value is not None and value.last_reported is not None
        ]
        self.state = asset_state(
            self._asset,
            self._values(read),
            available=missing is None,
            at=min(ages, default=self._clock()),
            driven=Driven(),
            problem=missing,
            details={},
        )
        if self._on_state is not None:
            self._on_state(self.state)

    def _values(
        self, read: Mapping[str, EntityValue | None]
    ) -> dict[str, Value | None]:
        """Return what the sensors say, under the names of a state."""
        return {
            _KEYS.get(role, role): _in_our_unit(value) for role, value in read.items()
        }

    def _missing(self, read: Mapping[str, EntityValue | None]) -> str | None:
        for role, value in read.items():
            if value is None:
                return entity_gone(self._roles[role])
            if not value.available:
                return entity_away(self._roles[role])
        return None


def _in_our_unit(value: EntityValue | None) -> Value | None:
    if value is None or not value.available or isinstance(value.value, bool):
        return None
    if value.value is None or isinstance(value.value, str):
        return value.value
    _, factor = MEASURES.get(value.unit or "", (None, 1.0))
    return value.value * factor
