"""The lab for tests: real namespaces, switch, home agents and balancer. Only one can run on a machine at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haslb_lab.chassis.one_switch import OneSwitch
from haslb_lab.runner.lab import Lab

TOPOLOGIES = Path(__file__).parents[2] / "topologies"


@pytest.fixture(scope="session")
def chassis_configuration() -> str:
    """The chapter's first example: dispatched mode, static weights, two home agents."""
    return (TOPOLOGIES / "chassis.ios").read_text()


@pytest.fixture
def chassis(chassis_configuration: str) -> Iterator[Lab]:
    """The chassis with its nodes up, the switch connected and every home agent found."""
    with Lab(OneSwitch(), chassis_configuration) as lab:
        yield lab
