"""Hostile packets: each is delivered, or dropped and counted by reason, and disturbs no other traffic."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import MACS, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import (
    CHASSIS_MAC,
    CLIENT_MAC,
    VIRTUAL,
    arp_request,
    authentication,
    frame,
    long,
    nai,
    packet,
    registration,
    request,
    short,
    vendor,
)
from scapy.layers.inet import ICMP, IP, IPOption_LSRR, IPOption_NOP
from scapy.layers.l2 import Dot1AD, Ether
from scapy.packet import Packet

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

#: Seconds until a session ends: more than a test takes, and few for the one that waits for the end.
IDLE, SHORT_IDLE = 300, 5
CONFIGURATION, SHORT_LIVED = (
    farm((address, 1) for address in REALS.values()) + virtual_server(idle) for idle in (IDLE, SHORT_IDLE)
)
SEED = 5944

GOOD = request(nai("victim@isp.com") + authentication())
TRUNCATED = "truncated"
FRAGMENT = "fragment"
NO_REQUEST = "not_registration_request"
MALFORMED = "malformed_extension"
NO_IDENTITY = "no_identity"
MARTIAN = "martian_source"

FRAGMENTS = packet(GOOD + vendor(bytes(100))).fragment(64)


def ethernet(content: Packet) -> bytes:
    return bytes(Ether(src=CLIENT_MAC, dst=CHASSIS_MAC) / content)


WRONG = {
    "empty datagram": (frame(b""), TRUNCATED),
    "type alone": (frame(GOOD[:1]), TRUNCATED),
    "one byte short of the fixed part": (frame(GOOD[:23]), TRUNCATED),
    "udp length beyond the packet": (frame(GOOD, udp={"len": 2000}), TRUNCATED),
    "udp length below its header": (frame(GOOD, udp={"len": 4}), TRUNCATED),
    "udp length zero": (frame(GOOD, udp={"len": 0}), TRUNCATED),
    "udp length inside the fixed part": (frame(GOOD, udp={"len": 8 + 20, "chksum": 0}), TRUNCATED),
    "udp header cut short": (ethernet(IP(src="10.1.1.101", dst=VIRTUAL, proto=17) / b"\x01\xb2\x01\xb2"), TRUNCATED),
    "another version of ip": (frame(GOOD, version=6), TRUNCATED),
    "first fragment": (ethernet(FRAGMENTS[0]), FRAGMENT),
    "middle fragment": (ethernet(FRAGMENTS[1]), FRAGMENT),
    "last fragment": (ethernet(FRAGMENTS[-1]), FRAGMENT),
    "fragment of fragments": (frame(GOOD, flags="MF"), FRAGMENT),
    "extension without length": (frame(request(b"\x83")), MALFORMED),
    "nai cut short": (frame(request(b"\x83\x10victim")), MALFORMED),
    "nai without bytes": (frame(request(short(131, b""))), MALFORMED),
    "long extension without length": (frame(request(b"\x24\x01\x00")), MALFORMED),
    "long extension cut short": (frame(request(b"\x24\x01\xff\xff" + nai("decoy@isp.com"))), MALFORMED),
    "vendor extension cut short": (frame(request(b"\x26\x00\x10\x00" + nai("decoy@isp.com"))), MALFORMED),
    "vendor extension without vendor": (frame(request(long(38, 0, b"ab") + nai("victim@isp.com"))), MALFORMED),
    "short extension swallows the nai": (frame(request(b"\x20\xff" + nai("decoy@isp.com"))), MALFORMED),
    "padding to the end": (frame(request(bytes(40))), NO_IDENTITY),
    "nai inside an extension only": (
        frame(request(long(36, 1, nai("decoy@isp.com")))),
        NO_IDENTITY,
    ),
    "request to port zero": (frame(GOOD, udp={"dport": 0}), NO_REQUEST),
    "source of this network": (frame(GOOD, src="0.0.0.7"), MARTIAN),
    "source of the sender itself": (frame(GOOD, src="127.0.0.1"), MARTIAN),
    "multicast source": (frame(GOOD, src="224.0.0.11"), MARTIAN),
    "reserved source": (frame(GOOD, src="240.0.0.1"), MARTIAN),
    "broadcast source": (frame(GOOD, src="255.255.255.255"), MARTIAN),
    "source is the destination (land)": (frame(GOOD, src=VIRTUAL), MARTIAN),
    "source is a home agent elsewhere": (frame(GOOD, src=next(iter(REALS.values()))), MARTIAN),
    "ttl zero": (frame(GOOD, ttl=0), "ttl_expired"),
    "wrong ip checksum": (frame(GOOD, chksum=0x1234), "bad_ip_checksum"),
    "no ip checksum": (frame(GOOD, chksum=0), "bad_ip_checksum"),
    "wrong udp checksum": (frame(GOOD, udp={"chksum": 0x1234}), "bad_udp_checksum"),
    "source port zero": (frame(GOOD, port=0), "source_port_zero"),
    "ip options": (frame(GOOD, options=[IPOption_NOP()] * 4), "ip_options"),
    "source route": (frame(GOOD, options=[IPOption_LSRR(routers=[VIRTUAL])]), "ip_options"),
    "text": (frame(b"GET / HTTP/1.1\r\n\r\n"), NO_REQUEST),
    "reply": (frame(b"\x03" + GOOD[1:]), NO_REQUEST),
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_packet_is_dropped_under_its_name_and_nothing_else_happens(bench: Bench, case: str) -> None:
    """One packet counts once; no home agent sees anything; the session of the mobile that it names is untouched."""
    bench.deliver(registration("victim@isp.com"))
    sent, reason = WRONG[case]
    before = bench.statistics()
    for _ in range(2):
        assert not any(bench.exchange(sent).values())
    after = bench.statistics()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "requests": 2,
        "dropped": 2,
        f"dropped_{reason}": 2,
    }


@pytest.mark.parametrize("fields", [{"udp": {"chksum": 0}}, {"ttl": 1}, {"ttl": 255}], ids=str)
def test_what_is_unusual_and_allowed_is_served(bench: Bench, fields: dict[str, Any]) -> None:
    """No UDP checksum (RFC 768), and the last hop (RFC 1122, section 3.2.1.7)."""
    assert bench.deliver(frame(request(nai("unusual@isp.com")), **fields)) in REALS


@pytest.mark.parametrize(
    "fields", [{"src": VIRTUAL}, {"src": "127.0.0.1"}, {"src": "0.0.0.7"}, {"ttl": 0}, {"chksum": 1}], ids=str
)
def test_an_impossible_ping_gets_no_reply(bench: Bench, fields: dict[str, Any]) -> None:
    """The reply to the ping behind it shows that it was looked at."""
    with bench.lab.capture("pdsn1") as capture:
        bench.send(ethernet(IP(**{"src": "10.1.1.101", "dst": VIRTUAL, **fields}) / ICMP(id=1)))
        bench.send(ethernet(IP(src="10.1.1.101", dst=VIRTUAL) / ICMP(id=2)))
        bench.settle()
        capture.wait_for(lambda each: ICMP in Ether(each) and Ether(each)[ICMP].type == 0)
        replies = [
            Ether(each)[ICMP].id for each in capture.frames if ICMP in Ether(each) and Ether(each)[ICMP].type == 0
        ]
    assert replies == [2]


@pytest.mark.parametrize("case", ["total length", "header length"])
def test_an_ip_header_that_the_switch_cannot_read_reaches_no_home_agent(bench: Bench, case: str) -> None:
    """Open vSwitch sees no addresses in such a packet. It is addressed to the chassis, so no other host may get it."""
    header: dict[str, Any] = {"len": 2000} if case == "total length" else {"ihl": 3}
    assert not any(bench.exchange(frame(GOOD, **header)).values())


@pytest.mark.parametrize("to", ["chassis", "home agent", "broadcast"])
@pytest.mark.parametrize("source", ["02:51:b7:00:00:01", "02:51:b7:00:00:02", "02:51:b7:12:34:56"])
def test_a_made_up_chassis_address_opens_no_way_around_the_balancer(bench: Bench, source: str, to: str) -> None:
    """Neither this switch's own, nor another's, nor one that no switch has: what is dispatched has a secret source."""
    destination = {"chassis": CHASSIS_MAC, "home agent": MACS["sami1"], "broadcast": "ff:ff:ff:ff:ff:ff"}[to]
    forged = frame(request(nai(f"{source}-{to}@isp.com")), mac=source, to=destination)
    before = bench.statistics()
    came = [each for frames in bench.exchange(forged).values() for each in frames]
    assert [each[6:12].hex(":") for each in came] == [bench.source()], "once, and by the balancer"
    assert bench.statistics()["dispatched"] == before["dispatched"] + 1


def test_the_tag_of_a_session_as_sender_reaches_no_session_rule(bench: Bench) -> None:
    """Session rules are in table 1, and only what comes from the controller is sent there."""
    name = "tagged-victim@isp.com"
    home = bench.deliver(registration(name))
    rule = bench.rule(name)
    tag = rule.match["dl_src"]
    before = bench.statistics()
    received = bench.exchange(frame(b"not a request", mac=tag), frame(b"not a request", mac=tag, to=MACS[home]))
    assert not any(received.values())
    assert bench.statistics()[f"dropped_{NO_REQUEST}"] == before[f"dropped_{NO_REQUEST}"] + 2
    assert bench.rule(name).packets == rule.packets


def test_a_provider_tag_is_not_read_as_part_of_the_packet(bench: Bench) -> None:
    """A request under a tag of IEEE 802.1ad is a request; four bytes further on it would be a fragment."""
    assert bench.deliver(ethernet(Dot1AD(vlan=5) / packet(request(nai("tagged@isp.com"))))) in REALS


HOSTILE_NAIS = [b"\n% forged", b"\x1b[2J\x1b[H", b"\0", b"\xff\xfe\xfd", b'"]}', b"\xe2\x80\xae", b"a" * 255]


@pytest.mark.parametrize("name", HOSTILE_NAIS, ids=ascii)
def test_a_hostile_nai_is_served_and_cannot_write_on_the_operators_screen(bench: Bench, name: bytes) -> None:
    """An NAI is any bytes; tables stay tables, JSON stays JSON."""
    assert bench.deliver(frame(request(short(131, name)))) in REALS
    assert len(bench.sessions()) >= 1
    table = bench.lab.command(CONTROLLER, "show ip slb sessions ipmobile")
    assert all(line.isprintable() for line in table.splitlines())
    assert all(identity.isprintable() for identity in bench.sessions())


@pytest.mark.parametrize("cut", [15, 20, 30, 41])
def test_an_arp_request_cut_short_is_not_answered(bench: Bench, cut: int) -> None:
    """Sender or target address are missing. The balancer continues."""
    whole = arp_request(VIRTUAL)
    with bench.lab.capture("pdsn1") as capture:
        bench.send(whole[:cut])
        bench.send(whole[:28] + bytes(4) + whole[32:])
        bench.settle()
        capture.wait_for(lambda each: each[20:22] == b"\0\2")
        assert len([each for each in capture.frames if each[20:22] == b"\0\2"]) == 1


def mutated(payload: bytes, generator: random.Random) -> bytes:
    """Cut, overwrite, insert or double something, one to three times."""
    damaged = bytearray(payload)
    for _ in range(generator.randint(1, 3)):
        place = generator.randrange(len(damaged) + 1)
        kind = generator.randrange(4)
        if kind == 0:
            del damaged[place:]
        elif kind == 1 and place < len(damaged):
            damaged[place] = generator.choice((0, 1, 0x7F, 0xFF, 36, 38, 131, generator.randrange(256)))
        elif kind == 2:
            damaged[place:place] = generator.randbytes(generator.randint(1, 40))
        else:
            damaged += damaged[place:]
    return bytes(damaged[:1400])


def valid(number: int) -> bytes:
    shapes = (short(137, b"x" * 9), long(36, 1, bytes(24)), vendor(b"vendor"), bytes(2))
    return request(shapes[number % 4] + nai(f"fuzz-{number}@isp.com") + authentication())


def test_thousands_of_damaged_requests_are_all_accounted_for(bench: Bench) -> None:
    """Every one is dispatched or dropped, what is dispatched arrives, and good mobiles in between notice nothing."""
    generator = random.Random(SEED)
    before = bench.statistics()
    sent = arrived = 0
    for block in range(10):
        frames = [frame(mutated(valid(block * 1000 + number), generator)) for number in range(300)]
        arrived += sum(map(len, bench.exchange(*frames).values()))
        sent += len(frames)
        assert bench.deliver(registration(f"good-{block}@isp.com")) in REALS
    after = bench.statistics()
    assert after["requests"] - before["requests"] == sent + 10
    assert after["dispatched"] - before["dispatched"] == arrived + 10
    assert after["dropped"] - before["dropped"] == sent - arrived
    assert after["dropped"] == sum(value for name, value in after.items() if name.startswith("dropped_"))
    assert sent > arrived > 0
    assert "Traceback" not in bench.lab.log(CONTROLLER)


def test_thousands_of_frames_with_damaged_headers_leave_the_sums_right(bench: Bench) -> None:
    """Any bit of any header may be wrong; the switch sorts some out, the balancer accounts for the rest."""
    generator = random.Random(SEED + 1)
    before = bench.statistics()
    frames = []
    for number in range(2000):
        damaged = bytearray(frame(valid(number)))
        for _ in range(generator.randint(1, 3)):
            damaged[generator.randrange(12, 42)] = generator.randrange(256)
        frames.append(bytes(damaged))
    bench.exchange(*frames)
    after = bench.statistics()
    assert before["requests"] < after["requests"] <= before["requests"] + len(frames)
    assert after["requests"] == after["dispatched"] + after["dropped"]
    assert bench.deliver(registration("afterwards@isp.com")) in REALS
    assert "Traceback" not in bench.lab.log(CONTROLLER)


def test_memory_is_given_back_when_sessions_end(bench: Bench) -> None:
    """A stranger can open sessions; once they are over they must cost nothing. Measured after a first wave, when the
    interpreter has what it needs."""
    sizes = []
    bench.lab.command(CONTROLLER, "clear ip slb sessions")
    with bench.configured(SHORT_LIVED):
        for wave in range(3):
            for block in range(2):
                bench.exchange(*(registration(f"wave-{wave}-{block}-{number}@isp.com") for number in range(1000)))
            wait_until(lambda: not bench.sessions(), "all sessions end")
            sizes.append(resident(bench.controller.pid))
    assert sizes[2] - sizes[0] < 4 << 20, f"resident bytes after each wave: {sizes}"


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096
