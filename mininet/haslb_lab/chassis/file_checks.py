"""Checks the configuration files that a description names, and whether they agree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Optional, TypeVar, Union

from haslb_lab.chassis.description import Description, HomeAgent, LineCardPort, Pdsn
from ryu_haslb.configuration.ios.home_agent import read_home_agent
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration, Port
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic, Diagnostics
from ryu_haslb.language.values import vlan_ranges
from ryu_haslb.language.wording import listed

Read = TypeVar("Read")


def check_files(description: Description, diagnostics: Diagnostics) -> None:
    """Record the errors of the files, at their own lines, and where they disagree with the description."""
    balancer = _read(_configuration, description.balancer.configuration, diagnostics)
    if balancer is not None:
        _check_reals(description, balancer, diagnostics)
        _check_virtual_servers(description, balancer, diagnostics)
        _check_datapaths(description, balancer, diagnostics)
        _check_vlan_interfaces(description, balancer, diagnostics)
        _check_outside_ports(description, balancer, diagnostics)
        if balancer.dfp is not None and balancer.dfp.agents and description.balancer.vlan is None:
            text = f"the DFP manager of {description.balancer.configuration.name} has no address among its agents"
            diagnostics.error(description.balancer.line, f"{text}; expected 'vlan' and 'address' of the balancer")
    for agent in description.home_agents:
        if agent.configuration is not None:
            _check_home_agent(agent, agent.configuration, diagnostics)
    for pdsn in description.pdsns:
        if pdsn.configuration is not None:
            _check_pdsn(pdsn, pdsn.configuration, diagnostics)


def _read(read: Callable[[Path], Read], path: Path, diagnostics: Diagnostics) -> Optional[Read]:
    try:
        return read(path)
    except ConfigurationError as error:
        diagnostics.errors += error.errors
    except (OSError, UnicodeDecodeError) as error:
        diagnostics.errors.append(Diagnostic(str(path), 0, f"cannot be read: {error}"))
    return None


def _configuration(path: Path) -> Configuration:
    return load(path).configuration


def _check_reals(description: Description, balancer: Configuration, diagnostics: Diagnostics) -> None:
    """Record real servers in service that no node is. The lab would wait for them and they would never answer."""
    addresses = {agent.address.ip for agent in description.home_agents}
    for farm in balancer.farms.values():
        for real in farm.reals:
            if real.in_service and real.address not in addresses:
                text = f"real {real.address} of farm {farm.name} in {description.balancer.configuration.name}"
                homes = listed(map(str, sorted(addresses))) or "some under sami"
                expected = f"expected {homes}, or 'no inservice' there"
                diagnostics.error(
                    description.balancer.line, f"{text} is not a home agent of the description; {expected}"
                )


def _check_virtual_servers(description: Description, balancer: Configuration, diagnostics: Diagnostics) -> None:
    """Record PDSNs whose requests go to neither a virtual server nor a home agent."""
    virtual = {server.address for server in balancer.virtual_servers.values()}
    known = virtual | {agent.address.ip for agent in description.home_agents}
    for pdsn in description.pdsns:
        if pdsn.home_agent not in known:
            text = f"{pdsn.name} sends its requests to {pdsn.home_agent}, which is not a virtual server's address"
            diagnostics.error(pdsn.line, f"{text}; expected {listed(map(str, virtual)) or 'one in the configuration'}")


def _check_datapaths(description: Description, balancer: Configuration, diagnostics: Diagnostics) -> None:
    for chassis in description.supervisors:
        if balancer.datapaths and chassis.datapath_id not in balancer.datapaths:
            file = description.balancer.configuration.name
            text = f"datapath {chassis.datapath_id} of {chassis.name} is not among the datapaths that {file} serves"
            diagnostics.error(chassis.line, f"{text}; expected it there, or no datapath_id here")


def _check_home_agent(agent: HomeAgent, path: Path, diagnostics: Diagnostics) -> None:
    """Check that the address in replies is the home agent's own."""
    read = _read(lambda each: read_home_agent(each.read_text("utf-8"), str(each)), path, diagnostics)
    if read is None or read[0].dynamic_address is None:
        return
    own = {agent.address.ip, *(loopback.address for loopback in read[0].loopbacks)}
    if read[0].dynamic_address not in own:
        text = f"{path.name} has dynamic-address {read[0].dynamic_address}, which {agent.name} does not have"
        diagnostics.error(agent.line, f"{text}; expected {listed(map(str, own))}")


def _check_vlan_interfaces(description: Description, balancer: Configuration, diagnostics: Diagnostics) -> None:
    """Check ``interface VlanN``: the balancer assumes that the hosts of its network are adjacent, in that VLAN."""
    for interface in balancer.vlan_interfaces:
        name = f"interface Vlan{interface.vlan} in {description.balancer.configuration.name}"
        there = [
            (chassis, chassis.interfaces[interface.vlan])
            for chassis in description.supervisors
            if interface.vlan in chassis.interfaces
        ]
        if not there:
            text = f"{name} has {interface.address}, but no supervisor has an interface in VLAN {interface.vlan}"
            diagnostics.error(description.balancer.line, f"{text}; expected one in the description, or none there")
        elif interface.network not in [each.network for _, each in there]:
            chassis, expected = there[0]
            text = f"{name} is in {interface.network}, and Vlan{interface.vlan} of {chassis.name} is not"
            diagnostics.error(chassis.vlans[interface.vlan].line, f"{text}; expected {expected} in both")
        elif interface.crypto_map is not None and interface.address not in [each.ip for _, each in there]:
            chassis, expected = there[0]
            text = f"{name} has a crypto map and {interface.address}, which is not the address of {chassis.name}"
            diagnostics.error(chassis.vlans[interface.vlan].line, f"{text}; expected {expected} in both")


def _check_outside_ports(description: Description, balancer: Configuration, diagnostics: Diagnostics) -> None:
    """Check that both name the same encrypted ports: otherwise clear text is accepted, or requests are dropped."""
    file = description.balancer.configuration.name
    configured = {port.name: port for port in balancer.ports}
    for chassis in description.supervisors:
        for port in chassis.line_cards.values():
            other = configured.get(str(port.name))
            connects = [_crypto_connect(each) for each in (port, other)]
            if connects[0] != connects[1]:
                text = f"{port.name} of {chassis.name} has {connects[0]} here and {connects[1]} in {file}"
                diagnostics.error(port.line, f"{text}; expected the same")
        protected = any(port.crypto_connect_vlan is not None for port in chassis.line_cards.values())
        module = chassis.ipsec_module
        for end in (module.inside, module.outside) if module and protected else ():
            trunk = configured.get(str(end.name))
            if trunk is None or trunk.allowed_vlans != frozenset(end.allowed_vlans):
                text = f"{end.name} of {chassis.name} is not the same trunk in {file}"
                vlans = vlan_ranges(end.allowed_vlans)
                diagnostics.error(end.line, f"{text}; expected 'switchport trunk allowed vlan {vlans}' there")


def _crypto_connect(port: Union[LineCardPort, Port, None]) -> str:
    vlan = port.crypto_connect_vlan if port is not None else None
    return "no crypto connect vlan" if vlan is None else f"crypto connect vlan {vlan}"


def _check_pdsn(pdsn: Pdsn, path: Path, diagnostics: Diagnostics) -> None:
    """Check that a PDSN's crypto map is at the interface of its cable, which has its address."""
    configuration = _read(_configuration, path, diagnostics)
    if configuration is None:
        return
    protected = {port.name: port for port in configuration.ports if port.crypto_map is not None}
    if protected and pdsn.interface not in protected:
        text = f"{pdsn.name} is cabled by {pdsn.interface}, which has no crypto map in {path.name}"
        diagnostics.error(pdsn.line, f"{text}; expected 'interface: {listed(protected)}'")
    for port in configuration.ports:
        if port.name == pdsn.interface and port.address is not None and port.address != pdsn.address:
            text = f"{pdsn.name} has {pdsn.address} here and {port.address} at {port.name} in {path.name}"
            diagnostics.error(pdsn.line, f"{text}; expected the same")
