"""The base of every error that this project raises on purpose."""

from __future__ import annotations


class HaslbError(Exception):
    """Something outside of this program is wrong; the message says what, where, and what is expected instead."""
