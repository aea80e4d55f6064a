"""A peer at the OpenFlow port that begins as a switch does, and then lies: in types, lengths, contents and times.

It answers honestly as far as one of the states of a connection, or while it is served, and damages some of its answers:
they keep the transaction ids that the balancer waits for, so that each part that waits for an answer reads lies. In
between it sends what was not asked for. Its rules outlive its connections, so that there is something to recover and to
audit; now and then they are lost. Everything it does follows from one seed.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Callable

from fake_switch import HEADER, FakeSwitch, error, message, packet_in
from nested_lengths import lies_about, nested_lengths, samples

from ryu_haslb.engine import ofproto_v1_3 as ofp
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire.flow_mod import ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.role import ONF_ET_ROLE_STATUS
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

#: Every type of OpenFlow 1.3 to 1.5, and some that do not exist.
TYPES = (*range(37), 99, 255)
#: Every type of multipart message of OpenFlow 1.3, two later ones, and the experimenter's.
MULTIPART_TYPES = (*range(16), 0xFFFF)
#: What a field of 16 bits may say that is not so.
LIES = (0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 65, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
STATES = ("connected", "hello", "features", "ports", "served")
#: Seconds for which a served liar goes on at most, and for which it waits for what it is asked.
MAX_SERVED, _WAIT = 4.0, 0.01
#: How often a switch has lost its rules when it connects.
_RESTARTS = 0.3
_RST = struct.pack("ii", 1, 0)


def bodies(kind: int) -> Iterator[bytes]:
    """Bodies of zeros, of ones, and with structures whose lengths are 0, too small and too large."""
    for size in (0, 1, 3, 4, 7, 8, 12, 16, 24, 40, 56, 64, 72, 120):
        yield bytes(size)
        yield b"\xff" * size
    for lie in (0, 1, 3, 4, 7, 8, 9, 0x7FFF, 0xFFFF):
        length = struct.pack("!H", lie)
        for rest in (0, 4, 60, 200):
            yield b"\0\1" + length + bytes(rest)  # type and length, as in a hello
            yield length + b"\0\1" + bytes(rest)  # length and type
            yield bytes(4) + length + bytes(rest)  # as in a meter
            yield bytes(8) + b"\0\1" + length + bytes(rest)  # behind a port, as in a queue
    if kind == ofp.OFPT_MULTIPART_REPLY:
        yield from multipart_bodies()


def multipart_bodies() -> Iterator[bytes]:
    for kind in MULTIPART_TYPES:
        head = struct.pack("!HH4x", kind, 0)
        for size in (1, 8, 24, 56, 63, 65, 128):
            yield head + bytes(size)
            yield head + b"\xff" * size
        for lie in (0, 1, 4, 8, 63, 0xFFFF):
            yield head + struct.pack("!H", lie) + bytes(94)
            yield head + bytes(4) + struct.pack("!H", lie) + bytes(90)
            yield head + struct.pack("!H", 96) + bytes(54) + struct.pack("!HH", 1, lie) + bytes(36)


@cache
def _bodies_of(kind: int) -> tuple[bytes, ...]:
    return tuple(bodies(kind))


class LyingSwitch:
    """Lies over one connection after the other.

    ``address`` is the balancer's, ``datapath_ids`` are those that it claims to have, ``frames`` makes frames for its
    packet-ins. ``counts`` says how many connections reached each state.
    """

    def __init__(
        self,
        address: tuple[str, int],
        seed: int,
        datapath_ids: tuple[int, ...],
        frames: Callable[[random.Random], bytes],
    ) -> None:
        self._address = address
        self._random = random.Random(seed)
        self._datapath_ids = datapath_ids
        self._frames = frames
        self._switches: dict[int, FakeSwitch] = {}
        self.counts = dict.fromkeys(STATES, 0)
        self.sent = 0

    def run(self, until: Callable[[], bool]) -> None:
        """Connect and lie until it is time to end."""
        while not until():
            with suppress(OSError), socket.create_connection(self._address, 5) as peer:
                peer.settimeout(5)
                self._lie(peer, until)
                self._leave(peer)

    def _lie(self, peer: socket.socket, until: Callable[[], bool]) -> None:
        chance = self._random
        state = chance.choices(STATES, (1, 2, 2, 2, 6))[0]
        self.counts[state] += 1
        datapath_id = chance.choice(self._datapath_ids)
        hello, features = message(ofp.OFPT_HELLO, 1), self._features(datapath_id)
        ports = message(ofp.OFPT_MULTIPART_REPLY, 1, struct.pack("!HH4x", ofp.OFPMP_PORT_DESC, 0) + self._ports())
        opening = {"connected": b"", "hello": hello, "features": hello + features}.get(state, hello + features + ports)
        self._send(peer, opening)
        if state == "served":
            self._lie_while_served(peer, datapath_id, until)
        else:
            for _ in range(chance.randint(1, 40)):
                self._send(peer, self._unsolicited())

    def _lie_while_served(self, peer: socket.socket, datapath_id: int, until: Callable[[], bool]) -> None:
        chance = self._random
        switch = self._connected(datapath_id)
        lies = chance.choice((0.0, 0.02, 0.1, 0.5))
        pushes = chance.choice((0.0, 0.2, 0.9))
        end = time.monotonic() + chance.uniform(0.1, MAX_SERVED)
        while time.monotonic() < end and not until():
            readable, _, _ = select.select([peer], [], [], _WAIT)
            if readable:
                data = peer.recv(1 << 16)
                if not data:
                    return
                for _, replies in switch.receive(data):
                    for reply in replies:
                        self._send(peer, self._damaged(reply) if chance.random() < lies else reply)
            if chance.random() < pushes:
                self._send(peer, b"".join(self._unsolicited(True) for _ in range(chance.randint(1, 60))))

    def _connected(self, datapath_id: int) -> FakeSwitch:
        """The switch with this id, which has its rules of before unless it was restarted."""
        switch = self._switches.get(datapath_id)
        if switch is None or self._random.random() < _RESTARTS:
            switch = FakeSwitch(datapath_id)
        switch.reconnect()
        self._switches[datapath_id] = switch
        return switch

    def _leave(self, peer: socket.socket) -> None:
        way = self._random.randrange(4)
        if way == 0:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        elif way == 1:
            peer.shutdown(socket.SHUT_WR)

    def _send(self, peer: socket.socket, data: bytes) -> None:
        self.sent += 1
        if self._random.random() < 0.02:  # byte by byte, as a slow peer does
            for byte in data[:200]:
                peer.send(bytes([byte]))
            data = data[200:]
        peer.sendall(data)

    # Lies

    def _damaged(self, reply: bytes) -> bytes:
        """An answer that the balancer waits for, with a lie in it."""
        ways = (
            *(self._of_another_length, self._cut, self._followed, self._of_another_type, self._rejected),
            *(self._repeated, self._endless, self._of_another_part, self._withheld, self._with_lies),
            *(self._with_a_nested_lie, self._with_a_nested_lie),
        )
        return self._random.choice(ways)(reply, int.from_bytes(reply[4:8], "big"), bytearray(reply[HEADER.size :]))

    def _of_another_length(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        return HEADER.pack(4, reply[1], self._random.choice(LIES), xid) + bytes(body)

    def _cut(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        return message(reply[1], xid, bytes(body[: self._random.randrange(len(body) + 1)]))

    def _followed(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        return message(reply[1], xid, bytes(body) + self._random.randbytes(self._random.randint(1, 100)))

    def _of_another_type(self, _: bytes, xid: int, body: bytearray) -> bytes:
        return message(self._random.choice(TYPES), xid, bytes(body))

    def _rejected(self, reply: bytes, _: int, __: bytearray) -> bytes:
        return error(reply, (self._random.randrange(16), self._random.randrange(20)))

    def _repeated(self, reply: bytes, _: int, __: bytearray) -> bytes:
        return reply * self._random.choice((2, 50))

    def _endless(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        """Another part follows, and so for ever."""
        body[2:4] = b"\0\1"
        return message(reply[1], xid, bytes(body)) * self._random.choice((1, 100))

    def _of_another_part(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        """A multipart reply of another type."""
        return message(reply[1], xid, struct.pack("!HH4x", self._random.choice(MULTIPART_TYPES), 0) + bytes(body[8:]))

    def _withheld(self, *_: object) -> bytes:
        return b""

    def _with_lies(self, reply: bytes, xid: int, body: bytearray) -> bytes:
        """Fields of two bytes that lie."""
        for _ in range(self._random.randint(1, 3)):
            if len(body) > 2:
                place = self._random.randrange(len(body) - 1)
                body[place : place + 2] = struct.pack("!H", self._random.choice(LIES))
        return message(reply[1], xid, bytes(body))

    def _with_a_nested_lie(self, reply: bytes, *_: object) -> bytes:
        """One length lies: of the message, or of a row, match, field, instruction, action, bucket or property in it."""
        field = self._random.choice(nested_lengths(reply))
        return field.written(reply, self._random.choice(lies_about(field.read(reply))))

    def _nested(self) -> bytes:
        """A message that was not asked for, with structures within structures, of which one lies about its length."""
        sample = self._random.choice(samples(self._frames(self._random), self._random.randrange(300)))
        return self._with_a_nested_lie(sample)

    def _unsolicited(self, served: bool = False) -> bytes:
        """A message that was not asked for."""
        chance = self._random
        if not served or chance.random() < 0.2:
            kind = chance.choice(TYPES)
            if chance.random() < 0.3:
                return self._nested()
            if chance.random() < 0.1:
                return HEADER.pack(chance.choice((0, 1, 4, 5, 6, 255)), kind, chance.choice(LIES), 1) + bytes(24)
            return message(kind, chance.randrange(200), chance.choice(_bodies_of(kind)))
        if chance.random() < 0.4:
            return self._packet_in()
        return chance.choice((self._flow_removed, self._port_status, self._role, self._error, self._barrier))()

    def _features(self, datapath_id: int) -> bytes:
        return message(ofp.OFPT_FEATURES_REPLY, 1, struct.pack("!QIBB2xII", datapath_id, 0, 254, 0, 0, 0))

    def _ports(self) -> bytes:
        return b"".join(self._port() for _ in range(self._random.choice((0, 1, 3, 900))))

    def _port(self) -> bytes:
        chance = self._random
        name = chance.choice((b"eth0", b"\xff" * 16, b"Gi3/15", b"\x1b[2J", chance.randbytes(16)))
        number = chance.choice((chance.randrange(1, 10), chance.randrange(1 << 32), 0, 0xFFFFFFFD))
        return struct.pack("!I4x6s2x16s8I", number, chance.randbytes(6), name, 0, chance.randrange(8), *[0] * 6)

    def _port_status(self) -> bytes:
        return message(ofp.OFPT_PORT_STATUS, 0, bytes([self._random.randrange(4)]) + bytes(7) + self._port())

    def _packet_in(self) -> bytes:
        chance = self._random
        purpose = chance.choice(list(Purpose))
        cookie = purpose.cookie if chance.random() < 0.9 else chance.getrandbits(48) << COOKIE_MARK_BITS | COOKIE_MARK
        whole = packet_in(cookie, chance.choice((1, 2, 3, 0xFFFFFFFD, 0xFFFFFFFF)), self._frames(chance))
        if chance.random() < 0.2:
            place = chance.randrange(8, min(len(whole), 60))
            whole = whole[:place] + struct.pack("!H", chance.choice(LIES)) + whole[place + 2 :]
            whole = message(ofp.OFPT_PACKET_IN, 0, whole[HEADER.size :])
        return whole

    def _flow_removed(self) -> bytes:
        chance = self._random
        tag = chance.choice((chance.getrandbits(48), chance.choice(list(Purpose)).value))
        head = struct.pack(
            "!QHBBIIHHQQ", tag << COOKIE_MARK_BITS | COOKIE_MARK, 50000, chance.randrange(5), 1, 0, 0, 0, 0, 0, 0
        )
        return message(ofp.OFPT_FLOW_REMOVED, 0, head + struct.pack("!HH4x", 1, 4))

    def _role(self) -> bytes:
        """A role status (ONF EXT-191), or a role reply, with a generation of any value."""
        chance = self._random
        generation = chance.choice((0, 1, (1 << 62) - 1, 1 << 62, 1 << 63, (1 << 64) - 2, (1 << 64) - 1))
        if chance.random() < 0.5:
            body = struct.pack("!IIIB3xQ", ONF_EXPERIMENTER_ID, ONF_ET_ROLE_STATUS, chance.randrange(5), 0, generation)
            return message(ofp.OFPT_EXPERIMENTER, 0, body[: chance.choice((8, 12, len(body)))])
        return message(
            ofp.OFPT_ROLE_REPLY, chance.randrange(300), struct.pack("!I4xQ", chance.randrange(5), generation)
        )

    def _error(self) -> bytes:
        chance = self._random
        quoted = chance.choice((bytes(8), message(chance.choice((13, 14, 18, 29)), chance.randrange(300), bytes(60))))
        return error(quoted, (chance.randrange(16), chance.randrange(20)))

    def _barrier(self) -> bytes:
        return message(ofp.OFPT_BARRIER_REPLY, self._random.randrange(300))
