"""How many flow-mods a switch is sent before it has confirmed them. Pure.

A software switch takes tens of thousands of flow-mods a second, hardware 200 to 1,000. What is sent beyond that queues
up in the switch, and requests that are forwarded by packet-out wait behind it. So the number of outstanding flow-mods
is limited to what the switch carries out within :data:`TARGET_DELAY`. Two barriers measure that: one before the
flow-mods, and one after them::

    barrier, n flow-mods, barrier -> two replies; the time between them is the time that n flow-mods took

Both replies wait in the same queues on their way back, so that a flood of packet-ins does not make the switch look
slow. The limit begins low. It doubles as long as the switch takes all that the limit allows in a fraction of
:data:`TARGET_DELAY`, which is within some round trips on a fast switch.
"""

from __future__ import annotations

from typing import Final, Optional

#: Seconds that the outstanding flow-mods may take: less than what counts as an overload (:mod:`.backlog`).
TARGET_DELAY: Final = 0.08
#: Seconds that flow-mods must take to show how fast the switch is. Less may be a matter of chance.
_MIN_MEASURED: Final = TARGET_DELAY / 2
#: Outstanding flow-mods that are allowed to a switch whose speed is not known: some 100 ms of work for hardware.
INITIAL_WINDOW: Final = 32
#: Outstanding flow-mods that are allowed to any switch.
MAX_WINDOW: Final = 4000


class FlowModPace:
    """The pace of one switch. ``window`` is the number of flow-mods that may be outstanding, ``rate`` that of flow-mods
    a second when it was last measured; None: the switch is too fast for that, or nothing was sent."""

    def __init__(self) -> None:
        self.window = INITIAL_WINDOW
        self.rate: Optional[float] = None

    def allowance(self, outstanding: int) -> int:
        """How many further flow-mods may be sent while so many are outstanding."""
        return max(0, self.window - outstanding)

    def on_confirmed(self, count: int, took: float) -> None:
        """The switch has carried out ``count`` flow-mods, in ``took`` seconds."""
        if took >= _MIN_MEASURED:
            self.rate = count / took
            capacity = int(self.rate * TARGET_DELAY)
            # One late reply must not slow down a fast switch.
            self.window = max(1, self.window // 2, min(capacity, 2 * self.window, MAX_WINDOW))
        elif 2 * count >= self.window:
            self.window = min(2 * self.window, MAX_WINDOW)
            if self.window == MAX_WINDOW:
                self.rate = None
