"""Which way round the currents of S1 are, found out against the P1 port.

No public text says which direction S1 counts. P1 does: powers of both ports are
compared while the house lives, and those signs win that explain P1's power best.
"""

from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Self

from ..model.power_quality import PowerQuality
from ..model.reading import MeterReading

_ENOUGH: Final = 10
"""Pairs of readings."""
_TELLING: Final = 200.0
"""W by which a wrong sign has to miss, in the mean: a line with 100 W."""
_CLEAR: Final = 4.0
"""How much better the right sign has to be than the wrong one, in squares."""
_NOTHING: Final = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignCheck:
    """Sums over pairs of simultaneous values of S1 and P1, powers in W.

    A reading of P1 is a second old or more, which steps of load make visible; ten pairs
    and more even that out.
    """

    pairs: int = 0
    squares: tuple[tuple[float, ...], ...] = (_NOTHING, _NOTHING, _NOTHING)
    """Of each two lines of S1."""
    totals: tuple[float, ...] = _NOTHING
    """Of each line of S1 with P1's net power."""
    lines: tuple[float, ...] = _NOTHING
    """Of each line of S1 with P1's own power of it."""
    lines_squares: tuple[float, ...] = _NOTHING
    """Of each line of S1 with itself, where P1 has that line."""
    rest: float = 0.0
    """Squares of P1 itself."""

    def after(self, quality: PowerQuality, reading: MeterReading) -> Self:
        """Return the check with one more pair; without a power on P1 it is none."""
        if reading.power is None:
            return self
        total = reading.power
        powers = [0.0, 0.0, 0.0]
        lines, own, rest = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], total**2
        for value in quality.lines:
            if value.power is None:
                continue
            index = int(value.line[1]) - 1
            powers[index] = value.power
            if (reference := reading.line_power[value.line]) is not None:
                lines[index] = value.power * reference
                own[index] = value.power**2
                rest += reference**2
        return replace(
            self,
            pairs=self.pairs + 1,
            squares=tuple(
                tuple(
                    entry + first * second
                    for entry, second in zip(row, powers, strict=True)
                )
                for row, first in zip(self.squares, powers, strict=True)
            ),
            totals=_add(self.totals, [power * total for power in powers]),
            lines=_add(self.lines, lines),
            lines_squares=_add(self.lines_squares, own),
            rest=self.rest + rest,
        )

    @property
    def turn(self) -> tuple[bool | None, bool | None, bool | None]:
        """Whether the current of each line has to be turned round; None: not known."""
        if self.pairs < _ENOUGH:
            return (None, None, None)
        signs = min(product((1, -1), repeat=3), key=self._misses)
        best = self._misses(signs)
        found: list[bool | None] = []
        for index, sign in enumerate(signs):
            flipped = tuple(
                -other if place == index else other for place, other in enumerate(signs)
            )
            wrong = self._misses(flipped)
            telling = wrong - best >= self.pairs * _TELLING**2
            clear = wrong >= _CLEAR * best
            found.append(sign < 0 if telling and clear else None)
        return (found[0], found[1], found[2])

    def _misses(self, signs: tuple[int, ...]) -> float:
        """Return the sum of squares by which signs miss what P1 shows."""
        mixed = sum(
            first * second * entry
            for first, row in zip(signs, self.squares, strict=True)
            for second, entry in zip(signs, row, strict=True)
        )
        linear = sum(
            sign * (total + line)
            for sign, total, line in zip(signs, self.totals, self.lines, strict=True)
        )
        return self.rest - 2 * linear + mixed + sum(self.lines_squares)


def _add(sums: tuple[float, ...], more: list[float]) -> tuple[float, ...]:
    return tuple(first + second for first, second in zip(sums, more, strict=True))
