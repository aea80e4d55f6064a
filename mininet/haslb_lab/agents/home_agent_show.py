"""The ``show`` outputs of a home agent, as IOS prints them and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from haslb_lab.agents.bindings import Binding
from haslb_lab.agents.home_agent_registrations import Traffic
from haslb_lab.node.show_text import identification_text, json_lines, lifetime_text, remaining, remaining_text
from ryu_haslb.mobile_ip.identity import IdentityKind
from ryu_haslb.mobile_ip.registration import ReplyCode, describe_code

HEADING = "Mobility Binding List:"


def summary_text(total: int) -> Iterator[str]:
    """``show ip mobile binding summary``, as in the chapter."""
    yield HEADING
    yield f"Total {total}"


def summary_json(total: int) -> Iterator[str]:
    """The summary as JSON."""
    yield json.dumps({"total": total})


def bindings_text(bindings: Sequence[Binding], now: float) -> Iterator[str]:
    """``show ip mobile binding``."""
    yield from summary_text(len(bindings))
    for binding in bindings:
        yield f"{binding.identity}:"
        yield f"    Home Addr {binding.home_address}"
        yield f"    Care-of Addr {binding.care_of_address}, Src Addr {binding.source}"
        left = remaining_text(binding.expires, now)
        yield f"    Lifetime granted {lifetime_text(binding.lifetime)}, remaining {left}"
        yield f"    Flags {binding.flags.letters}, Identification {identification_text(binding.identification)}"


def bindings_json(bindings: Sequence[Binding], now: float) -> Iterator[str]:
    """The bindings as one JSON document, a line each; lifetimes in seconds, ``remaining`` null for ever."""
    return json_lines({"total": len(bindings)}, "bindings", (_binding(binding, now) for binding in bindings))


def _binding(binding: Binding, now: float) -> dict[str, object]:
    return {
        "nai": str(binding.identity) if binding.identity.kind is IdentityKind.NAI else None,
        "home_address": str(binding.home_address),
        "care_of_address": str(binding.care_of_address),
        "source_address": str(binding.source),
        "lifetime": binding.lifetime,
        "remaining": remaining(binding.expires, now),
        "flags": binding.flags.letters,
        "identification": f"{binding.identification:016X}",
    }


def traffic_text(traffic: Traffic, send_errors: int) -> Iterator[str]:
    """``show ip mobile traffic``."""
    yield "IP Mobility traffic:"
    yield "Home Agent Registrations:"
    yield f"    Requests received {traffic.received}"
    yield f"    Accepted {traffic.registered + traffic.deregistered}, Denied {sum(traffic.denied.values())}"
    yield f"    Register {traffic.registered}, Deregister {traffic.deregistered} accepted"
    yield f"    Malformed {traffic.malformed}, Unrecognized extension {traffic.unrecognised} ignored"
    yield f"    Replies not sent {send_errors}"
    yield "Denied by code:"
    for code in ReplyCode:
        if code >= ReplyCode.REASON_UNSPECIFIED:
            yield f"    {describe_code(code)} {traffic.denied[code]}"


def traffic_json(traffic: Traffic, send_errors: int) -> Iterator[str]:
    """The counters as JSON; ``denied`` has an entry for each reply code that was sent."""
    yield json.dumps(
        {
            "received": traffic.received,
            "accepted": traffic.registered + traffic.deregistered,
            "registered": traffic.registered,
            "deregistered": traffic.deregistered,
            "denied": {str(int(code)): count for code, count in sorted(traffic.denied.items())},
            "malformed": traffic.malformed,
            "unrecognized": traffic.unrecognised,
            "send_errors": send_errors,
        }
    )


def cleared(count: int, as_json: bool) -> Iterator[str]:
    """The answer to ``clear ip mobile binding``."""
    yield json.dumps({"cleared": count}) if as_json else f"Cleared {count} binding{'' if count == 1 else 's'}"
