"""Tunnels to mobiles that send their own packets directly: no T flag (RFC 5944 section 4.2, RFC 3024)."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import wait_until
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from tunnelled import CARE_OF, CORRESPONDENT, HOME_AGENTS, HOST, PDSN, tunnelled

pytestmark = pytest.mark.lab

#: Seconds: a busy machine looks at the tunnels before they end.
LIFETIME = 15


def test_without_the_t_flag_the_way_back_is_direct(tmp_path: Path) -> None:
    """RFC 5944 section 4.2: the tunnel leads to the mobile only. Its lifetime over, it is gone at both ends."""
    with tunnelled(tmp_path, False, "--lifetime", str(LIFETIME)) as running:
        running.register()
        node, home = running.home_agent("mobile1"), running.home_address("mobile1")
        with running.lab.capture(HOST) as capture:
            assert "3 received" in running.ping("mobile1", CORRESPONDENT)
            request = Ether(capture.wait_for(lambda frame: ICMP in Ether(frame)))
        assert (request[IP].src, request[IP].ttl) == (home, 62), "past PDSN and MSFC"
        (there,) = running.tunnels(node)["tunnels"]
        assert (there["mode"], there["packets_in"], there["packets_out"]) == ("reverse-off", 0, 3)
        (neighbour,) = set(HOME_AGENTS) - {node}
        injected = IP(src=CARE_OF, dst=HOME_AGENTS[node]) / IP(src=home, dst=CORRESPONDENT) / UDP()
        running.send(neighbour, (node, f"{node}-eth0"), injected)
        wait_until(lambda: running.dropped(node) == {"not_reverse": 1}, "the home agent has dropped it")
        ends = (PDSN, *HOME_AGENTS)
        wait_until(lambda: not any(running.tunnels(end)["total"] for end in ends), "the tunnels are gone")
        wait_until(lambda: running.home_address("mobile1") is None, "the mobile has no address")
        running.lab.node(node).cmd("ip link delete tunnel0")
        wait_until(lambda: "tunnel0 was removed" in running.lab.log(node), "the home agent has noticed")
        assert running.tunnels(node)["total"] == 0, "it still answers"
