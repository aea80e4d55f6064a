"""Writes a configuration as IOS commands, as ``show running-config`` does: defaults are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ryu_haslb.configuration.ios.crypto_writer import access_lists, crypto_commands
from ryu_haslb.configuration.ios.password import encrypt
from ryu_haslb.configuration.model import (
    DFP_PASSWORD_TIMEOUT,
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Drain,
    Port,
    Predictor,
    Probe,
    RealServer,
    ServerFarm,
    StaticLocation,
    VirtualServer,
    default_probe,
)
from ryu_haslb.language.values import dotted_mac, vlan_ranges
from ryu_haslb.language.wording import MASK

_SECRET = re.compile(r"(?<=crypto isakmp key ).*(?= address )|(?<=ip slb dfp password 7 )\S+")

#: The initial number of ``ip slb entries conn``, which has no effect here: the default of IOS.
INITIAL_SESSIONS = 8000


def write_configuration(configuration: Configuration, *, with_secrets: bool = True) -> str:
    """The commands of a configuration, from which it can be read again.

    Without secrets, keys and passwords are masked.
    """
    lines = _configuration(configuration)
    return "".join(f"{line}\n" for line in (lines if with_secrets else map(masked, lines)))


def has_secrets(configuration: Configuration) -> bool:
    """Whether a configuration has a pre-shared key or a DFP password."""
    return bool(configuration.crypto.keys) or (configuration.dfp is not None and configuration.dfp.password is not None)


def masked(command: str) -> str:
    """A command of :func:`write_configuration` with its pre-shared key or DFP password masked.

    The type 7 of a password is masked too: it is an encoding that anyone can reverse.
    """
    return _SECRET.sub(MASK, command)


def _configuration(configuration: Configuration) -> Iterator[str]:
    yield from map(_datapath, configuration.datapaths.values())
    for probe in configuration.probes.values():
        yield from _probe(probe)
        yield "!"
    for farm in configuration.farms.values():
        yield from _farm(farm)
        yield "!"
    if configuration.max_sessions is not None:
        yield f"ip slb entries conn {min(INITIAL_SESSIONS, configuration.max_sessions)} {configuration.max_sessions}"
        yield "!"
    for server in configuration.virtual_servers.values():
        yield from _virtual_server(server)
        yield "!"
    if configuration.dfp is not None:
        yield from _dfp(configuration.dfp)
        yield "!"
    yield from crypto_commands(configuration.crypto)
    for port in configuration.ports:
        yield from _port(port)
        yield "!"
    for interface in configuration.vlan_interfaces:
        yield f"interface Vlan{interface.vlan}"
        yield f" ip address {interface.address} {interface.network.netmask}"
        for secondary in interface.secondaries:
            yield f" ip address {secondary.ip} {secondary.netmask} secondary"
        if interface.crypto_map is not None:
            yield f" crypto map {interface.crypto_map}"
        yield "!"
    for route in configuration.routes:
        yield f"ip route {route.network.network_address} {route.network.netmask} {route.next_hop}"
    for entry in configuration.arp:
        name = "" if entry.interface is None else " " + "".join(entry.interface)
        yield f"arp {entry.address} {dotted_mac(entry.mac)} ARPA{name}"
    yield from access_lists(configuration.crypto)


def _datapath(datapath: Datapath) -> str:
    addresses = "".join(f" {each}" for each in datapath.addresses)
    certificate = f" certificate {datapath.certificate}" if datapath.certificate is not None else ""
    switching = f" switching {datapath.switching.value}" if datapath.switching is not None else ""
    rules = f" max-rules {datapath.max_rules}" if datapath.max_rules is not None else ""
    peers = f" address{addresses}" if addresses else ""
    return f"ip slb datapath {datapath.id:016x}{switching}{rules}{peers}{certificate}"


def _farm(farm: ServerFarm) -> Iterator[str]:
    yield f"ip slb serverfarm {farm.name}"
    if farm.nat_server:
        yield " nat server"
    if farm.predictor is not Predictor.ROUND_ROBIN:
        yield f" predictor {farm.predictor.value}"
    for name in farm.probes:
        yield f" probe {name}"
    for real in farm.reals:
        yield from _real(real)
        yield " !"


def _probe(probe: Probe) -> Iterator[str]:
    default = default_probe(probe.name, probe.kind)
    yield f"ip slb probe {probe.name} {probe.kind.value}"
    for name in ("interval", "faildetect", "source", "nai"):
        if getattr(probe, name) != getattr(default, name):
            yield f" {name} {getattr(probe, name)}"


def _real(real: RealServer) -> Iterator[str]:
    yield f" real {real.address}" + (f" {real.port}" if real.port is not None else "")
    for location in real.locations:
        yield f"  {_location(location)}"
    if real.weight != RealServer.weight:
        yield f"  weight {real.weight}"
    if real.maxconns is not None:
        yield f"  maxconns {real.maxconns}"
    failures, clients = real.faildetect_numconns, real.faildetect_numclients
    if (failures, clients) != (RealServer.faildetect_numconns, RealServer.faildetect_numclients):
        yield f"  faildetect numconns {failures} numclients {clients}"
    if not real.faildetect_inband:
        yield "  no faildetect inband"
    if real.reassign != RealServer.reassign:
        yield f"  reassign {real.reassign}"
    if real.retry != RealServer.retry:
        yield f"  retry {real.retry}"
    if real.in_service:
        yield "  inservice"
    if real.drain is not None:
        yield "  drain move" if real.drain is Drain.MOVE else "  drain"


def _location(location: StaticLocation) -> str:
    vlan = f" vlan {location.vlan}" if location.vlan is not None else ""
    datapath = f" datapath {location.datapath:016x}" if location.datapath is not None else ""
    return f"location {dotted_mac(location.mac)} {location.port}{vlan}{datapath}"


def _virtual_server(server: VirtualServer) -> Iterator[str]:
    yield f"ip slb vserver {server.name}"
    yield f" virtual {server.address} udp {server.port} service ipmobile"
    yield f" serverfarm {server.farm}"
    if server.idle != VirtualServer.idle:
        yield f" idle ipmobile request {server.idle}"
    for rule in server.clients:
        exclude = " exclude" if rule.exclude else ""
        yield f" client {rule.network.network_address} {rule.network.netmask}{exclude}"
    if server.vlans is not None:
        yield f" client vlan {vlan_ranges(server.vlans)}"
    if server.in_service:
        yield " inservice"


def _dfp(dfp: DfpManager) -> Iterator[str]:
    password = ""
    if dfp.password is not None:
        timeout = f" {dfp.password_timeout}" if dfp.password_timeout != DFP_PASSWORD_TIMEOUT else ""
        password = f" password 7 {encrypt(dfp.password)}{timeout}"
    yield f"ip slb dfp{password}"
    for agent in dfp.agents:
        yield f" agent {agent.address} {agent.port}{_times(agent)}{_reals(agent)}"


def _times(agent: DfpAgent) -> str:
    """The numbers after the port of an agent, up to the last that differs from its default."""
    values = [agent.timeout, agent.retry_count, agent.retry_interval]
    defaults = [DfpAgent.timeout, DfpAgent.retry_count, DfpAgent.retry_interval]
    while values and values[-1] == defaults[len(values) - 1]:
        values.pop()
    return "".join(f" {value}" for value in values)


def _reals(agent: DfpAgent) -> str:
    """The real servers whose weight an agent may set, if others than its own."""
    if agent.reals is None:
        return " real any"
    return " real " + " ".join(map(str, agent.reals)) if agent.reals else ""


def _port(port: Port) -> Iterator[str]:
    yield f"interface {port.name}"
    if port.address is not None:
        yield f" ip address {port.address.ip} {port.address.netmask}"
    if port.access_vlan is not None:
        yield f" switchport access vlan {port.access_vlan}"
    if port.allowed_vlans is not None:
        yield f" switchport trunk allowed vlan {vlan_ranges(port.allowed_vlans) or 'none'}"
    if port.crypto_map is not None:
        yield f" crypto map {port.crypto_map}"
    if port.crypto_connect_vlan is not None:
        yield f" crypto connect vlan {port.crypto_connect_vlan}"
