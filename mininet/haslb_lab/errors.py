"""The one error of the lab."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot run or go on. The message is one line that says what is missing and what to do."""
