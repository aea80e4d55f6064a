"""What a simulated switch has received and not carried out, where flow-mods take it their time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.clock import Clock
    from simulation.switch_connection import SwitchConnection


class WorkQueue:
    """Messages of all connections, carried out one after the other; ``flow_mod_time`` is seconds a flow-mod (0: none).

    ``lag``: flow-mods and bundles are carried out so many seconds late, and what follows them is not (0: in order).
    ``max_delay`` is the longest time that a message has waited since a test has last set it to zero.
    """

    def __init__(self, clock: Clock, flow_mod_time: float) -> None:
        self.max_delay = 0.0
        self.lag = 0.0
        self._clock = clock
        self._flow_mod_time = flow_mod_time
        self._waiting: deque[tuple[float, SwitchConnection, bytes]] = deque()
        self._generation = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: SwitchConnection, message: bytes) -> None:
        """A message has been received."""
        if self.lag and connection.flow_mods_of(message):
            self._clock.after(self.lag, self._execute_late, self._generation, connection, message)
            return
        if not self._flow_mod_time:
            connection.execute(message)
            return
        self._waiting.append((self._clock.now, connection, message))
        if len(self._waiting) == 1:
            self._begin()

    def clear(self) -> None:
        """The switch restarts."""
        self._waiting.clear()
        self._generation += 1

    def _execute_late(self, generation: int, connection: SwitchConnection, message: bytes) -> None:
        if generation == self._generation and connection.is_open:
            connection.execute(message)

    def _begin(self) -> None:
        """Begin with the first message, and carry out at once what takes no time."""
        while self._waiting:
            _, connection, message = self._waiting[0]
            flow_mods = connection.flow_mods_of(message) if connection.is_open else 0
            if flow_mods:
                self._clock.after(flow_mods * self._flow_mod_time, self._finish, self._generation)
                return
            self._execute_first()

    def _finish(self, generation: int) -> None:
        if generation == self._generation:
            self._execute_first()
            self._begin()

    def _execute_first(self) -> None:
        received_at, connection, message = self._waiting.popleft()
        self.max_delay = max(self.max_delay, self._clock.now - received_at)
        if connection.is_open:
            connection.execute(message)
