"""What must not be written in the modules that mypyc compiles (CONTRIBUTING.md, "The compiled request path")."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

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
