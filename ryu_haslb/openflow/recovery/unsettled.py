"""The session rules of one switch that no session has yet, by tag. Pure.

A rule is either of these, never both::

    pending    its real server has not been found yet
    contested  another switch has its session, at another home agent

Rules that lead to the same place share one :class:`.RuleTarget`, which lists the tags of its pending rules. So they are
at hand when the real server is found, and when their time is over. A standby that takes over may have followed a
million rules, or may know as many that the switch has lost: they are pending at once, and are listed some at a time.

All rules, and all places that they lead to, take room that all switches share (:class:`.RecoveryRoom`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Optional

from ryu_haslb.openflow.recovery.destinations import Destinations, Found
from ryu_haslb.openflow.recovery.remembered import Recalled
from ryu_haslb.openflow.recovery.session_view import RuleTarget
from ryu_haslb.slb.session_table import SessionTable

#: Places that rules lead to, real servers and virtual addresses, at most: a switch may report any number.
_MAX_TARGETS = 4096
#: Rules that one tick lists at their targets.
_MAX_LISTED_PER_TICK = 5000


class UnsettledRules:
    """The rules of one switch. ``pending`` and ``contested`` map their tags to where they lead; others only read them.

    ``sessions`` has the room.
    """

    def __init__(self, sessions: SessionTable, destinations: Destinations) -> None:
        self.pending: dict[int, RuleTarget] = {}
        self.contested: dict[int, RuleTarget] = {}
        #: By tag: the requests that a pending rule has forwarded, or 1 if a contested one has forwarded any; and when
        #: the last one came, or the rule was contested.
        self._requests: dict[int, tuple[int, float]] = {}
        self._targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        #: The same of rules that the switch has lost.
        self._lost_targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        #: The tags of followed rules that are not listed yet, and such rules that the switch has lost.
        self._followed: list[int] = []
        self._recalled: dict[int, RuleTarget] = {}
        self._sessions, self._room = sessions, sessions.recovery_room
        self._destinations = destinations

    def __len__(self) -> int:
        return len(self.pending) + len(self.contested)

    def __contains__(self, tag: int) -> bool:
        return tag in self.pending or tag in self.contested

    def await_real(self, tag: int, target: RuleTarget, now: float) -> None:
        """A rule is pending from now on. It is left out if there is no room for it."""
        if not self._has_place(tag):
            return
        if self.contested.pop(tag, None) is not None:
            requests, asked_at = self._requests.pop(tag)
            if requests:
                self._requests[tag] = 0, asked_at  # as a pending rule it has forwarded none yet
        self._set_deadline(target, now)
        target.tags.append(tag)
        self.pending[tag] = target

    def contest(self, tag: int, virtual_address: bytes, actions: bytes, now: float) -> bool:
        """A rule is contested from now on. False: it is left out, since there is no room for it."""
        target = self.target(virtual_address, actions)
        if target is None or not self._has_place(tag):
            return False
        if tag not in self.contested:
            self.pending.pop(tag, None)
            self.contested[tag] = target
            self._requests[tag] = 0, now
        return True

    def forget(self, tag: int) -> Optional[RuleTarget]:
        """The rule is settled, or given up. Where it leads; None if there is no such rule."""
        target = self.pending.pop(tag, None) or self.contested.pop(tag, None)
        if target is not None:
            self._room.release()
        self._requests.pop(tag, None)
        return target

    def give_up(self, count: int) -> None:
        """There is no room for so many rules: forget pending ones, those that came last, and then contested ones."""
        pending = list(islice(reversed(self.pending.items()), count))
        for tag, target in pending:
            self.forget(tag)
            if target.tags[-1:] == [tag]:
                target.tags.pop()
        for tag in list(islice(self.contested, count - len(pending))):
            self.forget(tag)

    def end(self) -> None:
        """No rule is waited for any more."""
        self._room.end(self, len(self._targets))
        self.pending, self.contested, self._targets = {}, {}, {}

    def target(self, virtual_address: bytes, actions: bytes) -> Optional[RuleTarget]:
        """Where a rule leads that was read; None if it has to be left out, since there is no room for its target."""
        target = self._targets.get((virtual_address, actions))
        if target is None:
            own = len(self._targets)
            if own >= _MAX_TARGETS or not self._room.has_room_for_target(own):
                return None
            target = self._add_target(RuleTarget(virtual_address, actions))
        return target

    def follow(self, rules: dict[int, RuleTarget]) -> None:
        """All these rules were followed, and are pending."""
        self.pending = rules
        self._room.take(self, len(rules))
        self._followed = list(rules)

    def confirm_targets(self, targets: Iterable[RuleTarget], now: float) -> None:
        """The switch still has the rules that were followed, and that lead to these targets."""
        for target in targets:
            self._add_target(target)
            self._set_deadline(target, now)

    def recall(self, recalled: Recalled, now: float) -> None:
        """The switch has lost these rules. Those whose time is not over are pending, unless they are contested."""
        for virtual_address, actions in {(each.virtual_address, each.actions) for each in recalled.targets}:
            target = RuleTarget(virtual_address, actions, is_on_switch=False)
            server = self._destinations.server_of(target)
            if server is None or now < recalled.known_at + server.idle:
                self._lost_targets[virtual_address, actions] = target
                self._set_deadline(target, now)
        self._recalled = recalled.rules
        before = len(self.pending)
        self.pending = {**recalled.rules, **self.pending}
        for tag in self.contested:
            self.pending.pop(tag, None)
        self._room.take(self, len(self.pending) - before)

    def is_confirmed(self, tag: int) -> bool:
        """Whether a rule is pending that is known to be on the switch; one that was followed may have to be read."""
        target = self.pending.get(tag)
        return target is not None and self._targets.get((target.virtual_address, target.actions)) is target

    def pending_target(self, tag: int) -> Optional[RuleTarget]:
        """Where a pending rule leads; None if there is no such rule."""
        if tag in self._recalled:
            self._list_recalled(tag)
        return self.pending.get(tag)

    def list_followed(self, may_be_unread: bool, now: float) -> None:
        """Reading has ended: list followed rules at their targets, some at a time.

        Those that were not read are forgotten, since the switch no longer has them. ``may_be_unread``: reading was
        given up, so it may have them.
        """
        for _ in range(min(len(self._followed), _MAX_LISTED_PER_TICK)):
            tag = self._followed.pop()
            target = self.pending.get(tag)
            if target is None:
                continue
            known = self._targets.get((target.virtual_address, target.actions))
            if known is None and may_be_unread:
                self.confirm_targets([target], now)
                known = target
            self._list(tag, known if known is target or may_be_unread else None)

    def list_recalled(self) -> None:
        """List rules that the switch has lost at their targets, some at a time."""
        for tag in list(islice(self._recalled, _MAX_LISTED_PER_TICK)):
            self._list_recalled(tag)

    def _list_recalled(self, tag: int) -> None:
        """List one of them. It is forgotten if its time is over, and is left alone if the switch has it again."""
        target = self._recalled.pop(tag)
        if self.pending.get(tag) is target:
            self._list(tag, self._lost_targets.get((target.virtual_address, target.actions)))

    def _list(self, tag: int, target: Optional[RuleTarget]) -> None:
        if target is None:
            self.forget(tag)
        else:
            self.pending[tag] = target
            target.tags.append(tag)

    def take_due(self, count: int, now: float) -> Iterator[tuple[int, RuleTarget, Optional[Found]]]:
        """The pending rules whose real servers have been found, and those whose time is over: so many at most.

        Each place that they lead to has its share: rules whose mobiles go on to ask are looked at again and again, and
        delay no others. The caller forgets each of the rules.
        """
        due = list(islice(self._due_targets(now), count)) if self.pending else []
        share = max(1, count // max(1, len(due)))
        for target, found in due:
            tags = [tag for tag in target.tags[-share:] if self.pending.get(tag) is target]
            del target.tags[-share:]
            if found is None:
                asked = dict.fromkeys(tag for tag in tags if self.has_asked(tag, target, now))
                target.tags[:0] = asked
                tags = [tag for tag in tags if tag not in asked]
            for tag in reversed(tags):
                if tag in self.pending:  # it may be listed twice
                    yield tag, target, found

    def _due_targets(self, now: float) -> Iterator[tuple[RuleTarget, Optional[Found]]]:
        """Where rules lead of which some are due, and the real servers that were found there."""
        for target in chain(self._targets.values(), self._lost_targets.values()):
            found = self._destinations.find(target) if target.tags else None
            if found is not None or (target.tags and self._is_over(target, now)):
                yield target, found

    def take_contested(self, count: int) -> list[tuple[int, RuleTarget]]:
        """So many contested rules at most, each in its turn."""
        rules = list(islice(self.contested.items(), count))
        for tag, target in rules:
            del self.contested[tag]
            self.contested[tag] = target
        return rules

    def requests_of(self, tag: int) -> int:
        """How many requests a pending rule has forwarded; 1 if a contested one has forwarded any."""
        return self._requests.get(tag, (0, 0.0))[0]

    def record_request(self, tag: int, requests: int, now: float) -> None:
        """A mobile has sent a request; its rule has forwarded so many."""
        self._requests[tag] = requests, now

    def on_timed_out(self, tag: int, now: float) -> Optional[RuleTarget]:
        """The switch has timed out a rule. Where it leads, if its mobile has sent requests lately, which hit no rule.

        Without such a request its session has ended.
        """
        target = self.pending.get(tag) or self.contested.get(tag)
        is_asked_for = tag in self.pending or self.requests_of(tag) > 0
        if target is not None and is_asked_for and self.has_asked(tag, target, now):
            return target
        self.forget(tag)
        return None

    def has_asked(self, tag: int, target: RuleTarget, now: float) -> bool:
        """Whether, within the idle time, the mobile of a rule has sent a request, or the rule has become contested."""
        return tag in self._requests and now < self._requests[tag][1] + self._destinations.timeout_of(target)

    def _has_place(self, tag: int) -> bool:
        """Whether a rule has a place, or takes one now."""
        if tag in self:
            return True
        if not self._room.has_room(self, self._sessions.places):
            return False
        self._room.take(self)
        return True

    def _add_target(self, target: RuleTarget) -> RuleTarget:
        key = target.virtual_address, target.actions
        self._room.targets += key not in self._targets
        self._targets[key] = target
        return target

    def _is_over(self, target: RuleTarget, now: float) -> bool:
        """Whether the time of the rules of a target is over. It begins anew when their virtual server is known."""
        if not target.is_timed and self._destinations.server_of(target) is not None:
            self._set_deadline(target, now)
        return now >= target.deadline

    def _set_deadline(self, target: RuleTarget, now: float) -> None:
        target.is_timed = self._destinations.server_of(target) is not None
        target.deadline = now + self._destinations.timeout_of(target)
