"""Measurements per asset category, as the grid operator reads them."""

from collections.abc import Mapping
from dataclasses import dataclass

from .asset import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMeasurement:
    """Power of all assets of one category, W and var, load positive.

    Zero and topical where the site has no such asset. `topical` is False while a
    source of the sum is stale; the values are then the last known ones.
    """

    power: float = 0.0
    reactive_power: float = 0.0
    topical: bool = True


type Measurements = Mapping[Category, CategoryMeasurement]
