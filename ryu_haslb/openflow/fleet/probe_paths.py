"""Through which switch each probe of a real server is sent (``ip slb probe``): one of those that reach it.

:mod:`ryu_haslb.slb.probing` says when, and what an answer means; :mod:`ryu_haslb.openflow.probes.questions` sends a
question through one switch, and believes or discards the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ryu_haslb.openflow.overload.backlog import Load
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.probing import Outcome, Target

LOG = logging.getLogger(__name__)


class ProbePaths:
    """Sends the probes that are due, at all switches. Only a balancer that serves a switch sends them there."""

    def __init__(self, switches: Mapping[int, Switch], balancer: Balancer) -> None:
        self._switches = switches
        self._balancer = balancer

    def tick(self, now: float) -> None:
        """Ask what is due. A fault here must not keep the switches from what else is due."""
        try:
            self._balancer.probing.advance(
                now, lambda target: self._ask(target, now), lambda target: self._may_be_lost(target, now)
            )
        except Exception:
            LOG.exception("the probes of this timer tick failed; continuing")

    def _ask(self, target: Target, now: float) -> Outcome:
        """Ask through one of the switches that reach the real server, after a failure through the next one."""
        reaching = [self._switches[each] for each in sorted(target.real.reachable_from) if each in self._switches]
        served = [each for each in reaching if each.channel is not None]
        if not served:
            return Outcome.UNREACHABLE
        switch = served[target.failures % len(served)]
        assert switch.channel is not None
        return switch.questions.ask(switch.channel, target, now)

    def _may_be_lost(self, target: Target, now: float) -> bool:
        """Whether the last question, or its answer, may have been lost or delayed between the switch and us."""
        switch = self._switches.get(target.datapath_id)
        if switch is None or switch.channel is None or now < switch.served_since + target.timeout:
            return True
        if switch.questions.lacks_rule(target):
            return True
        # Without a barrier reply for long, questions may wait in the switch, or answers on their way to us.
        return switch.admission.load is not Load.NORMAL or switch.admission.oldest_barrier_age(now) > target.timeout / 2
