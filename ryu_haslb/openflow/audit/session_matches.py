"""What the rules of sessions match, as the switch reports it: recognizes a rule with another match. Pure.

A rule with the cookie of a session, at the priority of session rules, may match something else (``ovs-ofctl add-flow``
with a copied cookie). Its tag is in the cookie and in the match, so the two must agree. The other fields are the same
for all sessions of a virtual server. They are compared once the switch has reported a rule that has them as they were
sent: some report matches in another form.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import session_match
from ryu_haslb.openflow.wire.flow_mod import match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.openflow.wire.wire import oxm_prefix
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.virtual_server import VirtualServer

_TAG_HEADER = oxm_prefix("eth_src")
_TAG_LENGTH, _TAG_END, _HEADER = 6, 10, 4
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
        match = row.match
        tag_field = _TAG_HEADER + tag.to_bytes(_TAG_LENGTH, "big")
        if match[:_TAG_END] != tag_field:
            fields = canonical_match(match)
            if tag_field not in fields:
                return False
            match = tag_field + b"".join(sorted(fields - {tag_field}))
        key = None if session is None else session.virtual_server, match[_TAG_END:]
        is_own = self._known.get(key)
        if is_own is None:
            is_own = self._has_fields_of(session, match[_TAG_END:])
            if is_own and not self._is_proven:
                self._is_proven = True
                self._known.clear()
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = is_own
        return is_own or not self._is_proven

    def _has_fields_of(self, session: Optional[Session], others: bytes) -> bool:
        """Whether these fields are those of a session's rule beside its tag; without a session, apart from values."""
        found = canonical_match(others)
        if session is not None:
            server = session.virtual_server
            return found == _others(".".join(map(str, server.packed_address)), server.configuration.port)
        return {field[:_HEADER] for field in found} == {field[:_HEADER] for field in _others("0.0.0.0", 0)}


def _others(virtual_address: str, port: int) -> frozenset[bytes]:
    fields = session_match(0, virtual_address, port)
    del fields["eth_src"]
    return canonical_match(match_fields(fields))
