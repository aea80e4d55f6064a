"""Modules that are imported at their first use: what the engine imports, and the balancer does not use.

The engine imports a packet library, a web server and every version of OpenFlow, and its libraries do likewise. That is
a quarter of the processor time of a start, in which no request is served. So these modules are left empty until one of
their names is asked for. Other applications in the same process find all that they use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Optional

#: Parts of the engine, behind the name of its package. All of the packet library, a module at a time.
_OF_ENGINE = (
    "app.wsgi",
    "ofproto.ofproto_v1_0_parser",
    "ofproto.ofproto_v1_2_parser",
    "ofproto.ofproto_v1_4_parser",
    "ofproto.ofproto_v1_5_parser",
)
_PACKET_LIBRARY = "lib.packet."
_OF_ITS_LIBRARIES = ("asyncio", "eventlet.wsgi", "rfc3986", "stevedore")


class _AtFirstUse:
    """A loader that leaves a module empty until one of its names is asked for (PEP 562), and then loads it.

    ``importlib.util.LazyLoader`` would load it when it is looked at only, as ``isinstance`` and eventlet do.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """The empty module."""
        created: Optional[ModuleType] = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Have the module loaded by the first access to a name that it lacks."""

        def load(name: str) -> Any:
            if name == "__bases__":  # inspect.getmembers asks whatever it looks at for them
                raise AttributeError(name)
            del vars(module)["__getattr__"]
            assert module.__spec__ is not None
            module.__loader__ = module.__spec__.loader = self._loader
            self._loader.exec_module(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = load


class _Finder:
    """Finds the modules that are to be loaded at their first use."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """The module as it would be found otherwise, with another loader."""
        part = name.partition(".")[2]
        if part not in _OF_ENGINE and not part.startswith(_PACKET_LIBRARY) and name not in _OF_ITS_LIBRARIES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _AtFirstUse(spec.loader)  # type: ignore[assignment]
        return spec


def await_first_use() -> None:
    """Leave all of these modules that this process has not imported yet to their first use."""
    sys.meta_path.insert(0, _Finder)
