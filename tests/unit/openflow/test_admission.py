"""Which requests are let in when there is more than can be served (docs/states.md, "Overload")."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.admission import Admission
from ryu_haslb.openflow.backlog import Load
from ryu_haslb.slb.balancer import Balancer

FLOOD, QUIET = b"\x0a\x01\x01\x65", b"\x0a\x01\x01\x66"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Balancer(Configuration()))
    admission.clients.overloaded(0)
    return admission


def test_a_frame_too_short_for_an_address_is_no_client(admission: Admission) -> None:
    """A meter of its own cannot be given to it: there is nothing to match."""
    admission.load = Load.FULL
    for _ in range(10_000):
        assert admission.shuts_out(FLOOD[:3])
    assert admission.shuts_out(QUIET)
    assert admission.clients.review(1, {}) == {}


def test_a_client_that_sends_what_nobody_can_read_crowds_out_others(admission: Admission) -> None:
    admission.load = Load.HIGH
    for _ in range(10_000):
        admission.useless(FLOOD)
    admission.clients.saw(QUIET)
    admission.clients.let_in = 1000
    assert list(admission.clients.review(1, {})) == [FLOOD]


def test_while_all_can_be_served_nobody_is_counted(admission: Admission) -> None:
    admission.load = Load.NORMAL
    admission.useless(FLOOD)
    assert not admission.shuts_out(FLOOD)
    assert admission.clients.shed == 0
