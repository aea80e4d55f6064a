"""What a switch may be able to do: what each capability is for, how it is found out, and what is done without it.

Nothing is assumed of a switch that can be asked for or tried. What is found out is valid for one connection: the switch
may be replaced or upgraded between two. ``docs/switches.md`` has this table for operators, generated from it.
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
    SESSION_TABLE = "session_table"
    TABLE_OUTPUT = "table_output"
    BUNDLES = "bundles"
    METERS = "meters"
    ROLES = "roles"
    FLOW_MONITOR = "flow_monitor"


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
        "the configuration, the make of the switch (CPqD and Lagopus accept it and do nothing), or its rejection",
        "the balancer installs a learning table; on a switch with less than five tables it floods",
    ),
    Capability.FLOOD: Row(
        "output to FLOOD",
        "reaches hosts whose port is not known: ARP probes, and unknown addresses without NORMAL",
        "rejection of a rule or a packet-out",
        "packets are output to each port by itself",
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
        "the first meter",
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
}


class Capabilities:
    """What is known of one switch over one connection: True, False, or None while it is not known."""

    def __init__(self, datapath_id: int) -> None:
        self.known: dict[Capability, Optional[bool]] = dict.fromkeys(Capability)
        self._datapath_id = datapath_id
        self._logged: set[Capability] = set()

    def begin(self) -> None:
        """A connection is new. What the log has said of the switch is not said again unless it changes."""
        self.known = dict.fromkeys(Capability)

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
