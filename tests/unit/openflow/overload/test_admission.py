"""Which requests are admitted when there are more than can be served (docs/states.md, "Overload")."""

from __future__ import annotations

from typing import Optional

import pytest
from farm_builder import SWITCH, Bench

from ryu_haslb.openflow.overload.admission import AFTER_TAKEOVER_INTERVAL, Admission
from ryu_haslb.openflow.overload.backlog import MAX_UNCONFIRMED_BYTES, Load
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import make_request

FLOOD, QUIET = b"\x0a\x01\x01\x65", b"\x0a\x01\x01\x66"


class Admitting:
    """Admission at one switch; ``reads`` is what reading a frame gives, ``read`` how many frames were read."""

    def __init__(self) -> None:
        self.bench = Bench(1)
        self._request = make_request(self.bench.server, b"", bytes(4), 434, bytes(4), 600, SWITCH, 1)
        self.admission = Admission(self.bench.balancer, self._request, self._read)
        self.admission.clients.on_overload(0)
        self.clients = self.admission.clients
        self.reads: Optional[DropReason] = None
        self.read = 0

    def admit(self, client: bytes, mobile: bytes = b"\x01anna") -> Optional[DropReason]:
        self._request.identity, self._request.client = mobile, client
        return self.admission.admit(bytes(26) + client + bytes(60) * (len(client) == 4), None)

    def _read(self, _: bytes, __: Optional[int]) -> Optional[DropReason]:
        self.read += 1
        return self.reads


class Sent:
    """A channel over which so many bytes were sent."""

    def __init__(self) -> None:
        self.bytes_sent = 8

    def next_xid(self) -> int:
        return self.bytes_sent

    def transmit(self, message: bytes) -> None:
        self.bytes_sent += len(message)


@pytest.fixture
def admitting() -> Admitting:
    return Admitting()


def test_under_full_load_no_frame_is_even_read(admitting: Admitting) -> None:
    admitting.admission.load = Load.FULL
    assert admitting.admit(QUIET) is DropReason.OVERLOAD
    assert (admitting.read, admitting.clients.dropped) == (0, 1)


def test_under_high_load_a_mobile_that_may_be_bound_is_admitted_and_a_new_one_is_not(admitting: Admitting) -> None:
    admitting.bench.request("anna")
    admitting.admission.load = Load.HIGH
    assert admitting.admit(QUIET) is None
    assert admitting.admit(QUIET, b"\x01bert") is DropReason.OVERLOAD_NEW_MOBILE
    assert (admitting.clients.admitted, admitting.clients.dropped) == (1, 1)


def test_a_frame_too_short_for_an_address_is_no_client(admitting: Admitting) -> None:
    """A meter of its own cannot be given to it: there is nothing to match."""
    admitting.admission.load = Load.FULL
    for _ in range(10_000):
        assert admitting.admit(FLOOD[:3]) is DropReason.OVERLOAD
    assert admitting.admit(QUIET) is DropReason.OVERLOAD
    assert admitting.clients.update_rate_limits(1, {}) == {}


def test_a_client_that_sends_what_cannot_be_read_crowds_out_others(admitting: Admitting) -> None:
    admitting.admission.load = Load.HIGH
    admitting.reads = DropReason.TRUNCATED
    for _ in range(10_000):
        assert admitting.admit(FLOOD) is DropReason.TRUNCATED
    admitting.clients.record_request(QUIET)
    admitting.clients.admitted = 1000
    assert list(admitting.clients.update_rate_limits(1, {})) == [FLOOD]


@pytest.mark.parametrize("reason", [DropReason.RECOVERY_PENDING, DropReason.RETURNED_BY_HOME_AGENT])
def test_a_client_is_not_charged_for_drops_that_it_did_not_cause(admitting: Admitting, reason: DropReason) -> None:
    admitting.admission.load = Load.HIGH
    admitting.reads = reason
    assert admitting.admit(QUIET) is reason
    assert admitting.clients.dropped == 0


def test_while_all_can_be_served_no_drop_is_counted(admitting: Admitting) -> None:
    admitting.reads = DropReason.TRUNCATED
    assert admitting.admit(FLOOD) is DropReason.TRUNCATED
    assert (admitting.clients.admitted, admitting.clients.dropped) == (0, 0)


def test_after_a_takeover_a_late_reply_of_the_switch_is_no_overload_for_a_while(admitting: Admitting) -> None:
    """The new leader recovers what it has followed, and is late itself; what it would drop, it can serve."""
    admission, channel = admitting.admission, Sent()
    admission.on_takeover(0.0)
    admission.update_load(channel, None, 0.0)
    admission.on_reading(0.1)
    loads = []
    for bytes_sent, now in (
        (8, AFTER_TAKEOVER_INTERVAL - 0.1),
        (8, AFTER_TAKEOVER_INTERVAL),
        (8 + MAX_UNCONFIRMED_BYTES, 0.1),
    ):
        channel.bytes_sent = bytes_sent
        admission.update_load(channel, None, now)
        loads.append(admission.load)
    assert loads == [Load.NORMAL, Load.FULL, Load.HIGH], "bytes that are outstanding count from the first moment on"
