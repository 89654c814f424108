"""The controlled devices of a site, and what drives each of them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..devices.device import Device, DeviceConfig, DeviceError, RelayAware
from ..devices.metered_charger import MeteredCharger, VirtualMeterView
from ..model.asset import Asset, AssetState, Direction, StopPath
from ..model.plan import Setpoint
from .actors import AssetActor
from .availability import AvailabilityLog
from .broken_device import BrokenDevice
from .giving_back import GivenBack, enable, holds_off, is_moved
from .journal_notes import Record, WriteNotes


@dataclass(slots=True)
class Seat:
    """One controlled device of the site and what drives it."""

    config: DeviceConfig
    asset: Asset
    device: Device
    actor: AssetActor
    availability: AvailabilityLog


class Seats:
    """Builds, drives and takes away the devices of a site, each on its own."""

    def __init__(
        self,
        make_device: Callable[[DeviceConfig], Device],
        record: Record,
        *,
        on_state: Callable[[], None],
        on_written: Callable[[], None],
    ) -> None:
        """Prepare; `make_device` raises DeviceError where a device cannot be.

        `on_state` is called when a device says something new, `on_written` when a
        write succeeds or fails.
        """
        self._make_device = make_device
        self._record = record
        self._on_state = on_state
        self._on_written = on_written
        self._seats: dict[str, Seat] = {}

    # --------------------------------------------------------------------- composition

    async def put(self, config: DeviceConfig) -> None:
        """Add a device, or put another configuration in its place.

        Where only the ways differ in which it can be stopped, it goes on as it is: a
        relay that names it or no longer does is nothing that it has to be asked about.
        """
        assert config.asset is not None
        if (seat := self._seats.get(config.device_id)) is not None and (
            _differ_in_paths(seat.config, config)
        ):
            seat.config, seat.asset = config, config.asset
            if isinstance(seat.device, RelayAware):
                behind = StopPath.RELAY in config.asset.stop_paths
                seat.device.set_behind_relay(behind)
            return
        await self.remove(config.device_id)
        device: Device
        try:
            device = self._make_device(config)
        except DeviceError as err:
            device = BrokenDevice(config, err)
        seat = Seat(
            config=config,
            asset=config.asset,
            device=device,
            actor=AssetActor(
                device,
                config.name,
                self._on_written,
                WriteNotes(config.device_id, config.name, self._record),
            ),
            availability=AvailabilityLog(config.name),
        )
        self._seats[config.device_id] = seat
        seat.actor.start()
        await device.start(lambda _state: self._changed(seat))

    async def remove(self, device_id: str) -> None:
        """Take a device away, where there is one of that id."""
        if (seat := self._seats.pop(device_id, None)) is not None:
            await _leave(seat)

    async def give_back(
        self, device_id: str, setpoint: Setpoint | None
    ) -> GivenBack | None:
        """Enable a load before it leaves; None where nothing has it off.

        What a stop, a limit, the fuse or its user holds off stays off.
        """
        seat = self._seats.get(device_id)
        if seat is None or setpoint is None or not is_moved(seat.asset, setpoint):
            return None
        if (cause := holds_off(setpoint)) is not None:
            return GivenBack(
                asset_id=device_id, name=seat.asset.name, reason=cause.text
            )
        await seat.actor.stop()
        return await enable(seat.device, seat.asset)

    async def stop(self) -> None:
        """Take all away; each keeps what it was told last."""
        await asyncio.gather(*(_leave(seat) for seat in self._seats.values()))
        self._seats.clear()

    def _changed(self, seat: Seat) -> None:
        state = seat.device.state
        seat.availability.take(available=state.available, problem=state.problem)
        seat.actor.state_changed()
        self._on_state()

    # ------------------------------------------------------------------------- driving

    def post(self, setpoints: Mapping[str, Setpoint], *, shadow: bool) -> None:
        """Fill the mailboxes, or in shadow empty those that would be filled."""
        for asset_id, setpoint in setpoints.items():
            if (seat := self._seats.get(asset_id)) is None:
                continue
            if shadow:
                seat.actor.withdraw()
            else:
                seat.actor.post(setpoint)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be written to any device."""
        return all(seat.actor.settled for seat in self._seats.values())

    def unconfirmed(self, direction: Direction) -> tuple[str, ...]:
        """Return the names of those that have not taken a stop's setpoint yet."""
        return tuple(
            seat.asset.name
            for seat in self._seats.values()
            if _concerned(seat.asset, direction) and not seat.actor.done
        )

    # ------------------------------------------------------------------------- looking

    def get(self, asset_id: str) -> Seat | None:
        """Return one device and what drives it."""
        return self._seats.get(asset_id)

    def configs(self) -> dict[str, DeviceConfig]:
        """Return how each device is set up, by id."""
        return {key: seat.config for key, seat in self._seats.items()}

    def done(self, asset_id: str) -> bool:
        """Whether a device has taken its newest setpoint."""
        seat = self._seats.get(asset_id)
        return seat is not None and seat.actor.done

    def assets(self) -> dict[str, Asset]:
        """Return what each device is, by id."""
        return {key: seat.asset for key, seat in self._seats.items()}

    def names(self) -> dict[str, str]:
        """Return the assets' names by id."""
        return {key: seat.asset.name for key, seat in self._seats.items()}

    def states(self) -> dict[str, AssetState]:
        """Return what each device said last, by id."""
        return {key: seat.device.state for key, seat in self._seats.items()}

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the names of devices that take no setpoint, and why."""
        for seat in self._seats.values():
            if (problem := seat.actor.problem) is not None:
                yield seat.asset.name, problem

    def virtual_meters(self) -> dict[str, VirtualMeterView]:
        """Return how the virtual meters that chargers read are doing, by their id."""
        views = (
            seat.device.meter_view
            for seat in self._seats.values()
            if isinstance(seat.device, MeteredCharger)
        )
        return {view.meter_id: view for view in views}


def _differ_in_paths(old: DeviceConfig, new: DeviceConfig) -> bool:
    """Whether nothing else differs than how the asset can be stopped."""
    if old.asset is None or new.asset is None:
        return False
    known = replace(old.asset, stop_paths=new.asset.stop_paths)
    return replace(old, asset=known) == new


async def _leave(seat: Seat) -> None:
    await seat.actor.stop()
    await seat.device.stop()


def _concerned(asset: Asset, direction: Direction) -> bool:
    """Whether a stop of a direction is carried out by the asset's own setpoint."""
    if not asset.controllable or StopPath.SETPOINT not in asset.stop_paths:
        return False
    return asset.produces if direction is Direction.PRODUCTION else asset.consumes
