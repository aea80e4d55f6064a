"""What all tests share: those in the lab need root."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the lab's tests where they cannot run, and say why."""
    if os.geteuid() == 0:
        return
    needs_root = pytest.mark.skip(reason="the lab needs root: sudo make test")
    for item in items:
        if item.get_closest_marker("lab"):
            item.add_marker(needs_root)
