"""The meters of one switch: they drop what is too much before it costs anything else.

One is on every rule that sends requests to the controller. Clients that crowd out others (:mod:`.clients`) get rules
and a meter of their own. A switch without meters is served without.
"""

from __future__ import annotations

import logging
from socket import inet_ntoa
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow import flow_mods
from ryu_haslb.openflow.admission import Admission
from ryu_haslb.openflow.clients import MAX_RATE_LIMITED_CLIENTS, MAX_REQUEST_RATE
from ryu_haslb.openflow.pipeline import FIRST_METER
from ryu_haslb.openflow.standing_rules import client_rules
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.openflow.wire import OFPMC_ADD, OFPMC_DELETE, OFPMC_MODIFY, MalformedMessage
from ryu_haslb.openflow.wire_flow_mod import meter_mod
from ryu_haslb.openflow.wire_multipart import has_more, meter_stats, meter_stats_request
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.statistics import DropReason

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the meters.
REVIEW = 1.0
#: Seconds without an answer after which a look goes without what the meters have dropped.
PATIENCE = 5.0

_CLIENT_METERS = range(FIRST_METER + 1, FIRST_METER + 1 + MAX_RATE_LIMITED_CLIENTS)
#: Seconds' worth of packets that may pass a meter at once.
_BURST = 0.1


class Meters:
    """Meters over one connection, from :meth:`prepare` on."""

    def __init__(
        self,
        datapath_id: int,
        transactions: Transactions,
        admission: Admission,
        balancer: Balancer,
        configuration: Configuration,
    ) -> None:
        self.supported = False
        self._channel = transactions.channel
        self._datapath_id = datapath_id
        self._transactions = transactions
        self._admission = admission
        self._balancer = balancer
        self._configuration = configuration
        self._sides = Sides()
        self._of_client: dict[bytes, int] = {}
        self._rates: dict[bytes, int] = {}
        self._of_all = MAX_REQUEST_RATE
        self._counted: dict[int, int] = {}
        self._dropped: dict[int, int] = {}
        self._asked: Optional[int] = None
        self._reviewed_at: Optional[float] = None

    def prepare(self, conclude: Callable[[], None]) -> None:
        """Make the meter of all requests, and then say so, whether there is one now or not."""

        def concluded(success: bool) -> None:
            self.supported = success
            conclude()

        def added(success: bool) -> None:
            if success:
                concluded(True)
            else:  # one of an earlier run is there, or there are none
                self._transactions.submit(lambda xid: [_meter_mod(xid, OFPMC_MODIFY, FIRST_METER)], concluded)

        self._transactions.submit(lambda xid: [_meter_mod(xid, OFPMC_ADD, FIRST_METER)], added)

    def configure(self, configuration: Configuration, sides: Sides) -> None:
        """Go by another configuration, or other ports; the rules of clients are gone with those that it replaces."""
        self._configuration, self._sides = configuration, sides
        self._of_client.clear()
        self._rates.clear()
        self._admission.clients.lift_rate_limits()

    def remove(self) -> None:
        """Take every meter off the switch."""
        if self.supported:
            for meter in (FIRST_METER, *_CLIENT_METERS):
                self._send(OFPMC_DELETE, meter)

    def tick(self, now: float) -> None:
        """Ask what the meters have dropped, when it is time; the answer leads to a review."""
        if self._reviewed_at is None:
            self._reviewed_at = now
        if now < self._reviewed_at + (REVIEW if self._asked is None else PATIENCE):
            return
        if self._asked is not None:
            self._asked = None
            self._review(now)
        elif not self.supported:
            self._admission.clients.update_rate_limits(now, {})
            self._reviewed_at = now
        else:
            self._asked = self._channel.next_xid()
            self._channel.transmit(meter_stats_request(self._asked))

    def reply(self, xid: int, message: bytes, now: float) -> bool:
        """Take a part of the answer; False when it answers another question."""
        if xid != self._asked:
            return False
        try:
            rows, more = list(meter_stats(message)), has_more(message)
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed meter-stats reply; ignored (%s)", self._datapath_id, error)
            return True
        for meter, dropped in rows:
            self._count(meter, dropped)
        if not more:
            self._asked = None
            self._review(now)
        return True

    def _count(self, meter: int, total: int) -> None:
        """The meter has dropped so many in all."""
        if meter != FIRST_METER and meter not in self._of_client.values():
            return
        before = self._counted.get(meter, 0)
        self._counted[meter] = total
        dropped = total - before if total >= before else total
        self._dropped[meter] = self._dropped.get(meter, 0) + dropped
        self._balancer.count_dropped(DropReason.METERED if meter == FIRST_METER else DropReason.CLIENT_METERED, dropped)

    def _review(self, now: float) -> None:
        assert self._reviewed_at is not None, "it was asked for"
        seconds, self._reviewed_at = now - self._reviewed_at, now
        dropped = {client: self._dropped.get(meter, 0) / seconds for client, meter in self._of_client.items()}
        self._dropped.clear()
        rates = self._admission.clients.update_rate_limits(now, dropped)
        of_all = int(self._admission.clients.total_rate)
        if of_all != self._of_all:
            self._of_all = of_all
            self._send(OFPMC_MODIFY, FIRST_METER, of_all)
        for client in self._of_client.keys() - rates.keys():
            self._release(client)
        for client, rate in rates.items():
            if client not in self._of_client:
                self._hold(client, rate)
            elif rate != self._rates[client]:
                self._rates[client] = rate
                self._send(OFPMC_MODIFY, self._of_client[client], rate)

    def _hold(self, client: bytes, rate: int) -> None:
        meter = next(each for each in _CLIENT_METERS if each not in self._of_client.values())
        self._of_client[client], self._rates[client], self._counted[meter] = meter, rate, 0
        self._send(OFPMC_DELETE, meter)  # one of an earlier run, perhaps
        self._send(OFPMC_ADD, meter, rate)
        rules = list(client_rules(self._configuration, self._datapath_id, self._sides, inet_ntoa(client), meter))
        self._transactions.submit(lambda xid: flow_mods.additions(rules, xid), lambda _: None)
        LOG.warning(
            "Switch %016x: client %s exceeds its fair share; rate-limited to %d requests/s",
            *(self._datapath_id, inet_ntoa(client), rate),
        )

    def _release(self, client: bytes) -> None:
        """With its meter a client's rules go as well (OpenFlow 1.3.5, section 6.5)."""
        self._send(OFPMC_DELETE, self._of_client.pop(client))
        del self._rates[client]
        LOG.info("Switch %016x: client %s is no longer rate-limited", self._datapath_id, inet_ntoa(client))

    def _send(self, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> None:
        self._channel.transmit(_meter_mod(self._channel.next_xid(), command, meter, rate))


def _meter_mod(xid: int, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> bytes:
    """The message that adds, modifies or deletes a meter that lets ``rate`` packets a second through."""
    if command == OFPMC_DELETE:
        return meter_mod(xid, command, meter)
    return meter_mod(xid, command, meter, rate, max(1, int(rate * _BURST)))
