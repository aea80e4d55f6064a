"""A home agent in doubt: its replies are copied to the balancer and forwarded as before, and forged ones count nothing.

docs/states.md, "Before a real server fails". The hosts have no programs: the test sends what home agents would send.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import count

import pytest
from bench import MACS, PDSN, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CLIENT, CLIENT_MAC, VIRTUAL, frame, nai, registration, request
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

pytestmark = pytest.mark.lab

#: One mobile that retries brings its home agent into doubt; four would have to fail there.
NUMCONNS = 4
MODES = {"dispatched": (), "direct": ("nat server",)}
MODE: dict[Bench, str] = {}
_names = count(1)


def configuration(*options: str) -> str:
    text = farm(((address, 1) for address in REALS.values()), *options)
    for address in REALS.values():
        text = text.replace(f"real {address}\n", f"real {address}\nfaildetect numconns {NUMCONNS} numclients 1\n")
    return text + virtual_server()


@pytest.fixture(scope="module", params=MODES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    topology = PlainChassis(loopback=VIRTUAL if request.param == "dispatched" else None)
    with Bench(Lab(topology, configuration(*MODES[request.param]))) as running:
        MODE[running] = request.param
        yield running


def reply(real: str, name: str, source: str, mac: str = "") -> bytes:
    """A home agent's Registration Reply to the PDSN (RFC 5944 section 3.4)."""
    home_agent = IPv4Address(REALS[real]).packed
    payload = struct.pack("!BBH4s4sQ", 3, 0, 600, bytes(4), home_agent, 0x1122334455667788) + nai(name)
    ethernet = Ether(src=mac or MACS[real], dst=CLIENT_MAC)
    return bytes(ethernet / IP(src=source, dst=CLIENT) / UDP(sport=434, dport=434) / payload)


def copying(bench: Bench) -> list[Flow]:
    cookies = (Purpose.PASS_REPLY.cookie, Purpose.COPY_REPLY.cookie)
    return [flow for flow in bench.lab.flows() if flow.cookie in cookies]


def put_in_doubt(bench: Bench) -> tuple[str, str]:
    """A mobile retries; the home agent that it retries at, and its NAI."""
    name = f"doubt{next(_names)}@isp.com"
    real = bench.deliver(registration(name))
    assert bench.retransmit(registration(name)) == real
    wait_until(lambda: len(copying(bench)) > 1, "the switch copies replies")
    assert bench.reals()[REALS[real]]["in_doubt"]
    return real, name


def source_of(bench: Bench, real: str) -> str:
    """The address that it replies from: the one that the request was sent to, as it received the request."""
    return VIRTUAL if MODE[bench] == "dispatched" else REALS[real]


def seen(bench: Bench, real: str) -> int:
    replies: int = bench.reals()[REALS[real]]["replies_seen"]
    return replies


def test_without_a_doubt_no_reply_is_copied(bench: Bench) -> None:
    real = bench.deliver(registration("calm@isp.com"))
    assert copying(bench) == []
    with bench.lab.capture(PDSN) as capture:
        sent = reply(real, "calm@isp.com", source_of(bench, real))
        bench.send(sent, node=real)
        capture.wait_for(lambda each: each == sent)
    assert seen(bench, real) == 0


def test_a_reply_in_a_doubt_arrives_once_and_unchanged_and_ends_the_doubt(bench: Bench) -> None:
    real, name = put_in_doubt(bench)
    before = seen(bench, real)
    with bench.lab.capture(PDSN) as capture:
        sent = reply(real, name, source_of(bench, real))
        bench.send(sent, node=real)
        wait_until(lambda: seen(bench, real) > before, "the copy is seen")
        wait_until(lambda: not copying(bench), "the rules are gone")
        bench.send(frame(b"last", src=REALS[real], dst=CLIENT, mac=MACS[real], to=CLIENT_MAC), node=real)
        capture.wait_for(lambda each: b"last" in each)
        assert capture.frames.count(sent) == 1
    assert not bench.reals()[REALS[real]]["in_doubt"]


def test_forged_replies_from_the_subscribers_port_end_no_doubt(bench: Bench) -> None:
    """With the home agent's IPv4 address, and with its Ethernet address as well; the doubt ends with the true one."""
    real, name = put_in_doubt(bench)
    before = seen(bench, real)
    source = source_of(bench, real)
    forged = [reply(real, name, source, CLIENT_MAC), reply(real, name, REALS[real], CLIENT_MAC)]
    forged += [reply(real, name, each) for each in (source, REALS[real])]
    for each in forged:
        for _ in range(50):
            bench.send(each)
    bench.settle()
    assert seen(bench, real) == before
    assert bench.reals()[REALS[real]]["in_doubt"]
    bench.send(reply(real, name, source), node=real)
    wait_until(lambda: seen(bench, real) == before + 1, "the true reply is seen")
    wait_until(lambda: not copying(bench), "the rules are gone")


def test_a_reply_of_another_home_agent_ends_no_doubt(bench: Bench) -> None:
    real, name = put_in_doubt(bench)
    before = seen(bench, real)
    other = next(each for each in REALS if each != real)
    bench.send(reply(other, name, source_of(bench, other)), node=other)
    bench.send(reply(real, name, REALS[real], MACS[other]), node=other)
    bench.settle()
    assert seen(bench, real) == before
    bench.send(reply(real, name, source_of(bench, real)), node=real)
    wait_until(lambda: not copying(bench), "the rules are gone")


def test_deleted_rules_come_back_while_the_doubt_lasts(bench: Bench) -> None:
    """docs/flows.md, "The audit"."""
    real, name = put_in_doubt(bench)
    before = len(copying(bench))
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", SWITCH, "table=2"], check=True)
    wait_until(lambda: len(copying(bench)) == before, "the rules are back")
    bench.send(reply(real, name, source_of(bench, real)), node=real)
    wait_until(lambda: not copying(bench), "the rules are gone")


def test_a_silent_home_agent_fails(bench: Bench) -> None:
    """Its mobiles are moved one by one; it fails as soon as enough of them were, and serves again when it answers."""
    names = [f"silent{next(_names)}@isp.com" for _ in range(3 * (NUMCONNS + 1))]
    first = {name: bench.deliver(registration(name)) for name in names}
    real = first[names[0]]
    there = [name for name in names if first[name] == real]
    for _ in range(12):
        if bench.reals()[REALS[real]]["state"] == "FAILED":
            break
        for name in there:
            if bench.sessions()[name]["real"] == REALS[real]:
                bench.send(frame(request(nai(name))))
        bench.retransmit(registration(f"pace{next(_names)}@isp.com"))
    wait_until(lambda: bench.reals()[REALS[real]]["state"] == "FAILED", "it has failed")
    bench.send(reply(real, there[0], source_of(bench, real)), node=real)
    wait_until(lambda: bench.reals()[REALS[real]]["state"] == "OPERATIONAL", "it has answered")
