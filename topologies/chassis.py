"""The smallest chassis for stock Mininet: ``mn --custom topologies/chassis.py --topo chassis --controller none``.

The parameters of nodes that only the lab understands (``program``, ``loopback``) are ignored there.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Stock Mininet executes this file without importing it, and does not have the lab on its path.
sys.path.append(str(Path(sys._getframe().f_code.co_filename).resolve().parents[1] / "mininet"))

from haslb_lab.chassis.one_switch import OneSwitch

topos = {"chassis": OneSwitch}
