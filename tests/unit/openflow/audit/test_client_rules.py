"""The rules of a rate-limited client are audited with the standing rules (docs/flows.md)."""

from __future__ import annotations

import pytest
from served_switch import Served

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER
from ryu_haslb.openflow.wire.flow_mod import FlowMod, match

FLOOD, QUIET = b"\x0f\x01\x01\x65", b"\x0f\x01\x01\x66"
MODIFY, DELETE = ofproto_v1_3.OFPFC_MODIFY, ofproto_v1_3.OFPFC_DELETE


class Limited(Served):
    """A switch at which one client sends far more than its share."""

    def __init__(self) -> None:
        super().__init__()
        self.audited = self.fleet.switches[1]
        for _ in range(60):
            self.second()

    def second(self) -> None:
        """A second passes in which the client goes on."""
        clients = self.audited.admission.clients
        clients.on_overload(self.now)
        for client, count in ((FLOOD, 3000), (QUIET, 50)):
            for _ in range(count):
                clients.record_request(client)
        clients.admitted, clients.dropped = 1000, 2050
        for _ in range(10):
            self.now += 0.1
            self.fleet.tick(self.now)
            self.transport.answer()

    def of_client(self) -> set[str]:
        """Its rules, without their counters."""
        return {
            f"{flow.table_id} {flow.priority} {flow.cookie:x} {flow.match} {flow.instructions}"
            for flow in self.switch.flows
            if flow.match.get("ipv4_src") == "15.1.1.101"
        }


@pytest.mark.parametrize("command", [MODIFY, DELETE])
def test_rules_of_a_rate_limited_client_that_others_change_or_delete_are_restored(command: int) -> None:
    limited = Limited()
    before = limited.of_client()
    assert before and FIRST_METER + 1 in limited.switch.meters
    fields = match({"eth_type": 0x0800, "ipv4_src": "15.1.1.101"})
    limited.switch.receive(FlowMod(command, 0, 0, match=fields).pack(0))
    assert limited.of_client() != before
    for _ in range(10):
        limited.second()
    assert limited.of_client() == before
    assert limited.audited.restored.incidents == 1
    assert limited.audited.restored.standing_rules == len(before)


def test_rules_of_a_rate_limited_client_that_nobody_touches_are_no_incident() -> None:
    limited = Limited()
    for _ in range(20):
        limited.second()
    assert limited.of_client()
    assert limited.audited.restored.incidents == 0
