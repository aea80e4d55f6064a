"""Warnings about a configuration that is valid, but can hardly be meant as it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ryu_haslb.configuration.draft import Draft, FarmDraft, VirtualServerDraft, VlanDraft
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import quoted

#: Seconds. A foreign agent's or a phone's retries come after 1 s, then at doubled intervals (RFC 5944 section 3.6.3),
#: so that the third one is 7 s after the first request.
MIN_IDLE = 8


def check_sense(draft: Draft, diagnostics: Diagnostics) -> None:
    """Record a warning for each command, or lack of one, that cannot have the intended effect."""
    for farm in draft.farms.values():
        _check_weights(farm, diagnostics)
    for server in draft.virtual_servers.values():
        _check_idle_and_clients(server, diagnostics)
        if server.farm in draft.farms:
            _check_number_of_clients(server, draft.farms[server.farm], diagnostics)
    _check_agents(draft, diagnostics)
    _check_own_addresses(draft, diagnostics)
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
    useless = [each for each in permitted or [everybody] if any(each.subnet_of(other) for other in excluded)]
    if len(useless) == len(permitted or [everybody]):
        diagnostics.warning(
            server.line,
            f"virtual server {server.name} excludes every client that it permits; expected a 'client A.B.C.D MASK' "
            "beyond those with 'exclude'",
        )


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


def _check_own_addresses(draft: Draft, diagnostics: Diagnostics) -> None:
    own: dict[IPv4Address, str] = {}
    for vlan in draft.vlans.values():
        addresses = [vlan.interface.address] if vlan.interface is not None else []
        own.update(dict.fromkeys([*addresses, *(each.ip for each in vlan.secondaries)], f"interface Vlan{vlan.vlan}"))
    for port in draft.ports.values():
        if port.port.address is not None:
            own[port.port.address.ip] = f"interface {port.port.name}"
    for farm in draft.farms.values():
        for entry in farm.reals.values():
            if entry.real.address in own:
                where = own[entry.real.address]
                diagnostics.warning(
                    entry.line,
                    f"real {entry.real.address} has the address of {where}; expected the home agent's own address",
                )
    for server in draft.virtual_servers.values():
        if server.address in own and server.address is not None:
            diagnostics.warning(
                server.address_line,
                f"virtual server {server.name} has the address of {own[server.address]}; expected one of its own",
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
