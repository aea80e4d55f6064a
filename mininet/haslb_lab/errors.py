"""Errors of the lab."""

from __future__ import annotations

from ryu_haslb.errors import HaslbError


class LabError(HaslbError):
    """The lab cannot start or continue. The message is one line: what is missing, and what to do."""


class ProgramError(HaslbError, OSError):
    """The program of a node cannot use the machine as it has to: a socket, an interface, a route. The message says why.

    It is an OSError as well: callers handle it like the errors that the kernel reports by itself.
    """
