"""Modules that are imported at their first use: what the engine imports, and the balancer does not use.

The engine imports a packet library, and its libraries import others. That is a tenth of the processor time of a start,
in which no request is served. So these modules are left empty until one of their names is asked for, or all of them.
Other applications in the same process find all that they use.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Optional

#: Modules of the engine's packet library, behind the name of its package: those that come with the library's package.
#: Other parts of the engine do not wait: it makes an event for each class of a parser, and its web server registers
#: options, which is possible before the command line is read only.
_PACKET_LIBRARY = tuple(
    f"lib.packet.{name}"
    for name in ("arp", "ethernet", "icmp", "icmpv6", "ipv4", "ipv6", "lldp", "mpls", "packet", "packet_utils")
)
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
        """Have the module loaded by the first access to a name that it lacks, or to all names."""

        def use(name: str) -> Any:
            self.load(module)
            return getattr(module, name)

        def names() -> list[str]:
            self.load(module)
            return dir(module)

        vars(module).update(__getattr__=use, __dir__=names)

    def load(self, module: ModuleType) -> None:
        """Load the module now. If that fails it stays empty, and the next use fails for the same reason."""
        del vars(module)["__getattr__"], vars(module)["__dir__"]
        _set_loader(module, self._loader)
        try:
            self._loader.exec_module(module)
        except BaseException:
            _set_loader(module, self)
            self.exec_module(module)
            raise


class _LoadedByPackage:
    """The loader of a module that its package has imported while the module was looked for: it takes that one."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """The module that is there."""
        return sys.modules[spec.name]

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Give the module its own loader back."""
        _set_loader(module, module.__loader__)


class _Finder:
    """Finds the modules that are to be loaded at their first use."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        """The module as it would be found otherwise, with another loader; a module that is loaded again as it is."""
        package, _, part = name.partition(".")
        if package in _OF_ITS_LIBRARIES and part:
            return _with_its_package(name)
        is_loaded = target is not None and not isinstance(_loader_of(target), _AtFirstUse)
        if is_loaded or not (part in _PACKET_LIBRARY or name in _OF_ITS_LIBRARIES):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _AtFirstUse(spec.loader)  # type: ignore[assignment]
        return spec


def _with_its_package(name: str) -> Optional[ModuleSpec]:
    """The module, if its package, which is loaded before it as ever, has imported it."""
    package = sys.modules[name.rpartition(".")[0]]
    loader = _loader_of(package)
    if not isinstance(loader, _AtFirstUse):
        return None
    loader.load(package)
    if name not in sys.modules:
        return None
    spec = copy.copy(sys.modules[name].__spec__)
    assert spec is not None
    spec.loader = _LoadedByPackage()  # type: ignore[assignment]
    return spec


def _set_loader(module: ModuleType, loader: Any) -> None:
    assert module.__spec__ is not None
    module.__loader__ = module.__spec__.loader = loader


def _loader_of(module: ModuleType) -> Any:
    return module.__spec__ and module.__spec__.loader


def await_first_use() -> None:
    """Leave all of these modules that this process has not imported yet to their first use."""
    sys.meta_path.insert(0, _Finder)
