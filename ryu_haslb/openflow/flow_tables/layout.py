"""How the pipeline is laid out on one switch: how it switches what is not ours, and which tables it has. Pure.

``pipeline.py`` says what each rule does with its packets. On most switches "switched as usual" is output to NORMAL.
Some switches reject that, and others accept it and drop the packet. There, the balancer brings a learning table of its
own (:mod:`.learning.table`)::

    switching   "switched as usual" is
    normal      output to NORMAL
    learn       goto table 3, which outputs to the port that the address was learned at, or floods; with less than five
                tables: flooding
    none        nothing: rules of others switch the packets, and no rule of ours matches them

A switch that does not match metadata gets the rule for everything else without it: it is 0 in table 0.

On a switch with one table there are neither session rules nor copies of replies in a table of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.flow_tables.pipeline import LEARNING_PURPOSES, Action, Purpose, Rule, Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions, goto_table
from ryu_haslb.openflow.wire.wire import Value

#: Ports that a packet is flooded to one by one, at most: a message has 64 kB.
MAX_FLOOD_PORTS = 2048
_CONTROLLER, _NORMAL = wire.output(wire.OFPP_CONTROLLER), wire.output(wire.OFPP_NORMAL)
_FLOOD = wire.output(wire.OFPP_FLOOD)


#: The purposes of rules that match what rules of others have to switch; one that drops needs one that passes beside it.
_TOUCHING_OTHERS = frozenset({Purpose.PUNT_ARP_FROM_REAL, Purpose.DROP_FORGED_PROBE})


class _Steps(NamedTuple):
    """What is done with a packet: actions, and the table that it goes on in (0: none)."""

    actions: bytes
    table: int = 0


@dataclass(frozen=True)
class PipelineSupport:
    """What a switch supports of the pipeline. ``tables`` is the number of its tables.

    ``has_flood``: whether it has the port FLOOD. ``has_session_table``: whether table 1 takes rules. ``has_metadata``:
    whether rules may match metadata. ``returns_to_sessions``: whether they may match the ingress port CONTROLLER, as
    those do that return requests to sessions. ``has_flags``: whether they may have flags, and so be reported when they
    are removed.
    """

    tables: int = 255
    has_flood: bool = True
    has_session_table: bool = True
    has_metadata: bool = True
    returns_to_sessions: bool = True
    has_flags: bool = True

    @property
    def has_sessions(self) -> bool:
        """Whether there is a table for session rules."""
        return self.has_session_table and self.tables > Table.SESSIONS

    def has_table(self, table: Table) -> bool:
        """Whether the switch may have rules of ours in a table."""
        return table < self.tables and (table is not Table.SESSIONS or self.has_sessions)


@dataclass(frozen=True)
class Layout:
    """How one switch gets the pipeline. ``flood`` are the packed actions that flood a packet."""

    switching: Switching = Switching.NORMAL
    support: PipelineSupport = PipelineSupport()
    flood: bytes = _FLOOD

    @property
    def is_learning(self) -> bool:
        """Whether the switch has the learning table."""
        return self.switching is Switching.LEARN and self.support.tables > Table.SOURCES

    @property
    def copies_replies(self) -> bool:
        """Whether the replies of home agents can be copied to the controller."""
        return self.switching is not Switching.NONE

    @property
    def spread(self) -> bytes:
        """The actions of a packet-out that reaches a host wherever it is, and learns nothing from it."""
        return _NORMAL if self.switching is Switching.NORMAL else self.flood

    def fit(self, rules: Iterable[Rule]) -> Iterator[Rule]:
        """Those of the rules that belong on this switch."""
        support = self.support
        for rule in rules:
            is_of_sessions = rule.table is Table.SESSIONS or rule.action is Action.GOTO_SESSIONS
            if not support.has_table(rule.table):
                continue
            if is_of_sessions and not (support.has_sessions and support.returns_to_sessions):
                continue
            if rule.purpose in LEARNING_PURPOSES and not self.is_learning:
                continue
            if self.switching is Switching.NONE and (rule.action is Action.PASS or rule.purpose in _TOUCHING_OTHERS):
                continue
            yield rule if support.has_metadata else replace(rule, match=_without_metadata(rule.match))

    def instructions(self, action: Action) -> bytes:
        """The instructions of a rule with this action."""
        actions, table = self._steps(action)
        return (apply_actions(actions) if actions or not table else b"") + (goto_table(table) if table else b"")

    def _steps(self, action: Action) -> _Steps:
        passing = self._passing()
        if action is Action.PUNT_AND_PASS:
            return _Steps(_CONTROLLER + passing.actions, passing.table)
        if action is Action.PASS_AND_GOTO_REPLIES:
            if self.switching is Switching.NORMAL and self.support.tables > Table.REPLIES:
                return _Steps(_NORMAL, Table.REPLIES)
            return _Steps(_CONTROLLER + passing.actions, passing.table)
        return {
            Action.PUNT: _Steps(_CONTROLLER),
            Action.PASS: passing,
            Action.DROP: _Steps(b""),
            Action.GOTO_SESSIONS: _Steps(b"", Table.SESSIONS),
            Action.FLOOD_AND_GOTO_SOURCES: _Steps(self.flood, Table.SOURCES),
        }[action]

    def _passing(self) -> _Steps:
        if self.switching is Switching.NORMAL:
            return _Steps(_NORMAL)
        if self.is_learning:
            return _Steps(b"", Table.DESTINATIONS)
        return _Steps(self.flood if self.switching is Switching.LEARN else b"")


def _without_metadata(match: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in match.items() if name != "metadata"}


def flood_to(ports: Iterable[int]) -> bytes:
    """The actions that send a packet out of each of these ports but the one that it came in at."""
    numbers = sorted(port for port in ports if port < wire.OFPP_MAX)
    return b"".join(map(wire.output, numbers[:MAX_FLOOD_PORTS]))
