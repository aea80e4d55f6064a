"""The meters of rate-limited clients: one for each, and a copy of those metered rules that matches its address.

A switch that has no room for the meter or the rules of a client rejects its rules: they are sent again after a pause.
Until then the balancer alone limits it (:mod:`.clients`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from socket import inet_ntoa
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow.delivery.backoff import Backoff
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, Rule
from ryu_haslb.openflow.flow_tables.standing_rules import client_rules
from ryu_haslb.openflow.overload.clients import MAX_RATE_LIMITED_CLIENTS
from ryu_haslb.openflow.overload.meter_messages import send
from ryu_haslb.openflow.wire.wire import OFPMC_ADD, OFPMC_DELETE, OFPMC_MODIFY, Error

LOG = logging.getLogger(__name__)

#: The numbers of these meters.
CLIENT_METERS = range(FIRST_METER + 1, FIRST_METER + 1 + MAX_RATE_LIMITED_CLIENTS)


class ClientMeters:
    """The meters of the clients of one connection that exceed their fair share."""

    def __init__(self, datapath_id: int, transactions: Transactions, configuration: Configuration) -> None:
        self._datapath_id = datapath_id
        self._transactions = transactions
        self._channel = transactions.channel
        self._configuration = configuration
        self._sides = Sides()
        self._meter_of_client: dict[bytes, int] = {}
        self._rate_of_client: dict[bytes, int] = {}
        self._rules_of_client: dict[bytes, list[Rule]] = {}
        self._rejected: set[bytes] = set()
        self._backoff = Backoff()
        self._now = 0.0
        #: Changes whenever rules are sent, confirmed or deleted, for the audit.
        self.version = 0

    @property
    def is_settled(self) -> bool:
        """Whether the switch has confirmed the rules of all clients."""
        return self._rules_of_client.keys() == self._meter_of_client.keys()

    @property
    def sent(self) -> list[rule_messages.SentRule]:
        """The rules that the switch has confirmed."""
        return [rule_messages.as_sent(rule, True) for rules in self._rules_of_client.values() for rule in rules]

    @property
    def rates(self) -> dict[int, int]:
        """The meters that are in use, and their rates in packets per second."""
        return {meter: self._rate_of_client[client] for client, meter in self._meter_of_client.items()}

    def by_client(self, of_meter: Mapping[int, int]) -> dict[bytes, int]:
        """Counts of meters as counts of their clients."""
        return {client: of_meter.get(meter, 0) for client, meter in self._meter_of_client.items()}

    def configure(self, configuration: Configuration, sides: Sides) -> None:
        """Use another configuration, or other ports. The rules of clients are gone, and so are their limits."""
        self._configuration, self._sides = configuration, sides
        self.version += 1
        self._meter_of_client.clear()
        self._rate_of_client.clear()
        self._rules_of_client.clear()
        self._rejected.clear()

    def on_lost(self) -> None:
        """Rules of rate-limited clients may be gone or changed: install all again."""
        for client, meter in self._meter_of_client.items():
            self._add_rules(client, meter)

    def restore(self, present: AbstractSet[int]) -> int:
        """Add the meters again that are not present, and the rules that use them; returns their number."""
        accepted = [(client, self._meter_of_client[client]) for client in self._rules_of_client]
        deleted = [(client, meter) for client, meter in accepted if meter not in present]
        for client, meter in deleted:
            send(self._channel, OFPMC_ADD, meter, self._rate_of_client[client])
            self._add_rules(client, meter)
        return len(deleted)

    def limit(self, rates: Mapping[bytes, int], now: float) -> Iterator[int]:
        """Limit these clients to these rates, and no others. Generates the meters that are new."""
        self._now = now
        if not self._backoff.must_wait(now):
            for client in list(self._rejected):
                self._add_meter(client)
        for client in self._meter_of_client.keys() - rates.keys():
            self._lift(client)
        for client, rate in rates.items():
            if client not in self._meter_of_client:
                yield self._add(client, rate)
            elif rate != self._rate_of_client[client]:
                self._rate_of_client[client] = rate
                send(self._channel, OFPMC_MODIFY, self._meter_of_client[client], rate)

    def _add(self, client: bytes, rate: int) -> int:
        """Give a client a meter of its own, and the rules that lead to it."""
        meter = next(each for each in CLIENT_METERS if each not in self._meter_of_client.values())
        self._meter_of_client[client], self._rate_of_client[client] = meter, rate
        self._add_meter(client)
        LOG.warning(
            "Switch %016x: client %s exceeds its fair share; rate-limited to %d requests/s",
            *(self._datapath_id, inet_ntoa(client), rate),
        )
        return meter

    def _add_meter(self, client: bytes) -> None:
        meter = self._meter_of_client[client]
        send(self._channel, OFPMC_DELETE, meter)  # it may be there from a previous run
        send(self._channel, OFPMC_ADD, meter, self._rate_of_client[client])
        self._add_rules(client, meter)

    def _add_rules(self, client: bytes, meter: int) -> None:
        rules = list(client_rules(self._configuration, self._datapath_id, self._sides, inet_ntoa(client), meter))
        self._rules_of_client.pop(client, None)
        self._rejected.discard(client)
        self.version += 1

        def conclude(error: Optional[Error]) -> None:
            if self._meter_of_client.get(client) != meter:
                return
            if error is not None:
                self._on_rejected(client, error)
                return
            self._rules_of_client[client] = rules
            self.version += 1
            if not self._rejected:
                self._backoff.reset()

        self._transactions.submit(lambda xid: rule_messages.additions(rules, xid), conclude)

    def _on_rejected(self, client: bytes, error: Error) -> None:
        self._rejected.add(client)
        if self._backoff.on_rejected(self._now):
            LOG.warning(
                "Switch %016x rejected the rules that rate-limit client %s (%s); the balancer alone limits it, and "
                "they are sent again after pauses of 1 to 60 s",
                *(self._datapath_id, inet_ntoa(client), error),
            )

    def _lift(self, client: bytes) -> None:
        """Delete a client's meter; the switch deletes the rules that use it (OpenFlow 1.3.5, section 6.5)."""
        send(self._channel, OFPMC_DELETE, self._meter_of_client.pop(client))
        del self._rate_of_client[client]
        self._rules_of_client.pop(client, None)
        self._rejected.discard(client)
        self.version += 1
        LOG.info("Switch %016x: client %s is no longer rate-limited", self._datapath_id, inet_ntoa(client))
