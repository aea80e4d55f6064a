"""Trials of NORMAL and FLOOD: over a cable, else by the counters of the ports. Pure.

A rule with output to NORMAL may be accepted and have no effect. Over a cable that is seen directly: a packet comes in
at one end, goes through NORMAL, and leaves at the other ports, of which one is the other end. The rule rewrites its
destination, so that what comes in again matches no rule with NORMAL, and does not go round for ever.

Without a cable the counters of the ports must show it. First, packets to ALL show at which ports the counters rise: a
port may be down, and a switch may count late. Ports that send much anyway are left out. Then the packets go through a
rule that outputs to NORMAL. No host has their destination, so that the switch floods them. The rule matches packets
from the controller only, so that a packet does not go round if the network has a loop. Where a switch has no such match
this is not tried.

The balancer has packets copied to the controller and switched by one rule. Some hardware takes one output in a rule.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Callable, Optional

from ryu_haslb.openflow.capabilities.known_makes import IGNORES_NORMAL, is_of
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.features import port_stats_request, sent_packets
from ryu_haslb.openflow.wire.flow_mod import apply_actions
from ryu_haslb.openflow.wire.packet import numbered_packet_out
from ryu_haslb.switch_test.bench import Bench, datagram, rule
from ryu_haslb.switch_test.exchange import Exchange, Script
from ryu_haslb.switch_test.trial import WORKS, Outcome, Result, emit, ignored, install, multipart, remove

#: Packets that are sent to see the counters of ports rise.
COUNTED_PACKETS = 50
#: Readings of the counters, each a second behind the one before: some switches count once a second.
_READINGS = 4
#: The destination of a packet before it goes through NORMAL, and behind it.
_DESTINATION, _NEXT_DESTINATION = "0a:7e:57:00:00:08", "0a:7e:57:00:00:09"
_STATISTICS_TIMEOUT = 10.0
#: Lets a second pass.
_SECOND = Exchange(wanted=lambda _: False, wait=1.0)


def switching(port: int) -> Callable[[Bench], Script[Outcome]]:
    """The trial of output to OFPP_NORMAL or OFPP_FLOOD."""

    def trial(bench: Bench) -> Script[Outcome]:
        failure = yield from _copies(bench, port)
        if failure is not None:
            return failure
        if bench.has_cable and bench.rewrites_eth_dst:
            outcome = yield from _over_cable(bench, port)
        elif bench.has_table_output and bench.matches_controller:
            outcome = yield from _by_counters(bench, port)
        else:
            failure = yield from _accepts(bench, port)
            outcome = failure or Outcome(Result.ACCEPTED, "accepted; not tried: needs --ports")
        if outcome.result is Result.ACCEPTED and port == wire.OFPP_NORMAL and is_of(bench.description, IGNORES_NORMAL):
            return ignored("accepted; switches of this make are known to drop the packets")
        return outcome

    return trial


normal, flood = switching(wire.OFPP_NORMAL), switching(wire.OFPP_FLOOD)


def _copies(bench: Bench, port: int) -> Script[Optional[Outcome]]:
    """The outcome if the switch takes output to NORMAL by itself, but not behind one to CONTROLLER."""
    if port != wire.OFPP_NORMAL:
        return None
    failure = yield from _accepts(bench, wire.OFPP_CONTROLLER, port)
    if failure is None or (yield from _accepts(bench, port)) is not None:
        return None
    return failure._replace(detail=f"behind output to CONTROLLER: {failure.detail}")


def _accepts(bench: Bench, *ports: int) -> Script[Optional[Outcome]]:
    """Whether the switch takes a rule with these outputs, which matches no packet of others."""
    entry = rule(bench.cookie(), {}, apply_actions(b"".join(map(wire.output, ports))))
    failure = yield from install([entry])
    yield from remove([entry])
    return failure


def _over_cable(bench: Bench, port: int) -> Script[Outcome]:
    assert bench.cable is not None
    near, far = bench.cable
    label = bench.label()
    actions = wire.set_field("eth_dst", _NEXT_DESTINATION) + wire.output(port)
    passing = rule(bench.cookie(), {"in_port": far, "eth_dst": _DESTINATION}, apply_actions(actions))
    returned = rule(bench.cookie(), {"in_port": far, "eth_dst": _NEXT_DESTINATION})
    others = rule(bench.cookie(), {"in_port": near}, apply_actions(b""))
    rules = [others, returned, passing]
    failure = yield from install(rules)
    if failure is None:
        frame = datagram(label, changed={"eth_dst": _DESTINATION})
        passage = yield from emit(
            lambda xid: numbered_packet_out(xid, wire.output(near), frame), label, {returned.cookie}
        )
        failure = passage.failure
        arrived = returned.cookie in passage.cookies
    yield from remove(rules)
    if failure is not None:
        return failure
    return WORKS if arrived else ignored("accepted; the packets are dropped")


def _by_counters(bench: Bench, port: int) -> Script[Outcome]:
    entry = rule(bench.cookie(), {"in_port": wire.OFPP_CONTROLLER}, apply_actions(wire.output(port)))
    failure = yield from install([entry])
    if failure is not None:
        return failure
    try:
        outcome = yield from _counted(bench)
    except wire.MalformedMessage as error:
        outcome = Outcome(Result.ACCEPTED, f"accepted; not tried: needs --ports (port statistics: {error})")
    yield from remove([entry])
    return outcome


def _counted(bench: Bench) -> Script[Outcome]:
    """The packets go through the rule that is installed."""
    if bench.counting_ports is None:
        bench.counting_ports = yield from _find_counting_ports(bench)
    if not bench.counting_ports:
        return Outcome(Result.ACCEPTED, "accepted; not tried: no port is up, counts, and is quiet; needs --ports")
    label = bench.label()
    seen = yield from _rising(lambda xid: bench.enter(datagram(label), xid), bench.counting_ports)
    if seen:
        return Outcome(Result.WORKS, f"{COUNTED_PACKETS} packets were sent out, by the counters of the ports")
    return ignored("accepted; the packets are dropped, by the counters of the ports")


def _find_counting_ports(bench: Bench) -> Script[frozenset[int]]:
    """The ports whose counters show packets that are sent to ALL, and little else."""
    before = yield from _counters()
    yield _SECOND
    now = yield from _counters()
    quiet = frozenset(port for port in now if now[port] - before.get(port, 0) < COUNTED_PACKETS // 2)
    label = bench.label()
    found = yield from _rising(lambda xid: numbered_packet_out(xid, wire.output(wire.OFPP_ALL), datagram(label)), quiet)
    return found


def _rising(build: Callable[[int], bytes], ports: Collection[int]) -> Script[frozenset[int]]:
    """Send packets, and return those of the ports that count them."""
    before = yield from _counters()
    yield Exchange(lambda xid: [build(xid)] * COUNTED_PACKETS)
    rising: frozenset[int] = frozenset()
    for _ in range(_READINGS):
        now = yield from _counters()
        rising = frozenset(port for port in ports if now.get(port, 0) - before.get(port, 0) >= COUNTED_PACKETS)
        if rising:
            break
        yield _SECOND
    return rising


def _counters() -> Script[dict[int, int]]:
    parts = yield from multipart(port_stats_request, _STATISTICS_TIMEOUT)
    found: dict[int, int] = {}
    for part in parts:
        found.update(sent_packets(part))
    return found
