"""An update of the standing rules of one switch: the rules that it is to have, and the messages that lead there. Pure.

::

    replacement   it is not known what the switch has    -> delete all of ours, add all
    difference    it is known                            -> delete and add what differs
    restoration   others have deleted some               -> add all; those that are there stay
    way back      the switch has rejected an update, and goes on with rules that it has accepted before
                      a difference from these rules
                          in one bundle                  -> nothing has changed
                          else                           -> the difference the other way
                      anything else                      -> delete what was rejected, add all

The table-miss rule is not among them: it is sent after each update.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, NamedTuple, Optional

from ryu_haslb.openflow.delivery.accepted_rules import Accepted
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Rule

#: Makes the messages: rules, whether their meters are there, transaction id, layout.
MessagesOf = Callable[[list[Rule], bool, int, Layout], list[bytes]]


class RuleUpdate(NamedTuple):
    """``before`` are the rules that it is a difference from; None if it is none."""

    rules: list[Rule]
    layout: Layout
    messages_of: MessagesOf
    before: Optional[list[Rule]] = None

    @property
    def is_difference(self) -> bool:
        """Whether only what differs from the rules before is sent, so that a rejection of those concerns it."""
        return self.before is not None

    def messages(self, metered: bool, xid: int) -> list[bytes]:
        """The messages. ``metered``: the meters of the rules are there."""
        return self.messages_of(self.rules, metered, xid, self.layout)


def difference(before: list[Rule], rules: list[Rule], layout: Layout) -> RuleUpdate:
    """The switch has these rules ``before``."""
    return RuleUpdate(rules, layout, partial(rule_messages.difference, before), before)


def way_back(former: Accepted, rejected: RuleUpdate, is_atomic: bool) -> RuleUpdate:
    """The switch has ``rejected`` an update. ``is_atomic``: it has changed nothing then."""
    if rejected.before is not former.rules:
        messages_of: MessagesOf = partial(rule_messages.reversal, rejected.rules)
    elif is_atomic:
        messages_of = rule_messages.no_messages
    else:
        messages_of = partial(rule_messages.difference, rejected.rules)
    return RuleUpdate(former.rules, former.layout, messages_of)
