"""The home agent's side: the few commands that the chapter has a home agent configured with.

The lab's home agents and their DFP agent are set up from a file in this language.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Optional

from ryu_haslb.configuration.ios import unimplemented
from ryu_haslb.configuration.ios.actions import ignore, plain_password
from ryu_haslb.configuration.ios.blocks import END, EXIT, Blocks, Statement
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode
from ryu_haslb.configuration.ios.commands import PREAMBLE
from ryu_haslb.language.diagnostics import Diagnostic, Diagnostics


@dataclass(frozen=True)
class LoopbackInterface:
    """``interface LoopbackN`` / ``ip address A.B.C.D MASK``. In dispatched mode it holds the virtual address."""

    number: int
    address: IPv4Address
    network: IPv4Network


@dataclass(frozen=True)
class DfpAgentService:
    """``ip dfp agent ipmobile``: where weights are reported, at most ``interval`` seconds apart.

    ``password_timeout`` is how long, in seconds, the previous password is still good.
    """

    port: Optional[int] = None
    interval: int = 10
    password: Optional[str] = None
    password_timeout: int = 180
    in_service: bool = False


@dataclass(frozen=True)
class HomeAgentConfiguration:
    """What a home agent behind the balancer is told. ``dynamic_address`` is what its replies name as home agent."""

    loopbacks: tuple[LoopbackInterface, ...] = ()
    dynamic_address: Optional[IPv4Address] = None
    dfp_agent: Optional[DfpAgentService] = None


def read_home_agent(text: str, source: str) -> tuple[HomeAgentConfiguration, tuple[Diagnostic, ...]]:
    """Read a home agent's configuration and return it with the warnings; ``source`` names it in errors.

    Raises :class:`~ryu_haslb.language.diagnostics.ConfigurationError` with every error found.
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
    service: DfpAgentService = DfpAgentService()


@dataclass
class _Draft:
    loopbacks: dict[int, _LoopbackDraft] = field(default_factory=dict)
    dynamic_address: Optional[IPv4Address] = None
    agent: Optional[_AgentDraft] = None


def _loopback(draft: _Draft, statement: Statement) -> _LoopbackDraft:
    number = statement.match["NUMBER"]
    return draft.loopbacks.setdefault(number, _LoopbackDraft(number))


def _no_loopback(draft: _Draft, statement: Statement) -> None:
    draft.loopbacks.pop(statement.match["NUMBER"], None)


def _loopback_address(loopback: _LoopbackDraft, statement: Statement) -> None:
    # The chapter gives the virtual address as a host of a /24, and any mask will do for an address of one's own.
    address = statement.match["ADDRESS"]
    network = IPv4Network((address, statement.match["MASK"]), strict=False)
    loopback.interface = LoopbackInterface(loopback.number, address, network)


def _no_loopback_address(loopback: _LoopbackDraft, _statement: Statement) -> None:
    loopback.interface = None


def _dynamic_address(draft: _Draft, statement: Statement) -> None:
    draft.dynamic_address = statement.match.get("ADDRESS") if "no" not in statement.match else None


def _dfp_agent(draft: _Draft, statement: Statement) -> _AgentDraft:
    draft.agent = draft.agent or _AgentDraft(statement.line)
    return draft.agent


def _no_dfp_agent(draft: _Draft, _statement: Statement) -> None:
    draft.agent = None


def _change(agent: _AgentDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of the DFP agent, or with ``no`` set them back to what they are by default."""
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
    _change(agent, statement, in_service=True)


LOOPBACK = Mode(
    "config-if",
    (
        Command("ip address ADDRESS MASK", _loopback_address, "The address, in dispatched mode the virtual one"),
        Command("no ip address [ADDRESS MASK]", _no_loopback_address, "Remove the address"),
        Command("[no] description [LINE]", ignore, "A remark"),
        Command("no shutdown", ignore, "Loopback interfaces are always up"),
        *unimplemented.LOOPBACK_COMMANDS,
        EXIT,
        END,
    ),
    {"no": "Undo a command", "ip": "The interface's address"},
)

DFP_AGENT = Mode(
    "config-dfp",
    (
        Command("{port PORT<1-65535> | no port [PORT<1-65535>]}", _port, "Port that the DFP manager connects to"),
        Command("{interval SECONDS<5-65535> | no interval [SECONDS<5-65535>]}", _interval, "Between reports (10)"),
        Command("{password [0|7] PASSWORD [TIMEOUT<0-65535>] | no password [LINE]}", _password, "Key of the digests"),
        Command("[no] inservice", _in_service, "Put it in service"),
        EXIT,
        END,
    ),
    {"no": "Undo a command"},
)

HOME_AGENT = Mode(
    "config",
    (
        Command("interface Loopback NUMBER<0-2147483647>", _loopback, "A loopback interface", LOOPBACK),
        Command("no interface Loopback NUMBER<0-2147483647>", _no_loopback, "Remove a loopback interface"),
        Command(
            "{ip mobile home-agent dynamic-address ADDRESS | no ip mobile home-agent dynamic-address [ADDRESS]}",
            _dynamic_address,
            "Address that replies name as home agent",
        ),
        Command("ip dfp agent ipmobile", _dfp_agent, "The DFP agent", DFP_AGENT),
        Command("no ip dfp agent ipmobile", _no_dfp_agent, "Remove the DFP agent"),
        *PREAMBLE,
        *unimplemented.HOME_AGENT_COMMANDS,
        *unimplemented.WITHOUT_CRYPTO_COMMANDS,
        *unimplemented.GLOBAL_COMMANDS,
        EXIT,
        END,
    ),
    {"ip": "Mobile IP and the DFP agent", "no": "Undo a command"},
)
