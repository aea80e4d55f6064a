"""Prints errors where standard output or standard error may be closed or broken."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def print_error(about: object) -> None:
    """Print to standard error, if it is open and can be written."""
    if sys.stderr is not None:
        try:
            print(about, file=sys.stderr)
        except OSError:
            redirect_to_null(sys.stderr)


def redirect_to_null(stream: TextIO) -> None:
    """Redirect a broken stream to nowhere: Python flushes it at exit, and would fail again with exit status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
