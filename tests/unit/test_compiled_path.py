"""The modules that mypyc compiles: what must not be written there, when they are compiled, which ones are imported.

CONTRIBUTING.md, "The compiled request path". ``make test`` runs these tests with both, and so has each of them pass.
"""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest
from farm_builder import Bench

import ryu_haslb
from ryu_haslb.slb import balancer

ROOT = Path(__file__).parents[2]


def compiled_modules() -> list[Path]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return [ROOT / each for each in setup["haslb:compiled"]["modules"].split()]


def constant_slices(module: ast.Module) -> Iterator[str]:
    """The names of the module that stand for slices."""
    for statement in module.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            values = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement.value]
            calls = [each.func for each in values if isinstance(each, ast.Call)]
            if any(isinstance(each, ast.Name) and each.id == "slice" for each in calls):
                yield ast.unparse(statement)


def test_a_constant_slice_is_found() -> None:
    source = "_A = slice(6, 12)\n_B, _C = slice(1), 2\n_D: Final = slice(3)\n_E = range(6, 12)\n"
    assert len(list(constant_slices(ast.parse(source)))) == 3


@pytest.mark.parametrize("path", compiled_modules(), ids=lambda path: path.stem)
def test_no_compiled_module_cuts_bytes_by_a_constant_slice(path: Path) -> None:
    """mypyc compiles ``frame[_CLIENT]`` as if ``_CLIENT`` were a number, and says nothing."""
    assert not list(constant_slices(ast.parse(path.read_text())))


def test_the_build_is_that_of_the_modules_that_are_imported() -> None:
    is_compiled = str(balancer.__file__).endswith(tuple(EXTENSION_SUFFIXES))
    assert ryu_haslb.build() == ("compiled" if is_compiled else "pure")
    assert ryu_haslb.product() == f"ryu-haslb {ryu_haslb.__version__} ({ryu_haslb.build()})"


def test_a_traceback_names_file_and_line_of_the_source() -> None:
    with pytest.raises(KeyError) as raised:
        Bench(1).balancer.clear_sessions("nowhere")
    places = [each for each in traceback.extract_tb(raised.value.__traceback__) if each.name == "clear_sessions"]
    assert places[0].filename.endswith("ryu_haslb/slb/balancer.py")
    assert places[0].lineno


@pytest.mark.parametrize("variables", [{"HASLB_PURE": "1"}, {"CC": "/nowhere/cc"}], ids=["told", "no compiler"])
def test_without_a_compiler_and_where_told_so_all_is_installed_as_it_is_written(
    variables: dict[str, str], tmp_path: Path
) -> None:
    build = ["egg_info", "--egg-base", str(tmp_path), "build", "--build-base", str(tmp_path / "build")]
    command = [sys.executable, "setup.py", "-q", *build, "--build-lib", str(tmp_path / "lib")]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, capture_output=True)
    assert (tmp_path / "lib" / "ryu_haslb" / "slb" / "balancer.py").exists()
    assert not list(tmp_path.rglob("*.so"))


def finder() -> ModuleType:
    """``tools/compiled_first.py``, which is imported in a process of its own otherwise."""
    spec = importlib.util.spec_from_file_location("compiled_first", ROOT / "tools" / "compiled_first.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as ``make compiled`` makes it, with one module."""
    for folder in (tmp_path / "built", tmp_path):
        (folder / "ryu_haslb" / "slb").mkdir(parents=True)
        (folder / "ryu_haslb" / "errors.py").write_text("LIMIT = 1")
        (folder / "ryu_haslb" / "slb" / "balancer.py").write_text("from ryu_haslb.errors import LIMIT")
    (tmp_path / "built" / "ryu_haslb" / "slb" / f"balancer{EXTENSION_SUFFIXES[0]}").touch()
    return tmp_path / "built"


def test_what_was_compiled_is_found_and_nothing_else(built: Path) -> None:
    compiled = finder().CompiledFirst(str(built))
    spec = compiled.find_spec("ryu_haslb.slb.balancer", [str(built.parent / "ryu_haslb" / "slb")])
    assert spec.origin == str(built / "ryu_haslb" / "slb" / f"balancer{EXTENSION_SUFFIXES[0]}")
    assert compiled.find_spec("ryu_haslb.errors", [str(built.parent / "ryu_haslb")]) is None
    assert finder().CompiledFirst(str(built / "nowhere")).find_spec("ryu_haslb.slb.balancer", None) is None


def test_what_was_compiled_from_other_sources_is_never_imported(built: Path) -> None:
    """Also if another module has changed: values of its constants are compiled into the code."""
    changed = built.parent / "ryu_haslb" / "errors.py"
    changed.write_text("LIMIT = 22")
    compiled = finder().CompiledFirst(str(built))
    with pytest.raises(ImportError, match=r"errors\.py has changed since .*make compiled"):
        compiled.find_spec("ryu_haslb.slb.balancer", [str(built.parent / "ryu_haslb" / "slb")])
