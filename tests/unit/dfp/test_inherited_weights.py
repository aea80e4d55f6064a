"""A new leader of a cluster uses what agents have reported to the one before, until they report to it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional

import pytest

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import Connect, SetWeight
from ryu_haslb.dfp.configured_agents import DfpAgents, Link
from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightRow, WeightTable

FIRST, SECOND = IPv4Address("10.1.1.51"), IPv4Address("10.1.1.52")
AGENT, OTHER_AGENT = AgentAddress(FIRST, 500), AgentAddress(SECOND, 500)


def row(address: IPv4Address, weight: int, agent: AgentAddress) -> WeightRow:
    return WeightRow(Server(address, 434, 17, 65535), weight, agent, 0.0)


def inherited(until: Optional[float] = None) -> WeightTable:
    table = WeightTable()
    table.inherit([row(FIRST, 9, AGENT), row(SECOND, 7, OTHER_AGENT)], until)
    return table


def test_an_inherited_weight_is_in_force_until_its_agent_reports() -> None:
    table = inherited()
    assert (table.weight(FIRST), table.weight(SECOND)) == (9, 7)
    table.set(Server(FIRST, 434, 17, 65535), 3, AGENT, 1.0)
    assert (table.weight(FIRST), table.weight(SECOND)) == (3, 7)
    assert [each.weight for each in table.rows()] == [3, 7]


def test_a_report_of_an_agent_replaces_all_that_was_inherited_from_it() -> None:
    """It may no longer report on a server: then the static weight holds (section 5.3)."""
    table = inherited()
    table.set(Server(IPv4Address("10.1.1.53"), 434, 17, 65535), 3, AGENT, 1.0)
    assert (table.weight(FIRST), table.weight(SECOND)) == (None, 7)


def test_a_lost_agent_takes_the_inherited_weights_with_it() -> None:
    table = inherited()
    table.withdraw(AGENT)
    assert (table.weight(FIRST), table.weight(SECOND)) == (None, 7)


def test_inherited_weights_last_a_stated_time() -> None:
    table = inherited(60.0)
    assert not table.expire(59.9)
    assert table.weight(FIRST) == 9
    assert table.expire(60.0)
    assert table.weight(FIRST) is None and table.rows() == []
    table = inherited()
    assert not table.expire(1e9)
    table.limit_inherited(1e9)
    assert table.expire(1e9)


def test_what_an_agent_reports_here_is_not_replaced_by_what_it_reports_elsewhere() -> None:
    table = WeightTable()
    table.set(Server(FIRST, 434, 17, 65535), 3, AGENT, 1.0)
    table.inherit([row(FIRST, 9, AGENT)], None)
    assert table.weight(FIRST) == 3


@pytest.mark.parametrize(("agent", "expected"), [(AGENT, 9), (OTHER_AGENT, None), (AgentAddress(FIRST, 501), None)])
def test_only_weights_that_a_configured_agent_may_set_are_inherited(
    agent: AgentAddress, expected: Optional[int]
) -> None:
    """An agent may set the weights of its own address and of those that its command names."""
    changes: list[Optional[object]] = []
    agents = DfpAgents(
        DfpManager(agents=(DfpAgent(FIRST, 500), DfpAgent(SECOND, 500))), changes.append, SilentLink, lambda: 0.0
    )
    agents.inherit_weights([row(FIRST, 9, agent)], 60.0)
    assert (agents.weights.weight(FIRST), changes) == (expected, [None])
    agents.tick(60.0)
    assert agents.weights.weight(FIRST) is None


class SilentLink(Link):
    """A link whose agent never answers."""

    def connect(self, target: Connect) -> None:
        """Wait."""


def test_reports_are_no_inheritance() -> None:
    """``SetWeight`` of the agent itself goes into the table as before."""
    agents = DfpAgents(DfpManager(agents=(DfpAgent(FIRST, 500),)), lambda _: None, SilentLink, lambda: 5.0)
    agents.set_weights(agents.links[0].connection, [SetWeight(Server(FIRST, 434, 17, 65535), 4)])
    assert agents.weights.weight(FIRST) == 4
