"""Rules of one switch with tags of sessions that another switch has, at other home agents. Pure.

Every host that reaches the OpenFlow port can pass for a switch, and report rules with any tags. Which of two switches
lies, the balancer cannot know. So each is believed of itself only: the session stays where the other switch has it, and
requests that arrive at this switch are forwarded by its own rule::

    the other session has ended                        -> the rule's session is recovered
    the session is here now, or at the same home agent -> the rule is the session's
    no request for the idle time                       -> the rule is lost
"""

from __future__ import annotations

from itertools import islice
from typing import Optional

from ryu_haslb.openflow.recovery.session_view import RuleTarget


class ContestedRules:
    """The contested rules of one switch by tag: where each leads, and when a request has come for it."""

    def __init__(self) -> None:
        self._rules: dict[int, tuple[RuleTarget, float]] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, tag: int) -> bool:
        return tag in self._rules

    def keep(self, tag: int, target: RuleTarget, asked_at: float) -> None:
        """A rule is contested; one that was known already stays as it is known."""
        self._rules.setdefault(tag, (target, asked_at))

    def forward(self, tag: int, now: float) -> Optional[RuleTarget]:
        """Where a request with this tag is forwarded to; None if there is no such rule."""
        if tag not in self._rules:
            return None
        target, _ = self._rules[tag]
        self._rules[tag] = target, now
        return target

    def get(self, tag: int) -> Optional[tuple[RuleTarget, float]]:
        """Where a contested rule leads, and when a request has come for it; None if there is no such rule."""
        return self._rules.get(tag)

    def forget(self, tag: int) -> bool:
        """The rule is no longer contested. False: it was not."""
        return self._rules.pop(tag, None) is not None

    def take(self, count: int) -> list[tuple[int, RuleTarget, float]]:
        """So many rules, which are not kept any more; those that are kept again come last."""
        return [(tag, *self._rules.pop(tag)) for tag in list(islice(self._rules, count))]
