"""What a switch may be able to do: what each capability is for, how it is found out, and what is done without it.

Nothing is assumed of a switch that can be asked for or tried. What is found out is valid for one connection: the switch
may be replaced or upgraded between two. ``docs/switches.md`` has this table for operators, generated from it.

The code of what is done without it is in :mod:`..flow_tables.layout` (NORMAL, FLOOD, metadata, a second table),
:mod:`..delivery.table_output`, :mod:`..delivery.transactions` (bundles), :mod:`..overload.meters`,
:mod:`..roles.mastership` and :mod:`..recovery.follower` (the flow monitor).

The balancer finds out some rows while it serves (:data:`IN_SERVICE`). ``haslb switch-test`` tries all of them
(:mod:`ryu_haslb.switch_test`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, Optional

LOG = logging.getLogger(__name__)


class Capability(Enum):
    """What a switch may be able to do. The value is the token of ``show``, metrics and JSON."""

    NORMAL = "normal"
    FLOOD = "flood"
    METADATA = "metadata"
    SESSION_TABLE = "session_table"
    TABLE_OUTPUT = "table_output"
    BUNDLES = "bundles"
    METERS = "meters"
    ROLES = "roles"
    FLOW_MONITOR = "flow_monitor"
    BARRIERS = "barriers"
    PACKET_OUT = "packet_out"
    PACKET_IN = "packet_in"
    MATCHES = "matches"
    VLAN_MATCH = "vlan_match"
    SET_ETH_SRC = "set_eth_src"
    SET_ETH_DST = "set_eth_dst"
    SET_IPV4_DST = "set_ipv4_dst"
    SET_UDP_DST = "set_udp_dst"
    PUSH_VLAN = "push_vlan"
    COOKIE_DELETION = "cookie_deletion"
    FLOW_STATISTICS = "flow_statistics"
    IDLE_TIMEOUT = "idle_timeout"
    FLOW_REMOVED = "flow_removed"
    LEARNING_TABLES = "learning_tables"
    OUTPUT = "output"
    TABLE_FEATURES = "table_features"
    METER_FEATURES = "meter_features"
    GROUP_FEATURES = "group_features"


#: What the balancer finds out while it serves a switch, and shows.
IN_SERVICE = (
    *(Capability.NORMAL, Capability.FLOOD, Capability.METADATA, Capability.SESSION_TABLE, Capability.TABLE_OUTPUT),
    *(Capability.BUNDLES, Capability.METERS, Capability.ROLES, Capability.FLOW_MONITOR),
)
_TESTED = "`haslb switch-test`"
_ASKED = "a request after the handshake"
_NOT_SERVED = "the switch cannot be served"


class Row(NamedTuple):
    """``name`` in a sentence, ``purpose`` what it is for, ``found_out`` how, ``without`` what is done if it lacks."""

    name: str
    purpose: str
    found_out: str
    without: str


CAPABILITIES: Mapping[Capability, Row] = {
    Capability.NORMAL: Row(
        "output to NORMAL",
        "forwards what does not concern the balancer",
        "its rejection, a `switch-test` on record, the make (CPqD and Lagopus accept it and do nothing), or the "
        "counters of its ports",
        "the balancer installs a learning table; on a switch with less than five tables it floods",
    ),
    Capability.FLOOD: Row(
        "output to FLOOD",
        "reaches hosts whose port is not known: ARP probes, and unknown addresses without NORMAL",
        "rejection of a rule or a packet-out",
        "packets are output to each port by itself",
    ),
    Capability.METADATA: Row(
        "the match of metadata",
        "tells the rule for everything else from a table-miss rule of others",
        "rejection of a rule, or the make (packets begin with other metadata than 0 on some of CPqD's)",
        "the rule for everything else is the table-miss rule; another controller may replace it until the next audit",
    ),
    Capability.SESSION_TABLE: Row(
        "a second flow table",
        "has the rules of sessions, from which they are recovered after a restart",
        "the features reply, or rejection of the rules",
        "requests are forwarded by packet-out, and sessions do not survive a restart of the balancer",
    ),
    Capability.TABLE_OUTPUT: Row(
        "output to TABLE",
        "lets the rule of a session forward and count later requests",
        "a datagram without content that the switch must return",
        "later requests are forwarded by packet-out, and session rules count no packets",
    ),
    Capability.BUNDLES: Row(
        "bundles (ONF EXT-230)",
        "install many rules at once, all or none",
        "the first bundle",
        "rules are sent one by one; changes of the standing rules are not atomic, and storms are served more slowly",
    ),
    Capability.METERS: Row(
        "meters",
        "drop excess requests on the switch",
        "the first meter and the first rule with one, a `switch-test` on record, or the make (CPqD's pass nothing in "
        "their first second, and too little later)",
        "the controller alone drops excess requests, after it has received them",
    ),
    Capability.ROLES: Row(
        "controller roles",
        "keep two balancers from serving the switch at once",
        "a role request",
        "only one balancer may run; no cluster, and no second balancer that waits",
    ),
    Capability.FLOW_MONITOR: Row(
        "the flow monitor (ONF EXT-187)",
        "shows a standby of a cluster each session as it begins",
        "the first request of a standby",
        "a standby reads the session rules by flow statistics, every 10 s or less often, and when it takes over",
    ),
    Capability.BARRIERS: Row(
        "barriers that wait for rules",
        "show that a rule acts, or will within a second",
        _TESTED,
        "requests that come before a new rule acts are forwarded by packet-out, or go by the rule that it replaces; a "
        "home agent in doubt may be failed although it answers",
    ),
    Capability.PACKET_OUT: Row("packet-out", "forwards the first request of each session", _TESTED, _NOT_SERVED),
    Capability.PACKET_IN: Row(
        "output to CONTROLLER",
        "brings whole requests to the balancer, with the cookie of the rule",
        _TESTED,
        _NOT_SERVED,
    ),
    Capability.MATCHES: Row(
        "the matches of the standing rules",
        "in_port, eth_dst and eth_src with masks, eth_type, ip_proto, ipv4_src, ipv4_dst, udp_dst, arp_op, "
        "arp_spa and arp_tpa tell what is for the balancer",
        _TESTED,
        _NOT_SERVED,
    ),
    Capability.VLAN_MATCH: Row(
        "the match of vlan_vid", "lets the learning table learn in each VLAN", _TESTED, "there is no learning table"
    ),
    Capability.SET_ETH_SRC: Row(
        "set-field of eth_src", "writes the tag of a session into a request", _TESTED, _NOT_SERVED
    ),
    Capability.SET_ETH_DST: Row("set-field of eth_dst", "sends a request to its home agent", _TESTED, _NOT_SERVED),
    Capability.SET_IPV4_DST: Row(
        "set-field of ipv4_dst", "rewrites the destination in direct mode", _TESTED, "only dispatched mode can be used"
    ),
    Capability.SET_UDP_DST: Row(
        "set-field of udp_dst",
        "rewrites the port in direct mode",
        _TESTED,
        "real servers cannot have a port of their own",
    ),
    Capability.PUSH_VLAN: Row(
        "push of a VLAN tag",
        "reaches home agents in a VLAN over a trunk",
        _TESTED,
        "home agents must be at untagged ports",
    ),
    Capability.COOKIE_DELETION: Row(
        "deletion by cookie", "removes rules of the balancer and no others", _TESTED, _NOT_SERVED
    ),
    Capability.FLOW_STATISTICS: Row(
        "flow statistics by cookie",
        "recover sessions from their rules, and show what others have deleted",
        _TESTED,
        "sessions do not survive a restart of the balancer, and deleted rules are not restored",
    ),
    Capability.IDLE_TIMEOUT: Row(
        "idle time-outs",
        "end learned addresses, and session rules also while no balancer runs",
        _TESTED,
        "session rules stay until the balancer removes them, learned addresses until their port goes down",
    ),
    Capability.FLOW_REMOVED: Row(
        "flow-removed messages",
        "report rules that have timed out, or that others have deleted",
        _TESTED,
        "deleted rules are found by the next audit; the learning table forgets no address by itself",
    ),
    Capability.LEARNING_TABLES: Row(
        "five flow tables", "have the learning table, in tables 3 and 4", _TESTED, "a switch without NORMAL floods"
    ),
    Capability.OUTPUT: Row("output to a port", "forwards requests", "`haslb switch-test --ports`", _NOT_SERVED),
    Capability.TABLE_FEATURES: Row(
        "table features",
        "say how many rules a table takes",
        _ASKED,
        "a table is known to be full when it rejects a rule",
    ),
    Capability.METER_FEATURES: Row(
        "meter features", "say how many meters there are", _ASKED, "the first meter that is rejected shows it"
    ),
    Capability.GROUP_FEATURES: Row("group features", "nothing: the balancer uses no groups", _ASKED, "nothing"),
}


class Capabilities:
    """What is known of one switch over one connection: True, False, or None while it is not known."""

    def __init__(self, datapath_id: int) -> None:
        self.known: dict[Capability, Optional[bool]] = dict.fromkeys(IN_SERVICE)
        self._datapath_id = datapath_id
        self._logged: set[Capability] = set()

    def begin(self) -> None:
        """A connection is new. What the log has said of the switch is not said again unless it changes."""
        self.known = dict.fromkeys(IN_SERVICE)

    def update(self, found: Mapping[Capability, Optional[bool]]) -> None:
        """Take over what was found out; the log says once what the switch lacks, and what is done without it."""
        for capability, has in found.items():
            if has is None:
                continue
            self.known[capability] = has
            if has:
                self._logged.discard(capability)
            elif capability not in self._logged:
                self._logged.add(capability)
                row = CAPABILITIES[capability]
                LOG.warning("Switch %016x lacks %s: %s", self._datapath_id, row.name, row.without)
