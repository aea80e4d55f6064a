"""Where the lab's programs and data lie: the checkout that this package is a part of."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

#: The folder of the programs that nodes run.
PROGRAMS = Path(__file__).resolve().parent / "programs"


def python_path() -> str:
    """PYTHONPATH of a program of the lab: the checkout, the lab, and then what this process has."""
    paths = [str(CHECKOUT), str(CHECKOUT / "mininet"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.pathsep.join(dict.fromkeys(paths))
