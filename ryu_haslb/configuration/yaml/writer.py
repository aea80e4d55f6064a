"""Writes a configuration as YAML, from which it can be read again: defaults are left out.

Keys and passwords are in it. Texts that YAML would read as numbers or truth values are quoted.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import yaml

from ryu_haslb.configuration.crypto_model import AccessRule, Crypto, IsakmpPolicy, Lifetime
from ryu_haslb.configuration.model import (
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
    StaticArp,
    StaticLocation,
    VirtualServer,
    VlanInterface,
    default_probe,
)
from ryu_haslb.language.values import VLAN_KIND, dotted_mac, vlan_ranges

#: A mapping of YAML, or a part of one.
Node = dict[Any, Any]

#: libyaml, where PyYAML was built with it, is some ten times as fast as Python.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def write_yaml(configuration: Configuration) -> str:
    """The configuration as one YAML document."""
    tree = _without_empty(_tree(configuration))
    text: str = yaml.dump(tree, Dumper=_DUMPER, sort_keys=False, allow_unicode=True) if tree else ""
    return text


def _tree(configuration: Configuration) -> Node:
    dfp = configuration.dfp
    return {
        "datapaths": {f"{each.id:016x}": _datapath(each) or None for each in configuration.datapaths.values()},
        "probes": {probe.name: _probe(probe) for probe in configuration.probes.values()},
        "serverfarms": {farm.name: _farm(farm) or None for farm in configuration.farms.values()},
        "max_sessions": configuration.max_sessions,
        "vservers": {server.name: _virtual_server(server) for server in configuration.virtual_servers.values()},
        **({} if dfp is None else {"dfp": _dfp(dfp)}),
        "crypto": _crypto(configuration.crypto),
        "interfaces": {
            **{each.name: _port(each) for each in configuration.ports},
            **{f"{VLAN_KIND}{each.vlan}": _vlan(each) for each in configuration.vlan_interfaces},
        },
        "routes": [{"prefix": str(each.network), "next_hop": str(each.next_hop)} for each in configuration.routes],
        "arp": [_arp(each) for each in configuration.arp],
        "access_lists": {number: _rules(rules) for number, rules in configuration.crypto.access_lists},
    }


def _without_empty(node: Node) -> Node:
    """Leave out keys without a value; ``dfp`` stands for a manager also if it is empty."""
    return {key: value for key, value in node.items() if key == "dfp" or value not in (None, {}, [])}


def _changed(thing: Any, *names: str) -> Node:
    """The fields of a dataclass that differ from their defaults."""
    defaults = {field.name: field.default for field in fields(thing)}
    return {name: getattr(thing, name) for name in names if getattr(thing, name) != defaults[name]}


def _datapath(datapath: Datapath) -> Node:
    node: Node = {} if datapath.switching is None else {"switching": datapath.switching.value}
    if datapath.addresses:
        node["addresses"] = [str(each) for each in datapath.addresses]
    if datapath.certificate is not None:
        node["certificate"] = datapath.certificate
    if datapath.max_rules is not None:
        node["max_rules"] = datapath.max_rules
    return node


def _farm(farm: ServerFarm) -> Node:
    node: Node = _changed(farm, "nat_server")
    if farm.predictor is not Predictor.ROUND_ROBIN:
        node["predictor"] = farm.predictor.value
    if farm.probes:
        node["probes"] = list(farm.probes)
    if farm.reals:
        node["reals"] = [_real(each) for each in farm.reals]
    return node


def _probe(probe: Probe) -> Node:
    default = default_probe(probe.name, probe.kind)
    names = ("interval", "faildetect", "source", "nai")
    changed = {name: getattr(probe, name) for name in names if getattr(probe, name) != getattr(default, name)}
    if "source" in changed:
        changed["source"] = str(probe.source)
    return {"kind": probe.kind.value, **changed}


def _real(real: RealServer) -> Node:
    node: Node = {"address": str(real.address), **_changed(real, "port", "weight", "maxconns")}
    names = {"faildetect_numconns": "numconns", "faildetect_numclients": "numclients", "faildetect_inband": "inband"}
    faildetect = {names[name]: value for name, value in _changed(real, *names).items()}
    if faildetect:
        node["faildetect"] = faildetect
    node.update(_changed(real, "reassign", "retry"))
    if real.in_service:
        node["inservice"] = True
    if real.drain is not None:
        node["drain"] = Drain.MOVE.value if real.drain is Drain.MOVE else True
    if real.locations:
        node["locations"] = [_location(each) for each in real.locations]
    return node


def _location(location: StaticLocation) -> Node:
    datapath = {} if location.datapath is None else {"datapath": f"{location.datapath:016x}"}
    return {"mac": dotted_mac(location.mac), "port": location.port, **_changed(location, "vlan"), **datapath}


def _virtual_server(server: VirtualServer) -> Node:
    node: Node = {"virtual": str(server.address), "serverfarm": server.farm, **_changed(server, "idle")}
    if server.clients:
        node["clients"] = [{"network": str(each.network), **_changed(each, "exclude")} for each in server.clients]
    if server.vlans is not None:
        node["client_vlans"] = vlan_ranges(server.vlans)
    if server.in_service:
        node["inservice"] = True
    return node


def _dfp(dfp: DfpManager) -> Node:
    node = _changed(dfp, "password")
    if dfp.password is not None:
        node.update(_changed(dfp, "password_timeout"))
    if dfp.agents:
        node["agents"] = [_agent(each) for each in dfp.agents]
    return node


def _agent(agent: DfpAgent) -> Node:
    node: Node = {"address": str(agent.address), "port": agent.port}
    node.update(_changed(agent, "timeout", "retry_count", "retry_interval"))
    if agent.reals is None:
        node["reals"] = "any"
    elif agent.reals:
        node["reals"] = [str(each) for each in agent.reals]
    return node


def _vlan(interface: VlanInterface) -> Node:
    node: Node = {"address": f"{interface.address}/{interface.network.prefixlen}"}
    if interface.secondaries:
        node["secondary"] = [str(each) for each in interface.secondaries]
    return {**node, **_changed(interface, "crypto_map")}


def _port(port: Port) -> Node:
    node: Node = {} if port.address is None else {"address": str(port.address)}
    node.update(_changed(port, "access_vlan", "crypto_map", "crypto_connect_vlan"))
    if port.allowed_vlans is not None:
        node["allowed_vlans"] = vlan_ranges(port.allowed_vlans) or "none"
    return node


def _arp(entry: StaticArp) -> Node:
    interface = {} if entry.interface is None else {"interface": "".join(entry.interface)}
    return {"address": str(entry.address), "mac": dotted_mac(entry.mac), **interface}


def _crypto(crypto: Crypto) -> Node:
    maps: dict[str, Node] = {}
    for entry in crypto.maps:
        lifetime = _without_empty({"seconds": entry.seconds, "kilobytes": entry.kilobytes})
        maps.setdefault(entry.name, {})[entry.sequence] = _without_empty(
            {
                "peers": [str(each) for each in entry.peers],
                "transform_sets": list(entry.transform_sets),
                "pfs": None if entry.pfs is None else f"group{entry.pfs}",
                "lifetime": lifetime,
                "match_address": entry.access_list,
            }
        )
    return _without_empty(
        {
            "policies": {each.priority: _policy(each) for each in crypto.policies},
            "keys": [{"key": each.key, "address": _peers(str(each.network))} for each in crypto.keys],
            "keepalive": crypto.keepalive,
            "transform_sets": {
                each.name: {"transforms": list(each.transforms), **({"mode": "transport"} if each.transport else {})}
                for each in crypto.transform_sets
            },
            "lifetime": _changed(crypto.lifetime, *(field.name for field in fields(Lifetime))),
            "maps": maps,
        }
    )


def _policy(policy: IsakmpPolicy) -> Node:
    node = _changed(policy, "authentication", "encryption", "hash", "group", "lifetime")
    if "authentication" in node:
        node["authentication"] = policy.authentication.value
    return node


def _peers(network: str) -> str:
    return network.removesuffix("/32")


def _rules(rules: tuple[AccessRule, ...]) -> list[Node]:
    return [{"permit" if each.permit else "deny": [str(each.source), str(each.destination)]} for each in rules]
