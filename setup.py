"""What ``setup.cfg`` cannot say: the request path is compiled where that is possible, and a file beside the package.

mypyc compiles the modules of ``[haslb:compiled]``. All is installed as it was written with ``HASLB_PURE=1``, without a
C compiler that finds Python's headers, and in an editable install, whose sources change.

Ryu 4.34 takes a name from eventlet that eventlet has dropped, so that its command ``ryu-manager`` ends with an error
before it loads an application. Python reads ``ryu-haslb.pth`` at its start, and repairs that when the command is
``ryu-manager``: see :func:`ryu_haslb.manager.prepare`.
"""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

PATH_FILE = "ryu-haslb.pth"
#: The version of Debian 12 is the oldest that was tried.
COMPILER = "mypy>=1.0.1"
#: The commands of setuptools that build for an installation. Others, as for the sdist, need no compiler.
BUILDING = {"bdist_wheel", "build", "build_ext", "install"}
#: Types are checked by ``make lint``. Here the packages that the product needs may be missing.
OPTIONS = ("--config-file=", "--cache-dir=build/mypy", "--follow-imports=silent", "--ignore-missing-imports")


class BuildWithPathFile(build_py):
    """Puts the file beside the package."""

    def run(self) -> None:
        """Copy the package, and the file."""
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(PATH_FILE, str(Path(self.build_lib) / PATH_FILE))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What this command has made."""
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib) / PATH_FILE)]


def can_compile() -> bool:
    """Whether to compile: HASLB_PURE does not forbid it, and there are a C compiler and the headers of C and Python."""
    if os.environ.get("HASLB_PURE", "0") not in ("", "0"):
        return False
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    attempt = [*compiler, "-fsyntax-only", f"-I{sysconfig.get_path('include')}", "-x", "c", "-"]
    try:
        tried = subprocess.run(attempt, input=b"#include <Python.h>\n", capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0


def compiled() -> list[Extension]:
    """The extension modules that take the place of the modules of the request path."""
    if not BUILDING & set(sys.argv) or not can_compile():
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 - only what is compiled needs it

    configuration = configparser.ConfigParser()
    configuration.read("setup.cfg")
    extensions: list[Extension] = mypycify(
        [*OPTIONS, *configuration["haslb:compiled"]["modules"].split()], opt_level="2", debug_level="0"
    )
    return extensions


setup(
    cmdclass={"build_py": BuildWithPathFile},
    ext_modules=compiled(),
    setup_requires=[COMPILER] if can_compile() else [],  # pip asks for it before it builds a wheel
)
