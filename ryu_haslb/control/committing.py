"""Waits for a change of the cluster's database that an operator has asked for."""

from __future__ import annotations

import time

import eventlet

from ryu_haslb.cluster.shared_database import Commit
from ryu_haslb.control.operations import UndecidedError

#: Seconds that the database may take to commit a change.
COMMIT_TIMEOUT = 5.0
#: Seconds between two looks at what is under way.
COMMIT_INTERVAL = 0.01


def await_outcome(commit: Commit, what_to_do: str) -> str:
    """Wait until a change is committed: empty then, and the error if it is not.

    Raises: UndecidedError if that is not known; its text ends with ``what_to_do``.
    """
    deadline = time.monotonic() + COMMIT_TIMEOUT
    while (outcome := commit.outcome()) is None:
        if time.monotonic() >= deadline:
            raise UndecidedError(f"the database has not answered within {COMMIT_TIMEOUT:g} s; {what_to_do}")
        eventlet.sleep(COMMIT_INTERVAL)
    if outcome and not commit.is_certain:
        raise UndecidedError(f"the connection to the database was lost; {what_to_do}")
    return outcome
