"""The layer table as a contract of import-linter.

import-linter's own contracts name modules that must exist. This one names who may
import whom, so it holds for every module that there is and for the next one.
"""

from collections.abc import Iterator
import sys
from typing import override

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

# Modules that lie in no layer's folder are Home Assistant's face; a package's
# `__main__` is where its command line starts.
FACE = "face"
COMMAND_LINES = "cli"

HOME_ASSISTANT = frozenset({"homeassistant", "probatio", "voluptuous"})
# What reads a clock, draws lots, or reaches outside the process.
OUTSIDE_WORLD = frozenset(
    {
        "asyncio", "concurrent", "ctypes", "http", "io", "logging", "mmap",
        "multiprocessing", "os", "pathlib", "queue", "random", "secrets", "select",
        "selectors", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl",
        "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
    }
)  # fmt: skip


class LayerTable(Contract):
    """Every import inside the package, and out of it, is one that its layer may make.

    Options:
        may_import: lines `layer: layer, layer`, one for each layer.
        home_assistant: layers that may import Home Assistant.
        third_party: lines `layer: package, package` for layers whose packages are
            named one by one; none after the colon is the standard library alone.
        no_outside_world: layers without clocks, chance, input and output.
        exceptions: single imports, `module -> package`, relative to the package.
    """

    may_import = fields.ListField(subfield=fields.StringField())
    home_assistant = fields.ListField(subfield=fields.StringField())
    third_party = fields.ListField(subfield=fields.StringField())
    no_outside_world = fields.ListField(subfield=fields.StringField())
    exceptions = fields.ListField(subfield=fields.StringField(), default=[])

    @override
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        (root,) = self.session_options["root_packages"]
        faults = sorted(self._faults(graph, root))
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    @override
    def render_broken_contract(self, check: ContractCheck) -> None:
        for fault in check.metadata["faults"]:
            output.print_error(f"- {fault}", bold=False)
        output.new_line()

    def _faults(self, graph: ImportGraph, root: str) -> Iterator[str]:
        table = _lines(self.may_import)
        inside = {m for m in graph.modules if m == root or m.startswith(f"{root}.")}
        for importer in inside:
            layer = _layer_of(importer, root, table)
            for imported in graph.find_modules_directly_imported_by(importer):
                if imported in inside:
                    target = _layer_of(imported, root, table)
                    reason = (
                        None
                        if target == layer or target in table[layer]
                        else f"{layer} may not import {target}"
                    )
                else:
                    reason = self._outside(layer, imported.partition(".")[0])
                name = importer.removeprefix(root).removeprefix(".")
                if reason and f"{name} -> {imported}" not in self.exceptions:
                    numbers = sorted(
                        detail["line_number"]
                        for detail in graph.get_import_details(
                            importer=importer, imported=imported
                        )
                    )
                    lines = ", ".join(map(str, numbers))
                    yield f"{importer} -> {imported} (line {lines}): {reason}"

    def _outside(self, layer: str, package: str) -> str | None:
        """Return why the layer may not import the package, None where it may."""
        if package in HOME_ASSISTANT and layer not in self.home_assistant:
            return f"{layer} knows nothing of Home Assistant"
        if package in OUTSIDE_WORLD and layer in self.no_outside_world:
            return f"{layer} has no clock, no chance, no input and no output"
        named = _lines(self.third_party).get(layer)
        if named is None or package in sys.stdlib_module_names or package in named:
            return None
        return f"{layer} may not import the package {package}"


def _lines(lines: list[str]) -> dict[str, frozenset[str]]:
    """Parse lines of the form `name: name, name`."""
    parsed: dict[str, frozenset[str]] = {}
    for line in lines:
        name, _, values = line.partition(":")
        parsed[name.strip()] = frozenset(
            value.strip() for value in values.split(",") if value.strip()
        )
    return parsed


def _layer_of(module: str, root: str, table: dict[str, frozenset[str]]) -> str:
    """Return the layer that a module of the package belongs to."""
    parts = module.removeprefix(root).removeprefix(".").split(".")
    if parts[-1] == "__main__":
        return COMMAND_LINES
    return parts[0] if parts[0] in table else FACE
