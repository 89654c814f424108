"""Which connection a device's link uses: shared, one of its own, or a tolerant one."""

from typing import Protocol

from .dedicated import DedicatedUnits
from .ports import Connection, LinkParams, ModbusUnit, UnitFactory
from .tolerant import TolerantUnits


class _Closable(UnitFactory, Protocol):
    async def close(self) -> None: ...


class ChosenUnits:
    """Hands out units as each link asks for them. Fulfils `UnitFactory`."""

    def __init__(self, shared: _Closable) -> None:
        """Use `shared` where a link asks for nothing else."""
        self._by_choice: dict[Connection, _Closable] = {
            Connection.SHARED: shared,
            Connection.DEDICATED: DedicatedUnits(),
            Connection.TOLERANT: TolerantUnits(),
        }

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        """Return a unit on the connection that its link asks for."""
        return await self._by_choice[link.connection].unit(link, unit_id)

    async def release(self, link: LinkParams) -> None:
        """Give back everything held on a link."""
        await self._by_choice[link.connection].release(link)

    async def close(self) -> None:
        """Close or give back everything."""
        for units in self._by_choice.values():
            await units.close()
