"""Adds ``ryu-haslb.pth`` to what is installed; everything else is in ``setup.cfg``.

Ryu 4.34 takes a name from eventlet that eventlet has dropped, so that its command ``ryu-manager`` ends with an error
before it loads an application. Python reads the file at its start, and repairs that when the command is
``ryu-manager``: see :func:`ryu_haslb.manager.prepare`.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PATH_FILE = "ryu-haslb.pth"


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


setup(cmdclass={"build_py": BuildWithPathFile})
