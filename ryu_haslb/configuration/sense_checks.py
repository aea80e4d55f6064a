"""Warnings about a configuration that is valid, but can hardly be meant as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import NamedTuple, Union

from ryu_haslb.configuration.draft import (
    DfpDraft,
    Draft,
    FarmDraft,
    ProbeDraft,
    RealDraft,
    RealKey,
    VirtualServerDraft,
    VlanDraft,
)
from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import quoted

#: Seconds. A foreign agent's or a phone's retries come after 1 s, then at doubled intervals (RFC 5944 section 3.6.3),
#: so that the third one is 7 s after the first request.
MIN_IDLE = 8


def check_sense(draft: Draft, diagnostics: Diagnostics) -> None:
    """Record a warning for each command, or lack of one, that cannot have the intended effect."""
    used = {server.farm for server in draft.virtual_servers.values()}
    for farm in draft.farms.values():
        _check_weights(farm, diagnostics)
        if farm.name not in used:
            diagnostics.warning(
                farm.line, f"farm {farm.name} is of no virtual server; expected 'serverfarm {farm.name}' in one"
            )
    _check_names(draft, diagnostics)
    _check_reals_of_two_farms(draft, diagnostics)
    for server in draft.virtual_servers.values():
        _check_idle_and_clients(server, diagnostics)
        if server.farm in draft.farms:
            _check_number_of_clients(server, draft.farms[server.farm], diagnostics)
    _check_agents(draft, diagnostics)
    own = _own_addresses(draft)
    _check_own_addresses(draft, own, diagnostics)
    _check_addresses_of_no_host(draft, own, diagnostics)
    _check_networks(draft, diagnostics)
    _check_datapaths(draft, diagnostics)


def _check_weights(farm: FarmDraft, diagnostics: Diagnostics) -> None:
    serving = [entry.real for entry in farm.reals.values() if entry.real.in_service]
    if serving and not any(real.weight for real in serving):
        diagnostics.warning(
            farm.line,
            f"farm {farm.name}: every real server in service has weight 0, so that none gets a new session unless DFP "
            "reports another weight; expected 'weight 1' or more in one of them",
        )
    if serving and all(real.drain for real in serving):
        diagnostics.warning(
            farm.line,
            f"farm {farm.name}: every real server in service is drained, so that none gets a new session; expected 'no "
            "drain' in one of them",
        )


def _check_names(draft: Draft, diagnostics: Diagnostics) -> None:
    """Names that differ only in upper and lower case are different names, as on IOS."""
    named: tuple[tuple[str, Iterable[Union[FarmDraft, VirtualServerDraft, ProbeDraft]]], ...] = (
        ("farm", draft.farms.values()),
        ("virtual server", draft.virtual_servers.values()),
        ("probe", draft.probes.values()),
    )
    for kind, entries in named:
        known: dict[str, str] = {}
        for entry in entries:
            other = known.setdefault(entry.name.lower(), entry.name)
            if other != entry.name:
                diagnostics.warning(
                    entry.line,
                    f"{kind} {entry.name} is another one than {kind} {other}: upper and lower case differ in names; "
                    f"expected one spelling, or names that differ in more",
                )


def _check_reals_of_two_farms(draft: Draft, diagnostics: Diagnostics) -> None:
    """A real server in two farms is two real servers to them: each farm has its own weight and limit for it."""
    known: dict[RealKey, tuple[FarmDraft, RealDraft]] = {}
    for farm in draft.farms.values():
        for key, entry in farm.reals.items():
            first, other = known.setdefault(key, (farm, entry))
            here, there = _limits(entry), _limits(other)
            if here != there:
                diagnostics.warning(
                    entry.line,
                    f"real {entry.real.address} has {here} in farm {farm.name}, but {there} in farm {first.name}: each "
                    "farm counts and shares its own sessions",
                )


def _limits(entry: RealDraft) -> str:
    maxconns = f"maxconns {entry.real.maxconns}" if entry.real.maxconns is not None else "no maxconns"
    return f"weight {entry.real.weight} and {maxconns}"


def _check_idle_and_clients(server: VirtualServerDraft, diagnostics: Diagnostics) -> None:
    if server.idle < MIN_IDLE and server.in_service and server.idle_line:
        diagnostics.warning(
            server.idle_line,
            f"virtual server {server.name}: idle {server.idle} s is shorter than a phone's retries, the third of which "
            f"comes 7 s after its first request: its session has ended by then, and retries are not counted; expected "
            f"'idle ipmobile request {MIN_IDLE}' or more",
        )
    everybody = IPv4Network("0.0.0.0/0")
    permitted = [rule.network for rule in server.clients.values() if not rule.exclude]
    excluded = [rule.network for rule in server.clients.values() if rule.exclude]
    gone = set(collapse_addresses(excluded))
    if all(any(outer in gone for outer in _enclosing(each)) for each in permitted or [everybody]):
        diagnostics.warning(
            server.line,
            f"virtual server {server.name} excludes every client that it permits; expected a 'client A.B.C.D MASK' "
            "beyond those with 'exclude'",
        )


def _enclosing(network: IPv4Network) -> Iterator[IPv4Network]:
    """The network, and all that enclose it."""
    return (network.supernet(new_prefix=length) for length in range(network.prefixlen + 1))


def _check_number_of_clients(server: VirtualServerDraft, farm: FarmDraft, diagnostics: Diagnostics) -> None:
    """``numclients M`` where the ``client`` commands permit fewer than M addresses."""
    permitted = {rule.network for rule in server.clients.values() if not rule.exclude}
    if not permitted:
        return
    addresses = sum(network.num_addresses for network in permitted)
    for entry in farm.reals.values():
        if entry.real.faildetect_inband and entry.real.faildetect_numclients > addresses:
            diagnostics.warning(
                entry.line,
                f"real {entry.real.address}: faildetect asks for {entry.real.faildetect_numclients} clients, but "
                f"virtual server {server.name} permits {addresses}; expected "
                f"'faildetect numconns N numclients {addresses}'",
            )


def _check_agents(draft: Draft, diagnostics: Diagnostics) -> None:
    if draft.dfp is None:
        return
    reals = {entry.real.address for farm in draft.farms.values() for entry in farm.reals.values()}
    for (address, port), line in draft.dfp.lines.items():
        agent = draft.dfp.agents.get((address, port))
        if agent is not None and not any(map(agent.may_set, reals)):
            diagnostics.warning(
                line,
                f"DFP agent {address} {port} has the address of no real server of any farm, and may set no weight; "
                "name its real servers by 'real A.B.C.D' at the end of the command",
            )
    _check_agents_of_one_real(draft.dfp, reals, diagnostics)


def _check_agents_of_one_real(dfp: DfpDraft, reals: Collection[IPv4Address], diagnostics: Diagnostics) -> None:
    """Agents for the same real servers, each of which sets the weight that the other has set: a warning for two agents.

    An agent that may set the weight of any real server counts for the one at its own address only.
    """
    first: dict[IPv4Address, DfpAgent] = {}
    for key, line in dfp.lines.items():
        agent = dfp.agents.get(key)
        if agent is None:
            continue
        others: dict[DfpAgent, list[IPv4Address]] = {}
        for address in dict.fromkeys((agent.address, *(agent.reals or ()))):
            other = first.setdefault(address, agent) if address in reals else agent
            if other is not agent:
                others.setdefault(other, []).append(address)
        for other, shared in others.items():
            further = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            diagnostics.warning(
                line,
                f"DFP agents {other.address} {other.port} and {agent.address} {agent.port} both set the weight of real "
                f"server {shared[0]}{further}, and the last report counts; expected one agent for each real server",
            )


def _own_addresses(draft: Draft) -> dict[IPv4Address, str]:
    """The balancer's own addresses, each with its interface."""
    own: dict[IPv4Address, str] = {}
    for vlan in draft.vlans.values():
        addresses = [vlan.interface.address] if vlan.interface is not None else []
        own.update(dict.fromkeys([*addresses, *(each.ip for each in vlan.secondaries)], f"interface Vlan{vlan.vlan}"))
    for port in draft.ports.values():
        if port.port.address is not None:
            own[port.port.address.ip] = f"interface {port.port.name}"
    return own


def _check_own_addresses(draft: Draft, own: Mapping[IPv4Address, str], diagnostics: Diagnostics) -> None:
    virtual = {server.address: server for server in draft.virtual_servers.values() if server.address is not None}
    for farm in draft.farms.values():
        for entry in farm.reals.values():
            if entry.real.address in own:
                where = own[entry.real.address]
                diagnostics.warning(
                    entry.line,
                    f"real {entry.real.address} has the address of {where}; expected the home agent's own address",
                )
            server = virtual.get(entry.real.address)
            if server is not None and server.farm != farm.name:  # that of its own farm is an error
                diagnostics.warning(
                    entry.line,
                    f"real {entry.real.address} of farm {farm.name} has the address of virtual server {server.name}; "
                    "expected the home agent's own address",
                )
    for address, server in virtual.items():
        if address in own:
            diagnostics.warning(
                server.address_line,
                f"virtual server {server.name} has the address of {own[address]}; expected one of its own",
            )


def _check_addresses_of_no_host(draft: Draft, own: Mapping[IPv4Address, str], diagnostics: Diagnostics) -> None:
    """The network and the broadcast address of a VLAN's interface, and next hops that are the balancer itself."""
    interfaces = [each for each in (vlan.finished() for vlan in draft.vlans.values()) if each is not None]
    taken: dict[IPv4Address, str] = {}
    for network in (network for each in interfaces for network in each.networks if network.prefixlen < 31):
        taken[network.network_address] = f"the address of the network {network}"
        taken[network.broadcast_address] = f"the broadcast address of {network}"
    for farm in draft.farms.values():
        for entry in farm.reals.values():
            if entry.real.address in taken:
                what = taken[entry.real.address]
                diagnostics.warning(entry.line, f"real {entry.real.address} is {what}; expected the address of a host")
    for server in draft.virtual_servers.values():
        if server.address is not None and server.address in taken:
            diagnostics.warning(
                server.address_line,
                f"virtual server {server.name} has {taken[server.address]}, {server.address}; expected that of a host",
            )
    taken.update({address: f"the address of {where}" for address, where in own.items()})
    taken.update({server.address: "a virtual address" for server in draft.virtual_servers.values() if server.address})
    for route in draft.routes:
        if route.next_hop in taken:
            what = taken[route.next_hop]
            diagnostics.warning(
                0, f"ip route {route.network}: next hop {route.next_hop} is {what}; expected the address of a router"
            )


class _VlanNetwork(NamedTuple):
    """A network of a VLAN's interface; ``position`` is that of its command."""

    position: int
    network: IPv4Network
    vlan: VlanDraft


def _check_networks(draft: Draft, diagnostics: Diagnostics) -> None:
    """Overlapping networks of two VLANs: a home agent in both may be looked for in the wrong one.

    Of two networks that overlap one encloses the other. One warning for each network that another VLAN's encloses: a
    thousand VLANs with one network are half a million pairs.
    """
    networks: list[_VlanNetwork] = []
    for vlan in draft.vlans.values():
        interface = vlan.finished()
        for network in interface.networks if interface is not None else ():
            networks.append(_VlanNetwork(len(networks), network, vlan))
    enclosing: list[_VlanNetwork] = []
    for each in sorted(networks, key=lambda each: (each.network.network_address, each.network.prefixlen)):
        while enclosing and not enclosing[-1].network.overlaps(each.network):
            enclosing.pop()
        other = next((outer for outer in reversed(enclosing) if outer.vlan is not each.vlan), None)
        if other is not None:
            earlier, later = sorted((each, other))
            diagnostics.warning(
                later.vlan.line,
                f"interface Vlan{later.vlan.vlan}: network {later.network} overlaps {earlier.network} of interface "
                f"Vlan{earlier.vlan.vlan}; expected networks that have no address in common",
            )
        if not enclosing or (enclosing[-1].network, enclosing[-1].vlan) != (each.network, each.vlan):
            enclosing.append(each)


def _check_datapaths(draft: Draft, diagnostics: Diagnostics) -> None:
    """A certificate of two switches, and a location at a switch that may not connect."""
    holders: dict[str, int] = {}
    for datapath in draft.datapaths.values():
        name = datapath.certificate
        if name is not None and holders.setdefault(name, datapath.id) != datapath.id:
            diagnostics.warning(
                draft.datapath_lines[datapath.id],
                f"datapath {datapath.id:016x} has the certificate {quoted(name)} of datapath {holders[name]:016x}, so "
                "that each of them can connect as the other; expected a name of its own",
            )
    for farm in draft.farms.values():
        for entry in farm.reals.values():
            for location in entry.real.locations:
                if draft.datapaths and location.datapath is not None and location.datapath not in draft.datapaths:
                    diagnostics.warning(
                        entry.line,
                        f"real {entry.real.address} has a location at datapath {location.datapath:016x}, which may not "
                        "connect; expected it among the datapaths",
                    )
