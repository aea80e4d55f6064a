"""From when others have changed a rule until all are compared, no request goes by a rule (docs/flows.md, the audit)."""

from __future__ import annotations

from wired_switch import Wired, goes_to

from ryu_haslb.openflow.audit.session_audit import SessionAudit
from ryu_haslb.openflow.wire import wire


class Audited(Wired):
    """A switch with the rule of one session, and the audit of its session rules."""

    def __init__(self) -> None:
        super().__init__()
        self.return_probe()
        for _ in range(2):
            self.request("anna")
            self.settle()
        rules, unrecovered = self.switch.rules, self.switch.unrecovered
        self.audit = SessionAudit(self.transport, rules, self.balancer, unrecovered, lambda _: None)
        self.transport.handler = self._on_audited_message

    def _on_audited_message(self, kind: int, xid: int, message: bytes) -> None:
        if kind != wire.OFPT_MULTIPART_REPLY or not self.audit.on_reply(xid, message, self.now):
            self._on_message(kind, xid, message)

    def compare(self, is_rejected: bool = False) -> None:
        """Carry out the comparison; or the switch rejects what it is asked for."""
        while self.audit.is_comparing:
            self.now += 1.0
            self.sent.clear()
            self.audit.tick(self.now)
            if is_rejected and self.sent:
                self.transport.forget_replies()
                assert self.audit.on_error(wire.HEADER.unpack_from(self.sent[0])[-1], self.now)
            self.confirm()

    def goes_by_rule(self) -> bool:
        """Whether a request of the mobile is output to TABLE."""
        (port,) = map(goes_to, self.request("anna"))
        return port == wire.OFPP_TABLE


def test_requests_go_by_rules_again_when_all_are_compared() -> None:
    audited = Audited()
    assert audited.goes_by_rule()
    audited.audit.compare(audited.now)
    assert not audited.goes_by_rule()
    audited.compare()
    assert audited.goes_by_rule()


def test_rules_that_the_switch_does_not_report_stay_in_doubt_until_it_does() -> None:
    audited = Audited()
    audited.audit.compare(audited.now)
    audited.compare(is_rejected=True)
    assert not audited.goes_by_rule()
    while not audited.audit.is_comparing:
        audited.now += 1.0
        audited.audit.tick(audited.now)
        audited.confirm()
    audited.compare()
    assert audited.goes_by_rule()
