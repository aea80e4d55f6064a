"""IPsec when something is wrong: no clear text leaves or enters, the error says so, and it recovers.

Every test registers while the trouble lasts, with a tap on the outside VLAN, and again when it is over.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from bench import wait_until
from ipsec_chassis import (
    BALANCER,
    CLIENT,
    GATEWAY,
    INSIDE_HOST,
    MODULE,
    PDSN,
    PDSN_CONFIGURATION,
    VIRTUAL,
    IpsecLab,
    is_clear,
    is_esp,
    udp_payload,
)
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.ipsec import charon
from ryu_haslb.ipsec.translation import Translation, translate

pytestmark = pytest.mark.lab

INTERFACES = {PDSN: "FastEthernet1/0", MODULE: "Vlan15"}
BOTH = pytest.mark.parametrize("node", [PDSN, MODULE])


@pytest.fixture(scope="module")
def chassis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpsecLab]:
    with IpsecLab(tmp_path_factory.mktemp("chassis")) as lab:
        yield lab


@pytest.fixture
def lab(chassis: IpsecLab) -> IpsecLab:
    """The chassis with its security association up and counters at 0."""
    chassis.secure()
    chassis.clear_counters()
    return chassis


@contextmanager
def no_leak(lab: IpsecLab) -> Iterator[None]:
    """Nothing that is protected passes the outside VLAN in clear, from now until a registration has succeeded."""
    with lab.tap("outside") as out:
        yield
        lab.secure()
        seen = len(out.which(is_esp))
        assert lab.register(9000, 1)["registered"] == 1
        out.wait_for(is_esp, seen + 1)
        assert out.which(is_clear) == []


def translation(node: str, text: str = "", **child: str) -> Translation:
    """What a node gives its charon, but for the values of ``child`` in all associations."""
    text = text or {PDSN: PDSN_CONFIGURATION, MODULE: BALANCER}[node]
    made = translate(read_configuration(text, node)[0], INTERFACES[node])
    for tunnel in made.tunnels:
        for connection in tunnel.connection.values():
            for each in connection["children"].values():
                each.update(child)
    return made


def has_no_association(lab: IpsecLab, node: str) -> bool:
    return not lab.security(node)["associations"]


def spis(packets: Iterable[Packet]) -> set[bytes]:
    """The SPIs of packets of ESP in UDP."""
    return {udp_payload(packet)[:4] for packet in packets}


def clear(lab: IpsecLab) -> None:
    """End all associations on both sides."""
    for node in (MODULE, PDSN):
        lab.command(node, "clear crypto isakmp")
        lab.command(node, "clear crypto sa")


@BOTH
def test_cleared_associations_come_back_with_traffic(lab: IpsecLab, node: str) -> None:
    """``clear crypto sa`` on either side; the other side gets a delete message."""
    with no_leak(lab):
        assert lab.command(node, "clear crypto sa").startswith("1 ")
        other = MODULE if node == PDSN else PDSN
        wait_until(lambda: not lab.security(other)["associations"], "the other side keeps the association")
        assert lab.register(100, 4)["registered"] == 4
    assert lab.security(PDSN)["send_errors"] >= 4, "each mobile's first request, and those before the negotiation's end"


def test_with_another_key_nothing_passes_and_the_error_says_so(lab: IpsecLab) -> None:
    """The chapter's key is ``cisco``. Once it is right again registrations go on."""
    wrong = PDSN_CONFIGURATION.replace("key cisco", "key francisco")
    before = lab.bound()
    with no_leak(lab), lab.tap("inside") as inside:
        charon.load(lab.vici(PDSN), translation(PDSN, wrong))
        clear(lab)
        registering = lab.stream(PDSN, "register 200 4")
        assert isinstance(registering, Generator)
        next(registering)
        lab.await_told(PDSN, "% l2tpmap-10-1: 15.1.1.15 has another pre-shared key")
        registering.close()
        assert "another pre-shared key" in lab.log(PDSN)
        assert inside.which(is_clear) == []
        assert lab.bound() == before
        charon.load(lab.vici(PDSN), translation(PDSN))
    assert lab.security(PDSN)["send_errors"] > 0


@pytest.mark.parametrize(
    ("changed", "to", "expected"),
    [
        (
            "authentication pre-share",
            "authentication pre-share\n  group 14",
            "15.1.1.15 accepts none of our algorithms",
        ),
        ("esp-des esp-sha-hmac", "esp-3des esp-md5-hmac", "15.1.1.15 accepts none of our algorithms"),
        ("host 15.1.1.10", "host 15.1.1.11", "15.1.1.15 protects other traffic; the access lists"),
    ],
)
def test_the_error_names_what_differs(lab: IpsecLab, changed: str, to: str, expected: str) -> None:
    """One side's configuration is not the other's: which command to compare."""
    with no_leak(lab):
        charon.load(lab.vici(PDSN), translation(PDSN, PDSN_CONFIGURATION.replace(changed, to)))
        try:
            clear(lab)
            logged = len(lab.log(PDSN))
            lab.command(PDSN, "wait crypto sa 1")
            wait_until(lambda: f"l2tpmap-10-1: {expected}" in lab.log(PDSN)[logged:], "the log does not say so")
            lab.await_told(PDSN, f"% l2tpmap-10-1: {expected}")
        finally:
            charon.load(lab.vici(PDSN), translation(PDSN))


def test_a_peer_that_does_not_answer_is_given_up_and_found_again(lab: IpsecLab) -> None:
    """Stopped, not killed: what it had is of no use while it is silent (dead peer detection, RFC 3706)."""
    with no_leak(lab):
        silent = lab.charon(MODULE)
        os.kill(silent, signal.SIGSTOP)
        try:
            wait_until(lambda: not lab.security(PDSN)["associations"], "the PDSN trusts a silent peer", seconds=90)
            lab.await_told(PDSN, "% l2tpmap-10-1: 15.1.1.15 does not answer\n")
        finally:
            os.kill(silent, signal.SIGCONT)


def test_an_association_that_expires_is_negotiated_again(lab: IpsecLab) -> None:
    """A hard lifetime without rekeying: three seconds, then the association is gone on both sides."""
    short = {"life_time": "3s", "rekey_time": "0s"}
    with no_leak(lab), lab.tap("outside") as out:
        for node in (PDSN, MODULE):
            charon.load(lab.vici(node), translation(node, **short))
        clear(lab)
        lab.secure()
        assert lab.register(300, 4)["registered"] == 4
        for node in (PDSN, MODULE):
            wait_until(partial(has_no_association, lab, node), "the association outlives its lifetime")
        before = spis(out.which(is_esp))
        assert lab.register(310, 4)["registered"] == 4
        out.wait_for(lambda packet: is_esp(packet) and not spis([packet]) & before)
        for node in (PDSN, MODULE):
            charon.load(lab.vici(node), translation(node))
        clear(lab)


def test_rekeying_is_no_interruption(lab: IpsecLab) -> None:
    """An association is replaced every second, under load; the counters go on. The PDSN uses the new one as soon as it
    has sent the last message of IKE's quick mode, and may be earlier than the module: Mobile IP sends such a request
    again."""
    short = {"life_time": "10s", "rekey_time": "1s"}
    with no_leak(lab):
        charon.load(lab.vici(PDSN), translation(PDSN, **short))
        lab.command(PDSN, "clear crypto sa")
        lab.secure()
        lab.command(MODULE, "clear crypto counters")
        used: set[int] = set()
        registered = retransmitted = 0
        while len(used) < 4:
            outcome = lab.register(400 + registered, 5)
            assert outcome["registered"] == 5
            registered += 5
            retransmitted += outcome["retransmissions"]
            used.add(lab.security(PDSN)["outbound_spi"])
        assert lab.security(PDSN)["encaps"] == registered + retransmitted
        assert registered <= lab.security(MODULE)["decaps"] <= registered + retransmitted
        charon.load(lab.vici(PDSN), translation(PDSN))
        clear(lab)


@BOTH
def test_a_charon_that_is_killed_is_started_again(lab: IpsecLab, node: str) -> None:
    """``kill -9`` takes tun device and routes away; what is protected has nowhere to go until there are new ones."""
    killed = lab.charon(node)
    with no_leak(lab):
        lab.kill_charon(node)
        assert lab.register(500, 4)["registered"] == 4
    assert lab.charon(node) != killed
    assert "charon ended with status -9; starting it again" in lab.log(node)


def test_what_the_inside_sends_without_an_association_is_lost_counted_and_negotiated_for(lab: IpsecLab) -> None:
    """At the supervisor the access list works the other way round, and so does the negotiation."""
    clear(lab)
    lab.command(MODULE, "clear crypto counters")
    macs = {name: lab.node(name).defaultIntf().MAC() for name in (PDSN, INSIDE_HOST)}
    ping = bytes(Ether(src=macs[INSIDE_HOST], dst=macs[PDSN]) / IP(src=VIRTUAL, dst=CLIENT) / ICMP() / b"within")
    with no_leak(lab):
        lab.send(INSIDE_HOST, [ping])
        lab.await_told(MODULE, "all security associations are up\n")
        assert lab.security(MODULE)["send_errors"] == 1
        assert lab.query(MODULE, "show crypto isakmp sa")[0]["src"] == "15.1.1.15"


def test_a_node_that_is_killed_takes_its_charon_with_it_and_leaves_nothing_open(lab: IpsecLab) -> None:
    """The kernel ends charon with its node; an unreachable route outlives both. A new node takes over."""
    with no_leak(lab):
        command = lab.kill_program(PDSN)
        wait_until(lambda: not lab.charons(PDSN), "charon outlives its node")
        assert lab.run(PDSN, ["ping", "-c1", "-W1", VIRTUAL], stdout=subprocess.DEVNULL).wait() != 0
        assert lab.run(PDSN, ["ping", "-c1", "-W20", GATEWAY]).wait() == 0
        lab.start(PDSN, command)


@BOTH
def test_a_node_that_is_ended_leaves_its_namespace_as_it_was(lab: IpsecLab, node: str) -> None:
    """SIGTERM: charon, devices, rules, routes and sockets go with it."""
    command = lab.kill_program(node, signal.SIGTERM)
    wait_until(lambda: not Path(lab.vici(node)).exists() and not lab.charons(node), "charon outlives its node")
    wait_until(lambda: len(lab.output(node, "ip", "rule").splitlines()) == 3, "routing rules stay")
    routes = ("route", "show", "table", "all")
    wait_until(lambda: "crypto0" not in lab.output(node, "ip", "address"), "the device outlives its node")
    assert "crypto0" not in lab.output(node, "ip", *routes)
    lab.start(node, command)
    lab.command(PDSN, "clear crypto isakmp")
    lab.secure()
    assert lab.register(600, 2)["registered"] == 2


def test_a_module_that_is_killed_is_a_wire_that_is_cut(lab: IpsecLab) -> None:
    """Nothing passes it, in clear least of all. A new one takes over once the PDSN has found its peer dead."""
    with no_leak(lab):
        command = lab.kill_program(MODULE)
        wait_until(lambda: not lab.charons(MODULE), "charon outlives its node")
        assert lab.run(PDSN, ["ping", "-c1", "-W1", GATEWAY], stdout=subprocess.DEVNULL).wait() != 0
        lab.start(MODULE, command)
        wait_until(lambda: not lab.security(PDSN)["associations"], "the PDSN trusts a dead peer", seconds=90)
