"""The cost of a request in the controller alone: from the bytes of the packet-in to the bytes of the packet-out.

No switch, no socket. Prints microseconds of processor time a request, new sessions and known ones, as medians of
several rounds::

    python -m benchmarks.request_path --sessions 20000 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import NamedTuple

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, StaticLocation, VirtualServer
from ryu_haslb.openflow.delivery.table_output import probe_frame
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, chassis_address
from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL

VIRTUAL = IPv4Address("10.1.1.10")
CLIENT = bytes([10, 1, 1, 101])
REALS = tuple(
    RealServer(
        IPv4Address("10.1.1.50") + number,
        in_service=True,
        locations=(StaticLocation(bytes([2, 0, 0, 0, 0, number]), number),),
    )
    for number in (1, 2)
)
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=REALS)},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", in_service=True, idle=65_535)},
)
#: Seconds by which the mobiles' clock is put forward before known ones register again. Sooner, their requests would be
#: retransmissions, or even premature repetitions, which cost less.
REGISTRATION_INTERVAL = 2 * RETRANSMISSION_INTERVAL
#: The Identification of the first request: as large as a time stamp of 2026 (RFC 5944 section 5.7.1).
FIRST_IDENTIFICATION = 0xEE00_0000 << 32


class Sink:
    """A channel that confirms every transaction at once and discards the bytes."""

    def __init__(self) -> None:
        self.xid = 0
        self.bytes_sent = 0

    def transmit(self, message: bytes) -> None:
        self.bytes_sent += len(message)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid


def packet_in(number: int, identification: int) -> bytes:
    """The packet-in of one mobile's request, 118 bytes on the wire. A used ``identification`` makes it a copy."""
    nai = f"mwts-mip-np-user{number}@ispxyz.com".encode()
    message = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), CLIENT, FIRST_IDENTIFICATION + identification)
    message += bytes([131, len(nai)]) + nai + bytes([32, 20]) + bytes(20)
    addresses = CLIENT + VIRTUAL.packed
    length = 8 + len(message)
    udp = struct.pack("!HHHH", 434, 434, length, 0)
    udp_checksum = checksum(addresses + struct.pack("!HH", wire.PROTOCOL_UDP, length) + udp + message)
    datagram = udp[:6] + udp_checksum.to_bytes(2, "big") + message
    header = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, 64, wire.PROTOCOL_UDP)
    header += checksum(header + bytes(2) + addresses).to_bytes(2, "big") + addresses
    frame = bytes(12) + b"\x08\x00" + header + datagram
    return packet_in_of(Purpose.PUNT_REQUEST, 3, frame)


def packet_in_of(purpose: Purpose, port: int, frame: bytes) -> bytes:
    """The packet-in of a frame that a standing rule has punted."""
    body = struct.pack("!IHBBQ", wire.OFP_NO_BUFFER, len(frame), 1, 0, purpose.cookie)
    body += struct.pack("!HHII4x2x", 1, 12, 0x80000004, port) + frame
    return wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_PACKET_IN, 8 + len(body), 0) + body


class RequestPath:
    """A balancer and one switch in this process, and mobiles that register; all times are microseconds a request."""

    def __init__(self) -> None:
        now = time.monotonic()
        self._sink = Sink()
        self._switch = Switch(1, CONFIGURATION, Balancer(CONFIGURATION))
        self._transactions = Transactions(self._sink)
        self._switch.connect(self._transactions, now)
        self._switch.on_ready(lambda _: True, now)
        probe = probe_frame(chassis_address(1), VIRTUAL.packed)
        assert self._switch.on_packet_in(packet_in_of(Purpose.PUNT_SESSION_MISS, wire.OFPP_CONTROLLER, probe), now)
        no_tables = (
            wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_MULTIPART_REPLY, 16, self._sink.xid) + b"\0\3" + bytes(6)
        )
        assert self._switch.unrecovered.on_multipart_reply(self._switch.channel, self._sink.xid, no_tables, now)
        no_rules = (
            wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_MULTIPART_REPLY, 16, self._sink.xid) + b"\0\1" + bytes(6)
        )
        assert self._switch.unrecovered.on_multipart_reply(self._switch.channel, self._sink.xid, no_rules, now)
        self._mobiles = 0
        self._requests_sent = 0
        self._put_forward = 0.0

    def new_sessions(self, count: int) -> float:
        """Let ``count`` mobiles register for the first time."""
        self._mobiles += count
        return self._requests(self._mobiles - count, count)

    def known_sessions(self, first: int, count: int) -> float:
        """Let ``count`` mobiles, from number ``first`` on, register again."""
        self._put_forward += REGISTRATION_INTERVAL
        return self._requests(first, count)

    def place_rules(self) -> float:
        """Send the rules of all new sessions, which are confirmed at once. Returns microseconds a rule."""
        count = self._switch.rules.waiting
        begin = time.process_time()
        while self._switch.rules.waiting:
            sent_before = self._sink.xid
            self._switch.rules.flush(0.0)
            for xid in range(sent_before + 1, self._sink.xid + 1):
                self._transactions.on_barrier_reply(xid, time.monotonic())
        return (time.process_time() - begin) / count * 1e6

    def _requests(self, first: int, count: int) -> float:
        messages = [packet_in(first + number, self._requests_sent + number) for number in range(count)]
        self._requests_sent += count
        put_forward = self._put_forward
        begin = time.process_time()
        for message in messages:
            self._switch.on_packet_in(message, time.monotonic() + put_forward)
        return (time.process_time() - begin) / count * 1e6


class Costs(NamedTuple):
    """The median of the microseconds that a request takes: that of a new mobile, and that of a known one."""

    new: float
    known: float


def costs(live: Iterable[int], batch: int, batches: int) -> list[Costs]:
    """The costs with each of these numbers of live sessions, fewest first.

    They are measured in batches, in turn, so that other work on the machine meets all alike. Known mobiles are spread
    over the whole table. A batch that is not measured precedes each one: of few sessions the processor's caches would
    hold nothing else after a batch among many.
    """
    paths = [(RequestPath(), count) for count in live]
    for path, count in paths:
        for _ in range(0, count, batch):
            path.new_sessions(batch)
            path.place_rules()
    known: list[list[float]] = [[] for _ in paths]
    new: list[list[float]] = [[] for _ in paths]
    for number in range(batches):
        for (path, count), found in zip(paths, known):
            stride = (count - batch) // (2 * batches)
            path.known_sessions((2 * number + 1) * stride, batch)
            found.append(path.known_sessions(2 * number * stride, batch))
    for _ in range(batches):
        for (path, _), found in zip(paths, new):
            found.append(path.new_sessions(batch))
            path.place_rules()
    return [Costs(statistics.median(each), statistics.median(other)) for each, other in zip(new, known)]


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        path = RequestPath()
        new, rule = path.new_sessions(options.sessions), path.place_rules()
        rounds.append((new, rule, path.known_sessions(0, options.sessions)))
    for name, values in zip(("new session", "its rule", "known session"), zip(*rounds)):
        print(f"{name:15} {statistics.median(values):6.2f} microseconds")


if __name__ == "__main__":
    main()
