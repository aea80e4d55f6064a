"""Imports the compiled modules of a checkout in the place of their sources: ``HASLB_COMPILED`` names their folder.

``make`` compiles into ``build/``, and sets the variable for all that is to run compiled. Python imports this file at
its start (``tools/install-python``), some thousand times in a run of the tests, so what only a find needs is imported
there. All other modules are imported as without it, and so are all where none was compiled.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec

PACKAGE = "ryu_haslb"
#: How the name of the library ends that mypyc makes beside the modules, and that contains the code of all of them.
LIBRARY = "__mypyc"


class CompiledFirst:
    """Finds the modules that were compiled into ``folder``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._is_checked = False

    def find_spec(self, name: str, path: list[str] | None, target: object = None) -> ModuleSpec | None:
        """The compiled module of this name."""
        if not name.startswith(f"{PACKAGE}.") and not name.endswith(LIBRARY):
            return None
        found = os.path.join(self._folder, *name.split(".")) + EXTENSION_SUFFIXES[0]
        if not os.path.exists(found):
            return None
        if path and not self._is_checked:
            self._check(os.path.normpath(os.path.join(path[0], *[os.pardir] * (name.count(".") - 1))))
            self._is_checked = True
        from importlib.util import spec_from_file_location  # noqa: PLC0415

        return spec_from_file_location(name, found, loader=ExtensionFileLoader(name, found))

    def _check(self, sources: str) -> None:
        """Every source must be what was compiled: what is compiled contains values of other modules as well."""
        from filecmp import cmp  # noqa: PLC0415

        built = os.path.join(self._folder, PACKAGE)
        for folder, _, names in os.walk(built):
            for name in names:
                copy = os.path.join(folder, name)
                source = sources + copy[len(built) :]
                if name.endswith(".py") and not (os.path.exists(source) and cmp(source, copy)):
                    raise ImportError(f"{source} has changed since {self._folder} was compiled; run: make compiled")


def install(folder: str) -> None:
    """Look for modules in the folder first."""
    sys.meta_path.insert(0, CompiledFirst(folder))
