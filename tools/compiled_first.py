"""Imports the compiled modules of a checkout in the place of their sources: ``HASLB_COMPILED`` names their folder.

``make`` compiles into ``build/``, and sets the variable for all that is to run compiled. Python imports this file at
its start (``tools/install-python``). All other modules are imported as without it, and
so are all where none was compiled.
"""

from __future__ import annotations

import filecmp
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Optional

PACKAGE = "ryu_haslb"


class CompiledFirst(MetaPathFinder):
    """Finds the modules that were compiled into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        suffix = EXTENSION_SUFFIXES[0]
        self._found = {
            str(path.relative_to(folder))[: -len(suffix)].replace("/", "."): str(path)
            for path in folder.rglob(f"*{suffix}")
        }
        self._is_checked = False

    def find_spec(self, name: str, path: Optional[Sequence[str]], target: object = None) -> Optional[ModuleSpec]:
        """The compiled module of this name."""
        found = self._found.get(name)
        if found is None:
            return None
        if path and not self._is_checked:
            self._check(Path(path[0]).parents[name.count(".") - 2] if name.count(".") > 1 else Path(path[0]))
            self._is_checked = True
        return spec_from_file_location(name, found, loader=ExtensionFileLoader(name, found))

    def _check(self, sources: Path) -> None:
        """Every source must be what was compiled: what is compiled contains values of other modules as well."""
        built = self._folder / PACKAGE
        for copy in built.rglob("*.py"):
            source = sources / copy.relative_to(built)
            if not source.exists() or not filecmp.cmp(source, copy):
                raise ImportError(f"{source} has changed since {self._folder} was compiled; run: make compiled")


def install(folder: str) -> None:
    """Look for modules in the folder first."""
    sys.meta_path.insert(0, CompiledFirst(Path(folder)))
