"""What connections of our own share, whichever library speaks on them."""

from collections.abc import Callable
from typing import Protocol

from .ports import LinkParams, ModbusUnit


def keep_wish(wishes: dict[int, float], unit_id: int, seconds: float | None) -> None:
    """Keep one unit's wish for a connection that others share; None ends it."""
    if seconds is None:
        wishes.pop(unit_id, None)
    else:
        wishes[unit_id] = seconds


class OwnConnection(Protocol):
    """A connection that opens with its first request."""

    async def close(self) -> None:
        """Close it; a later request opens it anew."""


class OwnUnits[ConnectionT: OwnConnection]:
    """Hands out units on connections of our own. Fulfils `UnitFactory`.

    Use one instance per event loop.
    """

    def __init__(
        self,
        connect: Callable[[LinkParams], ConnectionT],
        make_unit: Callable[[ConnectionT, int], ModbusUnit],
    ) -> None:
        """Start without a connection."""
        self._connect = connect
        self._make_unit = make_unit
        self._connections: dict[LinkParams, ConnectionT] = {}

    async def unit(self, link: LinkParams, unit_id: int) -> ModbusUnit:
        """Return a unit; the connection opens with its first request."""
        if link not in self._connections:
            self._connections[link] = self._connect(link)
        return self._make_unit(self._connections[link], unit_id)

    async def release(self, link: LinkParams) -> None:
        """Close the connection of a link."""
        if (connection := self._connections.pop(link, None)) is not None:
            await connection.close()

    async def close(self) -> None:
        """Close all connections."""
        for link in tuple(self._connections):
            await self.release(link)
