"""Writes the parts of the documentation that follow from the code: state machines, flow tables, headers of requests.

``python docs/generate.py`` brings docs/architecture.md, docs/states.md, docs/flows.md and docs/switches.md up to date;
a test fails while they are not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Callable, NamedTuple

# The code of this checkout, not that of an installed package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from ryu_haslb.cluster.election import ELECTION_TRANSITIONS
from ryu_haslb.configuration.crypto_model import (
    AccessRule,
    Authentication,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, Switching, VirtualServer, VlanInterface
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES
from ryu_haslb.openflow.doubt.copied_replies import copying_rules
from ryu_haslb.openflow.flow_tables.key_rules import ignores_normal_rule
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import (
    LEARNING_PURPOSES,
    SESSION_PRIORITY,
    Purpose,
    Rule,
    Table,
    chassis_address,
    dispatch_address,
    dispatch_match,
)
from ryu_haslb.openflow.flow_tables.session_rule import session_match, session_rewrites
from ryu_haslb.openflow.flow_tables.standing_rules import mute_rules, standing_rules
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.probes.questions import answer_rule
from ryu_haslb.openflow.recovery.follower_states import FOLLOWER_TRANSITIONS
from ryu_haslb.openflow.roles.fencing import FENCING_TRANSITIONS
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, OFPP_CONTROLLER, Value
from ryu_haslb.slb.health import HEALTH_TRANSITIONS
from ryu_haslb.slb.session_tag import COOKIE_MARK

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
DATAPATH_ID = 1
#: The key of session tags. What it makes secret is shown as a word.
KEY = b"documents"
_SECRET = re.compile(":".join(f"{each:02x}" for each in dispatch_address(DATAPATH_ID, KEY)[:-1]))
#: Where the real server was found.
HOME_AGENT = Location(bytes.fromhex("020000000051"), 4, None)
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
    """All rules of a switch with a virtual server, a real server, an IPsec module, and one session in either mode."""
    yield "| table | priority | cookie | match | action | why |"
    yield "| --- | --- | --- | --- | --- | --- |"
    rules = sorted(
        [
            *standing_rules(EXAMPLE, DATAPATH_ID, SIDES, [KEY]),
            *_reply_rules(),
            *_mute_rules(),
            *_learning_rules(),
            ignores_normal_rule(0),
            *_probe_rules(),
        ],
        key=lambda rule: rule.purpose,
    )
    rows = [*map(_standing_row, rules), _session_row(direct=False), _session_row(direct=True)]
    for row in sorted(rows, key=lambda row: (row.table, -row.priority)):
        yield f"| {' | '.join(map(str, row))} |"


def _learning_rules() -> Iterator[Rule]:
    """The learning table, after it has learned an address at port 7, and while port 9 shows too many."""
    learning = Layout(Switching.LEARN)
    for rule in standing_rules(EXAMPLE, DATAPATH_ID, layout=learning):
        if rule.purpose in LEARNING_PURPOSES:
            yield rule
    yield Rule(Purpose.FORWARD_LEARNED, {"vlan_vid": 0, "eth_dst": "02:00:00:00:00:07"})
    yield Rule(Purpose.KNOWN_SOURCE, {"in_port": 7, "vlan_vid": 0, "eth_src": "02:00:00:00:00:07"})
    yield Rule(Purpose.LEARN_NOTHING, {"in_port": 9})


def _mute_rules() -> Iterator[Rule]:
    """The rules for a host at port 9 that sends too much ARP."""
    yield from mute_rules(EXAMPLE, DATAPATH_ID, 9, "02:00:00:00:00:09")


def _reply_rules() -> Iterator[Rule]:
    """The rules that copy the replies of the real server in dispatched mode."""
    (server,), (farm,) = EXAMPLE.virtual_servers.values(), EXAMPLE.farms.values()
    sources = (farm.reals[0].address.packed, server.address.packed)
    yield from copying_rules(HOME_AGENT, sources, server.port)
    yield Rule(Purpose.COPY_REPLY)


def _probe_rules() -> Iterator[Rule]:
    """The rules for the source of a probe, and for the answers of the real server to a ping and an ipmobile probe."""
    question: dict[str, Value] = {"eth_type": ETHERTYPE_IPV4, "ipv4_src": "10.1.1.9"}
    yield Rule(Purpose.DROP_FORGED_PROBE, question)
    yield Rule(Purpose.PASS_DISPATCHED, {**question, "eth_src": dispatch_match(KEY)})
    addresses = EXAMPLE.farms["HAFARM"].reals[0].address.packed, IPv4Address("10.1.1.9").packed
    yield answer_rule(HOME_AGENT, addresses, None)
    yield answer_rule(HOME_AGENT, addresses, (MOBILE_IP_PORT, 50000))


class Row(NamedTuple):
    """A rule in the table of docs/flows.md."""

    table: int
    priority: int
    cookie: str
    match: str
    action: str
    why: str


def _standing_row(rule: Rule) -> Row:
    action = f"{rule.action.value}, metered" if rule.meter else rule.action.value
    cookie, why = f"{rule.purpose.cookie:#x}", purpose_name(rule.purpose)
    if rule.purpose is Purpose.IGNORES_NORMAL:
        cookie = f"24 bits of a hash followed by {rule.purpose.cookie:08x}"
    if rule.purpose is Purpose.TAG_KEY:
        cookie = f"24 bits of the key followed by {rule.purpose.cookie:08x}"
    if rule.purpose in (Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE):
        cookie = f"24 bits of a number followed by {rule.purpose.cookie:08x}"
    return Row(rule.table.value, rule.priority, cookie, _fields(rule.match), action, why)


def _session_row(direct: bool) -> Row:
    (server,), (farm,) = EXAMPLE.virtual_servers.values(), EXAMPLE.farms.values()
    source = dispatch_address(DATAPATH_ID, KEY).hex(":")
    rewrites = session_rewrites(source, "HOME AGENT", farm.reals[0] if direct else None)
    action = f"set {_fields(rewrites)}; out to the home agent; idle time-out {server.idle} s"
    match = _fields(session_match("TAG", str(server.address), server.port))
    why = f"session, {'direct' if direct else 'dispatched'} mode"
    return Row(Table.SESSIONS.value, SESSION_PRIORITY, f"TAG followed by {COOKIE_MARK:x}", match, action, why)


def purpose_name(purpose: Purpose) -> str:
    """The name of a purpose as the document has it."""
    return purpose.name.lower().replace("_", " ")


def _fields(fields: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={_shown(name, value)}" for name, value in fields.items())


def _shown(name: str, value: Value) -> str:
    if isinstance(value, tuple):
        return _SECRET.sub("SECRET", "/".join(value))
    if name == "eth_type":
        return f"{value:#06x}"
    return "CONTROLLER" if value == OFPP_CONTROLLER else _SECRET.sub("SECRET", str(value))


def capability_table() -> Iterator[str]:
    """What a switch may be able to do."""
    yield "| token | capability | what it is for | found out by | without it |"
    yield "| --- | --- | --- | --- | --- |"
    for capability, row in CAPABILITIES.items():
        yield f"| `{capability.value}` | {' | '.join(row)} |"


def headers_by_mode() -> Iterator[str]:
    """A Mermaid drawing of a request's headers at each hop, and of its reply's, in either mode."""
    yield "```mermaid"
    yield "flowchart TB"
    for mode, is_direct in (("dispatched", False), ("direct", True)):
        yield f'    subgraph {mode}["{mode} mode"]'
        hops = list(_hops(is_direct))
        before: Mapping[str, str] = hops[0][1]
        for number, (hop, headers) in enumerate(hops, 1):
            is_reply = number == len(hops)
            rows = (f"{name} {value}{_marked(before[name] != value, is_reply)}" for name, value in headers.items())
            yield f'        {mode}{number}["hop {number}: {hop}<br/>{"<br/>".join(rows)}"]'
            before = headers
        yield f"        {' --> '.join(f'{mode}{number}' for number in range(1, len(hops)))}"
        yield f"        {mode}{len(hops) - 1} -.-> {mode}{len(hops)}"
        yield "    end"
    yield "```"


def _hops(is_direct: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Each hop of a request whose mobile has a session, and the headers that it has there; then those of the reply."""
    (server,), (farm,) = EXAMPLE.virtual_servers.values(), EXAMPLE.farms.values()
    real, port, pdsn = farm.reals[0], str(server.port), "10.1.1.101"
    request = {"eth_src": "PDSN", "eth_dst": chassis_address(DATAPATH_ID).hex(":")}
    request.update(ipv4_src=pdsn, ipv4_dst=str(server.address), udp_src=port, udp_dst=port)
    yield "PDSN to switch, and packet-in to the balancer", request
    tagged = {**request, "eth_src": "TAG"}
    yield "packet-out to table 1: the session's tag", tagged
    source = dispatch_address(DATAPATH_ID, KEY).hex(":")
    rewrites = session_rewrites(source, "HOME AGENT", real if is_direct else None)
    yield "switch to home agent", {**tagged, **{name: _shown(name, value) for name, value in rewrites.items()}}
    address = str(real.address) if is_direct else f"{server.address} or {real.address}"
    reply = {"eth_src": "HOME AGENT", "eth_dst": "PDSN", "ipv4_src": address, "ipv4_dst": pdsn}
    yield "reply, past the balancer", {**reply, "udp_src": port, "udp_dst": port}


def _marked(has_changed: bool, is_reply: bool) -> str:
    return " (set)" if has_changed and not is_reply else ""


PARTS: dict[str, dict[str, Callable[[], Iterator[str]]]] = {
    "architecture.md": {"headers by mode": headers_by_mode},
    "states.md": {
        "real server": lambda: state_machine(HEALTH_TRANSITIONS),
        "member": lambda: state_machine(ELECTION_TRANSITIONS),
        "role": lambda: state_machine(FENCING_TRANSITIONS),
        "follower": lambda: state_machine(FOLLOWER_TRANSITIONS),
    },
    "flows.md": {"standing rules": flow_table},
    "switches.md": {"capabilities": capability_table},
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
