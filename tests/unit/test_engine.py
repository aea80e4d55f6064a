"""What the product takes from the OpenFlow engine, and which engine it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ryu_haslb import engine

_IMPORT = "import ryu_haslb.manager; ryu_haslb.manager.prepare(); from ryu_haslb import engine; print(engine.PACKAGE)"


def test_an_installed_factory_replaces_that_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.controller, "datapath_connection_factory", None)

    def serve(accepted: object, address: object) -> None:
        del accepted, address

    engine.install_connection_factory(serve)
    assert engine.controller.datapath_connection_factory is serve


def hide(folder: Path, package: str) -> None:
    """Put a package of this name on the path that cannot be imported, as if it were not installed."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(f"raise ModuleNotFoundError({package!r})")


def run(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


INSTALLED = [package for package in engine.ENGINES if engine._is_installed(package)]


def test_the_first_installed_engine_is_used() -> None:
    assert INSTALLED[0] == engine.PACKAGE
    assert next(iter(engine.ENGINES)) == "ryu"


def test_a_folder_with_the_name_of_an_engine_is_no_engine(tmp_path: Path) -> None:
    (tmp_path / "ryu").mkdir()
    assert run(_IMPORT, tmp_path).stdout == f"{engine.PACKAGE}\n"


@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs both engines")
def test_os_ken_is_used_without_ryu_and_under_the_manager_of_os_ken(tmp_path: Path) -> None:
    under_its_manager = run("import os_ken.cfg; " + _IMPORT, tmp_path, OSKEN_HUB_TYPE="eventlet")
    assert under_its_manager.stdout == "os_ken\n"
    hide(tmp_path, "ryu")
    assert run(_IMPORT, tmp_path).stdout == "os_ken\n"


def test_without_an_engine_the_command_ends_with_what_to_install(tmp_path: Path) -> None:
    for package in engine.ENGINES:
        hide(tmp_path, package)
    ended = run("from ryu_haslb.manager import main; main()", tmp_path)
    assert ended.returncode == 1
    assert (
        ended.stderr == "ryu_haslb: no OpenFlow engine is installed; install os-ken, or Ryu 4.34: pip install os-ken\n"
    )


@pytest.mark.skipif("os_ken" not in INSTALLED, reason="needs os-ken")
def test_native_threads_are_an_error_with_the_way_out(tmp_path: Path) -> None:
    hide(tmp_path, "ryu")
    ended = run("from ryu_haslb.manager import main; main()", tmp_path, OSKEN_HUB_TYPE="native")
    assert ended.stderr == "ryu_haslb: os-ken runs native threads; set OSKEN_HUB_TYPE=eventlet, or unset it\n"


def test_the_version_names_product_and_engine(tmp_path: Path) -> None:
    shown = run("import sys; sys.argv[1:] = ['--version']; from ryu_haslb.manager import main; main()", tmp_path).stdout
    assert shown.startswith("ryu-haslb ")
    assert f" with {engine.ENGINES[engine.PACKAGE]} " in shown


def test_the_version_of_the_engine_is_that_of_its_package() -> None:
    name = engine.ENGINES[engine.PACKAGE]
    assert engine.describe().endswith(f" with {name} {version(name)}")
