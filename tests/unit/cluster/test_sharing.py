"""What a member publishes while it leads, and takes over while it stands by."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

from cluster_member import leading_member

from ryu_haslb.cluster.election import View
from ryu_haslb.cluster.health_rows import Clocks
from ryu_haslb.cluster.sharing import Sharing
from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import Health

CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)


def test_a_former_leader_has_the_health_that_the_cluster_has_and_not_what_it_has_judged_while_it_was_cut_off() -> None:
    """The rows of the new leader may come before the election shows it: then they do not change again."""
    member, balancer = leading_member(), Balancer(CONFIGURATION)
    dfp: Any = SimpleNamespace(weights=SimpleNamespace(limit_inherited=lambda _: None))
    fleet: Any = SimpleNamespace(switches={})
    sharing = Sharing(member, fleet, balancer, dfp, lambda: Clocks(1000.0, 1_800_000_000.0))
    member.on_change = lambda: sharing.on_leadership_changed(1000.0)
    member.on_change()
    (real,) = balancer.reals()
    sharing._on_health([])
    real.take_over_health(Health.FAILED, 990.0)
    sharing._on_health([])
    assert real.health is Health.FAILED, "it leads"
    for action in member.election.observe(View(True, False, 2, "member-b"), 1000.0):
        member.act(action)
    assert (member.is_leading, real.health) == (False, Health.OPERATIONAL)
