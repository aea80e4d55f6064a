"""One connection over which a switch is served: its meters, its standing rules, and which part handles each message.

A switch outlives its connections (:mod:`.switch`). What belongs to one connection is here::

    serve    meter for all requests -> standing rules, one bundle -> barrier reply: the switch is served
                                                                  -> error: the switch is not served
    leave    the connection is lost or replaced; the rules stay on the switch, and the sessions here
    stop     the application ends: requests are discarded; send the session rules that wait, await their confirmation
    retire   the switch is no longer to be served: :mod:`.retirement` takes our rules off it
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import sides_of
from ryu_haslb.openflow import flow_mods, wire
from ryu_haslb.openflow.channel import SwitchChannel
from ryu_haslb.openflow.meters import Meters
from ryu_haslb.openflow.retirement import Conclude, Retirement
from ryu_haslb.openflow.standing_rules import standing_rules
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)

#: Seconds without a barrier reply after which a connection is closed, so that the switch can connect again.
BARRIER_TIMEOUT = 15.0

#: Returns the time in seconds, as :func:`time.monotonic` does.
Clock = Callable[[], float]


class Connection:
    """A connection that serves ``switch`` from the moment it is made."""

    def __init__(
        self, transport: SwitchChannel, switch: Switch, balancer: Balancer, configuration: Configuration, clock: Clock
    ) -> None:
        self.transport = transport
        self._switch = switch
        self._configuration = configuration
        self._clock = clock
        self._conclude_stop: Optional[Callable[[], None]] = None
        self._transactions = Transactions(transport)
        switch.connect(self._transactions, clock())
        self._meters = Meters(transport.id, self._transactions, switch.admission, balancer, configuration)
        transport.handler = self._on_message
        LOG.info("Switch %016x: connected from %s", transport.id, transport.address[0])
        self._meters.install(self._install_standing_rules)

    @property
    def is_serving(self) -> bool:
        """False once the switch has rejected the standing rules, or has been left or retired."""
        return self._switch.channel is self.transport

    def configure(self, configuration: Configuration) -> None:
        """Replace the standing rules by those of another configuration."""
        self._configuration = configuration
        self._install_standing_rules()

    def on_ports_changed(self) -> None:
        """Replace the standing rules if the ports around the IPsec module have changed."""
        sides, _ = sides_of(self._configuration, self.transport.port_names())
        if sides != self._switch.sides:
            self._install_standing_rules()

    def flush(self, now: float) -> None:
        """Send the session rules that have been collected for this switch."""
        self._switch.flush(now)
        if self._conclude_stop is not None and self._switch.rules.is_idle:
            conclude, self._conclude_stop = self._conclude_stop, None
            self._transactions.submit(lambda _: [], lambda _: conclude())  # the barrier confirms packet-outs as well

    def tick(self, now: float) -> None:
        """Do what is due at this time, and close the connection if the switch has not replied for too long."""
        self._switch.tick(now)
        if self.is_serving:
            self._meters.tick(now)
        if self._switch.admission.oldest_barrier_age(now) > BARRIER_TIMEOUT:
            LOG.warning(
                "Switch %016x: no barrier reply for %d s; closing the connection", self.transport.id, BARRIER_TIMEOUT
            )
            self.transport.close()

    def leave(self) -> None:
        """Ignore all further messages of this connection. Rules and sessions stay."""
        self.transport.handler = None
        self._stop_serving()

    def stop(self, conclude: Callable[[], None]) -> None:
        """Accept no further request; ``conclude`` is called when the switch has confirmed all that was sent to it.

        Rules and sessions stay. Every session that has a mobile's request dispatched has its rule then, from which the
        next start recovers it.
        """
        if not self.is_serving:
            self.leave()
            conclude()
            return
        self._conclude_stop = conclude
        self.transport.handler = self._on_message_while_stopping

    def retire(self, conclude: Conclude) -> None:
        """Serve the switch no longer and remove our rules from it; ``conclude`` is called when it confirms."""
        self.leave()
        Retirement(self.transport, conclude)

    def _install_standing_rules(self) -> None:
        if not self.is_serving:
            return
        transport, switch = self.transport, self._switch
        sides, remarks = sides_of(self._configuration, transport.port_names())
        switch.set_sides(sides, remarks)
        rules = list(standing_rules(self._configuration, transport.id, sides))
        self._meters.configure(self._configuration, sides)

        def conclude(error: Optional[wire.Error]) -> None:
            if error is None:
                LOG.info("Switch %016x: %d standing rules are in place", transport.id, len(rules))
                switch.on_ready(self._clock())
            else:
                LOG.error(
                    "Switch %016x rejected the standing rules (%s) and is not served; docs/flows.md lists what it must "
                    "support",
                    *(transport.id, error),
                )
                self._stop_serving()

        metered = self._meters.are_supported
        self._transactions.submit(lambda xid: flow_mods.replacement(rules, metered, xid), conclude)
        self._transactions.submit(lambda xid: flow_mods.table_miss(rules, xid), lambda _: None)

    def _stop_serving(self) -> None:
        self._transactions.abandon()
        if self.is_serving:
            self._switch.disconnect()

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        """Handle a message of the switch. False when it is left to the engine."""
        if kind == wire.OFPT_PACKET_IN:
            return self._switch.on_packet_in(message, self._clock())
        if kind == wire.OFPT_MULTIPART_REPLY:
            now = self._clock()
            return self._switch.on_multipart_reply(xid, message, now) or self._meters.on_meter_stats(xid, message, now)
        if kind == wire.OFPT_BARRIER_REPLY:
            return self._on_barrier_reply(xid)
        return kind == wire.OFPT_ERROR and self._on_error(xid, message)

    def _on_message_while_stopping(self, kind: int, xid: int, message: bytes) -> bool:
        """Requests are discarded, since a session that began now might not get its rule; foreign agents retransmit."""
        return kind == wire.OFPT_PACKET_IN or self._on_message(kind, xid, message)

    def _on_barrier_reply(self, xid: int) -> bool:
        """A barrier request follows each transaction, and others measure the load; one may do both."""
        measured_load = self._switch.admission.on_barrier_reply(xid, self._clock())
        return self._transactions.on_barrier_reply(xid) or measured_load

    def _on_error(self, xid: int, message: bytes) -> bool:
        try:
            error = wire.read_error(message)
        except wire.MalformedMessage:
            return False
        return self._transactions.on_error(xid, error) or self._switch.on_error(xid, error, self._clock())
