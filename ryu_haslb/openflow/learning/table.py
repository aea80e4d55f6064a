"""The learning table of one switch: which address is at which port, for a switch that cannot switch by itself.

Theory of operation
===================

Packets that do not concern the balancer go on in table 3, and from there to table 4. The switch forwards at its own
speed; the controller only sees copies of packets whose source is new::

    table 3, DESTINATIONS    50000  reserved multicast of bridges (spanning tree)   drop
                                 2  VLAN and destination that were learned          output to its port, goto table 4
                                 1  any other, broadcast included                   flood, goto table 4
    table 4, SOURCES             3  port, VLAN and source that were learned         nothing more
                                 2  a port that shows too many new addresses        nothing more, for some seconds
                                 1  any other                                       copy to the controller

A copy makes two rules, one in each table, with an idle time-out. When one of them is gone, the other one is deleted,
and the address is learned anew with its next packet. A host that appears at another port misses its rule in table 4, so
it is learned there at once. When a port goes down, its addresses are forgotten. So are all when others have deleted or
changed standing rules (:mod:`.audit`), and those whose own rules others have changed (:mod:`.audit.learned_audit`):
without its action, a rule in table 3 would drop what is sent to its address.

Requests and ARP for a virtual address are sent to the controller in table 0. It learns their senders from them: else
the replies of home agents to a PDSN that sends nothing else would be flooded.

**Bounds.** Made-up addresses cost a copy each. A port that shows more than :data:`MAX_NEW_ADDRESSES` in a second, or
has half of the :data:`MAX_ADDRESSES` of a switch, is ignored for some seconds: a rule in table 4 ends its copies. Its
unknown addresses are flooded meanwhile, and those that were learned are forwarded. So no port gets more than its share
of the table. Nothing is learned while the switch is overloaded, be it by our own flow-mods (:mod:`.admission`).

**Pace.** Flow-mods are sent no faster than the switch takes them (:mod:`.learned_rules`). While :data:`MAX_WAITING` of
them wait, no further address is learned.

VLAN tags stay as they are: a frame goes to every port that its destination may be at, and the ports belong to no VLAN.
Loops between switches are not handled: the network must have none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import LEARNED_PURPOSES, PURPOSE_MASK, Purpose, Rule
from ryu_haslb.openflow.learning.learned_rules import Entry, Key, LearnedRules, learned_rule
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.ports import MAX_PORTS

LOG = logging.getLogger(__name__)

#: Addresses that are learned of a switch. Open vSwitch visits all rules with a time-out after each change, which is
#: felt from some 5,000 on; an address has two.
MAX_ADDRESSES = 2048
#: New addresses, or copies of packets, of one port in a second.
MAX_NEW_ADDRESSES = 200
#: Seconds for which a port that shows more is not listened to.
DEAF_INTERVAL = 5
#: Flow-mods that wait for a switch, beyond which no further address is learned: what a slow one takes in a second.
MAX_WAITING = 256
#: Seconds between two attempts to install the rules of one address.
_RESEND_INTERVAL = 1.0
#: Seconds between two log lines about a port.
_LOG_INTERVAL = 60.0
_MAX_NUMBER = 1 << 24
#: What a tag begins with: those of 802.1Q and 802.1ad show in the match of vlan_vid (OpenFlow 1.3.5, section 5.1.1).
_TAGS = frozenset(each.to_bytes(2, "big") for each in (wire.ETHERTYPE_VLAN, wire.ETHERTYPE_SERVICE_VLAN))
#: The cookies of what is learned, without the numbers of the entries.
_LEARNED_COOKIES = frozenset(purpose.cookie for purpose in LEARNED_PURPOSES)


@dataclass
class _Port:
    """What a port has shown in the second that began at ``since``, until when it is not listened to, and its keys."""

    since: float = 0.0
    shown: int = 0
    deaf_until: float = 0.0
    logged_at: Optional[float] = None
    keys: set[Key] = field(default_factory=set)


class Numbers:
    """The numbers in the cookies of one switch's rules: one that is reported late must not have that of a new one."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """A number that no other rule has had for long."""
        self._last = self._last % (_MAX_NUMBER - 1) + 1
        return self._last


class Learning:
    """What was learned over one connection. ``is_own`` says whether an address is the balancer's.

    ``max_addresses`` are learned at most, half of them at one port.
    """

    def __init__(
        self,
        datapath_id: int,
        transactions: Transactions,
        layout: Layout,
        is_own: Callable[[bytes], bool],
        numbers: Numbers,
    ) -> None:
        self.layout = layout
        self._datapath_id = datapath_id
        self._channel = transactions.channel
        self._is_own = is_own
        self.max_addresses = MAX_ADDRESSES
        self._entries: dict[Key, Entry] = {}
        self._keys: dict[int, Key] = {}
        self._ports: dict[int, _Port] = {}
        self._numbers = numbers
        self._rules = LearnedRules(transactions, self._on_rejected)
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def waiting(self) -> int:
        """The number of flow-mods that wait to be sent."""
        return self._rules.waiting

    def on_packet(self, frame: bytes, port: int, now: float) -> None:
        """A copy of a packet whose source is not known at this port. More ports than a switch may have are ignored."""
        self._now = now
        if port not in self._ports and len(self._ports) >= MAX_PORTS:
            return
        place = self._ports.setdefault(port, _Port())
        if now < place.deaf_until or self._shows_too_much(place, now):
            self._end_copies(place, port, now)
            return
        key = _key_of(frame)
        if key is None or key.mac[0] & 1 or not any(key.mac) or self._is_own(key.mac):
            return
        entry = self._entries.get(key)
        if entry is not None and entry.port == port and now < entry.sent_at + _RESEND_INTERVAL:
            return
        if (entry is None and len(self._entries) >= self.max_addresses) or self.waiting >= MAX_WAITING:
            return
        if (entry is None or entry.port != port) and len(place.keys) >= self.max_addresses // 2:
            self._end_copies(place, port, now)
            return
        self._learn(key, entry, port, now)
        self._rules.flush()

    def on_punted(self, frame: bytes, port: int, now: float) -> None:
        """A packet for the balancer, which never comes to the learning table: its sender gets replies nevertheless."""
        key = _key_of(frame)
        entry = None if key is None else self._entries.get(key)
        if entry is None or entry.port != port:
            self.on_packet(frame, port, now)

    def on_removed(self, cookie: int) -> bool:
        """A rule has left its table. False when it is none of the learning table."""
        if not is_learned(cookie):
            return False
        number = _number_of(cookie)
        key = self._keys.pop(number, None)
        entry = None if key is None else self._entries.get(key)
        if key is not None and entry is not None and entry.number == number:
            self._forget(key, entry)
            self._rules.flush()
        return True

    def port_of(self, cookie: int) -> Optional[int]:
        """Where the address was learned whose rule has this cookie; None if it is not known any more."""
        key = self._keys.get(_number_of(cookie))
        return None if key is None else self._entries[key].port

    def rule_with(self, cookie: int, purpose: Purpose) -> Optional[Rule]:
        """The rule of this purpose that has this cookie; None if its address is not known any more."""
        key = self._keys.get(_number_of(cookie))
        return None if key is None else learned_rule(purpose, key, self._entries[key])

    @property
    def is_settled(self) -> bool:
        """Whether the switch has confirmed all that was sent, and nothing waits."""
        return self._rules.is_settled

    def on_port_down(self, port: int) -> None:
        """A port went down: what is sent to its hosts is flooded, since they may appear at another."""
        place = self._ports.pop(port, None)
        entries = {key: self._entries.pop(key) for key in (place.keys if place is not None else ())}
        for entry in entries.values():
            self._keys.pop(entry.number, None)
        self._rules.delete_of_port(port, entries)
        self._rules.flush()

    def learn_anew(self) -> None:
        """Others have changed rules of ours, maybe also those of addresses: each is learned with its next packet."""
        self._rules.delete_all(len(self._entries))
        self._entries.clear()
        self._keys.clear()
        for place in self._ports.values():
            place.keys.clear()
        self._rules.flush()

    def end(self) -> None:
        """Something else switches from now on, or another learning table: send nothing more."""
        self._rules.end()

    def _on_rejected(self, key: Key, entry: Entry, error: wire.Error) -> None:
        """The switch rejects the rules of an address, or of another one in the same group."""
        if self._entries.get(key) is entry:
            self._forget(key, entry)
            place = self._ports.setdefault(entry.port, _Port())
            self._end_copies(place, entry.port, self._now, f"it rejects rules: {error}")

    def _learn(self, key: Key, before: Optional[Entry], port: int, now: float) -> None:
        """Have the rules of an address installed. Those of another port go first: some switches keep the cookie of a
        rule that is replaced."""
        if before is not None:
            self._forget(key, before)
        number = self._numbers.next()
        entry = self._entries[key] = Entry(port, number, now)
        self._keys[number] = key
        self._ports[port].keys.add(key)
        self._rules.install(key, entry)

    def _forget(self, key: Key, entry: Entry) -> None:
        del self._entries[key]
        self._keys.pop(entry.number, None)
        if entry.port in self._ports:
            self._ports[entry.port].keys.discard(key)
        self._rules.delete(key, entry)

    def _shows_too_much(self, place: _Port, now: float) -> bool:
        if now >= place.since + 1.0:
            place.since, place.shown = now, 0
        place.shown += 1
        return place.shown > MAX_NEW_ADDRESSES

    def _end_copies(self, place: _Port, port: int, now: float, reason: str = "too many new addresses") -> None:
        """Have the switch copy nothing more of a port for some seconds, which it does without the controller."""
        if now < place.deaf_until:
            return
        place.deaf_until = now + DEAF_INTERVAL
        rule = Rule(Purpose.LEARN_NOTHING, {"in_port": port})
        for message in rule_messages.temporary([rule], DEAF_INTERVAL, self.layout, self._channel.next_xid()):
            self._channel.transmit(message)
        if place.logged_at is None or now >= place.logged_at + _LOG_INTERVAL:
            place.logged_at = now
            LOG.warning(
                "Switch %016x: port %d: %s; no address is learned there for %d s, and frames to unknown ones are "
                "flooded. %d of at most %d addresses of the port are known",
                *(self._datapath_id, port, reason, DEAF_INTERVAL, len(place.keys), self.max_addresses // 2),
            )


def is_learned(cookie: int) -> bool:
    """Whether this is the cookie of a rule that was learned."""
    return cookie & PURPOSE_MASK in _LEARNED_COOKIES


def _number_of(cookie: int) -> int:
    return cookie >> 32 & _MAX_NUMBER - 1


def _key_of(frame: bytes) -> Optional[Key]:
    """The source of a frame and its VLAN; None if the frame is cut short."""
    if len(frame) < 14:
        return None
    if frame[12:14] not in _TAGS:
        return Key(wire.OFPVID_NONE, frame[6:12])
    if len(frame) < 18:
        return None
    vlan = int.from_bytes(frame[14:16], "big") & 0x0FFF
    return Key(vlan | wire.OFPVID_PRESENT, frame[6:12])
