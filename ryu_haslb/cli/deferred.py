"""Functions of the modules of commands, which are imported with the first call: an operator waits for every import."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable


def deferred(module: str, function: str) -> Callable[..., Any]:
    """A function of a module of this package."""

    def call(*arguments: object) -> Any:
        return getattr(import_module(f"ryu_haslb.cli.{module}"), function)(*arguments)

    return call
