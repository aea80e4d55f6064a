"""Session rules that a switch rejects behind the reply to their barrier, when it writes its tables (section 6.2)."""

from __future__ import annotations

import pytest
from fake_switch import FakeSwitch, error
from wired_switch import Wired, goes_to

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.delivery.backoff import MIN_RETRY_INTERVAL
from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT
from ryu_haslb.openflow.wire import wire

TABLE_FULL = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
BAD_ACTION = (ofproto_v1_3.OFPET_BAD_ACTION, ofproto_v1_3.OFPBAC_BAD_SET_ARGUMENT)
#: Bytes of an error before the data.
HEADER = 12


class Late(Wired):
    """A switch with the rules of these sessions, which it has confirmed, one by one or all at once."""

    def __init__(self, *mobiles: str) -> None:
        super().__init__(fake=FakeSwitch(bundles=False))
        for mobile in mobiles:
            self.request(mobile)
        self.sent.clear()
        self.tick()
        self.confirm()
        self.additions = {mobile: each for mobile in mobiles for each in self.sent_about(mobile)}

    def sent_about(self, mobile: str) -> list[bytes]:
        """The flow-mods that were sent with the cookie of this mobile's session."""
        return [each for each in self.transport.sent_of(wire.OFPT_FLOW_MOD) if each[8:16] == self.cookie(mobile)]

    def cookie(self, mobile: str) -> bytes:
        (session,) = (each for each in self.balancer.sessions if each.identity.endswith(mobile.encode()))
        return session.cookie.to_bytes(8, "big")

    def reject(self, mobile: str, code: tuple[int, int], length: int = 64) -> None:
        """The switch rejects the rule of a mobile: it has not had it."""
        rejected = self.additions[mobile]
        self.fake.lose(cookie=int.from_bytes(rejected[8:16], "big"))
        self.transport.deliver(error(rejected, code)[: HEADER + length])

    def port_of(self, mobile: str) -> int:
        (message,) = self.request(mobile)
        return goes_to(message)


@pytest.mark.parametrize("code", [TABLE_FULL, BAD_ACTION], ids=["table full", "bad action"])
def test_a_session_whose_rule_is_rejected_late_continues_by_packet_out(
    code: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    late = Late("anna", "bert")
    assert late.port_of("anna") == late.port_of("bert") == wire.OFPP_TABLE
    late.reject("anna", code)
    assert late.port_of("anna") != wire.OFPP_TABLE
    assert late.port_of("bert") == wire.OFPP_TABLE
    assert late.switch.rules.sessions_without_rule == 1
    assert "rejected 1 session rules" in caplog.text


@pytest.mark.parametrize("code", [wire.OFPFMFC_BAD_TIMEOUT, wire.OFPFMFC_BAD_FLAGS])
def test_a_rule_that_is_rejected_late_for_its_time_out_is_sent_again_without(code: int) -> None:
    late = Late("anna")
    late.reject("anna", (wire.OFPET_FLOW_MOD_FAILED, code))
    late.now += MIN_RETRY_INTERVAL
    late.sent.clear()
    late.settle()
    (addition,) = late.sent_about("anna")
    assert addition[26:28] == bytes(2)
    assert late.port_of("anna") == wire.OFPP_TABLE


@pytest.mark.parametrize("length", [0, 8], ids=["no data", "the header"])
def test_all_rules_of_the_bundle_are_in_doubt_if_the_switch_does_not_say_which_it_rejects(length: int) -> None:
    late = Late("anna", "bert")
    late.reject("anna", BAD_ACTION, length)
    assert wire.OFPP_TABLE not in {late.port_of("anna"), late.port_of("bert")}
    late.now += MIN_RETRY_INTERVAL
    late.settle()
    assert late.port_of("anna") == late.port_of("bert") == wire.OFPP_TABLE
    assert len(late.fake.flows_for(int.from_bytes(late.cookie("bert"), "big"))) == 1


def test_a_rule_that_was_rejected_late_is_sent_again_after_longer_and_longer_pauses() -> None:
    """Each attempt seems to succeed at first."""
    late = Late("anna")
    attempts = 0
    for _ in range(600):
        if late.additions:
            attempts += 1
            late.reject("anna", TABLE_FULL)
            late.additions.clear()
        late.now += 0.1
        late.find(0)
        late.find(1)
        late.sent.clear()
        late.tick()
        late.confirm()
        for addition in late.sent_about("anna"):
            late.additions["anna"] = addition
    assert attempts == 6, "at once, and after 1, 2, 4, 8 and 16 s"


def test_twice_as_many_rules_are_tried_each_time_when_they_fit_again() -> None:
    late = Late(*map(str, range(8)))
    for number in range(8):
        late.reject(str(number), TABLE_FULL)
    for _ in range(int(4 * LATE_REJECTION_TIMEOUT)):
        late.now += 1.0
        late.find(0)
        late.find(1)
        late.settle()
    assert late.switch.rules.sessions_without_rule == 0


def test_an_error_that_comes_too_late_is_not_a_rejection() -> None:
    late = Late("anna", "bert")
    late.now += LATE_REJECTION_TIMEOUT + 1.0
    late.request("carl")
    late.settle()
    assert not late.transactions.on_error(int.from_bytes(late.additions["anna"][4:8], "big"), wire.Error(5, 1, b""))


def test_nothing_is_in_doubt_when_a_late_error_is_about_a_deletion(caplog: pytest.LogCaptureFixture) -> None:
    late = Late("anna")
    late.balancer.clear_sessions()
    late.tick()
    late.confirm()
    (deletion,) = [each for each in late.transport.sent_of(wire.OFPT_FLOW_MOD) if each[25] == wire.OFPFC_DELETE_STRICT]
    late.request("bert")
    late.settle()
    late.transport.deliver(error(deletion, BAD_ACTION))
    assert "rejected the deletion of session rule" in caplog.text
    assert late.port_of("bert") == wire.OFPP_TABLE


@pytest.mark.parametrize("data", [b"", bytes([4, wire.OFPT_FLOW_MOD]) + bytes(62)], ids=["no data", "another cookie"])
def test_further_errors_that_name_no_rule_cost_nothing(data: bytes) -> None:
    """A switch may send any number of them, and each would be about all rules of the bundle."""
    late = Late("anna", "bert")
    xid = int.from_bytes(late.additions["anna"][4:8], "big")
    assert late.transactions.on_error(xid, wire.Error(*TABLE_FULL, data))
    assert not late.transactions.on_error(xid, wire.Error(*TABLE_FULL, data))
    assert late.switch.rules.rejected.errors == 1
