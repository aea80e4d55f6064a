"""How many examples a property gets, where the usual number is not the right one for it."""

from __future__ import annotations

from hypothesis import settings


def examples(full: int) -> int:
    """Scale a number of examples by the profile in force: all of them in ``ci``, a share in ``dev``, at least one."""
    return max(1, full * settings().max_examples // settings.get_profile("ci").max_examples)
