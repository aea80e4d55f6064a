"""The simulated switch and Open vSwitch side by side: both are sent the same OpenFlow messages.

No frame leaves the switches: packets come by packet-out and go by packet-in.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

from balancer_process import free_port
from played_messages import PROTOCOL, message, ofp, packet_out, parser, to_controller

from haslb_lab.runner import preflight
from ryu_haslb.engine import ofproto_parser
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

BRIDGE = "haslbtwin"
DATAPATH_ID = 0x7716
FLOW_LIMIT = 8
#: Seconds within which Open vSwitch answers, or does not hang.
ANSWER_TIMEOUT = 60.0
#: Bytes that the buffers of a connection to the simulated switch take.
CONNECTION_BUFFER = 1 << 20
_HEADER = struct.Struct("!BBHI")
ARP_FRAME = bytes.fromhex(
    "ffffffffffff0200000000010806000108000604000102000000000101010165000000000000 0a01010a".replace(" ", "")
)

#: How the frame begins that ends what is played; the number of the player follows.
END_FRAME = bytes(12) + b"\x88\xb5" + bytes(45)

#: Messages of ONF's experimenter: role status (EXT-191), and the notices of flow monitors (EXT-187).
ROLE_STATUS, MONITOR_PAUSED, MONITOR_RESUMED = 1911, 1871, 1872
_NOTICES = {ROLE_STATUS: "!IIIB3xQ", MONITOR_PAUSED: "!II", MONITOR_RESUMED: "!II"}
#: The event of a flow update that stands for all changes of the monitor's own connection.
FLOW_ABBREVIATED = 3

#: What a switch answered, without what only one of the two can know.
Answer = tuple[Any, ...]


class Player:
    """Sends messages to a switch and reads its answers; the end of the answers is a barrier's."""

    def __init__(self, number: int = 0) -> None:
        self.xid = 1000
        self._end = END_FRAME + bytes([number])

    def play_all(self, until: Callable[[list[Answer]], bool]) -> list[Answer]:
        """What the switch has to say, until its flow monitors resume and ``until`` is so of all that came."""
        answers: list[Answer] = []
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while not (answers and answers[-1][:1] == ("notice",) and answers[-1][3] == MONITOR_RESUMED and until(answers)):
            received = self.receive()
            if received[1] == ofp.OFPT_ECHO_REQUEST:
                self.send(_HEADER.pack(4, ofp.OFPT_ECHO_REPLY, len(received), *struct.unpack_from("!I", received, 4)))
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the switch has nothing to say but echo requests: {answers[-3:]}")
            else:
                answers.append(answer(received))
                deadline = time.monotonic() + ANSWER_TIMEOUT
        return answers

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def receive(self) -> bytes:
        """The next whole message."""
        raise NotImplementedError

    def play(self, data: bytes) -> list[Answer]:
        """What the switch answers to these messages.

        A packet-out of our own comes last: a switch may confirm a barrier before it sends a packet-in, but not send
        this packet-in, or the error for a slave, before an older one.
        """
        self.xid += 1
        self.send(data + packet_out(to_controller(), frame=self._end, xid=self.xid))
        answers: list[Answer] = []
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < deadline:
            received = self.receive()
            _, kind, _, xid = _HEADER.unpack_from(received)
            if received.endswith(self._end) or (kind == ofp.OFPT_ERROR and xid == self.xid):
                return answers
            if kind == ofp.OFPT_ECHO_REQUEST:
                self.send(_HEADER.pack(4, ofp.OFPT_ECHO_REPLY, len(received), xid) + received[8:])
            elif kind not in (ofp.OFPT_HELLO, ofp.OFPT_PORT_STATUS) and received[-60:-1] != END_FRAME:
                answers.append(answer(received))
        raise TimeoutError(f"the switch does not come to an end: {answers}")


class OpenVSwitch(Player):
    """A bridge of Open vSwitch in user space, which listens for its controller on loopback."""

    def __init__(self, port: int, number: int = 0) -> None:
        super().__init__(number)
        self._socket = socket.socket()
        self._socket.settimeout(ANSWER_TIMEOUT)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CONNECTION_BUFFER // 16)
        self._socket.connect(("127.0.0.1", port))
        self._pending = b""
        self.send(_HEADER.pack(4, ofp.OFPT_HELLO, 8, 1))
        # A controller that has connected to the switch gets no packet-ins and no reports of
        # removed rules before it has asked for them.
        self.send(message(parser.OFPSetConfig(PROTOCOL, ofp.OFPC_FRAG_NORMAL, ofp.OFPCML_NO_BUFFER), 2))
        self.send(message(parser.OFPSetAsync(PROTOCOL, [7, 0], [7, 0], [15, 0]), 3))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < deadline:
            if len(self._pending) >= 8:
                (length,) = struct.unpack_from("!H", self._pending, 2)
                if len(self._pending) >= length:
                    whole, self._pending = self._pending[:length], self._pending[length:]
                    return whole
            data = self._socket.recv(1 << 16)
            assert data, "Open vSwitch has closed the connection"
            self._pending += data
        raise TimeoutError("Open vSwitch does not answer")

    def unread(self) -> int:
        """Bytes that Open vSwitch has sent, and that wait in the buffers of the connection: 0 until it is connected."""
        own, peer = (f"{address[1]:04X}" for address in (self._socket.getsockname(), self._socket.getpeername()))
        waiting = 0
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, _, queues = line.split()[1:5]
            sent, received = queues.split(":")
            ports = local.partition(":")[2], remote.partition(":")[2]
            if ports == (peer, own):
                waiting += int(sent, 16)
            elif ports == (own, peer):
                waiting += int(received, 16)
        return waiting

    def close(self) -> None:
        self._socket.close()


def _simulated_switch() -> SimulatedSwitch:
    switch = SimulatedSwitch(DATAPATH_ID, {}, Clock(), lambda port, frame: None, Capabilities(tables=254))
    switch.datapath.limit_table(1, FLOW_LIMIT)
    return switch


class Simulated(Player):
    """The simulated switch."""

    def __init__(self, switch: Optional[SimulatedSwitch] = None, number: int = 0) -> None:
        super().__init__(number)
        self.switch = switch or _simulated_switch()
        self.clock = self.switch.clock
        self._answers: list[bytes] = []
        self._connection = self.switch.connect(self._answers.append, self._unsent)

    def send(self, data: bytes) -> None:
        self._connection.receive(data)

    def receive(self) -> bytes:
        received = self._answers.pop(0)
        self.switch.monitors.resume()
        return received

    def _unsent(self) -> int:
        """Bytes that wait behind what the buffers of a connection take."""
        return max(0, sum(map(len, self._answers)) - CONNECTION_BUFFER)


def answer(received: bytes) -> Answer:
    """An answer as values that both switches must have in common."""
    version, kind, length, xid = _HEADER.unpack_from(received)
    if kind == ofp.OFPT_ERROR:
        return ("error", xid, *struct.unpack_from("!HH", received, 8))
    if kind == ofp.OFPT_EXPERIMENTER:
        _, experimenter_type = struct.unpack_from("!II", received, 8)
        layout = _NOTICES.get(experimenter_type)
        if layout is not None:
            return ("notice", xid, *struct.unpack_from(layout, received, 8))
        return ("bundle", xid, *struct.unpack_from("!IIIH", received, 8))
    if kind == ofp.OFPT_MULTIPART_REPLY and received[8:10] == b"\xff\xff":
        return ("updates", xid, *struct.unpack_from("!II", received, 16), list(_flow_updates(received)))
    if kind == ofp.OFPT_GET_ASYNC_REPLY:
        return ("asynchronous messages", xid, *struct.unpack_from("!6I", received, 8))
    parsed = ofproto_parser.msg(PROTOCOL, version, kind, length, xid, bytearray(received))
    readers: dict[int, Callable[[Any], Answer]] = {
        ofp.OFPT_PACKET_IN: _packet_in,
        ofp.OFPT_FLOW_REMOVED: _flow_removed,
        ofp.OFPT_ROLE_REPLY: lambda each: ("role", xid, each.role, each.generation_id),
        ofp.OFPT_MULTIPART_REPLY: lambda each: ("multipart", xid, each.type, _rows(each)),
    }
    return readers[kind](parsed)


def _rows(reply: Any) -> Any:
    if reply.type == ofp.OFPMP_AGGREGATE:
        return reply.body.packet_count, reply.body.byte_count, reply.body.flow_count
    if reply.type == ofp.OFPMP_TABLE:
        return {each.table_id: each.active_count for each in reply.body if each.active_count}
    return sorted(map(_row, reply.body))


def _flow_updates(received: bytes) -> Iterator[Answer]:
    """The updates in a reply of a flow monitor, in order."""
    offset = 24
    while offset < len(received):
        length, event = struct.unpack_from("!HH", received, offset)
        if event == FLOW_ABBREVIATED:
            yield (event, *struct.unpack_from("!I", received, offset + 4))
        else:
            reason, priority, idle, hard, match_length, table, cookie = struct.unpack_from(
                "!HHHHHBxQ", received, offset + 4
            )
            match = parser.OFPMatch.parser(received, offset + 24)
            instructions = received[offset + 24 + (match_length + 7 & ~7) : offset + length]
            head = (event, reason, table, priority, cookie, idle, hard)
            yield (*head, sorted(map(str, match.items())), instructions)
        offset += length


def _packet_in(parsed: Any) -> Answer:
    return ("packet-in", parsed.reason, parsed.table_id, parsed.cookie, parsed.match["in_port"], parsed.data)


def _flow_removed(parsed: Any) -> Answer:
    head = (parsed.cookie, parsed.priority, parsed.reason, parsed.table_id, parsed.idle_timeout)
    return ("flow removed", *head, parsed.hard_timeout, parsed.packet_count, sorted(parsed.match.items()))


def _row(each: Any) -> Any:
    """A row of flow or meter statistics."""
    if isinstance(each, parser.OFPMeterStats):
        return each.meter_id, [band.packet_band_count for band in each.band_stats]
    instructions = [repr(instruction.to_jsondict()) for instruction in each.instructions]
    head = (each.table_id, each.priority, each.cookie, each.idle_timeout, each.hard_timeout, each.flags)
    return (*head, each.packet_count, each.byte_count, sorted(map(str, each.match.items())), instructions)


@contextmanager
def twin_bridge() -> Iterator[int]:
    """A bridge of its own, and the port of the loopback at which it listens."""
    preflight.check_machine()
    port = free_port()
    make = f"add-br {BRIDGE} -- set Bridge {BRIDGE} datapath_type=netdev fail_mode=secure"
    make += f" protocols=OpenFlow13 other-config:datapath-id={DATAPATH_ID:016x}"
    make += f" -- set-controller {BRIDGE} ptcp:{port}:127.0.0.1"
    make += f" -- set Controller {BRIDGE} inactivity_probe=0"  # tests do not answer while they do not read
    make += f" -- --id=@t create Flow_Table flow_limit={FLOW_LIMIT} overflow_policy=refuse"
    make += f" -- set Bridge {BRIDGE} flow_tables:1=@t"
    subprocess.run(["ovs-vsctl", "--if-exists", "del-br", BRIDGE], check=True)
    subprocess.run(["ovs-vsctl", *make.split()], check=True)
    yield port
    subprocess.run(["ovs-vsctl", "--if-exists", "del-br", BRIDGE], check=True)


class Twins:
    """Two connections to each of the two switches."""

    def __init__(self, port: int) -> None:
        simulated = _simulated_switch()
        self.real = [OpenVSwitch(port, number) for number in range(2)]
        self.simulated = [Simulated(simulated, number) for number in range(2)]

    def play(self, number: int, *messages: bytes) -> list[Answer]:
        """Play messages over one of the connections; what has come there since the last time, from both switches."""
        data = b"".join(messages)
        answers = self.simulated[number].play(data)
        real = self.real[number].play(data)
        assert real == answers, (real[:9], answers[:9])
        return answers

    def close(self) -> None:
        """End the connections to Open vSwitch."""
        for each in self.real:
            each.close()
