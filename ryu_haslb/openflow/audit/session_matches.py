"""What the rules of sessions match, as the switch reports it: recognizes a rule with another match. Pure.

A rule with the cookie of a session, at the priority of session rules, may match something else (``ovs-ofctl add-flow``
with a copied cookie). Its tag is in the cookie and in the match, so the two must agree. The other fields are the same
for all sessions of a virtual server. They are compared once the switch has reported a rule that has them as they were
sent: some report matches in another form.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.openflow.flow_tables.session_rule import session_match
from ryu_haslb.openflow.wire.flow_mod import match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import canonical_match, field_headers, fields_beside_tag
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.virtual_server import VirtualServer

#: Forms of a match that are remembered.
_MAX_KNOWN = 1024


class SessionMatches:
    """What was found out over one connection."""

    def __init__(self) -> None:
        self._known: dict[tuple[Optional[VirtualServer], bytes], bool] = {}
        self._is_proven = False

    def are_of(self, row: FlowStats, tag: int, session: Optional[Session]) -> bool:
        """Whether a rule with this tag in its cookie matches what the rule of this session does.

        Without a session: whether it may be that of one.
        """
        others = fields_beside_tag(row.match, tag)
        if others is None:
            return False
        key = None if session is None else session.virtual_server, others
        is_own = self._known.get(key)
        if is_own is None:
            is_own = self._has_fields_of(session, others)
            if is_own and not self._is_proven:
                self._is_proven = True
                self._known.clear()
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = is_own
        return is_own or not self._is_proven

    def _has_fields_of(self, session: Optional[Session], others: bytes) -> bool:
        """Whether these fields are those of a session's rule beside its tag; without a session, apart from values."""
        if session is not None:
            server = session.virtual_server
            own = _others(".".join(map(str, server.packed_address)), server.configuration.port)
            return canonical_match(others) == canonical_match(own)
        return field_headers(others) == field_headers(_others("0.0.0.0", 0))


def _others(virtual_address: str, port: int) -> bytes:
    fields = session_match(0, virtual_address, port)
    del fields["eth_src"]
    return match_fields(fields)
