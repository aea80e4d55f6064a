"""The requests of the audit of rules of others: its steps (:mod:`.override_audit`), and their messages. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL, match, match_fields
from ryu_haslb.openflow.wire.multipart import flow_stats_request, rule_count_request
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, PROTOCOL_UDP, Value
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

_REQUESTS: dict[str, Value] = {"eth_type": ETHERTYPE_IPV4, "ip_proto": PROTOCOL_UDP, "udp_dst": MOBILE_IP_PORT}
_MATCH_REQUESTS, _FIELDS_OF_REQUESTS = match(_REQUESTS), canonical_match(match_fields(_REQUESTS))


class Step(Enum):
    """What a request asks for: see :mod:`.override_audit`."""

    COMPARE = auto()
    CHECK = auto()
    COUNT = auto()
    READ = auto()


class RuleRequest(NamedTuple):
    """A request for rules, or for their number; without a mask for those with any cookie."""

    step: Step
    table: int
    cookie: int = 0
    mask: int = 0
    match: bytes = MATCH_ALL

    @property
    def is_for_table(self) -> bool:
        """Whether all rules of the table are asked for."""
        return not self.mask

    @property
    def is_about_requests(self) -> bool:
        """Whether only rules are asked for that match nothing but packets to UDP port 434."""
        return self.match != MATCH_ALL

    def narrowed(self) -> RuleRequest:
        """The same request for such rules alone."""
        return self._replace(match=_MATCH_REQUESTS)

    def selects(self, table: int, cookie: int) -> bool:
        """Whether rules of this table with this cookie are asked for."""
        return table == self.table and not (cookie ^ self.cookie) & self.mask

    def packed(self, xid: int) -> bytes:
        """The message of a request for one number, or for rules."""
        make_request = flow_stats_request if self.step is Step.READ else rule_count_request
        return make_request(xid, self.table, self.cookie, self.mask, self.match)


def groups(step: Step, table: int) -> Iterator[RuleRequest]:
    """Requests for all rules of others in a table, each of which one of them reports."""
    for bit in range(COOKIE_MARK_BITS):
        mask = (2 << bit) - 1
        yield RuleRequest(step, table, (COOKIE_MARK ^ 1 << bit) & mask, mask)


def is_about_requests(fields: bytes) -> bool:
    """Whether a rule matches nothing but packets to UDP port 434; ``fields`` as in :class:`.FlowStats`."""
    return canonical_match(fields) >= _FIELDS_OF_REQUESTS
