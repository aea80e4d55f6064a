"""Hostile packets at a virtual address, in any number: ``python hostile_packets.py --help``.

Frames of every kind are made once, from a seed. They are sent in random order, each request with an Identification of
its own and each made-up mobile with another NAI, so that no two are alike.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: Frames that are made, of all kinds together.
POOL = 20_000
CHASSIS_MAC = bytes.fromhex("0251b7000001")
BROADCAST = b"\xff" * 6
_NAI = 131
_IDENTIFICATION_AT, _NAI_AT = 14 + 20 + 8 + 16, 14 + 20 + 8 + 24 + 2
#: Digits of a made-up NAI that change from packet to packet.
_DIGITS = 8


class Target(NamedTuple):
    """Whom to attack, and as whom. ``honest`` is the format of the NAIs of ``mobiles`` honest mobiles."""

    mac: bytes
    virtual: bytes
    pdsn: bytes
    home_agents: tuple[bytes, ...]
    honest: str
    mobiles: int


class Hostile(NamedTuple):
    """A frame, and whether its NAI and its Identification are made anew each time that it is sent."""

    kind: str
    frame: bytes
    is_made_up: bool = False
    is_request: bool = False


def checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Workshop:
    """Makes frames of every kind."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._target, self._chance = target, chance

    def pool(self) -> list[Hostile]:
        """Frames of all kinds, the same number of each."""
        makers: list[Callable[[], Hostile]] = [
            *(self.made_up, self.honest_nai, self.honest_nai_of_pdsn, self.deregistration, self.other_home_agent),
            *(self.copy, self.martian, self.wrong_checksum, self.fragment, self.last_hop, self.wrong_port),
            *(self.truncated, self.ip_options, self.arp_claim, self.arp_request, self.ipv6, self.reserved, self.ping),
            *(self.no_home_agent, self.garbage, self.other_vlan, self.extension_lie, self.lying_length),
            *(self.strange_name, self.icmp_error, self.tunnelled, self.every_extension, self.forged_reply, self.jumbo),
        ]
        return [maker() for _ in range(POOL // len(makers)) for maker in makers]

    def made_up(self) -> Hostile:
        name = b"made-up" + b"0" * _DIGITS + b"@isp.com"
        return Hostile("made-up NAI", self._request(name, self._anyone()), is_made_up=True, is_request=True)

    def strange_name(self) -> Hostile:
        """An NAI that would forge lines and rows, speak to a terminal or a browser, or is as long as it can be."""
        name = self._chance.choice((b"%d\n2026-01-01 forged: ", b"\x1b]0;x\x07", b"<script>", b"\0", b"\xe2\x80\xae"))
        size = self._chance.choice((1, 30, 255))
        nai = (name + self._chance.randbytes(4) + bytes(range(256)) * 2)[:size]
        return Hostile("strange NAI", self._request(nai, self._anyone()), is_request=True)

    def honest_nai(self) -> Hostile:
        return Hostile("honest NAI", self._request(self._honest(), self._anyone()), is_request=True)

    def honest_nai_of_pdsn(self) -> Hostile:
        return Hostile("honest NAI, PDSN's address", self._request(self._honest(), self._target.pdsn), is_request=True)

    def deregistration(self) -> Hostile:
        source = self._chance.choice((self._target.pdsn, self._anyone()))
        return Hostile("lifetime 0", self._request(self._honest(), source, lifetime=0), is_request=True)

    def other_home_agent(self) -> Hostile:
        named = self._chance.choice(self._target.home_agents)
        source = self._chance.choice((self._target.pdsn, self._anyone()))
        return Hostile("home agent named", self._request(self._honest(), source, home_agent=named), is_request=True)

    def no_home_agent(self) -> Hostile:
        named = self._chance.randbytes(4)
        return Hostile("no home agent named", self._request(self._honest(), self._anyone(), home_agent=named))

    def copy(self) -> Hostile:
        return Hostile("copy", self._request(self._honest(), self._target.pdsn))

    def martian(self) -> Hostile:
        broadcast = self._target.pdsn[:3] + b"\xff"
        sources = (
            bytes(4),
            b"\x7f\0\0\1",
            b"\xe0\0\0\5",
            b"\xf0\0\0\1",
            BROADCAST[:4],
            self._target.virtual,
            broadcast,
        )
        source = self._chance.choice((*sources, *self._target.home_agents))
        return Hostile("martian", self._request(self._honest(), source))

    def wrong_checksum(self) -> Hostile:
        changed = bytearray(self._request(self._honest(), self._target.pdsn))
        place = self._chance.choice((24, 40))  # of the IPv4 header, or of UDP
        changed[place : place + 2] = b"\x12\x34"
        return Hostile("wrong checksum", bytes(changed))

    def fragment(self) -> Hostile:
        place = self._chance.choice((0x2000, 1, 0x2001, 185))
        return Hostile("fragment", self._packet(self._datagram(self._payload(self._honest())), fragment=place))

    def last_hop(self) -> Hostile:
        return Hostile("TTL 0", self._packet(self._datagram(self._payload(self._honest())), ttl=0))

    def wrong_port(self) -> Hostile:
        source, to = self._chance.choice(((0, 434), (434, 0), (434, 435), (434, 53)))
        return Hostile("wrong port", self._packet(self._datagram(self._payload(self._honest()), source, to)))

    def truncated(self) -> Hostile:
        whole = self._request(self._honest(), self._target.pdsn)
        return Hostile("truncated", whole[: self._chance.randrange(15, len(whole))])

    def ip_options(self) -> Hostile:
        options = self._chance.choice((b"\1\1\1\1", b"\x83\x07\4" + self._target.virtual + b"\0", b"\x94\4\0\0"))
        return Hostile("IP options", self._packet(self._datagram(self._payload(self._honest())), options=options))

    def icmp_error(self) -> Hostile:
        """It quotes a request to the virtual address, as if a home agent or a router had not taken it."""
        request = self._request(self._honest(), self._target.pdsn)
        quoted = request[14:] if self._chance.random() < 0.5 else request[14:42]
        head = bytes([self._chance.choice((3, 4, 5, 11, 12)), self._chance.randrange(16), 0, 0]) + bytes(4)
        body = head[:2] + struct.pack("!H", checksum(head + quoted + bytes(len(quoted) % 2))) + head[4:] + quoted
        source = self._chance.choice((*self._target.home_agents, self._anyone()))
        return Hostile("ICMP error", self._packet(body, protocol=1, source=source))

    def tunnelled(self) -> Hostile:
        """A request within IP (RFC 2003), GRE or minimal encapsulation (RFC 2004), as a foreign agent tunnels."""
        inner = self._request(self._honest(), self._anyone(), self._chance.choice(self._target.home_agents))[14:]
        protocol, head = self._chance.choice(
            ((4, b""), (47, b"\0\0\x08\0"), (55, inner[9:10] + b"\0\0\0" + inner[16:20]))
        )
        source = self._chance.choice((self._target.pdsn, *self._target.home_agents, self._anyone()))
        return Hostile("tunnelled", self._packet(head + inner, protocol=protocol, source=source))

    def every_extension(self) -> Hostile:
        """Extensions of every type, long and short, around the NAI, and none twice."""
        kinds = self._chance.sample([each for each in range(256) if each != _NAI], self._chance.randint(1, 60))
        data = self._chance.randbytes(4)
        extensions = b"".join(bytes([each, len(data)]) + data for each in kinds)
        whole = self._payload(self._honest())
        place = self._chance.choice((24, len(whole)))
        return Hostile("every extension", self._packet(self._datagram(whole[:place] + extensions + whole[place:])))

    def forged_reply(self) -> Hostile:
        """A reply (RFC 5944, section 3.4) in the name of a home agent, to the virtual address or to the PDSN."""
        name = self._honest()
        fixed = struct.pack("!BBH4s", 3, self._chance.choice((0, 1, 128, 131, 136)), 600, bytes(4))
        payload = fixed + self._chance.choice(self._target.home_agents) + self._chance.randbytes(8)
        payload += bytes([_NAI, len(name)]) + name
        whole = self._packet(self._datagram(payload), source=self._chance.choice(self._target.home_agents))
        return Hostile("forged reply", whole)

    def jumbo(self) -> Hostile:
        """A frame of the greatest size of the link, or a packet that says it is longer than any link's."""
        whole = self._payload(self._honest()) + b"".join(bytes([134, 255]) + bytes(255) for _ in range(5))
        frame = bytearray(self._packet(self._datagram(whole[:1470])))
        if self._chance.random() < 0.5:
            frame[16:18] = b"\xff\xff"
            frame[24:26] = bytes(2)
            frame[24:26] = struct.pack("!H", checksum(bytes(frame[14:34])))
        return Hostile("jumbo", bytes(frame))

    def arp_claim(self) -> Hostile:
        address = self._chance.choice((*self._target.home_agents, self._target.virtual))
        kind = self._chance.choice((1, 2))
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, kind, self._target.mac, address, bytes(6), address)
        return Hostile("ARP claim", BROADCAST + self._target.mac + b"\x08\x06" + body)

    def arp_request(self) -> Hostile:
        sender = self._chance.choice((self._anyone(), self._target.virtual))
        to = self._chance.choice((self._target.virtual, *self._target.home_agents))
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, self._target.mac, sender, bytes(6), to)
        return Hostile("ARP request", BROADCAST + self._target.mac + b"\x08\x06" + body)

    def ipv6(self) -> Hostile:
        body = self._chance.randbytes(32) + self._datagram(self._payload(self._honest()))
        head = struct.pack("!IHBB", 0x60000000, len(body) - 32, self._chance.choice((17, 0, 43, 44, 58)), 64)
        return Hostile("IPv6", CHASSIS_MAC + self._target.mac + b"\x86\xdd" + head + body)

    def reserved(self) -> Hostile:
        payload = bytes([self._chance.choice((0, 2, 3, 4, 7, 16, 255))]) + self._payload(self._honest())[1:]
        return Hostile("reserved type", self._packet(self._datagram(payload)))

    def ping(self) -> Hostile:
        body = bytes([8, 0, 0, 0]) + self._chance.randbytes(36)
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        return Hostile("ping", self._packet(body, protocol=1, source=self._anyone()))

    def garbage(self) -> Hostile:
        return Hostile("garbage", self._packet(self._datagram(self._chance.randbytes(self._chance.randrange(900)))))

    def other_vlan(self) -> Hostile:
        """Under a tag of another VLAN, of priority only, or under two tags."""
        tag = b"\x81\0" + struct.pack("!H", self._chance.choice((0, 1, 7, 100, 0x0FFF, 0xE002)))
        tags = self._chance.choice((tag, tag + tag, b"\x88\xa8\0\5" + tag))
        whole = self._request(self._honest(), self._chance.choice((self._target.pdsn, self._anyone())))
        return Hostile("other VLAN", whole[:12] + tags + whole[12:])

    def extension_lie(self) -> Hostile:
        """The length of an extension is 0, too small, or longer than the datagram; or the NAI comes again."""
        whole = self._payload(self._honest())
        lie = self._chance.choice((0, 1, len(whole) - 26, 254, 255))
        again = whole + bytes([131, 16]) + b"second@isp.com\0\0"
        payload = self._chance.choice((whole[:25] + bytes([lie]) + whole[26:], again, whole[:26], whole[:24]))
        return Hostile("extension lie", self._packet(self._datagram(payload)))

    def lying_length(self) -> Hostile:
        """UDP is shorter or longer than it says, or shorter than its own header; or IPv4 is."""
        whole = bytearray(self._packet(self._datagram(self._payload(self._honest()))))
        lie = struct.pack("!H", self._chance.choice((0, 1, 7, 8, 9, 24, 31, len(whole), 0xFFFF)))
        place = self._chance.choice((16, 38))  # of IPv4, or of UDP
        whole[place : place + 2] = lie
        if place == 16:
            whole[24:26] = bytes(2)
            whole[24:26] = struct.pack("!H", checksum(bytes(whole[14:34])))
        return Hostile("lying length", bytes(whole))

    def _anyone(self) -> bytes:
        return bytes([self._chance.randrange(1, 224), *self._chance.randbytes(3)])

    def _honest(self) -> bytes:
        return self._target.honest.format(self._chance.randrange(1, self._target.mobiles + 1)).encode()

    def _payload(self, nai: bytes, home_agent: bytes = bytes(4), lifetime: int = 600) -> bytes:
        care_of = self._target.pdsn
        fixed = struct.pack("!BBH4s4s4s8s", 1, 0, lifetime, bytes(4), home_agent, care_of, self._chance.randbytes(8))
        return fixed + bytes([131, len(nai)]) + nai + bytes([32, 20, 0, 0, 1, 0]) + self._chance.randbytes(16)

    def _datagram(self, payload: bytes, source: int = 434, to: int = 434) -> bytes:
        return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload  # without a checksum (RFC 768)

    def _request(self, nai: bytes, source: bytes, home_agent: bytes = bytes(4), lifetime: int = 600) -> bytes:
        return self._packet(self._datagram(self._payload(nai, home_agent, lifetime)), source=source)

    def _packet(  # noqa: PLR0913, PLR0917 - the fields of an IPv4 header
        self,
        body: bytes,
        source: bytes = b"",
        protocol: int = 17,
        ttl: int = 64,
        fragment: int = 0,
        options: bytes = b"",
    ) -> bytes:
        length = 20 + len(options)
        head = struct.pack(
            *("!BBHHHBBH4s4s", 0x40 | length // 4, 0, length + len(body), 0, fragment, ttl, protocol, 0),
            *(source or self._target.pdsn, self._target.virtual),
        )
        head += options
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return CHASSIS_MAC + self._target.mac + b"\x08\x00" + head + body


def frames(target: Target, seed: int, count: int) -> Iterator[Hostile]:
    """So many frames, in random order."""
    chance = random.Random(seed)
    pool = Workshop(target, chance).pool()
    for number in range(count):
        hostile = chance.choice(pool)
        if not hostile.is_request:
            yield hostile
            continue
        frame = bytearray(hostile.frame)
        frame[_IDENTIFICATION_AT : _IDENTIFICATION_AT + 8] = chance.getrandbits(64).to_bytes(8, "big")
        if hostile.is_made_up:
            digits = _NAI_AT + len("made-up")
            frame[digits : digits + _DIGITS] = b"%0*d" % (_DIGITS, number)
        yield hostile._replace(frame=bytes(frame))


def send(interface: str, hostile: Iterator[Hostile], rate: float) -> Counter[str]:
    """Send the frames, so many a second at most; the number of each kind."""
    sent: Counter[str] = Counter()
    begin = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as port:
        port.bind((interface, 0))
        for number, each in enumerate(hostile):
            if not number % 64:
                time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            try:
                port.send(each.frame)
            except OSError:  # the queue of the interface is full
                sent["not sent"] += 1
                continue
            sent[each.kind] += 1
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description="Send hostile packets.")
    parser.add_argument("interface")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--mac", required=True)
    parser.add_argument("--virtual", required=True)
    parser.add_argument("--pdsn", required=True)
    parser.add_argument("--home-agent", action="append", required=True)
    parser.add_argument("--honest", required=True)
    parser.add_argument("--mobiles", type=int, required=True)
    words = parser.parse_args()
    home_agents = tuple(socket.inet_aton(each) for each in words.home_agent)
    virtual, pdsn = socket.inet_aton(words.virtual), socket.inet_aton(words.pdsn)
    mac = bytes.fromhex(words.mac.replace(":", ""))
    target = Target(mac, virtual, pdsn, home_agents, words.honest, words.mobiles)
    print(json.dumps(send(words.interface, frames(target, words.seed, words.count), words.rate)))


if __name__ == "__main__":
    main()
