"""Draws a chassis description by graphviz, as an engineer who knows the 7600 would.

    draw(read_description(path)).render(outfile="two-pdsns.svg", cleanup=True)

Each chassis is a box with its cards: the supervisor with its VLANs and the MSFC's interfaces, line cards, the IPsec
module, SAMIs. Lines have the colour of the VLAN that they carry; a trunk between chassis is black.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Optional

import graphviz

from haslb_lab.chassis.description import (
    CONTROLLER,
    Attachment,
    Chassis,
    Description,
    HomeAgent,
    IpsecModule,
    LineCardPort,
)
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.language.values import vlan_ranges

FONT = "Helvetica"
#: The colours of VLANs, in the order of their numbers; used again when there are more VLANs.
VLAN_COLOURS = ("#1f77b4", "#c0392b", "#2c8a3d", "#b8651b", "#7d57b0", "#7a4b3a", "#14808c", "#8a8a14", "#b84592")

PAPER, CARD, CHASSIS, METAL = "#ffffff", "#eef1f4", "#dfe4e9", "#7a8691"
BALANCER, INSIDE, OUTSIDE = "#fff3bf", "#e6f4ea", "#fde7e9"


def draw(description: Description) -> graphviz.Graph:
    """The drawing. Its methods ``render`` and ``pipe`` write it as SVG or in another format."""
    return _Drawing(description).graph


class _Drawing:
    def __init__(self, description: Description) -> None:
        self.description = description
        self.balancer = load(description.balancer.configuration).configuration
        vlans = sorted({vlan for chassis in description.chassis.values() for vlan in chassis.vlans})
        self.colours = {vlan: VLAN_COLOURS[index % len(VLAN_COLOURS)] for index, vlan in enumerate(vlans)}
        self.graph = graphviz.Graph(description.source.stem, format="svg")
        self.graph.attr(rankdir="LR", nodesep="0.35", ranksep="0.9", fontname=FONT, fontsize="16")
        self.graph.attr("node", shape="plain", fontname=FONT, fontsize="11")
        self.graph.attr("edge", fontname=FONT, fontsize="10", penwidth="2")
        for number, chassis in enumerate(description.chassis.values()):
            self.chassis(number, chassis)
        self.links()
        self.pdsns_and_hosts()
        self.controller()

    def chassis(self, number: int, chassis: Chassis) -> None:
        """The chassis with its cards, and the lines of its backplane."""
        with self.graph.subgraph(name=f"cluster{number}") as box:
            box.attr(label=f"{chassis.name}  ·  Cisco 7600", labeljust="l", margin="18")
            box.attr(style="filled,rounded", fillcolor=CHASSIS, color=METAL)
            box.node(chassis.switch, _table(self.supervisor(chassis)))
            for slot in sorted({port.slot for port in chassis.line_cards}):
                box.node(_card(chassis, slot), _table(_line_card(chassis, slot)))
            if chassis.ipsec_module:
                box.node(chassis.ipsec_module.node, _table(_ipsec_module(chassis.ipsec_module)))
            for slot, agents in chassis.slots.items():
                box.node(_card(chassis, slot), _table(_sami(slot, agents)))
        for port in chassis.line_cards.values():
            for vlan in [port.vlan] if port.vlan is not None else port.trunk:
                self.backplane(chassis, vlan, f"{_card(chassis, port.name.slot)}:{port.name.short}", port)
        if chassis.ipsec_module:
            for end in (chassis.ipsec_module.inside, chassis.ipsec_module.outside):
                for vlan in end.allowed_vlans:
                    self.backplane(chassis, vlan, f"{chassis.ipsec_module.node}:{end.name.short}")
        for agent in chassis.home_agents:
            self.backplane(chassis, agent.vlan, f"{_card(chassis, agent.slot)}:{agent.number}")

    def supervisor(self, chassis: Chassis) -> Iterator[str]:
        """The rows of a supervisor: its switch, its virtual servers, and its VLANs with the MSFC's addresses."""
        served = f"OpenFlow datapath {chassis.datapath_id}" if chassis.datapath_id is not None else "ordinary switch"
        yield _row(_cell(f"<b>Supervisor</b>  {chassis.switch}", served, span=3))
        if chassis.datapath_id is not None:
            for number, lines in enumerate(_virtual_servers(self.balancer)):
                yield _row(_cell(*lines, port=f"slb{number}", span=3, fill=BALANCER))
        yield _row(_cell("<i>switched</i>"), _cell(f"<i>routed by the MSFC</i>  {chassis.msfc}"), _cell(" "))
        for number, vlan in chassis.vlans.items():
            colour = self.colours[number]
            name = f'<font color="{PAPER}"><b>VLAN {number}</b></font>'
            interface = f"interface Vlan{number}  {vlan.interface}" if vlan.interface else "<i>bridged only</i>"
            yield _row(
                _cell(name, port=f"w{number}", fill=colour),
                _cell(interface, fill=PAPER),
                _cell(" ", port=f"e{number}", fill=colour),
            )

    def backplane(self, chassis: Chassis, vlan: int, end: str, port: Optional[LineCardPort] = None) -> None:
        """A line between the supervisor's VLAN and a port.

        Line cards are on the left of the supervisor. Other cards, and line cards with links to further chassis, are on
        the right.
        """
        if vlan not in chassis.vlans:
            return
        if port is not None and not self.leads_on(chassis, port):
            self.line(f"{end}:e", f"{chassis.switch}:w{vlan}:w", self.colours[vlan])
        else:
            self.line(f"{chassis.switch}:e{vlan}:e", f"{end}:w", self.colours[vlan])

    def leads_on(self, chassis: Chassis, port: LineCardPort) -> bool:
        """Whether only first ends of links are at the card of a port."""
        here = [
            end
            for end in self.description.attachments()
            if (end.chassis, end.port.slot) == (chassis.name, port.name.slot)
        ]
        return bool(here) and all(end in [link.ends[0] for link in self.description.links] for end in here)

    def links(self) -> None:
        """The cables between chassis."""
        for link in self.description.links:
            one, other = (self.description.port_at(end) for end in link.ends)
            colour = METAL if one.vlan is None else self.colours[one.vlan]
            label = "trunk" if one.vlan is None and other.vlan is None else ""
            tail, head = (self.port(end) for end in link.ends)
            self.line(f"{tail}:e", f"{head}:w", colour, label=label, penwidth="4")

    def pdsns_and_hosts(self) -> None:
        """What is cabled to the line cards, and the mobiles behind PDSNs."""
        for pdsn in self.description.pdsns:
            lines = [f"<b>{pdsn.name}</b>  PDSN", f"{pdsn.interface}  {pdsn.address}"]
            self.graph.node(pdsn.name, _box(*lines, f"requests go to {pdsn.home_agent}"))
            for mobile, user in pdsn.mobiles.items():
                self.graph.node(mobile, f"{mobile}\nuser {user}", shape="box", style="rounded,filled", fillcolor=PAPER)
                self.line(mobile, f"{pdsn.name}:w", METAL, style="dashed")
        for host in self.description.hosts:
            self.graph.node(host.name, _box(f"<b>{host.name}</b>  correspondent host", str(host.address)))
        for node in self.description.attached:
            port = self.description.port_at(node.attachment)
            assert port.vlan is not None, "no host is at a trunk"
            label = "IPsec" if port.crypto_connect_vlan else ""
            self.line(f"{node.name}:e", f"{self.port(node.attachment)}:w", self.colours[port.vlan], label=label)

    def controller(self) -> None:
        """The balancer itself, and its OpenFlow connections."""
        balancer = self.description.balancer
        place = [f"{balancer.address} in VLAN {balancer.vlan}"] if balancer.vlan is not None else []
        lines = ["<b>HA-SLB</b>  OpenFlow controller", escape(balancer.configuration.name), *place]
        self.graph.node(CONTROLLER, _box(*lines, fill=BALANCER))
        for chassis in self.description.supervisors:
            self.line(f"{CONTROLLER}:e", f"{chassis.switch}:slb0:w", METAL, style="dotted")

    def port(self, end: Attachment) -> str:
        """Where a cable's end is in the drawing."""
        return f"{_card(self.description.chassis[end.chassis], end.port.slot)}:{end.port.short}"

    def line(self, tail: str, head: str, colour: str, **attributes: str) -> None:
        self.graph.edge(tail, head, color=colour, **attributes)


def _virtual_servers(balancer: Configuration) -> Iterator[tuple[str, str]]:
    for server in balancer.virtual_servers.values():
        mode = "direct" if balancer.farms[server.farm].nat_server else "dispatched"
        farm = f"{escape(server.name)}, farm {escape(server.farm)}, {mode} mode"
        yield f"<b>virtual {server.address} udp {server.port}</b>", farm


def _line_card(chassis: Chassis, slot: int) -> Iterator[str]:
    yield _row(_cell(f"<b>Slot {slot}</b>  line card"))
    for port in chassis.line_cards.values():
        if port.name.slot == slot:
            lines = [f"trunk, VLANs {vlan_ranges(port.trunk)}" if port.vlan is None else f"access VLAN {port.vlan}"]
            if port.crypto_connect_vlan is not None:
                lines.append(f"crypto connect vlan {port.crypto_connect_vlan}")
            yield _row(_cell(str(port.name), *lines, port=port.name.short, fill=PAPER))


def _ipsec_module(module: IpsecModule) -> Iterator[str]:
    yield _row(_cell(f"<b>Slot {module.inside.name.slot}</b>  IPsec module  {module.node}"))
    for what, port, fill in (
        ("<b>inside</b>: clear text", module.inside, INSIDE),
        ("<b>outside</b>: encrypted", module.outside, OUTSIDE),
    ):
        trunk = f"trunk, allowed VLANs {vlan_ranges(port.allowed_vlans)}"
        yield _row(_cell(f"{port.name}  {what}", trunk, port=port.name.short, fill=fill))


def _sami(slot: int, agents: Iterable[HomeAgent]) -> Iterator[str]:
    yield _row(_cell(f"<b>Slot {slot}</b>  SAMI"))
    for agent in agents:
        lines = [f"<b>{agent.name}</b>  home agent", str(agent.address), f"home network {agent.home_network}"]
        yield _row(_cell(*lines, port=str(agent.number), fill=PAPER))


def _card(chassis: Chassis, slot: int) -> str:
    return f"{chassis.switch}-slot{slot}"


def _table(rows: Iterable[str]) -> str:
    attributes = f'border="1" cellborder="1" cellspacing="0" cellpadding="5" color="{METAL}" bgcolor="{CARD}"'
    return f"<<table {attributes}>{''.join(rows)}</table>>"


def _box(*lines: str, fill: str = PAPER) -> str:
    return _table([_row(_cell(*lines, fill=fill))])


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(*lines: str, port: str = "", span: int = 1, fill: str = CARD) -> str:
    text = "".join(f'{line}<br align="left"/>' for line in lines)
    name = f' port="{port}"' if port else ""
    return f'<td align="left" balign="left" colspan="{span}" bgcolor="{fill}"{name}>{text}</td>'
