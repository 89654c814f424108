"""The memory between decisions: immutable, versioned, careful after a restart."""

from dataclasses import FrozenInstanceError
import json

import pytest

from custom_components.netflex.control.memory import (
    EMPTY,
    VERSION,
    AssetMemory,
    Memory,
    UnknownVersionError,
    from_dict,
    survivors,
    to_dict,
)
from custom_components.netflex.model.connection import Line, LineValues

from .sites import charger, reading, site, state, step


def used() -> Memory:
    model = site(charger())
    car = state(charger(), 3680.0, currents=LineValues(l1=0.0, l2=16.0, l3=0.0))
    return step(model, reading(3680.0, currents=(0, 16.0, 0)), {"car": car})[1]


def test_memory_is_immutable() -> None:
    memory = used()
    with pytest.raises(FrozenInstanceError):
        memory.at = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        memory.assets["car"] = AssetMemory()  # type: ignore[index]


def test_memory_survives_a_restart_where_it_says_so_and_nowhere_else() -> None:
    memory = used()
    kept = from_dict(json.loads(json.dumps(to_dict(memory))))
    assert kept.asset("car").lines == (Line.L2,)
    assert survivors(Memory) == {"assets", "orders"}
    assert survivors(AssetMemory) == {"lines", "mode", "phases"}
    assert kept == Memory(assets={"car": AssetMemory(lines=(Line.L2,))})
    assert from_dict(to_dict(EMPTY)) == EMPTY


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, "1"])
def test_memory_of_another_version_is_refused_aloud(version: object) -> None:
    with pytest.raises(UnknownVersionError, match="version"):
        from_dict({"version": version, "assets": {}})


@pytest.mark.parametrize(
    "stored",
    [
        {"version": VERSION},
        {"version": VERSION, "assets": []},
        {"version": VERSION, "assets": {"car": {"lines": ["L9"]}}},
        {"version": VERSION, "assets": {"car": None}},
        {"version": VERSION, "assets": {}, "orders": [{"name": "maxsetp"}]},
        {"version": VERSION, "assets": {}, "orders": [None]},
    ],
)
def test_damaged_memory_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="damaged|not a valid"):
        from_dict(stored)


def test_decide_leaves_its_inputs_alone() -> None:
    model = site(charger())
    before = used()
    copy = to_dict(before), before.assets["car"]
    step(model, reading(0.0, 200.0), {"car": 0.0}, memory=before, at=200.0)
    assert (to_dict(before), before.assets["car"]) == copy
