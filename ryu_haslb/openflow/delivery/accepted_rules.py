"""The standing rules that one switch has accepted: when it rejects others, it goes on with these. Pure.

A switch may reject rules after the barrier reply that confirms them. So rules are on trial for
:data:`.LATE_REJECTION_TIMEOUT`, and until it is over those before them are kept as well.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Rule


class Accepted(NamedTuple):
    """Standing rules, their layout, and when the switch has confirmed them."""

    rules: list[Rule]
    layout: Layout
    at: float


class AcceptedRules:
    """What one switch has accepted, over all its connections."""

    def __init__(self) -> None:
        #: The newest last; all but the first are on trial.
        self._accepted: list[Accepted] = []

    def accept(self, rules: list[Rule], layout: Layout, now: float) -> None:
        """The switch has confirmed these rules."""
        if self._accepted and self._accepted[-1].rules is rules:
            return
        self._accepted.append(Accepted(rules, layout, now))
        while len(self._accepted) > 2 and now >= self._accepted[1].at + LATE_REJECTION_TIMEOUT:
            del self._accepted[0]

    def reject(self, rules: list[Rule]) -> bool:
        """The switch rejects these rules after all. False: it has not accepted them, or has rejected them before."""
        count = len(self._accepted)
        self._accepted = [each for each in self._accepted if each.rules is not rules]
        return len(self._accepted) < count

    @property
    def last(self) -> Optional[Accepted]:
        """The rules that the switch has accepted last; None without any."""
        return self._accepted[-1] if self._accepted else None

    def forget(self) -> None:
        """Another balancer serves the switch, with rules that are not known here."""
        self._accepted.clear()
