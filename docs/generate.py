"""Writes the parts of the documentation that the code knows best: state machines and flow tables.

``python docs/generate.py`` brings docs/states.md and docs/flows.md up to date; a test fails while they are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Callable

from ryu_haslb.configuration.crypto_model import (
    AccessRule,
    Authentication,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer, VlanInterface
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow.pipeline import SESSION_PRIORITY, Rule, Table
from ryu_haslb.openflow.standing_rules import standing_rules
from ryu_haslb.openflow.wire import OFPP_CONTROLLER
from ryu_haslb.slb.real import HEALTH_TRANSITIONS

HERE = Path(__file__).parent
EXAMPLE = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51")),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
    vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.0.0.0/8"), "l2tpmap"),),
    crypto=Crypto(
        policies=(IsakmpPolicy(1, Authentication.PRE_SHARE),),
        keys=(PresharedKey("cisco", IPv4Network("10.1.1.101")),),
        transform_sets=(TransformSet("SET", ("esp-aes", "esp-sha-hmac")),),
        maps=(CryptoMapEntry("l2tpmap", 10, (IPv4Address("10.1.1.101"),), ("SET",), 101),),
        access_lists=((101, (AccessRule(True, IPv4Network("10.1.1.10"), IPv4Network("10.1.1.101")),)),),
    ),
)
#: Port 1 is connected through the module, port 2 is the module's inside, port 3 the VLAN interface.
SIDES = Sides(frozenset({1}), {15: Inside(frozenset({2}), frozenset({3}))})


def state_machine(transitions: Mapping[Any, Enum]) -> Iterator[str]:
    """A Mermaid drawing of a transition table."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (before, event), after in transitions.items():
        yield f"    {before.value} --> {after.value}: {event.value}"
    yield "```"


def flow_table() -> Iterator[str]:
    """The standing rules of a switch with a virtual server, a real server and an IPsec module."""
    yield "| table | priority | cookie | match | action | why |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for rule in sorted(standing_rules(EXAMPLE, 1, SIDES), key=lambda rule: (rule.table, -rule.priority, rule.purpose)):
        match = ", ".join(f"{name}={_shown(name, value)}" for name, value in rule.match.items()) or "everything"
        why = rule.purpose.name.lower().replace("_", " ")
        yield f"| {rule.table} | {rule.priority} | {_cookie(rule)} | {match} | {_action(rule)} | {why} |"
        if rule.table == Table.CLASSIFIER and not rule.match:
            yield (
                f"| {Table.SESSIONS.value} | {SESSION_PRIORITY} | tag and 0x51b7 | eth_src=TAG, eth_type=0x0800, "
                "ip_proto=17, ipv4_dst=10.1.1.10, udp_dst=434 | rewritten and out to the home agent | one session |"
            )


def _cookie(rule: Rule) -> str:
    return f"{rule.purpose.cookie:#x}"


def _action(rule: Rule) -> str:
    return f"{rule.action.value}, metered" if rule.meter else rule.action.value


def _shown(name: str, value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(value)
    if name == "eth_type":
        return f"{value:#06x}"
    return "CONTROLLER" if value == OFPP_CONTROLLER else str(value)


PARTS: dict[str, dict[str, Callable[[], Iterator[str]]]] = {
    "states.md": {
        "real server": lambda: state_machine(HEALTH_TRANSITIONS),
    },
    "flows.md": {"standing rules": flow_table},
}


def generated(name: str) -> str:
    """The document with its generated parts as the code has them now."""
    text = (HERE / name).read_text()
    for part, lines in PARTS[name].items():
        begin, end = f"<!-- from the code: {part} -->", "<!-- end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"docs/{name}: expected '{begin}' and a '{end}' after it")
        text = "\n".join([before + begin, *lines(), end + after])
    return text


if __name__ == "__main__":
    for document in PARTS:
        (HERE / document).write_text(generated(document))
