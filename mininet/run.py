"""``make run``: the chapter's first example with a hundred sessions; see ``haslb-lab run``."""

from __future__ import annotations

import sys

from haslb_lab import main

if __name__ == "__main__":
    sys.exit(main(["run", "dispatched-static", "--sessions", "100"]))
