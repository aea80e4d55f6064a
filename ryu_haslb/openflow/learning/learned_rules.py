"""The flow-mods of the learning table of one switch: in which order they are sent, and how many at once.

Changes are sent in groups, deletions first, and a barrier follows each. The next group goes when that is answered,
and is no larger than what the switch takes in a fraction of a second (:mod:`.sessions.flow_mod_pace`). What waits
meanwhile is bounded by the addresses that are known: an address has one change at a time.

A switch rejects a group as a whole, even if a single rule of it does not fit. What was in it is sent again in halves,
until a single change is rejected.

All rules together, or those of a port with many, are deleted by cookie, in slices: one message for each table deletes
about as many as a group may have, since a switch may take as long for it as for so many messages. Nothing else is sent
before the last slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Optional

from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule
from ryu_haslb.openflow.sessions.flow_mod_pace import MAX_WINDOW, FlowModPace
from ryu_haslb.openflow.wire import wire

#: Seconds without a packet after which an address is forgotten (IEEE 802.1Q, section 8.8.3).
AGEING_TIME = 300
#: Addresses of a port from which on their rules are deleted together when it goes down.
MIN_SLICED = 16


class Key(NamedTuple):
    """An address in a VLAN; ``vlan`` is as OpenFlow matches it, with OFPVID_PRESENT in a tagged frame."""

    vlan: int
    mac: bytes


class Entry(NamedTuple):
    """Where an address was learned, when, and the ``number`` in the cookies of its rules."""

    port: int
    number: int
    sent_at: float


class Slice(NamedTuple):
    """One of so many ``slices`` of the rules, about so many ``rules``: those whose numbers have the same low bits.

    ``port``: only those of the addresses that were learned at this port.
    """

    number: int
    slices: int
    rules: int
    port: Optional[int] = None


#: Is called with each address whose rules the switch has rejected, with what was learned of it, and the error.
OnRejected = Callable[[Key, Entry, wire.Error], None]


class LearnedRules:
    """The rules of what was learned over one connection."""

    def __init__(self, transactions: Transactions, on_rejected: OnRejected) -> None:
        self._transactions = transactions
        self._on_rejected = on_rejected
        self._pace = FlowModPace()
        self._to_install: dict[Key, Entry] = {}
        self._to_delete: dict[tuple[int, Purpose], Rule] = {}
        #: What is installed by the group that is outstanding, as far as it was not forgotten since.
        self._installing: dict[Key, Entry] = {}
        #: Changes of the next group at most; less than the pace allows after a rejection.
        self._max_changes = MAX_WINDOW
        self._idle_timeout = AGEING_TIME
        self._outstanding = 0
        self._slices: list[Slice] = []
        self._is_over = False

    @property
    def waiting(self) -> int:
        """The number of flow-mods that wait to be sent."""
        return len(self._to_delete) + 2 * len(self._to_install)

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits, and nothing is outstanding."""
        return not self.waiting and not self._outstanding and not self._slices

    def install(self, key: Key, entry: Entry) -> None:
        """Install the rules of an address with the next group."""
        self._to_install[key] = entry

    def delete(self, key: Key, entry: Entry) -> None:
        """Delete the rules of an address with the next group, also if they were never installed."""
        self._forget(key)
        for rule in (_destination(key, entry), _source(key, entry)):
            self._to_delete[rule.cookie, rule.purpose] = rule

    def delete_all(self, addresses: int) -> None:
        """Delete the rules of all addresses, about so many, with the next groups; not those that are learned now."""
        rules = 2 * addresses + len(self._to_delete) + sum(each.rules for each in self._slices)
        self._to_install.clear()
        self._installing.clear()
        self._to_delete.clear()
        self._slices = self._divided(rules)

    def delete_of_port(self, port: int, entries: Mapping[Key, Entry]) -> None:
        """Delete the rules of these addresses, which are all that were learned at a port."""
        if len(entries) < MIN_SLICED:
            for key, entry in entries.items():
                self.delete(key, entry)
            return
        for key in entries:
            self._forget(key)
        self._slices += self._divided(2 * len(entries), port)

    def _forget(self, key: Key) -> None:
        self._to_install.pop(key, None)
        self._installing.pop(key, None)

    def _divided(self, rules: int, port: Optional[int] = None) -> list[Slice]:
        slices = 1 << (rules // self._pace.window).bit_length()
        return [Slice(number, slices, rules // slices + 1, port) for number in range(slices)]

    def flush(self) -> None:
        """Send the next group, as many flow-mods as the switch takes. One group is outstanding at a time."""
        if self._is_over or self._outstanding:
            return
        if self._slices:
            self._delete_slice(self._slices.pop())
        elif self.waiting:
            self._send_group()

    def _delete_slice(self, each: Slice) -> None:
        self._outstanding = each.rules
        self._transactions.submit(
            lambda xid: rule_messages.learned_removal(xid, each.number, each.slices, each.port),
            lambda _: self._on_concluded(),
            lambda took: self._pace.on_confirmed(each.rules, took),
        )

    def _send_group(self) -> None:
        allowance = self._pace.allowance(0)
        most = min(allowance, self._max_changes)
        deletions = {each: self._to_delete.pop(each) for each in list(islice(self._to_delete, most))}
        most = min(allowance + 1 >> 1, self._max_changes)
        keys = [] if deletions else list(islice(self._to_install, most))
        installs = {key: self._to_install.pop(key) for key in keys}
        self._installing = dict(installs)
        count = self._outstanding = len(deletions) + 2 * len(installs)
        self._transactions.submit(
            lambda xid: [
                *(rule_messages.deletion(rule, xid) for rule in deletions.values()),
                *_additions(installs.items(), self._idle_timeout, xid),
            ],
            lambda error: self._on_group_concluded(deletions, error),
            lambda took: self._pace.on_confirmed(count, took),
            lambda error: self._on_rejected_late(installs, error),
        )

    def end(self) -> None:
        """Something else switches from now on, or another learning table: send nothing more."""
        self._is_over = True

    def _on_group_concluded(self, deletions: dict[tuple[int, Purpose], Rule], error: Optional[wire.Error]) -> None:
        """The switch has confirmed a group, or rejects it: then half of it is sent next. A single address is not
        learned then, and a rule whose deletion is rejected stays."""
        installs, self._installing = self._installing, {}
        count = len(deletions) + len(installs)
        if error is None:
            self._max_changes = min(2 * self._max_changes, MAX_WINDOW)
        elif self._leave_out_timeouts(error) or count > 1:
            self._max_changes = max(count // 2, 1)
            self._to_delete = deletions | self._to_delete
            self._to_install = installs | self._to_install
        elif not self._is_over:
            self._max_changes = 1
            for key, entry in installs.items():
                self._on_rejected(key, entry, error)
        self._on_concluded()

    def _leave_out_timeouts(self, error: wire.Error) -> bool:
        """Learn addresses for ever from now on, if the switch rejects time-outs. False: they are left out already, or
        the error is another one."""
        is_new = error.is_about_timeout and bool(self._idle_timeout)
        if is_new:
            self._idle_timeout = 0
        return is_new

    def _on_concluded(self) -> None:
        """The switch has confirmed what was sent, or rejects it."""
        self._outstanding = 0
        self.flush()

    def _on_rejected_late(self, installs: dict[Key, Entry], error: wire.Error) -> bool:
        """The switch rejects a rule that it has confirmed. False: it does not say which; the group is in doubt."""
        named = {
            key: entry
            for key, entry in installs.items()
            if error.cookie in {_destination(key, entry).cookie, _source(key, entry).cookie}
        }
        self._leave_out_timeouts(error)
        for key, entry in {} if self._is_over else (named or installs).items():
            self._on_rejected(key, entry, error)
        self.flush()
        return bool(named)


def _additions(installs: Iterable[tuple[Key, Entry]], idle_timeout: int, xid: int) -> Iterator[bytes]:
    for key, entry in installs:
        for rule in (_destination(key, entry), _source(key, entry)):
            yield rule_messages.learned_addition(rule, entry.port, idle_timeout, xid)


def learned_rule(purpose: Purpose, key: Key, entry: Entry) -> Rule:
    """The rule of this purpose for an address: that in table 3, or that in table 4."""
    return _destination(key, entry) if purpose is Purpose.FORWARD_LEARNED else _source(key, entry)


def _destination(key: Key, entry: Entry) -> Rule:
    return Rule(Purpose.FORWARD_LEARNED, {"vlan_vid": key.vlan, "eth_dst": key.mac}, data=entry.number)


def _source(key: Key, entry: Entry) -> Rule:
    match: dict[str, wire.Value] = {"in_port": entry.port, "vlan_vid": key.vlan, "eth_src": key.mac}
    return Rule(Purpose.KNOWN_SOURCE, match, data=entry.number)
