"""The base of every error that this project raises on purpose, and the error of values that every room may use."""

from __future__ import annotations


class HaslbError(Exception):
    """Something outside of this program is wrong; the message says what, where, and what is expected instead."""


class InvalidValueError(HaslbError, ValueError):
    """A value is out of its range, or does not fit its field; the message says what is expected."""
