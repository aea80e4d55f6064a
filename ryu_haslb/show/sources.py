"""The parts of a running balancer that ``show``, ``--json``, HTTP and the metrics read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from ryu_haslb.cluster.member import Member
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.dfp.configured_agents import DfpAgents
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.state_history import StateHistory
from ryu_haslb.slb.balancer import Balancer


class Sources(NamedTuple):
    """The parts of a running balancer that snapshots read. ``member`` is None without a cluster.

    ``history`` is what has changed; None where nothing records it.
    """

    configuration: Configuration
    balancer: Balancer
    dfp: DfpAgents
    switches: Mapping[int, Switch]
    member: Optional[Member] = None
    history: Optional[StateHistory] = None
