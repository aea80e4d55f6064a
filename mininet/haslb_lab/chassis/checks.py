"""Checks of a whole description: names, ports, VLANs and addresses that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from haslb_lab.chassis.address_checks import check_addresses
from haslb_lab.chassis.description import CONTROLLER, Attachment, Chassis, Description
from haslb_lab.chassis.file_checks import check_files
from haslb_lab.chassis.segments import Segments, carried, joined_by_link, joined_by_modules
from haslb_lab.chassis.values import MAX_INTERFACE_NAME
from haslb_lab.chassis.vlan_checks import check_vlans
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import did_you_mean, listed, quoted


def check(description: Description, diagnostics: Diagnostics) -> None:
    """Record every error. Raises: ConfigurationError if there is one.

    Later checks rely on earlier ones having found no error.
    """
    _check_supervisors(description, diagnostics)
    _check_names(description, diagnostics)
    _check_ports(description, diagnostics)
    check_vlans(description, diagnostics)
    diagnostics.stop_on_errors()
    segments = _joined(description, diagnostics)
    diagnostics.stop_on_errors()
    check_addresses(description, segments, diagnostics)
    check_files(description, diagnostics)
    diagnostics.stop_on_errors()


def _check_supervisors(description: Description, diagnostics: Diagnostics) -> None:
    seen: dict[int, Chassis] = {}
    for chassis in description.chassis.values():
        if chassis.datapath_id is None:
            continue
        other = seen.setdefault(chassis.datapath_id, chassis)
        if chassis.datapath_id == 0 or other is not chassis:
            taken = f"is that of {other.name}, too" if chassis.datapath_id else "means none to Open vSwitch"
            expected = "expected a number of its own, 1 or more"
            diagnostics.error(chassis.line, f"datapath_id {chassis.datapath_id} of {chassis.name} {taken}; {expected}")
    if not description.supervisors:
        expected = "expected at least one for the balancer to serve: supervisor: {switch: haslb1, datapath_id: 1}"
        diagnostics.error(0, f"no supervisor has a datapath_id; {expected}")


def _check_names(description: Description, diagnostics: Diagnostics) -> None:
    taken: dict[str, int] = {CONTROLLER: 0}
    for name, line in _nodes(description):
        if name in taken:
            where = f"is already given in line {taken[name]}" if taken[name] else "is the balancer's node"
            diagnostics.error(line, f"the name {quoted(name)} {where}; expected a name of its own for each node")
        taken.setdefault(name, line)
    for pdsn in description.pdsns:
        last = f"{pdsn.name}-eth{len(pdsn.mobiles)}"
        if len(last) > MAX_INTERFACE_NAME:
            text = f"{quoted(last)} is too long for an interface of Linux ({MAX_INTERFACE_NAME} characters)"
            diagnostics.error(pdsn.line, f"{text}; expected a shorter name, or fewer mobiles")
        if len(set(pdsn.mobiles.values())) < len(pdsn.mobiles):
            diagnostics.error(pdsn.line, f"two mobiles of {pdsn.name} are the same user; expected a user each")
    for chassis in description.chassis.values():
        for end in _switch_ports(chassis):
            name = chassis.switch_port(end)
            if len(name) > MAX_INTERFACE_NAME:
                spare = MAX_INTERFACE_NAME - len(name) + len(chassis.switch)
                expected = f"expected a switch with a name of at most {spare} characters"
                diagnostics.error(
                    chassis.line,
                    f"{quoted(name)} is too long for an interface of Linux ({MAX_INTERFACE_NAME}); {expected}",
                )
                break


def _nodes(description: Description) -> Iterator[tuple[str, int]]:
    """The Mininet nodes with the lines that describe them, in the order of the file."""
    for chassis in description.chassis.values():
        yield chassis.switch, chassis.line
        yield chassis.msfc, chassis.line
        if chassis.ipsec_module:
            yield chassis.ipsec_module.node, chassis.ipsec_module.line
        for agent in chassis.home_agents:
            yield agent.name, agent.line
    for pdsn in description.pdsns:
        yield pdsn.name, pdsn.line
        for mobile in pdsn.mobiles:
            yield mobile, pdsn.line
    for host in description.hosts:
        yield host.name, host.line


def _switch_ports(chassis: Chassis) -> list[str]:
    """The ends of the names of a switch's ports, longest first."""
    module = chassis.ipsec_module
    ports = [*chassis.line_cards, *((module.inside.name, module.outside.name) if module else ())]
    ends = [port.short for port in ports]
    ends += [f"vlan{vlan}" for vlan in chassis.interfaces]
    ends += [f"sami{agent.slot}-{agent.number}" for agent in chassis.home_agents]
    return sorted([*ends, "sup"], key=len, reverse=True)


def _check_ports(description: Description, diagnostics: Diagnostics) -> None:
    for chassis in description.chassis.values():
        cards = {port.slot for port in chassis.line_cards}
        for slot, agents in chassis.slots.items():
            if slot in cards:
                text = f"slot {slot} of {chassis.name} has a line card; expected another slot for the SAMI"
                diagnostics.error(agents[0].line, text)
        module = chassis.ipsec_module
        for port in (module.inside, module.outside) if module else ():
            if port.name.slot in cards or port.name.slot in chassis.slots:
                text = f"slot {port.name.slot} of {chassis.name} has another card; expected the module's own slot"
                diagnostics.error(port.line, text)
        if module and module.inside.name.slot != module.outside.name.slot:
            expected = "expected two ports of one slot"
            diagnostics.error(module.line, f"{module.inside.name} and {module.outside.name}: {expected}")
        if module and module.inside.name == module.outside.name:
            diagnostics.error(module.line, f"{module.inside.name} is inside and outside; expected two ports")
    used: dict[tuple[str, object], Attachment] = {}
    for end in description.attachments():
        if _exists(end, description, diagnostics):
            other = used.setdefault((end.chassis, end.port), end)
            if other is not end:
                diagnostics.error(end.line, f"{end} is already used in line {other.line}; expected a port of its own")


def _exists(end: Attachment, description: Description, diagnostics: Diagnostics) -> bool:
    chassis = description.chassis.get(end.chassis)
    if chassis is None:
        expected = f"expected {listed(description.chassis)}{did_you_mean(end.chassis, description.chassis)}"
        diagnostics.error(end.line, f"there is no chassis {quoted(end.chassis)}; {expected}")
        return False
    if end.port not in chassis.line_cards:
        ports = listed(str(port) for port in chassis.line_cards) or "some under line_cards"
        diagnostics.error(end.line, f"{end.chassis} has no line-card port {end.port}; expected {ports}")
        return False
    return True


def _joined(description: Description, diagnostics: Diagnostics) -> Segments:
    """Join the VLANs to segments. A second path between two VLANs is a loop, in which broadcasts never end."""
    segments = Segments()
    for one, other in joined_by_modules(description):
        segments.join(one, other)
    for link in description.links:
        ends = [description.port_at(end) for end in link.ends]
        if link.ends[0].chassis == link.ends[1].chassis:
            diagnostics.error(link.line, f"both ends are of {link.ends[0].chassis}; expected two chassis")
            continue
        if (ends[0].vlan is None) != (ends[1].vlan is None):
            diagnostics.error(link.line, "one end is a trunk and the other is not; expected both alike")
            continue
        pairs = list(joined_by_link(description, link))
        if not pairs:
            carries = ["/".join(map(str, carried(description, *each))) for each in zip(link.ends, ends)]
            diagnostics.error(link.line, f"the trunks have no VLAN in common ({' and '.join(carries)}); expected one")
        for one, other in pairs:
            if not segments.join(one, other):
                text = f"this is a second path between {one} and {other}, a loop"
                diagnostics.error(link.line, f"{text}; expected one path")
    return segments
