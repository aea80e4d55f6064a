"""The lab for tests: real namespaces, switch, home agents and balancer.

Only one lab can run on a machine at a time. Each worker of ``pytest -n`` runs as on a machine of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from haslb_lab.chassis.one_switch import OneSwitch
from haslb_lab.runner.lab import Lab

REPOSITORY = Path(__file__).parents[2]
TOPOLOGIES = REPOSITORY / "topologies"


def pytest_xdist_setupnodes(specs: Sequence[Any]) -> None:
    """Start each worker in namespaces of its own, with an Open vSwitch of its own. Without root no lab runs."""
    if os.geteuid() == 0:
        for spec in specs:
            spec.python = f"{REPOSITORY / 'tools' / 'in-namespaces'} {sys.executable}"


@pytest.fixture(scope="session")
def chassis_configuration() -> str:
    """The chapter's first example: dispatched mode, static weights, two home agents."""
    return (TOPOLOGIES / "chassis.ios").read_text()


@pytest.fixture
def chassis(chassis_configuration: str) -> Iterator[Lab]:
    """The chassis with its nodes up, the switch connected and every home agent found."""
    with Lab(OneSwitch(), chassis_configuration) as lab:
        yield lab
