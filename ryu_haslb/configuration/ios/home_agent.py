"""Reads the configuration of a home agent: the commands that the chapter gives for it.

The lab's home agents and their DFP agents read their configuration here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Optional

from ryu_haslb.configuration.home_agent_model import DfpAgentService, HomeAgentConfiguration, LoopbackInterface
from ryu_haslb.configuration.ios import unimplemented
from ryu_haslb.configuration.ios.actions import ignore, plain_password
from ryu_haslb.configuration.ios.blocks import END, EXIT, Blocks, Statement
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode
from ryu_haslb.configuration.ios.command_table import PREAMBLE
from ryu_haslb.language.diagnostics import Diagnostic, Diagnostics


def read_home_agent(text: str, source: str) -> tuple[HomeAgentConfiguration, tuple[Diagnostic, ...]]:
    """Read the configuration of a home agent and return it with the warnings; ``source`` names it in errors.

    Raises :class:`~ryu_haslb.language.diagnostics.ConfigurationError` with all errors found.
    """
    diagnostics = Diagnostics(source)
    draft = _Draft()
    Blocks(HOME_AGENT, draft, diagnostics).read(text)
    agent = draft.agent
    if agent is not None and agent.service.in_service and agent.service.port is None:
        diagnostics.error(agent.line, "the DFP agent is in service and has no port; expected 'port <1-65535>'")
    diagnostics.stop_on_errors()
    loopbacks = tuple(each.interface for each in draft.loopbacks.values() if each.interface is not None)
    configuration = HomeAgentConfiguration(loopbacks, draft.dynamic_address, agent.service if agent else None)
    return configuration, diagnostics.sorted_warnings()


@dataclass
class _LoopbackDraft:
    number: int
    interface: Optional[LoopbackInterface] = None


@dataclass
class _AgentDraft:
    line: int
    service: DfpAgentService = field(default_factory=DfpAgentService)


@dataclass
class _Draft:
    loopbacks: dict[int, _LoopbackDraft] = field(default_factory=dict)
    dynamic_address: Optional[IPv4Address] = None
    agent: Optional[_AgentDraft] = None


def _loopback(draft: _Draft, statement: Statement) -> _LoopbackDraft:
    number = statement.match["NUMBER"]
    return draft.loopbacks.setdefault(number, _LoopbackDraft(number))


def _no_loopback(draft: _Draft, statement: Statement) -> None:
    if draft.loopbacks.pop(statement.match["NUMBER"], None) is None:
        statement.warning(f"there is no interface Loopback{statement.match['NUMBER']} to remove")


def _loopback_address(loopback: _LoopbackDraft, statement: Statement) -> None:
    # Any mask is accepted, and any address in it: the chapter gives the virtual address as a host of a /24.
    address = statement.match["ADDRESS"]
    network = IPv4Network((address, statement.match["MASK"]), strict=False)
    loopback.interface = LoopbackInterface(loopback.number, address, network)


def _no_loopback_address(loopback: _LoopbackDraft, statement: Statement) -> None:
    address = statement.match.get("ADDRESS")
    if address is not None and (loopback.interface is None or loopback.interface.address != address):
        statement.warning(f"interface Loopback{loopback.number} has no address {address} to remove")
    else:
        loopback.interface = None


def _dynamic_address(draft: _Draft, statement: Statement) -> None:
    address = statement.match.get("ADDRESS")
    if "no" in statement.match and address not in (None, draft.dynamic_address):
        statement.warning(f"there is no dynamic-address {address} to remove")
    else:
        draft.dynamic_address = address if "no" not in statement.match else None


def _dfp_agent(draft: _Draft, statement: Statement) -> _AgentDraft:
    draft.agent = draft.agent or _AgentDraft(statement.line)
    return draft.agent


def _no_dfp_agent(draft: _Draft, _statement: Statement) -> None:
    draft.agent = None


def _change(agent: _AgentDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of the DFP agent, or with ``no`` return them to their defaults."""
    if "no" in statement.match:
        values = {name: getattr(DfpAgentService, name) for name in values}
    agent.service = replace(agent.service, **values)


def _port(agent: _AgentDraft, statement: Statement) -> None:
    _change(agent, statement, port=statement.match.get("PORT"))


def _interval(agent: _AgentDraft, statement: Statement) -> None:
    _change(agent, statement, interval=statement.match.get("SECONDS"))


def _password(agent: _AgentDraft, statement: Statement) -> None:
    timeout = statement.match.get("TIMEOUT", DfpAgentService.password_timeout)
    password = plain_password(statement) if "no" not in statement.match else None
    _change(agent, statement, password=password, password_timeout=timeout)


def _in_service(agent: _AgentDraft, statement: Statement) -> None:
    agent.service = replace(agent.service, in_service="no" not in statement.match)


LOOPBACK = Mode(
    "config-if",
    (
        Command(
            "ip address ADDRESS MASK",
            _loopback_address,
            "IP address: in dispatched mode the virtual home agent address",
        ),
        Command("no ip address [ADDRESS MASK]", _no_loopback_address, "Remove the IP address"),
        Command("[no] description [LINE]", ignore, "Description of the interface"),
        Command("no shutdown", ignore, "Accepted without effect: loopback interfaces are always up"),
        *unimplemented.LOOPBACK_COMMANDS,
        EXIT,
        END,
    ),
    {"no": "Negate a command or set its defaults", "ip": "Interface IP configuration"},
)

DFP_AGENT = Mode(
    "config-dfp",
    (
        Command("{port PORT<1-65535> | no port [PORT<1-65535>]}", _port, "TCP port on which the DFP agent listens"),
        Command(
            "{interval SECONDS<5-65535> | no interval [SECONDS<5-65535>]}",
            _interval,
            "Seconds between weight reports (default 10)",
        ),
        Command(
            "{password [0|7] PASSWORD [TIMEOUT<0-65535>] | no password [[0|7] PASSWORD [TIMEOUT<0-65535>]]}",
            _password,
            "Password of the DFP messages, and its timeout in seconds (default 180)",
        ),
        Command("[no] inservice", _in_service, "Place the DFP agent in service"),
        EXIT,
        END,
    ),
    {"no": "Negate a command or set its defaults"},
)

HOME_AGENT = Mode(
    "config",
    (
        Command("interface Loopback NUMBER<0-2147483647>", _loopback, "Loopback interface", LOOPBACK),
        Command("no interface Loopback NUMBER<0-2147483647>", _no_loopback, "Remove a loopback interface"),
        Command(
            "{ip mobile home-agent dynamic-address ADDRESS | no ip mobile home-agent dynamic-address [ADDRESS]}",
            _dynamic_address,
            "Home agent address in Registration Replies",
        ),
        Command("ip dfp agent ipmobile", _dfp_agent, "DFP agent", DFP_AGENT),
        Command("no ip dfp agent ipmobile", _no_dfp_agent, "Remove the DFP agent"),
        *PREAMBLE,
        *unimplemented.HOME_AGENT_COMMANDS,
        *unimplemented.WITHOUT_CRYPTO_COMMANDS,
        *unimplemented.GLOBAL_COMMANDS,
        EXIT,
        END,
    ),
    {"ip": "Mobile IP and the DFP agent", "no": "Negate a command or set its defaults"},
)
