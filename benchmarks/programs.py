"""The compiled programs of the benchmarks: built when their source is newer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ryu_haslb.errors import HaslbError

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"


class CompilerError(HaslbError):
    """A program cannot be built; the text says why."""


def program(name: str) -> str:
    """The path of ``name``, built from ``name.c``. Raises :class:`CompilerError`."""
    source, built = HERE / f"{name}.c", BUILD / name
    newest = max(path.stat().st_mtime for path in (source, *HERE.glob("*.h")))
    if not built.exists() or built.stat().st_mtime < newest:
        BUILD.mkdir(exist_ok=True)
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(built), str(source)]
        try:
            compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise CompilerError("there is no gcc; try: tools/install-bench") from None
        if compiled.returncode != 0:
            raise CompilerError(f"{' '.join(command)}: {compiled.stderr}")
    return str(built)
