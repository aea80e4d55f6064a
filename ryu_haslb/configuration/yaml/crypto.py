"""The keys of IPsec in the YAML form: interfaces, crypto, access lists."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import yaml

from ryu_haslb.configuration.yaml.command_reader import CommandReader, Handler, read_already
from ryu_haslb.configuration.yaml.nodes import (
    NodeError,
    entries,
    fields,
    items,
    line_of_node,
    parsed_text,
    required,
    text_of,
)
from ryu_haslb.configuration.yaml.values import network_words
from ryu_haslb.language.values import MAX_VLAN, VLAN_KIND, interface_name
from ryu_haslb.language.wording import quoted

_INTERFACE = f"a VLAN from 1 to {MAX_VLAN} such as Vlan15, or a port such as FastEthernet3/15"


class CryptoReader(CommandReader):
    """Reads the keys of IPsec."""

    def interfaces(self, node: yaml.Node) -> None:
        """``interfaces``, by name."""
        for name, line, value in entries(node, "interfaces"):
            with self.recording_errors():
                kind, number = parsed_text(name, line, _INTERFACE, interface_name)
                self.command(line, "interface", kind, number)
                handlers: dict[str, Handler] = {
                    "address": self.interface_address,
                    "crypto_map": self.word("crypto", "map"),
                }
                if kind == VLAN_KIND:
                    handlers["secondary"] = lambda node: self.each(node, "secondary addresses", self.secondary_address)
                else:
                    handlers["crypto_connect_vlan"] = self.word("crypto", "connect", "vlan")
                    handlers["access_vlan"] = self.word("switchport", "access", "vlan")
                    handlers["allowed_vlans"] = self.word("switchport", "trunk", "allowed", "vlan")
                self.block(value, f"interface {name}", handlers)

    def interface_address(self, node: yaml.Node) -> None:
        """``address: 15.1.1.15/8``."""
        self.command(line_of_node(node), "ip", "address", *network_words(node))

    def secondary_address(self, node: yaml.Node) -> None:
        """``secondary: [15.2.1.15/24]``."""
        self.command(line_of_node(node), "ip", "address", *network_words(node), "secondary")

    def crypto(self, node: yaml.Node) -> None:
        """``crypto`` and all of its keys."""
        self.block(
            node,
            "crypto",
            {
                "policies": self.policies,
                "keys": lambda node: self.each(node, "keys", self.key),
                "keepalive": self.number("crypto", "isakmp", "keepalive"),
                "transform_sets": self.transform_sets,
                "lifetime": lambda node: self.lifetime(node, "crypto", "ipsec", "security-association", "lifetime"),
                "maps": self.maps,
            },
        )

    def policies(self, node: yaml.Node) -> None:
        """``policies``: ISAKMP policies by priority."""
        for priority, line, value in entries(node, "policies"):
            self.command(line, "crypto", "isakmp", "policy", priority)
            self.block(
                value,
                f"policy {quoted(priority)}",
                {
                    "authentication": self.word("authentication"),
                    "encryption": self.words("encryption"),
                    "hash": self.word("hash"),
                    "group": self.number("group"),
                    "lifetime": self.number("lifetime"),
                },
            )

    def key(self, node: yaml.Node) -> None:
        """An item of ``keys``: a pre-shared key and the address or network of its peers."""
        what = "a key"
        found = fields(node, what, ("key", "address"))
        key = text_of(required(found, "key", node, what), "a pre-shared key")
        address = required(found, "address", node, what)
        words = network_words(address) if "/" in text_of(address, "an address or a network") else (address.value,)
        self.command(line_of_node(node), "crypto", "isakmp", "key", "0", key, "address", *words)

    def transform_sets(self, node: yaml.Node) -> None:
        """``transform_sets``, by name."""
        for name, line, value in entries(node, "transform sets"):
            with self.recording_errors():
                what = f"transform set {quoted(name)}"
                found = {key: value for key, _, value in entries(value, what)}
                transforms = items(required(found, "transforms", value, what), "transforms")
                words = [word for each in transforms for word in text_of(each, "a transform").split()]
                self.command(line, "crypto", "ipsec", "transform-set", name, *words)
                self.block(value, what, {"transforms": read_already, "mode": self.word("mode")})

    def maps(self, node: yaml.Node) -> None:
        """``maps``: crypto maps by name, their entries by sequence number."""
        for name, _, value in entries(node, "crypto maps"):
            with self.recording_errors():
                for sequence, line, entry in entries(value, f"crypto map {quoted(name)}"):
                    self.command(line, "crypto", "map", name, sequence, "ipsec-isakmp")
                    self.block(
                        entry,
                        f"crypto map {quoted(name)} {quoted(sequence)}",
                        {
                            "peers": lambda node: self.each(node, "peers", self.word("set", "peer")),
                            "transform_sets": self.map_transform_sets,
                            "pfs": self.word("set", "pfs"),
                            "lifetime": lambda node: self.lifetime(node, "set", "security-association", "lifetime"),
                            "match_address": self.word("match", "address"),
                        },
                    )

    def map_transform_sets(self, node: yaml.Node) -> None:
        """``transform_sets`` of a map entry, in order of preference."""
        names = [text_of(each, "the name of a transform set") for each in items(node, "transform sets")]
        self.command(line_of_node(node), "set", "transform-set", *names)

    def lifetime(self, node: yaml.Node, *words: str) -> None:
        """``lifetime: {seconds: N, kilobytes: N}``."""
        self.block(node, "lifetime", {name: self.number(*words, name) for name in ("seconds", "kilobytes")})

    def words(self, *words: str) -> Handler:
        """A handler that executes a command with the words of its key at the end."""
        return lambda node: self.command(line_of_node(node), *words, *text_of(node, words[0]).split())

    def access_lists(self, node: yaml.Node) -> None:
        """``access_lists``, by number. A rule is permit or deny with source and destination."""
        for number, line, rules in entries(node, "access lists"):
            with self.recording_errors():
                if number.isdigit() and not re.fullmatch("1[0-9]{2}", number):
                    raise NodeError(line, f"unknown access list {quoted(number)}; expected a number from 100 to 199")
                if not number.isdigit():
                    self.command(line, "ip", "access-list", "extended", number)
                for rule in items(rules, "rules"):
                    with self.recording_errors():
                        self.access_rule(number, rule)

    def access_rule(self, number: str, node: yaml.Node) -> None:
        """``{permit: [15.1.1.10/32, 15.1.1.51/32]}``."""
        for permission, line, pair in entries(node, "a rule"):
            if permission not in ("permit", "deny"):
                raise NodeError(line, f"unknown key {quoted(permission)} of a rule; expected 'deny' or 'permit'")
            networks = items(pair, "networks: source, destination")
            if len(networks) != 2:
                raise NodeError(line, "expected two networks: source and destination")
            words = [word for each in networks for word in _with_wildcard(each)]
            beginning = ("access-list", number) if number.isdigit() else ()
            self.command(line, *beginning, permission, "ip", *words)


def _with_wildcard(node: yaml.Node) -> tuple[str, str]:
    """A network as access lists write it: address and wildcard."""
    address, mask = network_words(node)
    return address, str(IPv4Network(f"0.0.0.0/{mask}").hostmask)
