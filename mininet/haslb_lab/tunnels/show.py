"""``show ip mobile tunnel``, as IOS prints it and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from haslb_lab.node.show_text import json_lines
from haslb_lab.tunnels.endpoint import MTU
from haslb_lab.tunnels.tunnel import Drop, Side, Tunnel, Tunnels


def tunnels_text(tunnels: Tunnels) -> Iterator[str]:
    """The tunnels as IOS prints them, and the dropped packets by reason."""
    yield "Mobile Tunnels:"
    yield f"Total mobile ip tunnels {len(tunnels)}"
    for tunnel in tunnels:
        yield f"Tunnel{tunnel.number}:"
        yield f"    src {tunnel.source}, dest {tunnel.destination}"
        yield f"    encap IP/IP, mode {_mode(tunnel)}, tunnel-users {tunnel.users}"
        yield f"    IP MTU {MTU} bytes"
        yield f"    {tunnels.side.value} created, fast switching disabled, ICMP unreachable enabled"
        yield f"    {tunnel.packets_in} packets input, {tunnel.bytes_in} bytes, {tunnel.drops_in} drops"
        yield f"    {tunnel.packets_out} packets output, {tunnel.bytes_out} bytes"
    counts = ", ".join(f"{drop.value.replace('_', ' ')} {tunnels.drops[drop]}" for drop in Drop if tunnels.drops[drop])
    yield f"Dropped: {counts or 'none'}"


def tunnels_json(tunnels: Tunnels) -> Iterator[str]:
    """The tunnels as one JSON document, a line each. ``dropped`` has every reason."""
    dropped = {drop.value: tunnels.drops[drop] for drop in Drop}
    return json_lines(
        {"total": len(tunnels), "dropped": dropped}, "tunnels", (_tunnel(tunnels.side, t) for t in tunnels)
    )


def _tunnel(side: Side, tunnel: Tunnel) -> dict[str, object]:
    return {
        "number": tunnel.number,
        "source": str(tunnel.source),
        "destination": str(tunnel.destination),
        "encapsulation": "IP/IP",
        "mode": _mode(tunnel),
        "users": tunnel.users,
        "created_by": side.value,
        "packets_in": tunnel.packets_in,
        "bytes_in": tunnel.bytes_in,
        "drops_in": tunnel.drops_in,
        "packets_out": tunnel.packets_out,
        "bytes_out": tunnel.bytes_out,
    }


def _mode(tunnel: Tunnel) -> str:
    return "reverse-allowed" if tunnel.reverse_users else "reverse-off"
