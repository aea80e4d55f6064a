"""The actions of ``interface Vlan`` and ``ip route``: the balancer's own network (see :mod:`.actions`)."""

from __future__ import annotations

from ipaddress import IPv4Interface

from ryu_haslb.configuration.draft import Draft, VlanDraft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.configuration.model import Route, VlanInterface
from ryu_haslb.language.values import host_in_network
from ryu_haslb.language.values import network as network_of


def vlan(draft: Draft, statement: Statement) -> VlanDraft:
    vlan = statement.match["VLAN"]
    return draft.vlans.setdefault(vlan, VlanDraft(statement.line, vlan))


def no_vlan(draft: Draft, statement: Statement) -> None:
    if draft.vlans.pop(statement.match["VLAN"], None) is None:
        statement.warning(f"there is no interface Vlan{statement.match['VLAN']} to remove")


def vlan_address(vlan: VlanDraft, statement: Statement) -> None:
    address = statement.match["ADDRESS"]
    vlan.interface = VlanInterface(vlan.vlan, address, host_in_network(address, statement.match["MASK"]))


def secondary_address(vlan: VlanDraft, statement: Statement) -> None:
    address = statement.match["ADDRESS"]
    host_in_network(address, statement.match["MASK"])
    secondary = IPv4Interface((address, statement.match["MASK"]))
    others = tuple(each for each in vlan.secondaries if each != secondary)
    if "no" not in statement.match:
        others = (*others, secondary)
    elif len(others) == len(vlan.secondaries):
        statement.warning(f"interface Vlan{vlan.vlan} has no secondary address {address} to remove")
    vlan.secondaries = others


def no_vlan_address(vlan: VlanDraft, statement: Statement) -> None:
    address = statement.match.get("ADDRESS")
    if address is not None and (vlan.interface is None or vlan.interface.address != address):
        statement.warning(f"interface Vlan{vlan.vlan} has no address {address} to remove")
    else:
        vlan.interface = None
        if address is None:
            vlan.secondaries = ()


def vlan_crypto_map(vlan: VlanDraft, statement: Statement) -> None:
    label = statement.match.get("LABEL")
    if "no" in statement.match and label not in (None, vlan.crypto_map):
        statement.warning(f"interface Vlan{vlan.vlan} has no crypto map {label} to remove")
        return
    vlan.crypto_map = label if "no" not in statement.match else None
    vlan.crypto_map_line = statement.line


def route(draft: Draft, statement: Statement) -> None:
    network = network_of(statement.match["PREFIX"], statement.match["MASK"])
    distance = statement.match.get("DISTANCE", 1)
    others = draft.routes.to(network)
    nearest = min(others.values(), default=distance)
    if distance > nearest:
        statement.warning(
            f"the route to {network} by {statement.match['NEXT-HOP']} has a longer distance than another one and is "
            "ignored: routes are static, none takes the place of another"
        )
        return
    for route, each in others.items():
        if each > distance:
            statement.warning(f"the route to {network} by {route.next_hop} has a longer distance and is ignored")
            draft.routes.remove(route)
    draft.routes.add(Route(network, statement.match["NEXT-HOP"]), distance)


def no_route(draft: Draft, statement: Statement) -> None:
    network = network_of(statement.match["PREFIX"], statement.match["MASK"])
    next_hop = statement.match.get("NEXT-HOP")
    gone = [route for route in draft.routes.to(network) if next_hop in (None, route.next_hop)]
    if not gone:
        by = f" by {next_hop}" if next_hop is not None else ""
        statement.warning(f"there is no route to {network}{by} to remove")
    for route in gone:
        draft.routes.remove(route)
