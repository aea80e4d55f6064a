"""Every message that a peer of the OpenFlow port can lie with, in every state of a connection, each over a fresh one.

The messages are a table of types, lengths and contents (:func:`messages`), the states are those in which the balancer
waits for something (:data:`STATES`). A case is a state and a message. The message bears the transaction id that the
balancer waits for, so that it is read as the answer, and an echo request follows it: the balancer must answer that, or
close the connection. All cases are tried in random order, which follows from one seed.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, product
from typing import Callable, NamedTuple, Optional

from fake_switch import HEADER, FakeSwitch, message
from lying_switch import MULTIPART_TYPES, TYPES, bodies
from mobile import registration
from nested_lengths import lies_about, nested_lengths, samples
from statistics_replies import FlowRow

from ryu_haslb.engine import ofproto_v1_3 as ofp
from ryu_haslb.openflow.wire.flow_mod import ONF_EXPERIMENTER_ID
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

#: Bytes of each type without what may follow (OpenFlow 1.3.5, section 7); 8 for those that are not here.
FIXED_SIZES = {
    **{ofp.OFPT_ERROR: 12, ofp.OFPT_EXPERIMENTER: 16, ofp.OFPT_FEATURES_REPLY: 32, ofp.OFPT_GET_CONFIG_REPLY: 12},
    **{ofp.OFPT_SET_CONFIG: 12, ofp.OFPT_PACKET_IN: 34, ofp.OFPT_FLOW_REMOVED: 56, ofp.OFPT_PORT_STATUS: 80},
    **{ofp.OFPT_PACKET_OUT: 24, ofp.OFPT_FLOW_MOD: 56, ofp.OFPT_GROUP_MOD: 16, ofp.OFPT_PORT_MOD: 40},
    **{ofp.OFPT_TABLE_MOD: 16, ofp.OFPT_MULTIPART_REQUEST: 16, ofp.OFPT_MULTIPART_REPLY: 16},
    **{ofp.OFPT_QUEUE_GET_CONFIG_REQUEST: 16, ofp.OFPT_QUEUE_GET_CONFIG_REPLY: 16, ofp.OFPT_ROLE_REQUEST: 24},
    **{ofp.OFPT_ROLE_REPLY: 24, ofp.OFPT_GET_ASYNC_REPLY: 32, ofp.OFPT_SET_ASYNC: 32, ofp.OFPT_METER_MOD: 16},
}
#: Every type and code of errors, and one beyond each.
ERROR_TYPES, ERROR_CODES = (*range(15), 0xFFFF), (*range(23), 0xFFFF)
_EXPERIMENTERS = (ONF_EXPERIMENTER_ID, 0x2320, 0xFF, 0)
_EXPERIMENTER_TYPES = (*range(30), 1870, 1871, 1872, *range(1911, 1914), *range(2298, 2304), 0xFFFFFFFF)
#: Threads that try cases, and the datapath ids that they claim.
SWEEPERS, IDS = 4, range(0x2000, 0x2040)
#: Cases that an earlier run with the same seed has tried.
SKIP = int(os.environ.get("HASLB_ATTACK_SKIP", "0"))
#: Seconds for an answer: a loop without end never answers. And for what a state waits for: in a cluster the lead may
#: have passed to the other member, which asks for something else.
_WAIT, _ENTER_TIMEOUT = 60.0, 20.0


def messages() -> Iterator[bytes]:
    """All of them; their transaction id is 0."""
    yield from _of_every_length()
    yield from _of_every_body()
    yield from _multipart()
    yield from _errors()
    yield from _experimenter()
    for sample in samples(registration("honest@isp.com"), 0):
        for field in nested_lengths(sample):
            yield from (field.written(sample, lie) for lie in lies_about(field.read(sample)))


def _of_every_length() -> Iterator[bytes]:
    """The header says less or more than what follows, and than the type needs."""
    for kind in TYPES:
        needed = FIXED_SIZES.get(kind, HEADER.size)
        for length in {*range(9), needed - 1, needed, needed + 1, needed + 8, 0x7FFF, 0xFFFE, 0xFFFF}:
            for follows in {0, needed - HEADER.size, needed, 200}:
                yield HEADER.pack(ofp.OFP_VERSION, kind, length, 0) + bytes(follows)
        for version in (0, 1, 3, 5, 6, 255):
            yield HEADER.pack(version, kind, needed, 0) + bytes(needed - HEADER.size)


def _of_every_body() -> Iterator[bytes]:
    for kind in TYPES:
        yield from (message(kind, 0, body) for body in bodies(kind))
        for size in range(FIXED_SIZES.get(kind, HEADER.size) - HEADER.size + 2):
            yield message(kind, 0, bytes(size))


def _multipart() -> Iterator[bytes]:
    for kind, part, flags in product((ofp.OFPT_MULTIPART_REPLY, ofp.OFPT_MULTIPART_REQUEST), MULTIPART_TYPES, (0, 1)):
        for size in (0, 1, 2, 4, 7, 8, 15, 16, 23, 24, 40, 55, 56, 57, 64, 1055, 1056, 1057):
            head = struct.pack("!HH4x", part, flags)
            yield message(kind, 0, head + bytes(size))
            yield message(kind, 0, head + b"\xff" * size)
    for size in range(8):
        yield message(ofp.OFPT_MULTIPART_REPLY, 0, b"\0\1\0\0\0\0\0\0"[:size])


def _errors() -> Iterator[bytes]:
    rejected = message(ofp.OFPT_FLOW_MOD, 0, bytes(56))
    for reason in product(ERROR_TYPES, ERROR_CODES):
        for quoted in (b"", rejected[:7], rejected[:8], rejected, rejected[:2] + bytes(2) + rejected[4:]):
            yield message(ofp.OFPT_ERROR, 0, struct.pack("!HH", *reason) + quoted)


def _experimenter() -> Iterator[bytes]:
    for each in product(_EXPERIMENTERS, _EXPERIMENTER_TYPES):
        for size in (0, 1, 7, 8, 9, 16, 64):
            yield message(ofp.OFPT_EXPERIMENTER, 0, struct.pack("!II", *each) + bytes(size))
        part = struct.pack("!HH4xII", ofp.OFPMP_EXPERIMENTER, 0, *each)
        yield message(ofp.OFPT_MULTIPART_REPLY, 0, part + struct.pack("!HH", 0, 0) + bytes(20))


def _asks_for_flows_of(table: int) -> Callable[[bytes], bool]:
    return lambda sent: sent[1] == ofp.OFPT_MULTIPART_REQUEST and sent[9] == ofp.OFPMP_FLOW and sent[16] == table


def _asks_for(part: int) -> Callable[[bytes], bool]:
    return lambda sent: sent[1] == ofp.OFPT_MULTIPART_REQUEST and int.from_bytes(sent[8:10], "big") == part


def _is_of_bundle(command: int) -> Callable[[bytes], bool]:
    body = struct.pack("!II", ONF_EXPERIMENTER_ID, ofp.ONF_ET_BUNDLE_CONTROL)
    return lambda sent: sent[8:16] == body and sent[20:22] == struct.pack("!H", command)


def _is_of(kind: int) -> Callable[[bytes], bool]:
    return lambda sent: sent[1] == kind


HELLO = message(ofp.OFPT_HELLO, 1)
#: What the peer says before it lies, in the states before it is a switch.
OPENINGS = {"connected": b"", "hello": HELLO}
#: What the balancer asks for then, in the order in which it asks. The message comes instead of the answer.
ASKS = {
    "features": _is_of(ofp.OFPT_FEATURES_REQUEST),
    "ports": _asks_for(ofp.OFPMP_PORT_DESC),
    "description": _asks_for(ofp.OFPMP_DESC),
    "meter features": _asks_for(ofp.OFPMP_METER_FEATURES),
    "table features": _asks_for(ofp.OFPMP_TABLE_FEATURES),
    "role": _is_of(ofp.OFPT_ROLE_REQUEST),
    "lease": _asks_for_flows_of(0),
    "bundle begun": _is_of_bundle(ofp.ONF_BCT_OPEN_REQUEST),
    "bundle to commit": _is_of_bundle(ofp.ONF_BCT_COMMIT_REQUEST),
    "barrier": _is_of(ofp.OFPT_BARRIER_REQUEST),
    "recovery": _asks_for_flows_of(1),
    "served": _asks_for_flows_of(2),
}
#: The same of a balancer that stands by, beside those up to the role.
FOLLOWED = {"followed": _asks_for(ofp.OFPMP_EXPERIMENTER)}
#: The balancer is about to close the connection, since the message before broke the protocol.
CLOSING = "closing"
STATES = (*OPENINGS, *ASKS, CLOSING)
BEFORE_ROLE = (*OPENINGS, *list(ASKS)[: list(ASKS).index("lease")], CLOSING)
_AWAITED = {**ASKS, **FOLLOWED, CLOSING: ASKS["role"]}
_BREAKS_PROTOCOL = message(ofp.OFPT_FLOW_MOD, 0, bytes(48))


class Case(NamedTuple):
    """A message, and the state in which it is sent."""

    state: str
    message: bytes


def cases(states: tuple[str, ...], chance: random.Random, skip: int = 0) -> list[Case]:
    """All of them, in random order, from one on; before these, each state comes once."""
    found = [Case(*each) for each in product(states, dict.fromkeys(messages()))]
    chance.shuffle(found)
    first = {case.state: place for place, case in reversed(list(enumerate(found)))}
    return [*(found[place] for place in first.values()), *found[skip:]]


class Sweeper:
    """Tries cases, each over a connection of its own. ``tried`` and ``survived`` count them by state."""

    def __init__(
        self, connect: Callable[[], socket.socket], datapath_ids: Iterator[int], chance: random.Random
    ) -> None:
        self._connect, self._datapath_ids, self._random = connect, datapath_ids, chance
        self.tried: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()

    def try_case(self, case: Case) -> None:
        """Raises: socket.timeout when the balancer neither answers nor hangs up."""
        with self._connect() as peer:
            peer.settimeout(_WAIT)
            try:
                self._try_over(peer, case)
            except socket.timeout:  # before Python 3.10, it is not TimeoutError
                raise
            except OSError:  # the balancer has hung up
                pass

    def _try_over(self, peer: socket.socket, case: Case) -> None:
        xid = self._enter(peer, case.state)
        if xid is None:
            return
        self.tried[case.state] += 1
        begin = _BREAKS_PROTOCOL if case.state == CLOSING else b""
        peer.sendall(begin + case.message[:4] + struct.pack("!I", xid) + case.message[8:])
        self.survived[case.state] += self._is_answered(peer)
        if self._random.random() < 0.5:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _enter(self, peer: socket.socket, state: str) -> Optional[int]:
        """Answer honestly until the balancer asks for what the state waits for; the transaction id of that, or None."""
        if state in OPENINGS:
            peer.sendall(OPENINGS[state])
            return 1
        is_awaited = _AWAITED[state]
        switch = FakeSwitch(next(self._datapath_ids))
        switch.install([FlowRow(0x123456789ABC << COOKIE_MARK_BITS | COOKIE_MARK)])
        peer.sendall(HELLO)
        deadline = time.monotonic() + _ENTER_TIMEOUT
        while time.monotonic() < deadline and (data := peer.recv(1 << 16)):
            for sent, replies in switch.receive(data):
                if is_awaited(sent):
                    return int.from_bytes(sent[4:8], "big")
                peer.sendall(b"".join(replies))
        return None

    def _is_answered(self, peer: socket.socket) -> bool:
        """Whether an echo request is answered. False: the connection is closed, or the message took the request in."""
        mark = self._random.randbytes(8)
        peer.sendall(message(ofp.OFPT_ECHO_REQUEST, 0, mark))
        if not isinstance(peer, ssl.SSLSocket):  # the end of what a peer sends: a message that is not whole ends there
            peer.shutdown(socket.SHUT_WR)
        received = b""
        while data := peer.recv(1 << 16):
            received = received[-len(mark) :] + data
            if mark in received:
                return True
        return False


class Sweep:
    """Cases in threads beside a test, until a time, and at least one of each state. Use it as a context manager.

    Its end prints the numbers, and raises what a thread has raised.
    """

    def __init__(
        self, connect: Callable[[], socket.socket], states: tuple[str, ...], seed: int, until: float, ids: range = IDS
    ) -> None:
        chance = random.Random(seed)
        self._until, self._states = until, states
        self._cases, self._all = iter(found := cases(states, chance, SKIP)), len(found)
        datapath_ids = [cycle(ids[number::SWEEPERS]) for number in range(SWEEPERS)]
        self._sweepers = [Sweeper(connect, each, random.Random(seed + 1 + n)) for n, each in enumerate(datapath_ids)]
        self._pool = ThreadPoolExecutor(SWEEPERS)
        self._news, self.taken = threading.Condition(), 0
        self._has_ended = False
        self._running: list[Future[None]] = []

    def __enter__(self) -> Sweep:
        self._running = [self._pool.submit(self._run, each) for each in self._sweepers]
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for each in self._running:
            each.result()
        tried: Counter[str] = sum((each.tried for each in self._sweepers), Counter())
        survived: Counter[str] = sum((each.survived for each in self._sweepers), Counter())
        total, stayed = sum(tried.values()), sum(survived.values())
        print(f"{total} of {self._all} cases, {stayed} of these connections stayed: {dict(tried)}")
        assert all(tried[state] for state in self._states), tried

    def goes_on_for(self, number: int) -> bool:
        """Wait until so many further cases have begun. False: the sweep ends before, in time or by a fault."""
        with self._news:
            enough = self.taken + number
            self._news.wait_for(lambda: self.taken >= enough or self._has_ended)
            return not self._has_ended

    def _run(self, sweeper: Sweeper) -> None:
        try:
            self._try_cases(sweeper)
        finally:
            with self._news:
                self._has_ended = True
                self._news.notify_all()

    def _try_cases(self, sweeper: Sweeper) -> None:
        while True:
            with self._news:
                if self.taken >= len(self._states) and time.monotonic() >= self._until:
                    return
                self.taken += 1
                self._news.notify_all()
                case = next(self._cases, None)
            if case is None:
                return
            try:
                sweeper.try_case(case)
            except socket.timeout as error:
                raise AssertionError(f"neither an answer nor an end: {case.state}, {case.message.hex()}") from error
