"""One module names the OpenFlow engine; every other one takes it from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ryu.controller import controller

import ryu_haslb
from ryu_haslb import engine

PRODUCT = Path(ryu_haslb.__file__).parent
MODULES = sorted(PRODUCT.rglob("*.py"))


def imported_packages(source: str) -> Iterator[str]:
    """The top-level package of each import in ``source``, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PRODUCT)))
def test_only_the_engine_module_names_ryu(path: Path) -> None:
    assert ("ryu" in imported_packages(path.read_text())) == (path == PRODUCT / "engine.py")


def test_every_name_that_the_engine_offers_exists() -> None:
    assert [name for name in engine.__all__ if not hasattr(engine, name)] == []


def test_an_installed_factory_replaces_that_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "datapath_connection_factory", None)

    def serve(accepted: object, address: object) -> None:
        del accepted, address

    engine.install_connection_factory(serve)
    assert controller.datapath_connection_factory is serve
