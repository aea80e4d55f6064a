"""A chassis description as a topology for stock Mininet, which builds the same network without its programs.

    sudo .venv/bin/mn --custom topologies/cisco7600.py --topo cisco7600,topologies/shapes/two-pdsns.yaml \\
        --controller none
"""

from __future__ import annotations

import sys
from pathlib import Path

# Stock Mininet executes this file without importing it, and has neither the product nor the lab on its path.
sys.path.extend(
    str(Path(sys._getframe().f_code.co_filename).resolve().parents[1] / folder) for folder in ("", "mininet")
)

from haslb_lab.chassis.cisco7600 import StockCisco7600

topos = {"cisco7600": StockCisco7600}
