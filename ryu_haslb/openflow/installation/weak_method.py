"""Calls from a part back to what it belongs to, which leave no reference cycle when both are given up.

A connection that has ended must leave nothing behind that only a collection of cycles finds: a balancer with many
sessions collects seldom (:mod:`ryu_haslb.garbage_collection`), and a stranger can connect again and again.
"""

from __future__ import annotations

from typing import Callable
from weakref import WeakMethod


def weak_method(method: Callable[..., None]) -> Callable[..., None]:
    """Call a bound method as long as its object lives, and do nothing afterwards."""
    reference = WeakMethod(method)

    def call(*arguments: object) -> None:
        living = reference()
        if living is not None:
            living(*arguments)

    return call
