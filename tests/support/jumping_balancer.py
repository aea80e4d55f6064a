"""The balancer with a wall clock that jumps: by the seconds in the file that HASLB_TEST_CLOCK names, if it exists.

An application for the engine's manager. To import it changes the clock of the whole process.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ryu_haslb.app import HomeAgentLoadBalancing
from ryu_haslb.engine import REQUIRED_APPLICATIONS

_REQUIRED_APP = REQUIRED_APPLICATIONS  # the engine's manager reads this name
_OFFSET = Path(os.environ["HASLB_TEST_CLOCK"])
_real_time = time.time


def _jumped_time() -> float:
    try:
        return _real_time() + float(_OFFSET.read_text())
    except FileNotFoundError:
        return _real_time()


time.time = _jumped_time


class JumpingBalancer(HomeAgentLoadBalancing):
    """The balancer. The engine runs the applications of the module that it is given, and of no other."""
