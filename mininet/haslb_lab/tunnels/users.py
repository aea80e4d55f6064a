"""Opens and closes tunnels with the bindings of a home agent and the visitors of a PDSN."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from haslb_lab.agents import bindings, visitors
from haslb_lab.agents.bindings import Binding
from haslb_lab.agents.visitors import Visitor
from haslb_lab.tunnels.endpoint import TunnelEndpoint
from haslb_lab.tunnels.mobile_links import MobileLink
from haslb_lab.tunnels.reverse_arp import NO_ADDRESS
from haslb_lab.tunnels.tunnel import Ends, Tunnels
from ryu_haslb.mobile_ip.identity import Identity
from ryu_haslb.mobile_ip.registration import Flags


@contextlib.contextmanager
def binding_tunnels(tunnels: Tunnels, address: IPv4Address, home_network: IPv4Network) -> Iterator[bindings.Watch]:
    """Tunnel packets for the home network to the mobiles while the context lasts.

    The value is to be called with each binding. ``address`` is the home agent's own. Raises: OSError, with a message
    for the operator.
    """

    def follow(identity: Identity, binding: Optional[Binding]) -> None:
        if binding is None:
            tunnels.close(identity)
            return
        reverse = bool(binding.flags & Flags.REVERSE_TUNNELING)
        ends = Ends(binding.home_agent, binding.care_of_address)
        tunnels.open(identity, binding.home_address, ends, reverse=reverse)

    with contextlib.closing(TunnelEndpoint(tunnels)) as endpoint:
        endpoint.route(home_network, address)
        yield follow


@contextlib.contextmanager
def visitor_tunnels(
    tunnels: Tunnels, care_of_address: IPv4Address, reverse: bool, mobiles: Mapping[int, str]
) -> Iterator[visitors.Watch]:
    """Tunnel between home agents and mobiles while the context lasts.

    The value is to be called with each visitor. ``mobiles`` are the interfaces towards mobiles, by user number. Raises:
    OSError, with a message for the operator.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(TunnelEndpoint(tunnels)))
        links = {
            user: stack.enter_context(contextlib.closing(MobileLink(interface, care_of_address, reverse)))
            for user, interface in mobiles.items()
        }

        def follow(user: int, visitor: Optional[Visitor]) -> None:
            link = links.get(user)
            if visitor is None:
                tunnels.close(user)
            else:
                ends = Ends(care_of_address, visitor.home_agent)
                tunnels.open(user, visitor.home_address, ends, reverse=reverse, linked=link is not None)
            if link is not None:
                link.assign(NO_ADDRESS if visitor is None else visitor.home_address)

        yield follow
