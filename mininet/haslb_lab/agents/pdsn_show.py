"""The ``show`` outputs of a PDSN, as IOS prints them and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence

from haslb_lab.agents.foreign_agent import Traffic
from haslb_lab.agents.visitors import Visitor
from haslb_lab.node.show_text import identification_text, json_lines, lifetime_text, remaining, remaining_text

HEADING = "Mobile Visitor List:"


def summary_text(total: int) -> Iterator[str]:
    """``show ip mobile visitor summary``."""
    yield HEADING
    yield f"Total {total}"


def summary_json(total: int) -> Iterator[str]:
    """The summary as JSON."""
    yield json.dumps({"total": total})


def visitors_text(visitors: Sequence[Visitor], now: float) -> Iterator[str]:
    """``show ip mobile visitor``."""
    yield from summary_text(len(visitors))
    for visitor in visitors:
        left = remaining_text(visitor.expires, now)
        yield f"{visitor.nai}:"
        yield f"    Home addr {visitor.home_address}"
        yield f"    HA addr {visitor.home_agent}, Identification {identification_text(visitor.identification)}"
        yield f"    Lifetime {lifetime_text(visitor.lifetime)} Remaining {left}"
        yield f"    Retransmissions {visitor.retransmissions}, registered after {visitor.time_to_register:.3f} s"


def visitors_json(visitors: Sequence[Visitor], now: float) -> Iterator[str]:
    """The visitors as one JSON document, a line each. Times are in seconds; ``remaining`` is null if infinite."""
    return json_lines({"total": len(visitors)}, "visitors", (_visitor(visitor, now) for visitor in visitors))


def _visitor(visitor: Visitor, now: float) -> dict[str, object]:
    return {
        "user": visitor.user,
        "nai": visitor.nai,
        "home_address": str(visitor.home_address),
        "home_agent": str(visitor.home_agent),
        "identification": f"{visitor.identification:016X}",
        "lifetime": visitor.lifetime,
        "remaining": remaining(visitor.expires, now),
        "retransmissions": visitor.retransmissions,
        "time_to_register": round(visitor.time_to_register, 6),
    }


def traffic_text(traffic: Traffic, send_errors: int) -> Iterator[str]:
    """``show ip mobile traffic``."""
    yield "IP Mobility traffic:"
    yield "Foreign Agent Registrations:"
    yield f"    Requests sent {traffic.sent}, of these retransmitted {traffic.retransmitted}, not sent {send_errors}"
    yield f"    Replies received {traffic.received}"
    yield f"    Accepted {traffic.accepted}, Denied {traffic.denied}"
    yield f"    Malformed {traffic.malformed}, Unmatched {traffic.unmatched} ignored"
    yield f"    Authentication failed {traffic.failed_authentication} ignored"


def traffic_json(traffic: Traffic, send_errors: int) -> Iterator[str]:
    """The counters as JSON."""
    yield json.dumps({**dataclasses.asdict(traffic), "send_errors": send_errors})


def cleared(count: int, as_json: bool) -> Iterator[str]:
    """The answer to ``clear ip mobile visitor``."""
    yield json.dumps({"cleared": count}) if as_json else f"Cleared {count} visitor{'' if count == 1 else 's'}"
