"""The rules at one switch that copy the replies of real servers in doubt (:mod:`ryu_haslb.slb.doubt`) to the balancer.

They are there only during a doubt; without one they cost nothing::

    a real server is in doubt  -> meter, then the rules in one bundle -> barrier reply: its replies are looked for
                                                                      -> error: tried again after 1 to 60 s; until then
                                                                         the requests alone decide
    the doubt is over          -> the rules are removed, and with the last of them the meter
    standing rules replaced    -> the rules are gone: installed again
    deleted by others          -> found by :mod:`.audit` and :mod:`.meters`: installed again
"""

from __future__ import annotations

import logging
from typing import Optional

from ryu_haslb.openflow.delivery.backoff import Backoff
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.doubt.copied_replies import RealRules, Replies
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule
from ryu_haslb.openflow.overload.meters import Meters
from ryu_haslb.openflow.wire.wire import (
    OFPET_BAD_ACTION,
    OFPET_BAD_INSTRUCTION,
    OFPET_BAD_MATCH,
    OFPET_FLOW_MOD_FAILED,
    Error,
    Value,
)
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer

LOG = logging.getLogger(__name__)

#: Seconds between two looks whether the real servers in doubt have changed.
UPDATE_INTERVAL = 0.1

#: Types of errors with which a switch rejects what it cannot do.
_PERMANENT_ERRORS = (OFPET_BAD_ACTION, OFPET_BAD_INSTRUCTION, OFPET_BAD_MATCH, OFPET_FLOW_MOD_FAILED)
_COPY = Rule(Purpose.COPY_REPLY)
_Key = tuple[Purpose, tuple[tuple[str, Value], ...]]


class ReplyRules:
    """The rules for replies over one connection.

    ``version`` changes whenever rules are sent or confirmed, for the audit.
    """

    def __init__(
        self, datapath_id: int, replies: Replies, balancer: Balancer, transactions: Transactions, meters: Meters
    ) -> None:
        self.version = 0
        self._datapath_id = datapath_id
        self._replies = replies
        self._balancer = balancer
        self._transactions = transactions
        self._meters = meters
        self._layout = Layout()
        self._is_serving = self._is_changing = False
        self._sent: dict[RealServer, RealRules] = {}
        self._in_place: dict[_Key, Rule] = {}
        #: Rules that may be on the switch or not.
        self._uncertain: dict[_Key, Rule] = {}
        self._backoff = Backoff()
        self._next_update = self._now = 0.0

    def begin(self, layout: Layout) -> None:
        """The standing rules are in place: replies can be copied from now on."""
        self._layout = layout
        if not layout.copies_replies:
            return
        self._is_serving = True
        if not self._backoff.is_failing:
            self._balancer.failure_detection.copying_switches.add(self._datapath_id)

    def end(self) -> None:
        """The switch is not served any more."""
        self._is_serving = False
        self._balancer.failure_detection.copying_switches.discard(self._datapath_id)
        self.forget()

    def forget(self) -> None:
        """The rules may be gone: standing rules are replaced, or others have deleted them. They are sent again."""
        self.version += 1
        self._is_changing = False
        for real in self._sent:
            real.doubt.watched_from.pop(self._datapath_id, None)
        self._uncertain.update(self._in_place)
        self._sent, self._in_place = {}, {}

    def on_lost(self) -> None:
        """Others have deleted or changed some: without their actions they would drop what home agents reply."""
        self.forget()

    @property
    def is_settled(self) -> bool:
        """Whether the switch has confirmed all that was sent."""
        return not self._is_changing and not self._uncertain

    @property
    def sent(self) -> list[rule_messages.SentRule]:
        """The rules that the switch has confirmed."""
        metered, layout = self._meters.are_supported, self._layout
        return [rule_messages.as_sent(rule, metered, layout) for rule in self._in_place.values()]

    def tick(self, now: float) -> None:
        """Make the rules follow the doubts."""
        self._now = now
        if now < self._next_update or not self._is_serving or self._is_changing or self._backoff.must_wait(now):
            return
        self._next_update = now + UPDATE_INTERVAL
        wanted = self._replies.wanted_rules()
        if wanted != self._sent or self._uncertain:
            self._change(wanted)

    def _change(self, wanted: dict[RealServer, RealRules]) -> None:
        found = [rule for each in wanted.values() for rule in each]
        rules = {_key(rule): rule for rule in self._layout.fit([*found, _COPY] if found else [])}
        if rules and not self._in_place:
            self._meters.begin_copying()
        for real in self._sent:
            if self._sent[real] != wanted.get(real):
                real.doubt.watched_from.pop(self._datapath_id, None)
        added = [rule for key, rule in rules.items() if key not in self._in_place]
        removed = [rule for key, rule in {**self._in_place, **self._uncertain}.items() if key not in rules]
        self.version += 1
        self._uncertain.update(rules)
        self._sent, self._is_changing, version = wanted, True, self.version

        def conclude(error: Optional[Error]) -> None:
            if version == self.version:  # else all was forgotten meanwhile
                self._conclude(rules, error)

        metered, layout = self._meters.are_supported, self._layout
        self._transactions.submit(lambda xid: rule_messages.changes(added, removed, metered, xid, layout), conclude)

    def _conclude(self, rules: dict[_Key, Rule], error: Optional[Error]) -> None:
        self.version += 1
        self._is_changing = False
        copying = self._balancer.failure_detection.copying_switches
        if error is not None:
            copying.discard(self._datapath_id)
            self.forget()
            self._on_rejected(error)
            return
        self._backoff.reset()
        copying.add(self._datapath_id)
        self._in_place, self._uncertain = rules, {}
        for real in self._sent:
            real.doubt.watched_from.setdefault(self._datapath_id, self._now)
        if not rules:
            self._meters.end_copying()

    def _on_rejected(self, error: Error) -> None:
        """Try again if the switch may take the rules later; one that lacks the table or a match never does."""
        if error.type in _PERMANENT_ERRORS and not error.is_table_full:
            self._is_serving = False
        if self._backoff.on_rejected(self._now):
            LOG.warning(
                "Switch %016x rejected the rules that copy replies of home agents in doubt (%s); there, failure "
                "detection goes by requests alone%s",
                *(self._datapath_id, error),
                "; the rules are sent again after pauses of 1 to 60 s" if self._is_serving else "",
            )


def _key(rule: Rule) -> _Key:
    return rule.purpose, tuple(rule.match.items())
