"""The standing rules that one switch is to have, by the configuration in force, its ports, and what it has shown."""

from __future__ import annotations

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import sides_of
from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice
from ryu_haslb.openflow.flow_tables.key_rules import ignores_normal_rule
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Rule
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.tag_keys import MAX_KEYS, TagKeys


class WantedRules:
    """The rules of one switch over one connection. ``choice`` decides their layout."""

    def __init__(
        self,
        transport: SwitchChannel,
        switch: Switch,
        choice: LayoutChoice,
        keys: TagKeys,
        configuration: Configuration,
    ) -> None:
        self._transport = transport
        self._switch = switch
        self._choice = choice
        self._keys = keys
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Another configuration is in force."""
        self.configuration = configuration
        datapath = configuration.datapaths.get(self._transport.id)
        self._choice.configured = None if datapath is None else datapath.switching

    @property
    def layout(self) -> Layout:
        """The layout that the switch is to have, as far as is known now."""
        return self._choice.layout(self._transport.port_names().keys())

    def have_changed_with_ports(self) -> bool:
        """Whether the ports that the switch has now ask for other rules. Named ports are found anew."""
        names, adjacencies = self._transport.port_names(), self._switch.adjacencies
        adjacencies.set_port_names(names)
        sides, _ = sides_of(self.configuration, names)
        return sides != adjacencies.sides or self._choice.layout(names.keys()) != self._switch.layout

    def make(self) -> tuple[list[Rule], Layout]:
        """The rules for the ports that the switch has now, and their layout."""
        names, datapath_id, switch = self._transport.port_names(), self._transport.id, self._switch
        sides, remarks = sides_of(self.configuration, names)
        switch.adjacencies.set_sides(sides, [*remarks, *switch.adjacencies.set_port_names(names)])
        layout = self._choice.layout(names.keys())
        switch.switching_source = self._choice.decision.source
        keys = self._keys.of_switch(datapath_id)[:MAX_KEYS]
        rules = list(standing_rules(self.configuration, datapath_id, sides, keys, layout))
        if self._choice.to_remember is not None:
            rules.append(ignores_normal_rule(self._choice.to_remember))
        return rules, layout
