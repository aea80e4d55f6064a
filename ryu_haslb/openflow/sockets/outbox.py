"""What waits to be sent over one OpenFlow connection. To put something in never blocks.

The kernel takes nearly always at once what replies to a read (:meth:`Outbox.send_at_once`): no other green thread has
to run for it. What it does not take, and what is sent at other times, is left to the green thread that calls
:meth:`Outbox.send_waiting`.
"""

from __future__ import annotations

from typing import Any, Optional

from ryu_haslb.engine import hub


class Outbox:
    """The bytes for the socket ``connection``, in order. ``unsent`` is their number.

    ``at_once`` is the socket below eventlet's, whose methods return at once; None for TLS, where a write that would
    block must be repeated as it was. While ``is_held`` is True, :meth:`send_at_once` is about to be called.
    """

    def __init__(self, connection: Any, at_once: Optional[Any]) -> None:
        self.unsent = 0
        self.is_held = False
        self._connection = connection
        self._at_once = at_once
        self._waiting: list[bytes] = []
        self._is_sending = False
        self._has_some = hub.Event()
        self._has_sent = hub.Event()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; something may be on its way."""
        return not self._waiting

    def put(self, message: bytes) -> None:
        """Have a message sent."""
        self.unsent += len(message)
        if not self._waiting and not self.is_held:  # otherwise the sending thread is or will be woken up
            self._has_some.set()
        self._waiting.append(message)

    def send_at_once(self) -> None:
        """Send what the kernel takes without waiting, and leave the rest to the sending thread."""
        if not self._waiting:
            return
        if self._at_once is not None and not self._is_sending:
            waiting = b"".join(self._waiting)
            try:
                sent = self._at_once.send(waiting)
            except OSError:  # it would block, or the sending thread will find the same
                sent = 0
            self.unsent -= sent
            self._waiting = [waiting[sent:]] if sent < len(waiting) else []
        if self._waiting:
            self.wake()

    def wake(self) -> None:
        """Have :meth:`send_waiting` return, whether something waits or not."""
        self._has_some.set()

    def send_waiting(self) -> None:
        """Wait until there is something, or :meth:`wake` is called, and send it all.

        Raises: OSError, also for a timeout: the switch has not read for long.
        """
        self._has_some.wait()
        self._has_some.clear()
        waiting = b"".join(self._waiting)
        self._waiting.clear()
        self._is_sending = True
        self._connection.sendall(waiting)
        self._is_sending = False
        self.unsent -= len(waiting)
        self._has_sent.set()

    def await_sent(self) -> None:
        """Wait until :meth:`send_waiting` has sent something, or :meth:`release` was called."""
        self._has_sent.clear()
        self._has_sent.wait()

    def release(self) -> None:
        """Nothing more is sent: let :meth:`await_sent` return."""
        self._has_sent.set()
