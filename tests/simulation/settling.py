"""When a world is checked, and how long it may take until all is right after a disturbance."""

from __future__ import annotations

#: Seconds between two checks.
CHECK_INTERVAL = 5.0
#: Seconds without a disturbance after which rules must be in place, and beliefs right.
SETTLE_TIME = 15.0
