"""The session rules that one bundle removes and installs, and the parts that are sent instead when it is rejected.

A switch rejects a bundle as a whole, even if 999 of 1,000 rules would fit. Its deletions are then sent alone, since
they make room, and its additions in halves, one after the other, until a single rule is rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.slb.session import Session

_T = TypeVar("_T")

#: Rules that one bundle installs, and rules that it removes. The limits keep a bundle from occupying a switch for long:
#: Open vSwitch carries bundles out in the thread that forwards requests.
MAX_BUNDLE_RULES: Final = 1000
MAX_BUNDLE_REMOVALS: Final = 250

#: A session whose rule is to be installed, and the actions of the rule.
Install = tuple[Session, bytes]


class RuleBundle(NamedTuple):
    """Rules that a bundle removes, and sessions whose rules it installs after that.

    ``later`` are further parts of a rejected bundle; they are sent after the switch has confirmed or rejected this one.
    """

    installs: list[Install]
    removes: list[SessionRule]
    later: list[list[Install]]

    def every_install(self) -> Iterator[Install]:
        """The sessions of this bundle and of the parts that are sent later."""
        return chain(self.installs, *self.later)

    @property
    def size(self) -> int:
        """The number of rules of this bundle and of the parts that are sent later."""
        return len(self.removes) + sum(map(len, (self.installs, *self.later)))

    def divided(self) -> list[RuleBundle]:
        """The parts that are sent instead of this bundle, which was rejected; none when it is a single rule."""
        installs, removes, later = self
        if removes and installs:
            return [RuleBundle([], removes, _halves(installs) + later)]
        if len(removes) > 1:
            first, second = _halves(removes)
            return [RuleBundle([], first, []), RuleBundle([], second, later)]
        if len(installs) > 1:
            first_half, second_half = _halves(installs)
            return [RuleBundle(first_half, [], [second_half, *later])]
        return []

    def following(self) -> list[RuleBundle]:
        """The next part of the rejected bundle, when this one is done with."""
        return [RuleBundle(self.later[0], [], self.later[1:])] if self.later else []


def _halves(items: list[_T]) -> list[list[_T]]:
    """The items in two lists; in one where there is only one item."""
    middle = len(items) // 2
    return [half for half in (items[:middle], items[middle:]) if half]
