"""The network around the simulated switches: wires that lose, delay, repeat and reorder what they carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Optional

from simulation.clock import Clock, Scheduler

#: Seconds that a frame takes on a wire.
WIRE_DELAY = 0.0002


@dataclass
class Weather:
    """How badly all wires behave. Probabilities of each packet; ``jitter`` is seconds beyond the usual delay."""

    loss: float = 0.0
    repeat: float = 0.0
    jitter: float = 0.0

    @property
    def is_fair(self) -> bool:
        """Whether everything arrives, once and in order."""
        return not (self.loss or self.repeat or self.jitter)


@dataclass(eq=False)
class Wire:
    """One direction of a link. ``deliver`` is called with what arrives, ``lost`` with what does not."""

    clock: Clock
    random: Random
    weather: Weather
    deliver: Callable[[bytes], None]
    lost: Callable[[bytes], object] = lambda _: None
    is_up: bool = True

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire."""
        weather = self.weather
        if self.is_up and not (weather.loss or weather.repeat or weather.jitter):
            self.clock.after(WIRE_DELAY, self._arrive, frame)
            return
        if not self.is_up or (weather.loss and self.random.random() < weather.loss):
            self.lost(frame)
            return
        copies = 2 if weather.repeat and self.random.random() < weather.repeat else 1
        for _ in range(copies):
            delay = WIRE_DELAY + (weather.jitter and self.random.random() * weather.jitter)
            self.clock.after(delay, self._arrive, frame)

    def _arrive(self, frame: bytes) -> None:
        if self.is_up:
            self.deliver(frame)
        else:
            self.lost(frame)


class Pipe:
    """One direction of a TCP connection: everything arrives, in order, until the connection is cut."""

    def __init__(self, clock: Scheduler, deliver: Callable[[bytes], None], delay: float = 0.0003) -> None:
        self.is_open = True
        self.in_flight = 0
        #: Bytes that are on their way.
        self.unread = 0
        self._held: Optional[list[bytes]] = None
        self._clock = clock
        self._deliver = deliver
        self._delay = delay

    def send(self, data: bytes) -> None:
        """Write bytes."""
        if self.is_open:
            self.in_flight += 1
            self.unread += len(data)
            self._clock.after(self._delay, self._arrive, data)

    def close(self) -> None:
        """Cut the connection: what is on its way is lost."""
        self.is_open = False

    def stall(self) -> None:
        """Let nothing arrive before :meth:`go_on`; then all of it does."""
        self._held = self._held or []

    def go_on(self) -> None:
        """Let what was held arrive."""
        held, self._held = self._held or [], None
        for data in held:
            self._arrive(data)

    def _arrive(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        self.in_flight -= 1
        self.unread -= len(data)
        if self.is_open:
            self._deliver(data)
