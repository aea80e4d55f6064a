"""The lease: a rule on a switch that shows to the balancers that wait whether the master lives. Pure.

The balancer that is MASTER adds this rule again every second. The balancers that wait are SLAVE and may read flow
statistics: the age of the rule in them is the time since the last renewal, by the switch's own clock. The rule matches
no packet (:func:`.no_packet`). Its cookie has our mark in bits 0 to 15, the purpose 0xFE in bits 16 to 31, and the
holder of the lease in bits 32 to 63.
"""

from __future__ import annotations

import hashlib
import socket
from typing import NamedTuple

from ryu_haslb.openflow.flow_tables.pipeline import Table, no_packet
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, match_fields, match_of
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_ages, flow_stats_request
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.slb.session_tag import COOKIE_MARK, cookie_of

#: The cookie of the lease without its holder.
LEASE_COOKIE = cookie_of(0xFE)
#: The holder that a balancer writes when it gives the lease up.
NO_HOLDER = 0

_LEASE_COOKIE_MASK = 0xFFFFFFFF
_PRIORITY, _TURNS = 1, 2
_FIELDS = match_fields(no_packet(COOKIE_MARK))
_DROP = apply_actions(b"")


class Lease(NamedTuple):
    """The holder of the lease (:func:`holder_id`), and the whole seconds since it was renewed."""

    holder: int
    age: int


def holder_id(address: tuple[str, int]) -> int:
    """The number of a balancer: a hash of its host's name and the address at which the switch reaches it, 32 bits.

    A switch has one connection to each address, so a lease with this holder was left by an earlier connection.
    """
    digest = hashlib.blake2b(f"{socket.gethostname()} {address[0]} {address[1]}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") or 1


def renewal(xid: int, holder: int, turn: int) -> bytes:
    """The messages that add the lease anew. ``turn`` alternates: 0, 1, 0, 1.

    The rule of the turn before the last is deleted first: some switches (Lagopus) keep the cookie and the age of a rule
    that is added again, against OpenFlow 1.3.5, section 6.4. That of the last turn stays, so that a full table, which
    rejects the new one, still has a lease.
    """
    new = FlowMod(
        wire.OFPFC_ADD,
        *(Table.CLASSIFIER, holder << 32 | LEASE_COOKIE, 0, _PRIORITY + turn),
        match=match_of(_FIELDS),
        instructions=_DROP,
    )
    return _deletion(xid, turn) + new.pack(xid)


def given_up(xid: int) -> bytes:
    """The messages that give the lease up. One rule stays, with the priority that versions before had."""
    return renewal(xid, NO_HOLDER, 0) + _deletion(xid, 1)


def _deletion(xid: int, turn: int) -> bytes:
    return FlowMod(
        wire.OFPFC_DELETE_STRICT,
        *(Table.CLASSIFIER, LEASE_COOKIE, _LEASE_COOKIE_MASK, _PRIORITY + turn),
        match=match_of(_FIELDS),
    ).pack(xid)


def removal(xid: int) -> bytes:
    """The message that deletes the lease."""
    return FlowMod(wire.OFPFC_DELETE, Table.CLASSIFIER, LEASE_COOKIE, _LEASE_COOKIE_MASK).pack(xid)


def has_cookie(cookie: int) -> bool:
    """Whether this is the cookie of a lease, ours or that of another balancer."""
    return cookie & _LEASE_COOKIE_MASK == LEASE_COOKIE


def is_lease(row: FlowStats) -> bool:
    """Whether a rule is a lease, in table, priority and match."""
    is_in_place = row.table == Table.CLASSIFIER and 0 <= row.priority - _PRIORITY < _TURNS
    return is_in_place and has_cookie(row.cookie) and canonical_match(row.match) == canonical_match(_FIELDS)


def request(xid: int) -> bytes:
    """The message that asks for the lease."""
    return flow_stats_request(xid, Table.CLASSIFIER, LEASE_COOKIE, _LEASE_COOKIE_MASK)


def read(message: bytes) -> list[Lease]:
    """The leases in one part of the reply: up to two, with the priorities of both turns.

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    return [Lease(cookie >> 32, seconds) for cookie, seconds in flow_ages(message) if has_cookie(cookie)]
