"""The flows of a switch, read from the output of ``ovs-ofctl dump-flows``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FLAGS = frozenset({"send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"})


@dataclass(frozen=True)
class Flow:
    """One flow. ``match`` holds the fields without the priority; a field without a value (``udp``) maps to itself."""

    table: int
    priority: int
    cookie: int
    packets: int
    bytes: int
    duration: float
    idle_timeout: int
    hard_timeout: int
    flags: frozenset[str]
    match: Mapping[str, str]
    actions: str


def parse_flows(text: str) -> list[Flow]:
    """Read the output of ``ovs-ofctl dump-flows``. Lines that are not flows, such as the heading, are skipped."""
    return [_parse_flow(line.strip()) for line in text.splitlines() if "actions=" in line]


def _parse_flow(line: str) -> Flow:
    """Read ``cookie=0x1, duration=2.5s, table=0, n_packets=0, … priority=10,udp,tp_dst=434 actions=drop``.

    The attributes of the flow are separated by a comma and a space, the fields of its match by a comma alone.
    """
    description, _, actions = line.partition("actions=")
    *facts, tail = description.split(", ")
    words = tail.split()
    match_text = words.pop() if words and words[-1] not in FLAGS else ""
    known = dict(fact.partition("=")[::2] for fact in facts)
    match = {}
    for field in filter(None, match_text.split(",")):
        name, equals, value = field.partition("=")
        match[name] = value if equals else name
    return Flow(
        table=int(known["table"]),
        priority=int(match.pop("priority", "32768")),
        cookie=int(known["cookie"], 16),
        packets=int(known["n_packets"]),
        bytes=int(known["n_bytes"]),
        duration=float(known["duration"].rstrip("s")),
        idle_timeout=int(known.get("idle_timeout", "0")),
        hard_timeout=int(known.get("hard_timeout", "0")),
        flags=frozenset(words),
        match=match,
        actions=actions,
    )
