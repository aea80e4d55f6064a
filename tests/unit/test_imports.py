"""Which module may import which: rooms import lower rooms only, without circles, and decisions do no I/O."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ryu_haslb

PRODUCT = Path(ryu_haslb.__file__).parent
#: The rooms from the bottom to the top. A room imports rooms of lower layers only, none of its own layer.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "regular_file", "watchdog_process"}),
    frozenset({"language", "mobile_ip", "log_format"}),
    frozenset({"log_limit", "log_buffer"}),
    frozenset({"configuration"}),
    frozenset({"slb"}),
    frozenset({"dfp", "ipsec", "accepting"}),
    frozenset({"openflow"}),
    frozenset({"cluster", "switch_test"}),
    frozenset({"show"}),
    frozenset({"control"}),
    frozenset({"cli", "web"}),
)
LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
#: Rooms without I/O and without a clock, which import neither the engine nor eventlet.
PURE_ROOMS = frozenset({"errors", "language", "mobile_ip", "configuration", "slb"})
#: The operator's process starts quickly, without them.
LIGHT_ROOMS = PURE_ROOMS | {"cli", "switch_test"}


def name_of(path: Path) -> str:
    """The name of the module in ``path``, such as ``ryu_haslb.slb.real``; of a package for its ``__init__.py``."""
    parts = path.relative_to(PRODUCT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PRODUCT.rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """The modules that ``module`` imports, at its top or in a function."""
    return frozenset(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module} has a relative import"
            members = {f"{node.module}.{name.name}" for name in node.names}
            modules = members & MODULES.keys()
            yield from modules
            if len(modules) < len(members):
                yield node.module


def room_of(module: str) -> str:
    """The room of a module; a top-level module of the product is a room of its own."""
    return module.split(".")[1] if "." in module else ""


def folder_of(module: str) -> str:
    """The folder of its room that a module is in, such as ``ryu_haslb.openflow.audit``; else the module itself."""
    return ".".join(module.split(".")[:3])


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_lower_rooms_only(module: str) -> None:
    room = room_of(module)
    if room not in LAYER_OF:  # the top-level files may import every room
        return
    for imported in imports(module):
        target = room_of(imported)
        if imported.startswith("ryu_haslb.") and target not in (room, "engine"):
            assert LAYER_OF.get(target, len(LAYERS)) < LAYER_OF[room], f"{module} imports {imported}"


def test_every_room_has_a_layer() -> None:
    assert {path.parent.name for path in PRODUCT.glob("*/__init__.py")} <= LAYER_OF.keys()


def test_there_is_no_circle_of_imports() -> None:
    _assert_without_circle({module: {each for each in imports(module) if each in MODULES} for module in MODULES})


def test_there_is_no_circle_between_the_folders_of_a_room() -> None:
    """A folder in a room counts as one; a file that is in no such folder stands alone."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        graph.setdefault(folder_of(module), set()).update(
            folder_of(each) for each in imports(module) if each in MODULES and room_of(each) == room_of(module)
        )
    _assert_without_circle(graph)


def _assert_without_circle(graph: dict[str, set[str]]) -> None:
    graph = {name: targets - {name} for name, targets in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_module_imports_an_engine_but_through_the_engine_module() -> None:
    """That one imports it by a name that it finds out, so that no import of it is written down there either."""
    packages = {module: {imported.partition(".")[0] for imported in imports(module)} for module in MODULES}
    assert [module for module, imported in packages.items() if {"ryu", "os_ken"} & imported] == []


def test_only_the_engine_module_and_the_names_of_loggers_name_an_engine() -> None:
    naming = {path.name for path in PRODUCT.rglob("*.py") if re.search(r'"(ryu|os_ken)"', path.read_text())}
    assert naming == {"engine.py", "log_limit.py"}


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in LIGHT_ROOMS])
def test_decisions_and_the_command_line_import_neither_engine_nor_eventlet(module: str) -> None:
    assert not {"eventlet", "ryu_haslb.engine"} & {
        imported if imported == "ryu_haslb.engine" else imported.partition(".")[0] for imported in imports(module)
    }
