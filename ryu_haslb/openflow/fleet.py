"""All switches: who is connected, who of them is served, and the rules that each is to have."""

from __future__ import annotations

import logging
import struct
import time
from typing import TYPE_CHECKING, Callable

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import sides_of
from ryu_haslb.openflow import standing_rules, wire
from ryu_haslb.openflow.pipeline import standing_rules as standing_rules_of
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer

if TYPE_CHECKING:  # it brings Ryu's controller along, and a fleet needs none
    from ryu_haslb.openflow.transport import MessageHandler, Transport
from ryu_haslb.openflow.meters import Meters

LOG = logging.getLogger(__name__)

#: Seconds without an answer after which a connection is taken for dead: the switch may connect anew.
MOST_SILENCE = 15.0


class Fleet:
    """Every switch that has been served since the start, by its datapath id."""

    def __init__(self, configuration: Configuration, balancer: Balancer) -> None:
        self.switches: dict[int, Switch] = {}
        self._connections: dict[int, Transport] = {}
        self._meters: dict[int, Meters] = {}
        self._remarks: dict[int, list[str]] = {}
        self._configuration = configuration
        self._balancer = balancer

    def connected(self, connection: Transport) -> None:
        """A switch is ready to be served.

        A connection that it had before is closed: it may be a dead one that nobody has noticed yet. Were it another
        switch with the same id, the two would take turns, and the log would say so.
        """
        older = self._connections.get(connection.id)
        self._connections[connection.id] = connection
        if older is not None:
            LOG.warning(
                "Switch %016x connects again from %s; closing its other connection", older.id, connection.address[0]
            )
            self._leave(older)
            older.close()
        if self._is_configured(connection.id):
            self._serve(connection)
        else:
            LOG.warning("Switch %016x is not among the configured datapaths and is left alone", connection.id)

    def disconnected(self, connection: Transport) -> None:
        """A connection is gone."""
        if self._connections.get(connection.id) is connection:
            del self._connections[connection.id]
            LOG.info("Switch %016x: connection lost, its sessions stay", connection.id)
            self._leave(connection)

    def port_changed(self, datapath_id: int, port: int, usable: bool) -> None:
        """A port of a switch came up, went down or disappeared."""
        switch, connection = self.switches.get(datapath_id), self._connections.get(datapath_id)
        if switch is not None:
            switch.port_changed(port, usable)
            if connection is not None and connection.handler is not None:
                self._follow_ports(connection, switch)

    def configure(self, configuration: Configuration) -> None:
        """Go by another configuration, which the balancer goes by already."""
        self._configuration = configuration
        for switch in self.switches.values():
            switch.configure(configuration)
        for datapath_id, connection in self._connections.items():
            served = connection.handler is not None
            if not self._is_configured(datapath_id):
                if served:
                    self._retire(connection, lambda _: None)
            elif served:
                self._install(connection, self.switches[datapath_id])
            else:
                self._serve(connection)

    def flush(self, now: float) -> None:
        """Send every switch the rules that have come together for it."""
        self._remove_stale_rules()
        for switch in self.switches.values():
            switch.flush(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._remove_stale_rules()
        for switch in list(self.switches.values()):
            switch.tick(now)
            if switch.channel is not None:
                self._meters[switch.datapath_id].tick(now)
            if switch.admission.silent_for(now) > MOST_SILENCE:
                LOG.warning("Switch %016x has stopped to answer; closing its connection", switch.datapath_id)
                self._connections[switch.datapath_id].close()

    def retire(self, conclude: Callable[[bool], None]) -> int:
        """Serve nobody any more, and have every switch forget what bears our mark.

        ``conclude`` is called as each of them confirms; how many will is returned.
        """
        served = [connection for connection in self._connections.values() if connection.handler is not None]
        for connection in served:
            self._retire(connection, conclude)
        return len(served)

    def _remove_stale_rules(self) -> None:
        """Have each switch remove the rules of sessions that have ended or moved."""
        for datapath_id, session in self._balancer.take_stale_rules():
            self.switches[datapath_id].rules.remove(session)

    def _is_configured(self, datapath_id: int) -> bool:
        return not self._configuration.datapaths or datapath_id in self._configuration.datapaths

    def _serve(self, connection: Transport) -> None:
        switch = self.switches.get(connection.id)
        if switch is None:
            switch = self.switches[connection.id] = Switch(connection.id, self._configuration, self._balancer)
        transactions = switch.connect(connection, time.monotonic())
        meters = Meters(connection, transactions, switch.admission, self._balancer, self._configuration)
        self._meters[connection.id] = meters
        connection.handler = _handler(switch, transactions, meters)
        LOG.info("Switch %016x: connected from %s", connection.id, connection.address[0])
        meters.prepare(lambda: self._install(connection, switch))

    def _install(self, connection: Transport, switch: Switch) -> None:
        transactions = switch.transactions
        if transactions is None:
            return  # it has refused us before
        switch.sides, remarks = sides_of(self._configuration, connection.port_names())
        for remark in remarks:
            if remark not in self._remarks.get(connection.id, ()):  # else it has been said
                LOG.warning("Switch %016x %s", connection.id, remark)
        self._remarks[connection.id] = remarks
        rules = list(standing_rules_of(self._configuration, connection.id, switch.sides))
        meters = self._meters[connection.id]
        meters.configure(self._configuration, switch.sides)

        def conclude(success: bool) -> None:
            if success:
                LOG.info("Switch %016x: %d standing rules are in place", connection.id, len(rules))
            else:
                LOG.error("Switch %016x refuses our standing rules and is not served; see docs/flows.md", connection.id)
                switch.disconnect()

        transactions.submit(lambda xid: standing_rules.replacement(connection, rules, meters.supported, xid), conclude)
        transactions.submit(lambda xid: standing_rules.table_miss(connection, rules, xid), lambda _: None)

    def _follow_ports(self, connection: Transport, switch: Switch) -> None:
        """A port came or went; where the configuration has an IPsec module, the rules are to follow."""
        sides, _ = sides_of(self._configuration, connection.port_names())
        if sides != switch.sides:
            self._install(connection, switch)

    def _leave(self, connection: Transport) -> None:
        """Whatever still comes over this connection is no business of ours."""
        connection.handler = None
        switch = self.switches.get(connection.id)
        if switch is not None and switch.channel is connection:
            switch.disconnect()

    def _retire(self, connection: Transport, conclude: Callable[[bool], None]) -> None:
        switch = self.switches[connection.id]
        transactions = Transactions(connection)
        switch.disconnect()
        self._meters[connection.id].remove()
        connection.handler = _farewell_handler(transactions)

        def retired(success: bool) -> None:
            connection.handler = None
            conclude(success)

        transactions.submit(lambda xid: standing_rules.removal(connection, xid), retired)


def _handler(switch: Switch, transactions: Transactions, meters: Meters) -> MessageHandler:
    """What the connection to a switch that is served asks first about each message."""

    def handle(kind: int, xid: int, message: bytes) -> bool:
        if kind == wire.OFPT_PACKET_IN:
            return switch.packet_in(message, time.monotonic())
        if kind == wire.OFPT_MULTIPART_REPLY:
            now = time.monotonic()
            return switch.multipart_reply(xid, message, now) or meters.reply(xid, message, now)
        if kind == wire.OFPT_BARRIER_REPLY:
            return switch.confirmed(xid, time.monotonic())
        if kind == wire.OFPT_ERROR and len(message) >= 12:
            return transactions.refused(xid, struct.unpack_from("!HH", message, 8)) or switch.refused(message)
        return False

    return handle


def _farewell_handler(transactions: Transactions) -> MessageHandler:
    """The same of one that is served no more: only its confirmation is waited for."""
    return lambda kind, xid, _: kind == wire.OFPT_BARRIER_REPLY and transactions.confirmed(xid)
