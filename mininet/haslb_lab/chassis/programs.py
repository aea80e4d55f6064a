"""The command lines of the nodes' programs, without the options that the lab adds to each (``--control``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Optional


def home_agent(  # noqa: PLR0913 - each option by its name
    address: IPv4Address,
    *,
    dynamic_address: Optional[IPv4Address] = None,
    virtual_address: Optional[IPv4Address] = None,
    home_network: Optional[IPv4Network] = None,
    configuration: Optional[Path] = None,
    tunnels: bool = False,
) -> list[str]:
    """A home agent; the options are those of :mod:`haslb_lab.programs.home_agent`."""
    return [
        "home_agent.py",
        *("--address", str(address)),
        *_option("--dynamic-address", dynamic_address),
        *_option("--virtual-address", virtual_address),
        *_option("--home-network", home_network),
        *_option("--config", configuration and configuration.resolve()),
        *(["--tunnels"] if tunnels else []),
    ]


def pdsn(  # noqa: PLR0913 - each option by its name
    address: IPv4Address,
    home_agent: IPv4Address,
    *,
    configuration: Optional[Path] = None,
    interface: Optional[str] = None,
    reverse_tunnel: bool = False,
    mobiles: Optional[Mapping[int, str]] = None,
) -> list[str]:
    """A PDSN. ``mobiles`` are its interfaces towards mobile nodes, by user; they need tunnels, and so does the T flag.

    ``configuration`` is the file with the crypto map of its ``interface``.
    """
    links = mobiles or {}
    return [
        "pdsn.py",
        *("--address", str(address), "--home-agent", str(home_agent)),
        *_option("--config", configuration and configuration.resolve()),
        *_option("--interface", interface),
        *(["--tunnels"] if links or reverse_tunnel else []),
        *(["--reverse-tunnel"] if reverse_tunnel else []),
        *(word for user, link in links.items() for word in ("--mobile", f"{user}={link}")),
    ]


def mobile_node(interface: str, networks: Iterable[IPv4Network]) -> list[str]:
    """A mobile node, whose PDSN is its router for ``networks``."""
    options = (word for network in networks for word in ("--network", str(network)))
    return ["mobile_node.py", "--interface", interface, *options]


def ipsec_module(node: str, configuration: Path, inside_vlan: int, outside_vlan: int) -> list[str]:
    """The IPsec module in ``node`` for the crypto map of the interface ``VlanN`` of the inside VLAN."""
    return [
        "ipsec_module.py",
        *("--config", str(configuration.resolve())),
        *("--interface", f"Vlan{inside_vlan}"),
        *("--inside", f"{node}-inside", "--outside", f"{node}-outside"),
        *("--inside-vlan", str(inside_vlan), "--outside-vlan", str(outside_vlan)),
    ]


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]
