"""The session rules of one switch as a member that stands by has followed them: where each leads, by its tag. Pure.

Rules that lead to the same real server share one :class:`RuleTarget`, so a rule costs some 100 bytes. A switch may lie:
the number of targets is limited, and that of the rules of all switches together (:class:`Budget`), and rules that are
too long to be ours are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import fields_behind_tag, without_max_len, without_source
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK

#: Targets that are remembered of one switch: real servers, times the ways in which the rules of one were written; and
#: of all switches.
MAX_TARGETS, MAX_TARGETS_OF_ALL = 1 << 14, 1 << 17
# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; changes may be many.
_SESSIONS = Table.SESSIONS.value
#: Bytes of the match and of the instructions of a rule of ours, at most.
MAX_RULE_LENGTH = 512


@dataclass(eq=False)
class RuleTarget:
    """Where rules lead: a virtual address and actions. ``tags`` are those of its pending rules, and of some others.

    ``deadline`` is when these are given up; ``is_timed``: it counts from when their virtual server was known.
    ``is_on_switch`` is False when the switch has lost the rules.
    """

    virtual_address: bytes
    actions: bytes
    deadline: float = 0.0
    is_timed: bool = False
    is_on_switch: bool = True
    tags: list[int] = field(default_factory=list)

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What identifies the real server: virtual address and actions, without the chassis address."""
        return self.virtual_address, without_chassis(self.actions)


def without_chassis(actions: bytes) -> bytes:
    """Actions without the one that writes the chassis address, if that is the first, and of one form.

    The chassis address is the same for every real server, and another version may choose another one.
    """
    return without_max_len(without_source(actions))


def is_session_rule(row: FlowStats) -> bool:
    """Whether a rule is that of a session."""
    table, priority, cookie, _, _, _ = row
    return table == _SESSIONS and priority == SESSION_PRIORITY and cookie & COOKIE_MARK_MASK == COOKIE_MARK


class Budget:
    """The number of rules that all views together may have. At the ``limit`` the largest view gives up its rules.

    ``targets`` are those of all views; at :data:`MAX_TARGETS_OF_ALL` the view with most of them gives up. What is only
    remembered gives way to what is followed.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = self.targets = 0
        self.views: set[SessionView] = set()

    def make_room(self, view: SessionView) -> None:
        """Another rule is to be added to a view."""
        self.views.add(view)
        if self.used >= self.limit:
            max(self.views, key=lambda each: (each.is_remembered, len(each.rules))).exceed()

    def make_room_for_target(self, view: SessionView) -> None:
        """Another target is to be added to a view."""
        self.views.add(view)
        if self.targets >= MAX_TARGETS_OF_ALL:
            max(self.views, key=lambda each: (each.is_remembered, len(each.targets))).exceed()


class SessionView:
    """Session rules within a budget. ``is_exceeded``: there were too many rules or targets, and none is kept.

    ``is_remembered``: the rules are those that a switch had before its connection was lost.
    """

    def __init__(self, budget: Budget, is_remembered: bool = False) -> None:
        self.rules: dict[int, RuleTarget] = {}
        self.is_exceeded = False
        self.is_remembered = is_remembered
        self._budget = budget
        self._targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        self._by_shape: dict[tuple[bytes, bytes], RuleTarget] = {}

    @property
    def targets(self) -> list[RuleTarget]:
        """The targets of all rules, and of some that are gone."""
        return list(self._targets.values())

    def end(self) -> None:
        """The rules are handed over, or are no longer needed: they are in the budget no more."""
        if self in self._budget.views:
            self._budget.views.remove(self)
            self._budget.used -= len(self.rules)
            self._budget.targets -= len(self._targets)

    def exceed(self) -> None:
        """Give up all rules."""
        self.end()
        self.is_exceeded = True
        self.rules, self._targets, self._by_shape = {}, {}, {}

    def add(self, rules: Mapping[int, RuleTarget], targets: Iterable[RuleTarget]) -> None:
        """Add many rules, and their targets. The view gives up its rules if they are too many."""
        if self.is_exceeded:
            return
        budget = self._budget
        budget.views.add(self)
        before = len(self.rules), len(self._targets)
        self.rules.update(rules)
        for target in targets:
            self._targets.setdefault((target.virtual_address, target.actions), target)
        budget.used += len(self.rules) - before[0]
        budget.targets += len(self._targets) - before[1]
        if budget.used > budget.limit or budget.targets > MAX_TARGETS_OF_ALL:
            self.exceed()

    def put(self, row: FlowStats) -> None:
        """A rule is there, or was added or modified; what is no session rule is left out.

        Raises:
            MalformedMessage: a length inside of the rule does not fit.
        """
        if self.is_exceeded or not is_session_rule(row):
            return
        target = self._target_of(row)
        if target is None:
            return
        tag = row.cookie >> COOKIE_MARK_BITS
        if tag not in self.rules:
            self._budget.make_room(self)
            if self.is_exceeded:
                return
            self._budget.used += 1
        self.rules[tag] = target

    def remove(self, row: FlowStats) -> None:
        """A rule was deleted.

        Raises:
            MalformedMessage: a length inside of the rule does not fit.
        """
        if is_session_rule(row):
            tag = row.cookie >> COOKIE_MARK_BITS
            target = self.rules.get(tag)
            if target is not None and target.virtual_address == self._address_of(row):
                self.forget(tag)

    def forget(self, tag: int) -> None:
        """A rule is gone."""
        if self.rules.pop(tag, None) is not None:
            self._budget.used -= 1

    def _address_of(self, row: FlowStats) -> Optional[bytes]:
        """The virtual address in the match of a rule."""
        others = fields_behind_tag(row.match)
        known = None if others is None else self._by_shape.get((others, row.instructions))
        return row.field("ipv4_dst") if known is None else known.virtual_address

    def _target_of(self, row: FlowStats) -> Optional[RuleTarget]:
        """The target of a session rule. Rules with one target differ by their tags alone, so most are looked up."""
        others = fields_behind_tag(row.match)
        found = None if others is None else self._by_shape.get((others, row.instructions))
        if found is not None:
            return found
        virtual_address = row.field("ipv4_dst")
        if virtual_address is None or len(row.match) + len(row.instructions) > MAX_RULE_LENGTH:
            return None
        key = virtual_address, row.actions()
        target = self._targets.get(key)
        if target is None:
            target = self._add_target(RuleTarget(*key))
            if target is None:
                return None
        if others is not None:
            if len(self._by_shape) >= MAX_TARGETS:
                self._by_shape.clear()
            self._by_shape[others, row.instructions] = target
        return target

    def _add_target(self, target: RuleTarget) -> Optional[RuleTarget]:
        """Remember a target; None if the view has given up its rules."""
        if len(self._targets) >= MAX_TARGETS:
            self._forget_targets()
        if not self.is_exceeded:
            self._budget.make_room_for_target(self)
        if self.is_exceeded:
            return None
        self._budget.targets += 1
        self._targets[target.virtual_address, target.actions] = target
        return target

    def _forget_targets(self) -> None:
        """Forget the targets that no rule has. If most are in use, the switch lies, or is none of ours."""
        before, in_use = len(self._targets), set(self.rules.values())
        self._targets = {key: each for key, each in self._targets.items() if each in in_use}
        self._by_shape.clear()
        self._budget.targets -= before - len(self._targets)
        if len(self._targets) > MAX_TARGETS // 2:
            self.exceed()
