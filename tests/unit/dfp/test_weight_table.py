"""The weights in force (draft-eck-dfp-01, sections 5.2 and 5.3; the chapter's ``show ip slb dfp weights``)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightRow, WeightTable

FIRST, SECOND = IPv4Address("10.1.1.51"), IPv4Address("10.1.1.52")
AGENT, OTHER_AGENT = AgentAddress(FIRST, 500), AgentAddress(SECOND, 500)
HOME_AGENT = Server(FIRST, 434, 17, 65535)


def test_a_row_holds_what_the_show_command_prints() -> None:
    """Real IP Address, Protocol, Port, Bind_ID, Weight; Set by Agent A:PORT at a time."""
    table = WeightTable()
    table.set(HOME_AGENT, 25, AGENT, 1000.0)
    assert table.rows() == [WeightRow(HOME_AGENT, 25, AGENT, 1000.0)]
    assert str(table.rows()[0].agent) == "10.1.1.51:500"


def test_rows_come_in_the_order_of_addresses() -> None:
    table = WeightTable()
    for last in (10, 9, 200):
        table.set(Server(IPv4Address(f"10.1.1.{last}"), 434, 17, 65535), 1, AGENT, 0)
    assert [str(row.server.address) for row in table.rows()] == ["10.1.1.9", "10.1.1.10", "10.1.1.200"]


def test_no_report_is_not_weight_0() -> None:
    """Section 5.2.1: 0 takes a server out of rotation; section 5.3: no report leaves it its static weight."""
    table = WeightTable()
    assert table.weight(FIRST) is None
    table.set(HOME_AGENT, 0, AGENT, 0)
    assert table.weight(FIRST) == 0


def test_the_newest_report_of_several_agents_counts() -> None:
    table = WeightTable()
    table.set(HOME_AGENT, 10, AGENT, 1)
    table.set(HOME_AGENT, 20, OTHER_AGENT, 2)
    assert table.weight(FIRST) == 20
    table.set(HOME_AGENT, 10, AGENT, 3)
    assert table.weight(FIRST) == 10
    assert len(table.rows()) == 1


def test_a_lost_agent_withdraws_only_its_own_reports() -> None:
    """Section 5.3: static weights for the servers that it reported on, unless another agent reports on them."""
    table = WeightTable()
    table.set(HOME_AGENT, 10, AGENT, 1)
    table.set(HOME_AGENT, 20, OTHER_AGENT, 2)
    table.set(Server(SECOND, 434, 17, 65535), 30, OTHER_AGENT, 2)
    table.withdraw(OTHER_AGENT)
    assert table.rows() == [WeightRow(HOME_AGENT, 10, AGENT, 1)]
    table.withdraw(AGENT)
    assert table.weight(FIRST) is None
    assert table.rows() == []


@pytest.mark.parametrize(
    ("server", "applies"),
    [
        (Server(FIRST, 434, 17, 0), True),
        (Server(FIRST, 0, 17, 65535), True),
        (Server(FIRST, 434, 0, 65535), True),
        (Server(FIRST, 0, 0, 65535), True),
        (Server(FIRST, 80, 17, 65535), False),
        (Server(FIRST, 434, 6, 65535), False),
        (Server(FIRST, 434, 17, 7), False),
        (Server(SECOND, 434, 17, 65535), False),
    ],
)
def test_wildcards_apply_to_a_home_agent_and_other_services_do_not(server: Server, applies: bool) -> None:
    """Section 5.2: port 0 and protocol 0 stand for any; a home agent is UDP, port 434, in a farm of bind id 0."""
    table = WeightTable()
    table.set(server, 5, AGENT, 0)
    assert table.weight(FIRST) == (5 if applies else None)


def test_the_exact_report_counts_before_the_wildcard() -> None:
    table = WeightTable()
    table.set(HOME_AGENT, 5, AGENT, 1)
    table.set(Server(FIRST, 0, 0, 65535), 9, AGENT, 2)
    assert table.weight(FIRST) == 5
    assert table.weight(FIRST, port=80, protocol=6) == 9
