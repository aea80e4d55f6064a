"""Finds out whether a switch of an unknown make forwards what is output to NORMAL, by the counters of its ports. Pure.

Some switches accept rules with output to NORMAL and drop the packets; :mod:`.layout_choice` handles those that reject
such rules. The check sends packets to an address that no host has, and looks which ports count them::

    BEFORE   packets to ALL     -> some ports count them             -> TRIED
                                -> none does                         -> OVER: nothing can be seen
    TRIED    packets to NORMAL  -> one of these ports counts them    -> OVER: it forwards
                                -> none does in 3 readings           -> WATCHED
    WATCHED  packets of others, as our rules with NORMAL count them, since the beginning of TRIED
                                -> ports send fewer than half, three
                                   times in a row, each 3 readings   -> OVER: it does not forward
                                -> else, a hundred times             -> OVER

One without the other proves nothing: a switch with VLANs may not forward what comes from the controller, and what
others send may be such as no switch forwards. Requests that were dispatched meanwhile do not count. Counters may be
some 10 s old, and are cleared at times: so they are read every 2 s, what they show must hold for 18 s, and ports that
have sent less than was dispatched show nothing. The packets to ALL show whether counters are prompt: they are if half a
second later the packets are counted, twice in a row, as counters that are updated less than once a second never are.
Prompt counters are read every half second, and the check takes 6 s.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Callable, NamedTuple, Optional

from ryu_haslb.openflow.flow_tables.pipeline import CHASSIS_PREFIX, PIPELINE, Action, Table, chassis_address
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.features import port_stats_request, sent_packets
from ryu_haslb.openflow.wire.multipart import flow_packets, flow_stats_request, has_more
from ryu_haslb.openflow.wire.packet import numbered_packet_out
from ryu_haslb.openflow.wire.ports import MAX_PORTS
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: Packets that are sent to ALL, and to NORMAL.
PACKETS = 20
#: Seconds after the standing rules are in place until the check begins.
BEGIN_INTERVAL = 0.5
#: Seconds between two readings of the counters, and of those that are prompt or may be.
READ_INTERVAL, PROMPT_INTERVAL = 2.0, 0.5
#: Times in a row that packets to ALL must be counted at once.
PROMPT_ROUNDS = 2
#: Seconds without a reply after which the switch is asked for its counters no more.
REPLY_TIMEOUT = 30.0
#: Readings after which packets count as not sent: hardware updates its counters every few seconds.
MAX_READINGS = 3
#: How often packets of others are looked for, each time in so many readings.
MAX_WINDOWS = 100
#: How often in a row, since the same beginning, the ports must have sent too few of them.
SILENT_WINDOWS = 3
#: Packets of others in so many seconds that prove something. A host that reaches no other still sends an ARP request a
#: second; NORMAL need not forward the BPDUs of a neighbour, one in 2 s.
MIN_OTHERS, MIN_OTHERS_TIME = 4, 6.0
_DESTINATION = bytes.fromhex("0a51b7000001")
#: Not that of the chassis address: a packet to ALL leaves by blocked ports as well, where none may learn that.
_SOURCE_PREFIX = bytes.fromhex("0e51b7")
#: For experiments in a local network (IEEE 802.3, section 5.2).
_ETHERTYPE_EXPERIMENTAL = 0x88B5
#: The cookies of our rules with output to NORMAL.
_PASSING = (Action.PASS, Action.PUNT_AND_PASS, Action.PASS_AND_GOTO_REPLIES)
_COOKIES = frozenset(purpose.cookie for purpose, entry in PIPELINE.items() if entry.action in _PASSING)


class _Stage(Enum):
    WAITING = auto()
    BEFORE = auto()
    TRIED = auto()
    WATCHED = auto()
    OVER = auto()


class _Reading(NamedTuple):
    """The packets that each port has sent, those that our rules with NORMAL have matched, and dispatched requests.

    ``at`` is the time when they were asked for.
    """

    at: float
    sent: dict[int, int]
    others: int
    dispatched: int


class NormalCheck:
    """The check over one connection. ``conclude`` is called once, if it finds out whether the switch forwards.

    ``dispatched`` returns how many requests were dispatched over the switch so far.
    """

    def __init__(
        self, channel: Channel, datapath_id: int, dispatched: Callable[[], int], conclude: Callable[[bool], None]
    ) -> None:
        self._channel = channel
        self._dispatched = dispatched
        self._conclude = conclude
        self._stage = _Stage.WAITING
        source = _SOURCE_PREFIX + chassis_address(datapath_id)[len(CHASSIS_PREFIX) :]
        head = _DESTINATION + source + _ETHERTYPE_EXPERIMENTAL.to_bytes(2, "big")
        self._frame = head + bytes(46)
        self._due_at: Optional[float] = None
        self._asked_at = 0.0
        self._interval = PROMPT_INTERVAL
        self._prompt_rounds = 0
        self._readings = self._windows = self._silent_windows = 0
        self._packet_xid: Optional[int] = None
        self._asked: dict[int, bool] = {}
        self._sent: dict[int, int] = {}
        self._others = 0
        self._base: Optional[_Reading] = None
        self._counting: frozenset[int] = frozenset()

    def tick(self, now: float) -> None:
        """Begin, or read the counters, if it is time. To be called while packets of others are output to NORMAL."""
        if self._due_at is None:
            self._due_at = now + BEGIN_INTERVAL
        if self._stage is not _Stage.OVER and now >= self._due_at:
            self._due_at = now + self._interval
            if not self._asked:
                self._asked_at = now
                self._read()
            elif now >= self._asked_at + REPLY_TIMEOUT:
                self.end()

    def end(self) -> None:
        """End the check: it has a result, it cannot have one, or something else has decided."""
        self._stage, self._asked = _Stage.OVER, {}

    def on_error(self, xid: int) -> bool:
        """The switch rejects a request or a packet. False when it is another message."""
        if xid not in self._asked and xid != self._packet_xid:
            return False
        self.end()
        return True

    def on_reply(self, xid: int, message: bytes) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if xid not in self._asked:
            return False
        try:
            if self._asked[xid]:
                self._sent.update(sent_packets(message))
            else:
                self._others += flow_packets(message, _COOKIES)
            if len(self._sent) > MAX_PORTS:
                raise MalformedMessage(f"counters of more than {MAX_PORTS} ports")
            if has_more(message):
                return True
        except MalformedMessage:
            self.end()
            return True
        del self._asked[xid]
        if not self._asked:
            sent = {port: packets for port, packets in self._sent.items() if port < wire.OFPP_MAX}
            self._on_read(_Reading(self._asked_at, sent, self._others, self._dispatched()))
        return True

    def _read(self) -> None:
        ports, rule = self._channel.next_xid(), self._channel.next_xid()
        self._asked, self._sent, self._others = {ports: True, rule: False}, {}, 0
        request = flow_stats_request(rule, Table.CLASSIFIER, COOKIE_MARK, COOKIE_MARK_MASK)
        self._channel.transmit(port_stats_request(ports) + request)

    def _on_read(self, now: _Reading) -> None:
        before, self._readings = self._base, self._readings + 1
        if before is None:
            self._base = now
            self._send(wire.OFPP_ALL, _Stage.BEFORE)
            return
        dispatched = max(0, now.dispatched - before.dispatched)  # less after another mastership
        more = {port: packets - before.sent.get(port, 0) for port, packets in now.sent.items()}
        if self._stage is _Stage.BEFORE:
            self._counting = frozenset(port for port, packets in more.items() if packets >= PACKETS)
            self._on_all_read(now)
        elif self._stage is _Stage.TRIED and any(more.get(port, 0) >= PACKETS + dispatched for port in self._counting):
            self.end()
            self._conclude(True)
        elif self._readings >= MAX_READINGS:
            self._judge(sum(more.values()) - dispatched, now.others - before.others, now)

    def _on_all_read(self, now: _Reading) -> None:
        """Packets were sent to ALL, and the ports in ``_counting`` have counted them."""
        is_prompt = self._interval == PROMPT_INTERVAL
        if not self._counting:
            if is_prompt:
                self._interval, self._due_at, self._readings = READ_INTERVAL, self._asked_at + READ_INTERVAL, 0
            elif self._readings >= MAX_READINGS:
                self.end()
            return
        self._base = now
        self._prompt_rounds += is_prompt
        if is_prompt and self._prompt_rounds < PROMPT_ROUNDS:
            self._send(wire.OFPP_ALL, _Stage.BEFORE)
        else:
            self._send(wire.OFPP_NORMAL, _Stage.TRIED)

    def _judge(self, sent: int, others: int, now: _Reading) -> None:
        """The ports have sent so many packets that were not dispatched, and others so many to NORMAL."""
        self._stage, self._readings, self._windows = _Stage.WATCHED, 0, self._windows + 1
        is_silent = 0 <= 2 * sent < max(others, 1)
        assert self._base is not None
        if is_silent and others >= MIN_OTHERS:
            self._silent_windows += 1
        elif not is_silent or now.at >= self._base.at + MIN_OTHERS_TIME:
            self._silent_windows, self._base = 0, now
        if self._silent_windows == SILENT_WINDOWS:
            self.end()
            self._conclude(False)
        elif self._windows >= MAX_WINDOWS:
            self.end()

    def _send(self, port: int, stage: _Stage) -> None:
        self._stage, self._readings = stage, 0
        self._packet_xid = self._channel.next_xid()
        self._channel.transmit(numbered_packet_out(self._packet_xid, wire.output(port), self._frame) * PACKETS)
