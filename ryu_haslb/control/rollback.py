"""A change that rolls back by itself: ``configure confirm MINUTES``, then changes, then ``configure confirm``.

The configuration that is in force when it is armed comes back when the time is over, whichever command, HTTP request or
SIGHUP has changed it meanwhile. A balancer that ends before has lost it: its next start reads its file. The log says so
at the stop. In a cluster it is not lost (:mod:`.cluster_rollback`). Pure: the time is an argument.
"""

from __future__ import annotations

import logging
import time
from typing import Optional

from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

#: Minutes that a change may wait for its confirmation: a day.
MAX_MINUTES = 1440
#: What the log and the cluster call the origin of the configuration that comes back.
SOURCE = "rollback"
#: Seconds between the warning in the log and the rollback.
WARNING_INTERVAL = 60.0
#: Seconds after which a rollback that has failed is tried again.
RETRY_INTERVAL = 10.0


class NotArmedError(HaslbError):
    """There is no change to confirm or to roll back."""

    def __init__(self) -> None:
        super().__init__("no change waits to be confirmed; 'configure confirm MINUTES' begins to wait for one")


class RollingBackError(HaslbError):
    """It is too late to confirm."""

    def __init__(self) -> None:
        super().__init__("it is too late: the configuration rolls back now; see show running-config")


class Rollback:
    """The configuration to go back to, and when; ``text`` is None while no change waits for its confirmation."""

    def __init__(self) -> None:
        self.text: Optional[str] = None
        self.is_under_way = False
        self._deadline = 0.0
        self._has_warned = False

    def arm(self, text: str, minutes: int, now: float) -> None:
        """Go back to this configuration in so many minutes. If one waits already only the time is new.

        Raises: RollingBackError.
        """
        if self.is_under_way:
            raise RollingBackError
        self.wait(text if self.text is None else self.text, now + 60.0 * minutes, now)
        LOG.warning("the configuration rolls back in %d min unless 'configure confirm'", minutes)

    def wait(self, text: str, deadline: float, now: float) -> None:
        """Go back to this configuration at this time."""
        self.text, self._deadline = text, deadline
        self._has_warned = deadline - now <= WARNING_INTERVAL

    def confirm(self) -> None:
        """Keep what is in force. Raises: NotArmedError, RollingBackError."""
        self._waiting()
        self.text = None
        LOG.warning("the configuration in force is confirmed; it does not roll back")

    def begin(self) -> str:
        """Begin to go back; the configuration to go back to. Raises: NotArmedError, RollingBackError."""
        text = self._waiting()
        self.is_under_way = True
        return text

    def _waiting(self) -> str:
        """The configuration to go back to, while that may still be confirmed or begun."""
        if self.is_under_way:
            raise RollingBackError
        if self.text is None:
            raise NotArmedError
        return self.text

    def end(self, succeeded: bool, now: float) -> None:
        """The attempt to go back is over. One that has failed is due again after :data:`RETRY_INTERVAL`."""
        self.is_under_way = False
        if succeeded:
            self.text = None
        else:
            self._deadline = now + RETRY_INTERVAL

    def is_due(self, now: float) -> bool:
        """Whether it is time to go back. Warns in the log when little time is left."""
        if self.text is None or self.is_under_way:
            return False
        if not self._has_warned and self._deadline - now <= WARNING_INTERVAL:
            self._has_warned = True
            LOG.warning("the configuration rolls back in %d s unless 'configure confirm'", self._deadline - now)
        return now >= self._deadline

    def remark(self, now: float) -> Optional[str]:
        """How long is left; None while no change waits for its confirmation."""
        if self.text is None:
            return None
        if self.is_under_way:
            return "the configuration rolls back now"
        minutes, seconds = divmod(max(0, round(self._deadline - now)), 60)
        return f"the configuration rolls back in {minutes} min {seconds} s unless 'configure confirm'"

    def confirm_by(self, now: float, wall_clock: float) -> str:
        """When the change has to be confirmed, for texts without :meth:`remark`; empty if it need not be."""
        if self.text is None or self.is_under_way:
            return ""
        at = time.strftime("%H:%M:%SZ", time.gmtime(wall_clock + self._deadline - now))
        return f", rolls back at {at} unless confirmed"

    def on_stop(self, file: str) -> None:
        """The process ends: say what becomes of a change that waits."""
        if self.text is not None:
            LOG.warning(
                "the configuration in force was not confirmed, and no longer rolls back: the next start reads %s", file
            )
