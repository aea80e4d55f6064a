"""All switches: which are connected, which of them are served, and over which connection."""

from __future__ import annotations

import logging
import time
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.channel import SwitchChannel
from ryu_haslb.openflow.connection import Clock, Connection
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)


class Fleet:
    """The switches by their datapath ids; ``switches`` keeps each that has been served since the start."""

    def __init__(self, configuration: Configuration, balancer: Balancer, clock: Clock = time.monotonic) -> None:
        self.switches: dict[int, Switch] = {}
        self._connections: dict[int, Connection] = {}
        self._not_configured: dict[int, SwitchChannel] = {}
        self._configuration = configuration
        self._balancer = balancer
        self._clock = clock

    def on_connected(self, transport: SwitchChannel) -> None:
        """A switch has completed the handshake.

        An older connection with the same datapath id is closed: its switch may have lost it without a sign here. Two
        switches with the same id close each other's connection again and again; the log shows it.
        """
        older = self._transport_of(transport.id)
        if older is not None:
            LOG.warning(
                "Switch %016x connected again from %s; closing its other connection", transport.id, transport.address[0]
            )
            self._forget(older)
            older.close()
        if self._is_configured(transport.id):
            self._serve(transport)
        else:
            LOG.warning("Switch %016x is not among the configured datapaths and is not served", transport.id)
            self._not_configured[transport.id] = transport

    def on_disconnected(self, transport: SwitchChannel) -> None:
        """A connection is lost."""
        if self._transport_of(transport.id) is transport:
            LOG.info("Switch %016x: %s; its sessions are kept", transport.id, transport.close_reason)
            self._forget(transport)

    def on_port_changed(self, datapath_id: int, port: int, usable: bool) -> None:
        """A port of a switch came up, went down or was removed."""
        switch, connection = self.switches.get(datapath_id), self._connections.get(datapath_id)
        if switch is not None:
            switch.on_port_changed(port, usable)
        if connection is not None:
            connection.on_ports_changed()

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        self._configuration = configuration
        for switch in self.switches.values():
            switch.configure(configuration)
        for datapath_id, connection in list(self._connections.items()):
            if self._is_configured(datapath_id):
                connection.configure(configuration)
            else:
                connection.retire(lambda _: None)
                self._not_configured[datapath_id] = self._connections.pop(datapath_id).transport
        for datapath_id in list(filter(self._is_configured, self._not_configured)):
            self._serve(self._not_configured.pop(datapath_id))

    def flush(self, now: float) -> None:
        """Send every switch the session rules that have been collected for it."""
        self._remove_stale_rules()
        for connection in self._connections.values():
            connection.flush(now)

    def tick(self, now: float) -> None:
        """Do for every switch what is due at this time."""
        self._remove_stale_rules()
        for connection in list(self._connections.values()):
            connection.tick(now)

    def retire(self, conclude: Callable[[bool], None]) -> int:
        """Stop serving, and delete all our rules and meters from every switch.

        Returns the number of switches; ``conclude(success)`` is called once for each of them, when it confirms.
        """
        for connection in self._connections.values():
            connection.retire(conclude)
        return len(self._connections)

    def _remove_stale_rules(self) -> None:
        """Have each switch remove the rules of sessions that have ended or moved."""
        for datapath_id, session in self._balancer.take_stale_rules():
            self.switches[datapath_id].rules.remove(session)

    def _is_configured(self, datapath_id: int) -> bool:
        return not self._configuration.datapaths or datapath_id in self._configuration.datapaths

    def _serve(self, transport: SwitchChannel) -> None:
        switch = self.switches.get(transport.id)
        if switch is None:
            switch = self.switches[transport.id] = Switch(transport.id, self._configuration, self._balancer)
        self._connections[transport.id] = Connection(
            transport, switch, self._balancer, self._configuration, self._clock
        )

    def _transport_of(self, datapath_id: int) -> Optional[SwitchChannel]:
        connection = self._connections.get(datapath_id)
        return self._not_configured.get(datapath_id) if connection is None else connection.transport

    def _forget(self, transport: SwitchChannel) -> None:
        self._not_configured.pop(transport.id, None)
        connection = self._connections.pop(transport.id, None)
        if connection is not None:
            connection.leave()
