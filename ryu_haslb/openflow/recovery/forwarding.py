"""How requests are forwarded whose session rules are pending or contested. Pure.

The balancer has no session for such a request. So the rule does what the session would do; where the session would move
to another real server, the rule is given up, and the balancer decides::

    pending    its port is down, or all real servers have been found and it leads to none of them
                   another real server can serve              -> given up
                   none can                                   -> the request is dropped
               it has forwarded as many retries as ``reassign`` allows
                   another real server can serve              -> given up
               else                                           -> forwarded by the rule
    contested  its port is up, and its home agent keeps its sessions
                                                              -> forwarded by the rule
               else                                           -> forgotten

The replies of home agents are not seen here. A deregistration may be forged: no pending rule is given up for it. A rule
that is given up is removed, or the one of the session that begins takes its place: it leads to a former home agent.
"""

from __future__ import annotations

from typing import Callable, Optional, Union

from ryu_haslb.openflow.recovery.destinations import Destinations
from ryu_haslb.openflow.recovery.session_view import RuleTarget
from ryu_haslb.openflow.recovery.unsettled import UnsettledRules
from ryu_haslb.openflow.wire.rule_parts import last_output
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer

#: How to forward a request: by these actions, not at all, or as the balancer decides.
Forward = Union[bytes, DropReason, None]


class RuleForwarding:
    """Forwards requests by the pending and contested rules of one switch; ``give_up`` gives up a pending one."""

    def __init__(
        self, datapath_id: int, rules: UnsettledRules, destinations: Destinations, give_up: Callable[[int], None]
    ) -> None:
        #: Whether the switch has a port, and it is up; known once the switch is served.
        self.is_port_usable: Callable[[int], bool] = lambda _: True
        self._datapath_id = datapath_id
        self._rules = rules
        self._destinations = destinations
        self._give_up = give_up

    def forward(self, tag: int, is_deregistration: bool, now: float) -> Forward:
        """How to forward a request whose rule is pending or contested; None if the balancer decides about it."""
        target = self._rules.pending.get(tag)
        if target is None:
            return self.forward_contested(tag, now)
        server = self._destinations.server_of(target)
        reals = [] if server is None else server.farm.reals
        may_move = not is_deregistration and any(map(self._accepts_sessions, reals))
        may_arrive = self._is_port_up(target) and not self._destinations.have_all(reals)
        requests = self._rules.requests_of(tag) + may_arrive
        if not is_deregistration:
            self._rules.record_request(tag, requests, now)
        if may_arrive:
            if not may_move or requests <= 1 + max(real.configuration.reassign for real in reals):
                return target.actions
        elif not may_move:
            return DropReason.REAL_UNREACHABLE
        self._give_up(tag)
        return None

    def forward_contested(self, tag: int, now: float) -> Optional[bytes]:
        """How to forward a request whose rule is contested; None if it is not, or the balancer decides about it."""
        target = self._rules.contested.get(tag)
        if target is None:
            return None
        found = self._destinations.find(target)
        is_kept = found is None or found[0].farm.keeps(found[1])
        if is_kept and self._is_port_up(target):
            self._rules.record_request(tag, 1, now)
            return target.actions
        self._rules.forget(tag)
        return None

    def _accepts_sessions(self, real: RealServer) -> bool:
        return real.accepts_sessions_from(self._datapath_id) or real.is_last_resort_for(self._datapath_id)

    def _is_port_up(self, target: RuleTarget) -> bool:
        """Whether the last port that a rule outputs to is up: else the switch sends nothing there."""
        port = last_output(target.actions)
        return port is None or self.is_port_usable(port)
