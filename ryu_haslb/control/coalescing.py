"""An action that runs one at a time, however often it is asked for."""

from __future__ import annotations

import logging
from typing import Callable

import eventlet

LOG = logging.getLogger(__name__)


class Coalesced:
    """Runs ``action`` in a green thread. What is asked for while it runs is one more run after it.

    ``name`` is what the log calls it. ``is_running`` is whether it runs or is about to run.
    """

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self._name = name
        self._action = action
        self.is_running = False
        self._is_wanted = False

    def request(self) -> None:
        """Run the action, or run it once more when it is under way. Never waits."""
        self._is_wanted = True
        if not self.is_running:
            self.is_running = True
            eventlet.spawn(self._run)

    def _run(self) -> None:
        try:
            while self._is_wanted:
                self._is_wanted = False
                try:
                    self._action()
                except Exception:  # the next request must find it able to run
                    LOG.exception("%s failed; continuing", self._name)
        finally:
            self.is_running = False
