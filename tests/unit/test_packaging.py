"""What is installed beside the package: commands of our own only, and what Ryu's command needs to run."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from ryu_haslb import engine

ROOT = Path(__file__).parents[2]
#: What Ryu's own script is, with the folder of the path file read as Python reads that of installed packages.
RYU_MANAGER = "import site; site.addsitedir({folder!r})\nfrom ryu.cmd.manager import main\nmain()\n"


def commands_of(distribution_name: str) -> set[str]:
    try:
        return {each.name for each in distribution(distribution_name).entry_points}
    except PackageNotFoundError:
        return set()


def test_no_command_belongs_to_an_engine() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    ours = {line.partition(" =")[0] for line in setup["options.entry_points"]["console_scripts"].split("\n") if line}
    assert {"haslb", "haslb-manager"} <= ours
    for name in engine.ENGINES.values():
        assert not ours & (commands_of(name) | {"ryu-manager", "osken-manager"})


def test_the_path_file_is_installed_beside_the_package(tmp_path: Path) -> None:
    build = ["-q", "egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run([sys.executable, "setup.py", *build], cwd=ROOT, check=True, capture_output=True)
    assert {each.name for each in (tmp_path / "lib").iterdir()} == {"ryu_haslb", "ryu-haslb.pth"}
    assert (tmp_path / "lib" / "ryu-haslb.pth").read_bytes() == (ROOT / "ryu-haslb.pth").read_bytes()


@pytest.mark.skipif(engine.PACKAGE != "ryu", reason="needs Ryu")
@pytest.mark.parametrize(("name", "succeeds"), [("ryu-manager", True), ("another-command", False)])
def test_the_path_file_makes_the_command_of_ryu_run_and_touches_no_other(
    tmp_path: Path, name: str, succeeds: bool
) -> None:
    """Ryu 4.34 imports a name that eventlet has dropped."""
    script = tmp_path / name
    script.write_text(RYU_MANAGER.format(folder=str(ROOT)))
    ended = subprocess.run([sys.executable, str(script), "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == succeeds
    assert ("ALREADY_HANDLED" in ended.stderr) != succeeds


#: What the sdist contains: with it alone one can test, and build the package and the site.
FOLDERS = ("benchmarks", "debian", "docs", "mininet", "ryu_haslb", "tests", "tools", "topologies")


def test_the_sdist_has_every_file_of_the_checkout(tmp_path: Path) -> None:
    build = ["-q", "egg_info", "--egg-base", str(tmp_path), "sdist", "--formats=tar", "--dist-dir", str(tmp_path)]
    subprocess.run([sys.executable, "setup.py", *build], cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar")
    with tarfile.open(archive) as opened:
        packed = {name.partition("/")[2] for name in opened.getnames()}
    files = {str(each.relative_to(ROOT)) for folder in FOLDERS for each in (ROOT / folder).rglob("*") if each.is_file()}
    assert {each for each in files if "__pycache__" not in each and ".egg-info" not in each} <= packed
