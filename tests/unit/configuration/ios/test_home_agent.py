"""The home agent's side of the configuration."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.configuration.home_agent_model import DfpAgentService, HomeAgentConfiguration, LoopbackInterface
from ryu_haslb.configuration.ios.home_agent import read_home_agent
from ryu_haslb.language.diagnostics import ConfigurationError

CHAPTER = Path(__file__).parents[4] / "topologies" / "chapter" / "home-agent"

LOOPBACK = LoopbackInterface(1, IPv4Address("10.1.1.10"), IPv4Network("10.1.1.0/24"))
ADDRESS = IPv4Address("10.1.1.51")
AGENT = DfpAgentService(500, in_service=True)


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        ("1-dispatched-static.ios", HomeAgentConfiguration((LOOPBACK,), ADDRESS)),
        ("2-dispatched-dfp.ios", HomeAgentConfiguration((LOOPBACK,), ADDRESS, AGENT)),
        ("4-direct-dfp.ios", HomeAgentConfiguration(dfp_agent=AGENT)),
    ],
)
def test_a_home_agent_of_the_chapter_reads_without_a_warning(file: str, meaning: HomeAgentConfiguration) -> None:
    """Chapter 7, HA-SLB Configuration Examples, "Configuration on HA"."""
    assert read_home_agent((CHAPTER / file).read_text(), file) == (meaning, ())


def agent(commands: str) -> DfpAgentService:
    service = read_home_agent("ip dfp agent ipmobile\n" + commands, "ha.ios")[0].dfp_agent
    assert service is not None
    return service


def test_the_commands_of_the_dfp_agent() -> None:
    assert agent("") == DfpAgentService(None, 10, None, 180, False)
    commands = "port 500\ninterval 5\npassword 7 0822455D0A16 60\ninservice\n"
    assert agent(commands) == DfpAgentService(500, 5, "cisco", 60, True)
    assert agent(commands + "no inservice\nno password\nno interval\nno port") == DfpAgentService()


def test_no_removes_what_was_configured() -> None:
    text = (CHAPTER / "2-dispatched-dfp.ios").read_text()
    removal = "no interface Loopback1\nno ip mobile home-agent dynamic-address\nno ip dfp agent ipmobile\n"
    assert read_home_agent(text + removal, "ha.ios")[0] == HomeAgentConfiguration()
    assert read_home_agent(text + "interface Loopback1\nno ip address", "ha.ios")[0].loopbacks == ()


def test_a_dfp_agent_in_service_needs_a_port() -> None:
    with pytest.raises(ConfigurationError, match=r"ha.ios:1: .*expected 'port <1-65535>'"):
        agent("inservice")


def test_the_balancers_commands_are_no_home_agents() -> None:
    with pytest.raises(ConfigurationError, match=r"ha.ios:1: "):
        read_home_agent("ip slb serverfarm HAFARM\n", "ha.ios")


def test_other_commands_of_a_home_agent_are_named_and_ignored() -> None:
    _, warnings = read_home_agent("router mobile\nip mobile home-agent replay 255\nip mobile host x\n", "ha.ios")
    assert [warning.line for warning in warnings] == [1, 2, 3]


@given(st.text())
def test_any_text_is_a_configuration_or_the_one_error(text: str) -> None:
    try:
        read_home_agent(text, "ha.ios")
    except ConfigurationError as error:
        assert error.errors
