"""A program in any node of the scenario that is up, as if it had been started there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from haslb_lab.errors import LabError
from haslb_lab.runner.network import marked_environment
from haslb_lab.scenarios.state import whole


def execute(node: str, argv: Sequence[str]) -> NoReturn:
    """Become a program in a node's namespace; it ends with the lab at the latest. Raises :class:`LabError`."""
    process = whole().process(node)
    if shutil.which(argv[0]) is None:
        raise LabError(f"there is no program {argv[0]} on this machine, whose programs the nodes run")
    os.execvpe("mnexec", ["mnexec", "-a", str(process), *argv], marked_environment())
