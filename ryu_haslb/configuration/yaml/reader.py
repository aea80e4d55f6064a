"""Reads the YAML form of a configuration.

Each key is executed as the IOS command that it stands for, so that both forms have the same ranges, rules and errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Optional

import yaml

from ryu_haslb.configuration.checks import finish
from ryu_haslb.configuration.draft import Draft, RealDraft, draft_of
from ryu_haslb.configuration.model import Configuration, DfpAgent, Drain, RealServer
from ryu_haslb.configuration.yaml.command_reader import Handler, read_already
from ryu_haslb.configuration.yaml.crypto import CryptoReader
from ryu_haslb.configuration.yaml.nodes import (
    NodeError,
    compose,
    entries,
    fields,
    flag_of,
    is_empty,
    items,
    line_of_node,
    number_of,
    required,
    text_of,
)
from ryu_haslb.configuration.yaml.values import datapath_of, location_of, network_words
from ryu_haslb.language.diagnostics import Diagnostic, Diagnostics
from ryu_haslb.language.wording import quoted
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

#: The line of what is in the configuration that a file is merged into.
_OF_BASE = 0
#: What may be set for a datapath.
_DATAPATH_SETTINGS = ("addresses", "certificate", "switching", "max_rules")


def read_yaml(
    text: str, source: str, base: Optional[Configuration] = None
) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    """Read a YAML configuration and return it with the warnings; ``source`` names it in errors.

    With ``base`` the keys edit that configuration, as the commands that they stand for would.

    Raises :class:`~ryu_haslb.language.diagnostics.ConfigurationError` with all errors found.
    """
    diagnostics = Diagnostics(source)
    draft = draft_of(base) if base is not None else Draft()
    _Reader(draft, diagnostics).read(text)
    return finish(draft, diagnostics), diagnostics.sorted_warnings()


class _Reader(CryptoReader):
    """Walks the tree. The handler of a key reads its value and executes the command."""

    def read(self, text: str) -> None:
        with self.recording_errors():
            root = compose(text)
            if root is not None:
                self.block(
                    root,
                    "the configuration",
                    {
                        "probes": self.probes,
                        "serverfarms": self.serverfarms,
                        "vservers": self.vservers,
                        "dfp": self.dfp,
                        "interfaces": self.interfaces,
                        "routes": lambda node: self.each(node, "routes", self.route),
                        "max_sessions": self.max_sessions,
                        "arp": lambda node: self.each(node, "arp entries", self.arp),
                        "datapaths": self.datapaths,
                        "crypto": self.crypto,
                        "access_lists": self.access_lists,
                    },
                )

    def arp(self, node: yaml.Node) -> None:
        what = "an arp entry"
        found = fields(node, what, ("address", "mac", "interface"))
        address = text_of(required(found, "address", node, what), "the address of a real or a next hop")
        mac = text_of(required(found, "mac", node, what), "its Ethernet address")
        interface = [text_of(found["interface"], "an interface")] if "interface" in found else []
        self.command(line_of_node(node), "arp", address, mac, "arpa", *interface)

    def max_sessions(self, node: yaml.Node) -> None:
        limit = number_of(node, "max_sessions")
        self.command(line_of_node(node), "ip", "slb", "entries", "conn", limit, limit)

    def serverfarms(self, node: yaml.Node) -> None:
        for name, line, value in entries(node, "serverfarms"):
            self.command(line, "ip", "slb", "serverfarm", name)
            self.block(
                value,
                f"farm {quoted(name)}",
                {
                    "nat_server": self.switch("nat", "server"),
                    "predictor": self.word("predictor"),
                    "probes": lambda node: self.each(node, "probes", self.word("probe")),
                    "reals": lambda node: self.each(node, "reals", self.real),
                },
            )

    def probes(self, node: yaml.Node) -> None:
        for name, line, value in entries(node, "probes"):
            with self.recording_errors():
                what = f"probe {quoted(name)}"
                found = {key: value for key, _, value in entries(value, what)}
                kind = text_of(required(found, "kind", value, what), "ping or ipmobile")
                self.command(line, "ip", "slb", "probe", name, kind)
                handlers = {
                    "kind": read_already,
                    "interval": self.number("interval"),
                    "faildetect": self.number("faildetect"),
                    "source": self.word("source"),
                    "nai": self.word("nai"),
                }
                self.block(value, what, handlers)

    def real(self, node: yaml.Node) -> None:
        what, line = "a real", line_of_node(node)
        found = {name: value for name, _, value in entries(node, what)}
        address = text_of(required(found, "address", node, what), "the address of a real")
        port = [number_of(found["port"], "port")] if "port" in found else []
        self.command(line, "real", address, *port)
        entry = self.blocks.subject
        if isinstance(entry, RealDraft):
            if entry.line not in (_OF_BASE, line):
                raise NodeError(line, f"real {entry.real.address} is already given in line {entry.line}")
            entry.line = line
        self.block(
            node,
            f"real {quoted(address)}",
            {
                "address": read_already,
                "port": read_already,
                "weight": self.number("weight"),
                "maxconns": self.number("maxconns"),
                "faildetect": self.faildetect,
                "reassign": self.number("reassign"),
                "retry": self.number("retry"),
                "inservice": self.switch("inservice"),
                "drain": self.drain,
                "locations": self.locations,
            },
        )

    def faildetect(self, node: yaml.Node) -> None:
        found = fields(node, "faildetect", ("numconns", "numclients", "inband"))
        if "inband" in found:
            self.switch("faildetect", "inband")(found["inband"])
        words = ["faildetect", "numconns", str(RealServer.faildetect_numconns)]
        if "numconns" in found:
            words[2] = number_of(found["numconns"], "numconns")
        if "numclients" in found:
            words += ["numclients", number_of(found["numclients"], "numclients")]
        self.command(line_of_node(node), *words)

    def drain(self, node: yaml.Node) -> None:
        if text_of(node, "drain: true, false or move") == Drain.MOVE.value:
            self.command(line_of_node(node), "drain", Drain.MOVE.value)
        else:
            self.switch("drain")(node)

    def locations(self, node: yaml.Node) -> None:
        entry, found = self.blocks.subject, tuple(location_of(item) for item in items(node, "locations"))
        if len({location.datapath for location in found}) < len(found):
            raise NodeError(line_of_node(node), "two locations for one datapath; expected one for each datapath")
        if isinstance(entry, RealDraft):
            entry.real = replace(entry.real, locations=found)

    def vservers(self, node: yaml.Node) -> None:
        for name, line, value in entries(node, "vservers"):
            self.command(line, "ip", "slb", "vserver", name)
            self.block(
                value,
                f"virtual server {quoted(name)}",
                {
                    "virtual": self.virtual,
                    "serverfarm": self.word("serverfarm"),
                    "idle": self.number("idle", "ipmobile", "request"),
                    "clients": lambda node: self.each(node, "clients", self.client),
                    "client_vlans": self.word("client", "vlan"),
                    "inservice": self.switch("inservice"),
                },
            )

    def virtual(self, node: yaml.Node) -> None:
        address = text_of(node, "the virtual home agent address")
        self.command(line_of_node(node), "virtual", address, "udp", str(MOBILE_IP_PORT), "service", "ipmobile")

    def client(self, node: yaml.Node) -> None:
        found = fields(node, "a client", ("network", "exclude"))
        network = network_words(required(found, "network", node, "a client"))
        exclude = "exclude" in found and flag_of(found["exclude"], "exclude")
        self.command(line_of_node(node), "client", *network, *(["exclude"] if exclude else []))

    def dfp(self, node: yaml.Node) -> None:
        found = {name: value for name, _, value in entries(node, "dfp")}
        words = ["ip", "slb", "dfp"]
        if "password" in found:
            kind = self.password_number(found, "password_type", "0 or 7") or "0"
            words += ["password", kind, text_of(found["password"], "the password")]
            words += filter(None, [self.password_number(found, "password_timeout", "seconds")])
        self.command(line_of_node(found.get("password", node)), *words)
        handlers: dict[str, Handler] = {"agents": lambda node: self.each(node, "agents", self.agent)}
        handlers["password"] = read_already
        if "password" in found:
            handlers["password_type"] = handlers["password_timeout"] = read_already
        self.block(node, "dfp", handlers)

    @staticmethod
    def password_number(found: Mapping[str, yaml.Node], key: str, meaning: str) -> str:
        """The number of a key beside a password; empty without the key. An error does not quote the value."""
        try:
            return number_of(found[key], key) if key in found else ""
        except NodeError as error:
            raise NodeError(error.line, f"expected {key}, a decimal number: {meaning}") from None

    def agent(self, node: yaml.Node) -> None:
        what = "an agent"
        found = fields(node, what, ("address", "port", "timeout", "retry_count", "retry_interval", "reals"))
        times = {
            "timeout": str(DfpAgent.timeout),
            "retry_count": str(DfpAgent.retry_count),
            "retry_interval": str(DfpAgent.retry_interval),
        }
        times.update({name: number_of(found[name], name) for name in times if name in found})
        address = text_of(required(found, "address", node, what), "the address of an agent")
        port = number_of(required(found, "port", node, what), "port")
        reals = ["real", *self.agent_reals(found["reals"])] if "reals" in found else []
        self.command(line_of_node(node), "agent", address, port, *times.values(), *reals)

    @staticmethod
    def agent_reals(node: yaml.Node) -> list[str]:
        """``reals: any``, or a list of addresses."""
        what = "'any', or a list of addresses of real servers"
        if isinstance(node, yaml.ScalarNode):
            return [text_of(node, what)]
        return [text_of(each, "the address of a real server") for each in items(node, what)]

    def route(self, node: yaml.Node) -> None:
        found = fields(node, "a route", ("prefix", "next_hop"))
        network = network_words(required(found, "prefix", node, "a route"))
        next_hop = text_of(required(found, "next_hop", node, "a route"), "the address of the next hop")
        self.command(line_of_node(node), "ip", "route", *network, next_hop)

    def datapaths(self, node: yaml.Node) -> None:
        """A list of datapaths, or a mapping from their ids to what is set for each."""
        if not isinstance(node, yaml.MappingNode):
            self.each(node, "datapath ids", self.datapath)
            return
        for key, value in node.value:
            with self.recording_errors():
                settings = {} if is_empty(value) else fields(value, "a datapath", _DATAPATH_SETTINGS)
                self.add_datapath(key, settings)

    def datapath(self, node: yaml.Node) -> None:
        found = {"id": node}
        if isinstance(node, yaml.MappingNode):
            found = fields(node, "a datapath", ("id", *_DATAPATH_SETTINGS))
        self.add_datapath(required(found, "id", node, "a datapath"), found)

    def add_datapath(self, node: yaml.Node, found: dict[str, yaml.Node]) -> None:
        number = datapath_of(node)
        if self.draft.datapath_lines.get(number, _OF_BASE) != _OF_BASE:
            raise NodeError(line_of_node(node), f"datapath {number:016x} is given twice; expected each id once")
        words = ["ip", "slb", "datapath", f"{number:016x}"]
        if "switching" in found:
            words += ["switching", text_of(found["switching"], "normal, learn or none")]
        if "max_rules" in found:
            words += ["max-rules", text_of(found["max_rules"], "a limit of session rules")]
        if "addresses" in found:
            addresses = items(found["addresses"], "addresses")
            words += ["address", *(text_of(each, "the address of a switch") for each in addresses)]
        if "certificate" in found:
            words += ["certificate", *text_of(found["certificate"], "a name in the certificate of the switch").split()]
        self.command(line_of_node(node), *words)
