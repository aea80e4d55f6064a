"""The balancer as tests run it that are not about overload: on a busy machine it takes no delay for an overload.

Where a process waits for a processor for more than a tenth of a second, its switch looks busy, and requests of new
mobiles are dropped, rightly so. A test that sends one request and waits for it has no use for that.
"""

from __future__ import annotations

from ryu_haslb.app import HomeAgentLoadBalancing
from ryu_haslb.engine import REQUIRED_APPLICATIONS
from ryu_haslb.openflow.overload import backlog

_REQUIRED_APP = REQUIRED_APPLICATIONS  # the engine's manager reads this name
backlog.MAX_QUEUEING_DELAY = 60.0


class PatientBalancer(HomeAgentLoadBalancing):
    """The balancer. The engine runs the applications of the module that it is given, and of no other."""
