"""ESP in the kernel: whether it is there, and the packets that it has dropped."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from haslb_lab.node.ip_command import ip

_STATISTICS = Path("/proc/net/xfrm_stat")


def is_available() -> bool:
    """Whether the kernel takes a security association for ESP, tried in this namespace."""
    state = ["src", "127.0.0.1", "dst", "127.0.0.1", "proto", "esp", "spi", "0x100"]
    keys = ["mode", "tunnel", "enc", "cbc(aes)", f"0x{bytes(16).hex()}", "auth", "hmac(sha1)", f"0x{bytes(20).hex()}"]
    try:
        ip("xfrm", "state", "add", *state, *keys)
        ip("xfrm", "state", "delete", *state)
    except OSError:
        return False
    return True


class Dropped(NamedTuple):
    """Packets that could not be encrypted, and packets that were not accepted."""

    outbound: int
    inbound: int


def dropped() -> Dropped:
    """What the ESP of this namespace's kernel has dropped; nothing where it has none."""
    try:
        lines = _STATISTICS.read_text().splitlines()
    except FileNotFoundError:
        return Dropped(0, 0)
    counters = {name: int(value) for name, value in (line.split() for line in lines)}
    return Dropped(_sum(counters, "XfrmOut"), _sum(counters, "XfrmIn"))


def _sum(counters: dict[str, int], prefix: str) -> int:
    return sum(value for name, value in counters.items() if name.startswith(prefix))
