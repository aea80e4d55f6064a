"""What a request costs in the controller alone: from the bytes of the packet-in to the bytes of the answer.

No switch, no socket. Prints microseconds a request, new sessions and known ones, as medians of several rounds::

    python benchmarks/request_path.py --sessions 20000 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time
from ipaddress import IPv4Address

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, StaticLocation, VirtualServer
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import Purpose
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.balancer import Balancer

VIRTUAL = IPv4Address("10.1.1.10")
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
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", in_service=True)},
)


class Sink:
    """A channel that confirms every transaction at once and throws the bytes away."""

    def __init__(self) -> None:
        self.xid = 0
        self.bytes = 0

    def transmit(self, message: bytes) -> None:
        self.bytes += len(message)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid


def packet_in(number: int) -> bytes:
    """The packet-in of one mobile's request, 118 bytes on the wire."""
    nai = f"mwts-mip-np-user{number}@ispxyz.com".encode()
    message = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), bytes([10, 1, 1, 101]), number)
    message += bytes([131, len(nai)]) + nai + bytes([32, 20]) + bytes(20)
    datagram = struct.pack("!HHHH", 434, 434, 8 + len(message), 0) + message
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes([10, 1, 1, 101]), VIRTUAL.packed
    )
    frame = bytes(12) + b"\x08\x00" + header + datagram
    body = struct.pack("!IHBBQ", wire.NO_BUFFER, len(frame), 1, 0, Purpose.PUNT_REQUEST.cookie)
    body += struct.pack("!HHII4x2x", 1, 12, 0x80000004, 3) + frame
    return wire.HEADER.pack(wire.VERSION, wire.TYPE_PACKET_IN, 8 + len(body), 0) + body


def measure(messages: list[bytes]) -> tuple[float, float, float]:
    """Microseconds a request: new sessions, rules of new sessions, known sessions."""
    sink = Sink()
    switch = Switch(1, CONFIGURATION, Balancer(CONFIGURATION))
    transactions = switch.connect(sink, time.monotonic())
    no_rules = wire.HEADER.pack(wire.VERSION, wire.TYPE_MULTIPART_REPLY, 16, sink.xid) + b"\0\1" + bytes(6)
    assert switch.multipart_reply(sink.xid, no_rules, time.monotonic())
    results = []
    for _ in range(2):
        begin = time.perf_counter()
        for message in messages:
            switch.packet_in(message, time.monotonic())
        results.append((time.perf_counter() - begin) / len(messages) * 1e6)
        begin = time.perf_counter()
        while switch.rules.waiting:
            switch.rules.flush(transactions)
            transactions.confirmed(sink.xid)
        results.append((time.perf_counter() - begin) / len(messages) * 1e6)
    return results[0], results[1], results[2]


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    messages = [packet_in(number) for number in range(options.sessions)]
    rounds = [measure(messages) for _ in range(options.rounds)]
    for name, values in zip(("new session", "its rule", "known session"), zip(*rounds)):
        print(f"{name:15} {statistics.median(values):6.2f} microseconds")


if __name__ == "__main__":
    main()
