"""Checks the VLANs of ports and cards, and that no traffic can bypass the IPsec module."""

from __future__ import annotations

from collections.abc import Iterator

from haslb_lab.chassis.description import Chassis, Description, LineCardPort
from haslb_lab.chassis.segments import place_of
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import listed


def check_vlans(description: Description, diagnostics: Diagnostics) -> None:
    """Record VLANs that a chassis does not have, and ports that do not fit the IPsec module."""
    for chassis in description.chassis.values():
        for line, vlan, what in _members(description, chassis):
            if vlan not in chassis.vlans:
                text = f"{what} is in VLAN {vlan}, which {chassis.name} does not have"
                expected = f"expected {listed(map(str, chassis.vlans)) or 'one'}, or VLAN {vlan} among its vlans"
                diagnostics.error(line, f"{text}; {expected}")
        for port in chassis.line_cards.values():
            if port.trunk and not any(vlan in chassis.vlans for vlan in port.trunk):
                diagnostics.error(port.line, f"the trunk {port.name} carries no VLAN of {chassis.name}; expected one")
        _check_protection(chassis, diagnostics)
    for node in description.attached:
        end = node.attachment
        if description.has_port(end) and place_of(description, end) is None:
            diagnostics.error(end.line, f"{node.name} is at the trunk {end}; expected an access port, with 'vlan'")


def _members(description: Description, chassis: Chassis) -> Iterator[tuple[int, int, str]]:
    """What is in the VLANs of a chassis: its line, the VLAN, and its name."""
    for port in chassis.line_cards.values():
        for vlan in (port.vlan, port.crypto_connect_vlan):
            if vlan is not None:
                yield port.line, vlan, str(port.name)
    for slot, agents in chassis.slots.items():
        yield agents[0].line, agents[0].vlan, f"slot {slot}"
    balancer = description.balancer
    if balancer.vlan is not None and chassis is next(iter(description.supervisors), None):
        yield balancer.line, balancer.vlan, "the balancer"


def _check_protection(chassis: Chassis, diagnostics: Diagnostics) -> None:
    """Check ``crypto connect vlan``: one pair of VLANs, and all traffic of the outside VLAN passes the module."""
    protected = [port for port in chassis.line_cards.values() if port.crypto_connect_vlan is not None]
    for port in protected:
        _check_protected_port(chassis, port, diagnostics)
        if (port.vlan, port.crypto_connect_vlan) != (protected[0].vlan, protected[0].crypto_connect_vlan):
            text = f"the IPsec module of {chassis.name} joins the VLANs of {protected[0].name}"
            diagnostics.error(port.line, f"{text}; expected the same two for {port.name}")
    if not protected:
        return
    outside, inside = protected[0].vlan, protected[0].crypto_connect_vlan
    if outside in chassis.interfaces:
        text = f"VLAN {outside} is outside of the IPsec module of {chassis.name}"
        diagnostics.error(chassis.vlans[outside].line, f"{text}; expected it without an interface: {{}}")
    # The balancer recognises encrypted traffic by its port: at other ports it would accept clear text.
    for port in chassis.line_cards.values():
        if port not in protected and outside in (port.vlan, *port.trunk):
            text = f"{port.name} carries VLAN {outside}, which is outside of the IPsec module, past the module"
            diagnostics.error(port.line, f"{text}; expected access ports only, with crypto_connect_vlan: {inside}")
    for slot, agents in chassis.slots.items():
        if agents[0].vlan == outside:
            text = f"slot {slot} of {chassis.name} is in VLAN {outside}, outside of the IPsec module"
            diagnostics.error(agents[0].line, f"{text}; expected another VLAN")


def _check_protected_port(chassis: Chassis, port: LineCardPort, diagnostics: Diagnostics) -> None:
    """Check that the module's ports carry one VLAN of the pair each, and the inside VLAN has an interface."""
    module, outside, inside = chassis.ipsec_module, port.vlan, port.crypto_connect_vlan
    if module is None:
        text = f"{port.name} has a crypto_connect_vlan; expected an ipsec_module in {chassis.name}"
        diagnostics.error(port.line, text)
        return
    if inside not in chassis.interfaces:
        text = f"crypto_connect_vlan {inside} of {port.name} has no interface; expected one, which has the crypto map"
        diagnostics.error(port.line, text)
    for side, this, other, own, others in (
        ("inside", module.inside, module.outside, inside, outside),
        ("outside", module.outside, module.inside, outside, inside),
    ):
        if own not in this.allowed_vlans:
            text = f"{this.name} does not allow VLAN {own}; expected it at the module's {side} port for {port.name}"
            diagnostics.error(this.line, text)
        if others in this.allowed_vlans:
            text = f"{this.name} allows VLAN {others}, so that traffic could bypass the IPsec module"
            diagnostics.error(this.line, f"{text}; expected it at {other.name} only")
