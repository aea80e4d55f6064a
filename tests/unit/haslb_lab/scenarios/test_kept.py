"""What is proposed for a scenario that is left up, and what is said of IPsec: commands and texts for this chassis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haslb_lab.scenarios.associations import translations
from haslb_lab.scenarios.kept import invitation
from haslb_lab.scenarios.scenario import find

SHAPES = Path(__file__).parents[4] / "topologies" / "shapes"


class Lab:
    """Two sessions are still open at each of two home agents."""

    hosts = ("controller", "mobile1", "host1", "msfc1")

    def query(self, node: str, command: str) -> Any:
        assert (node, command) == ("controller", "show ip slb reals")
        return [{"conns": 2}, {"conns": 2}]


def invited(name: str, sessions: int) -> str:
    return "\n".join(invitation(Lab(), find(name).chassis(), sessions))  # type: ignore[arg-type]


def test_each_pdsn_is_proposed_with_its_own_users() -> None:
    """Steps 5 and 6 of each PDSN; one without registered users has none to deregister."""
    file = str(SHAPES / "two-pdsns.yaml")
    names = [pdsn.name for pdsn in find(file).chassis().pdsns]
    text = invited(file, 5)
    for name, users in zip(names, ("1 3", "4 2")):
        assert f"    haslb-lab prompt {name} deregister {users}" in text
        assert f"    haslb-lab prompt {name} register {users}" in text
    assert f"prompt {names[1]} deregister" not in invited(file, 1)


def test_the_idle_time_of_sessions_is_printed() -> None:
    """Chapter: examples 5 and 6 have no idle time, so IOS' 10 seconds are in force."""
    assert "10 at IPSECSLB (idle ipmobile request, the default)" in invited("direct-ipsec-tunnel", 4)
    assert "300 at MIPSLB (idle ipmobile request)." in invited("direct-static", 4)
    assert "has 4 of 4 sessions open" in invited("direct-static", 4)


def test_nodes_without_commands_are_named_once() -> None:
    assert "and in host1, msfc1:" in invited("direct-static", 4)


def test_each_replaced_algorithm_is_reported_once_with_its_node() -> None:
    """Algorithms that no current package has are replaced, and the operator can read by which."""
    said = list(translations(find("direct-ipsec-transport").chassis()))
    assert len(set(said)) == len(said) == 4
    assert (
        "transform set esp-des-sha-transport: ah-sha-hmac -> esp-sha-hmac: userspace ESP has no AH (SLB1-7600)" in said
    )
    assert sum(text.endswith("(PDSN-7600, SLB1-7600)") for text in said) == 3
    assert list(translations(find("direct-static").chassis())) == []
