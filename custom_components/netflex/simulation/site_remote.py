"""What can be asked of a simulated site from outside: look, change, break, mend."""

from collections.abc import Mapping
from typing import Any

from .day import Day
from .household import CHARGER, METER, RELAY, SimulatedSite
from .meter import P1Wire
from .modbus import ModbusWire
from .remote import Handler, RemoteError
from .s1_meter import S1Wire


def site_requests(site: SimulatedSite) -> dict[str, Handler]:
    """Return the requests of a simulated site by name.

    `day` plays a day of `length` s that is at `start_hour` at `origin` (monotonic s).
    `status` shows the plant and every wire; `set` takes any of the names in
    `_SETTERS`; `unplug`, `plug` and `reboot` take `wire`; `fault` takes `wire` and
    `silent`, `delay` (s) or `damage` (telegrams); `writes` takes `wire` and `since`
    (monotonic s) and lists what was written to it.
    """

    async def status(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        return site_status(site)

    async def change(request: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, value in request.items():
            if name == "do":
                continue
            if name not in _SETTERS:
                raise RemoteError(f"unknown setting {name}")
            owner, attribute = _SETTERS[name]
            part = getattr(site, owner)
            setattr(part, attribute, type(getattr(part, attribute))(value))
        return {}

    async def day(request: Mapping[str, Any]) -> Mapping[str, Any]:
        site.day = Day(
            origin=float(request["origin"]),
            length=float(request["length"]),
            start_hour=float(request["start_hour"]),
        )
        return {}

    async def unplug(request: Mapping[str, Any]) -> Mapping[str, Any]:
        await site.wire(request["wire"]).unplug()
        return {}

    async def plug(request: Mapping[str, Any]) -> Mapping[str, Any]:
        await site.wire(request["wire"]).plug()
        return {}

    async def reboot(request: Mapping[str, Any]) -> Mapping[str, Any]:
        reboots = {RELAY: site.relays.reboot, CHARGER: site.socket.reboot}
        reboots[request["wire"]]()
        return {}

    async def fault(request: Mapping[str, Any]) -> Mapping[str, Any]:
        wire = site.wire(request["wire"])
        wire.silent = bool(request.get("silent", wire.silent))
        if isinstance(wire, P1Wire | S1Wire):
            wire.damage = int(request.get("damage", wire.damage))
        else:
            wire.delay = float(request.get("delay", wire.delay))
        return {}

    async def writes(request: Mapping[str, Any]) -> Mapping[str, Any]:
        wire = site.wire(request["wire"])
        if not isinstance(wire, ModbusWire):
            raise RemoteError("nobody writes to a meter's user port")
        since = float(request.get("since", 0))
        return {
            "writes": [
                {
                    "at": write.at,
                    "unit": write.unit,
                    "space": write.space,
                    "address": write.address,
                    "values": list(write.values),
                }
                for write in wire.writes
                if write.at >= since
            ]
        }

    return {
        "status": status,
        "set": change,
        "day": day,
        "unplug": unplug,
        "plug": plug,
        "reboot": reboot,
        "fault": fault,
        "writes": writes,
    }


_SETTERS = {
    "sun": ("solar", "sun"),
    "car_plugged": ("car", "plugged"),
    "car_current": ("car", "wanted"),
    "household_level": ("household", "level"),
    "state_of_charge": ("storage", "state_of_charge"),
    "water_temperature": ("boiler", "temperature"),
    "validity": ("socket", "validity"),
    "safe_current": ("socket", "safe_current"),
    "stop_button": ("relays", "button_held"),
}


def site_status(site: SimulatedSite) -> dict[str, Any]:
    """Return the plant's true values: W, A, V, %; import positive."""
    connection = site.plant.connection
    wires: dict[str, P1Wire | ModbusWire] = {METER: site.meter, **site.wires}
    return {
        "power": connection.total_power,
        "line_power": connection.power,
        "line_current": connection.current,
        "sun": site.solar.sun,
        "solar_power": site.solar.power,
        "solar_contactor_closed": site.solar_contactor.closed,
        "car_plugged": site.car.plugged,
        "car_current": site.car.current,
        "car_power": site.car.power,
        "battery_power": site.storage.power,
        "state_of_charge": site.storage.state_of_charge,
        "boiler_on": site.boiler.contactor.closed,
        "boiler_power": site.boiler.power,
        "water_temperature": site.boiler.temperature,
        "wires": {
            name: {"port": wire.port, "plugged": wire.plugged, "clients": wire.clients}
            for name, wire in wires.items()
        },
    }
