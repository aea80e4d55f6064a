"""Removes what the test has made, and finds out whether something is left. Pure.

Rules are deleted together, by cookie and Ethernet source. What is reported behind that is deleted one by one, by its
match: some switches ignore masks. Nothing of others can match: see :mod:`.bench`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, match, match_of, meter_mod
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.role import ControllerRole, role_request
from ryu_haslb.switch_test.bench import TEST_MARK, TEST_MARK_MASK, TEST_PREFIX, TEST_SOURCES
from ryu_haslb.switch_test.exchange import Exchange, Script
from ryu_haslb.switch_test.trial import rules_with

#: Seconds for deleting what a trial has made, or an earlier test has left.
REMOVAL_TIMEOUT = 60.0
#: Rules that a switch deletes or reports in a second, at least: hardware takes 200 to 1,000.
_MIN_PACE = 100
#: Rules that are deleted one by one, in one message group.
_GROUP = 500
_OURS = match({"eth_src": TEST_SOURCES})


def clean_up(meters: Sequence[int], limit: float = REMOVAL_TIMEOUT) -> Script[Optional[int]]:
    """Remove the rules and meters of the test, in the role EQUAL: a SLAVE may remove nothing.

    Returns:
        How many rules are left; None if the switch does not report its rules.
    """
    yield Exchange(lambda xid: [role_request(xid, ControllerRole.EQUAL), *_removal(meters, xid)], limit=limit)
    try:
        left = yield from rules_of_the_test(limit)
        if left:
            for begin in range(0, len(left), _GROUP):
                yield from _delete_each(left[begin : begin + _GROUP], limit)
            left = yield from rules_of_the_test(limit)
    except wire.MalformedMessage:
        return None
    return len(left)


def removal_timeout(rules: int) -> float:
    """Seconds for deleting or reporting so many rules: a full table of hardware takes long."""
    return REMOVAL_TIMEOUT + rules / _MIN_PACE


def remove_all(limit: float) -> Script[None]:
    """Remove all rules of the test together."""
    yield Exchange(lambda xid: _removal((), xid), limit=limit)


def _removal(meters: Sequence[int], xid: int) -> list[bytes]:
    order = FlowMod(wire.OFPFC_DELETE, wire.OFPTT_ALL, TEST_MARK, TEST_MARK_MASK, match=_OURS)
    return [order.pack(xid), *(meter_mod(xid, wire.OFPMC_DELETE, each) for each in meters)]


def rules_of_the_test(limit: float) -> Script[list[FlowStats]]:
    """Those of the rules that a switch reports: it may report others as well."""
    found = yield from rules_with(wire.OFPTT_ALL, TEST_MARK, TEST_MARK_MASK, limit)
    return [each for each in found if is_of_the_test(each)]


def is_of_the_test(entry: FlowStats) -> bool:
    """Whether a rule has the cookie and the Ethernet source of the test."""
    source = entry.field("eth_src") or _masked_source(entry)
    return entry.cookie & TEST_MARK_MASK == TEST_MARK and source is not None and source.startswith(TEST_PREFIX)


def _masked_source(entry: FlowStats) -> Optional[bytes]:
    return wire.find_oxm(entry.match, 0, len(entry.match), wire.oxm_header("eth_src", masked=True))


def _delete_each(entries: Sequence[FlowStats], limit: float) -> Script[None]:
    def build(xid: int) -> list[bytes]:
        return [
            FlowMod(wire.OFPFC_DELETE_STRICT, each.table, 0, 0, each.priority, match=match_of(each.match)).pack(xid)
            for each in entries
        ]

    yield Exchange(build, limit=limit)
