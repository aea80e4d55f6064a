"""The lab for tests: real namespaces, switch, home agents and balancer.

Only one lab can run on a machine at a time. Each worker of ``pytest -n`` runs as on a machine of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Callable

import pytest
from played_messages import WIPE
from twin_switches import Answer, OpenVSwitch, Simulated, Twins, twin_bridge

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


@pytest.fixture(scope="module")
def bridge() -> Iterator[int]:
    """A bridge of its own, and the port of the loopback at which it listens."""
    with twin_bridge() as port:
        yield port


@pytest.fixture
def play(bridge: int) -> Iterator[Callable[..., list[Answer]]]:
    """Play messages to both switches, which are empty at first; their common answers."""
    real, simulated = OpenVSwitch(bridge), Simulated()

    def play_both(*messages: bytes) -> list[Answer]:
        answers = simulated.play(b"".join(messages))
        assert real.play(b"".join(messages)) == answers
        return answers

    real.play(WIPE)
    yield play_both
    real.play(WIPE)
    real.close()


@pytest.fixture
def twins() -> Iterator[Twins]:
    """Two connections to each switch; both switches are new."""
    with twin_bridge() as port:
        both = Twins(port)
        yield both
        both.close()
