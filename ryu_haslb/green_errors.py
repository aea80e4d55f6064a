"""Errors that end a green thread, in the log instead of on standard error, where no limit holds."""

from __future__ import annotations

import logging
from typing import Any

from eventlet import hubs

LOG = logging.getLogger(__name__)


def log_uncaught_errors() -> None:
    """Log each error that nothing has caught in a green thread; eventlet would print it, however often it comes."""
    hub = hubs.get_hub()
    remove = hub.remove_descriptor

    def squelch(exc_info: Any) -> None:
        LOG.error("uncaught %s in a green thread, which has ended", exc_info[0].__name__, exc_info=exc_info)

    def squelch_of_descriptor(descriptor: int, exc_info: Any) -> None:
        squelch(exc_info)
        remove(descriptor)

    hub.squelch_generic_exception = squelch
    hub.squelch_timer_exception = lambda _timer, exc_info: squelch(exc_info)
    hub.squelch_exception = squelch_of_descriptor
