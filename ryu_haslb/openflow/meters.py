"""The meters of one switch: they drop what is too much before it costs anything else.

One is on every rule that sends requests to the controller. Clients that crowd out others (:mod:`.clients`) get rules
and a meter of their own. A switch without meters is served without.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from socket import inet_ntoa
from struct import Struct
from typing import Any, Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow import flow_mods, wire
from ryu_haslb.openflow.admission import Admission
from ryu_haslb.openflow.clients import MAX_RATE_LIMITED_CLIENTS, MAX_REQUEST_RATE
from ryu_haslb.openflow.pipeline import FIRST_METER, NOWHERE, client_rules
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.statistics import DropReason

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the meters.
REVIEW = 1.0
#: Seconds without an answer after which a look goes without what the meters have dropped.
PATIENCE = 5.0

_CLIENT_METERS = range(FIRST_METER + 1, FIRST_METER + 1 + MAX_RATE_LIMITED_CLIENTS)
_ALL_METERS = 0xFFFFFFFF
_MULTIPART_METER = 9
_REPLY_MORE = 1
_REQUEST = Struct("!BBHIHH4xI4x")
_REPLY_HEAD = Struct("!8xHH4x")
_ROW = Struct("!IH34x")
_BAND = Struct("!Q8x")


class Meters:
    """Meters over one connection, from :meth:`prepare` on."""

    def __init__(
        self,
        datapath: Any,
        transactions: Transactions,
        admission: Admission,
        balancer: Balancer,
        configuration: Configuration,
    ) -> None:
        self.supported = False
        self._datapath = datapath
        self._transactions = transactions
        self._admission = admission
        self._balancer = balancer
        self._configuration = configuration
        self._sides = NOWHERE
        self._of_client: dict[bytes, int] = {}
        self._rates: dict[bytes, int] = {}
        self._of_all = MAX_REQUEST_RATE
        self._counted: dict[int, int] = {}
        self._dropped: dict[int, int] = {}
        self._asked: Optional[int] = None
        self._reviewed_at: Optional[float] = None

    def prepare(self, conclude: Callable[[], None]) -> None:
        """Make the meter of all requests, and then say so, whether there is one now or not."""
        protocol = self._datapath.ofproto

        def concluded(success: bool) -> None:
            self.supported = success
            conclude()

        def added(success: bool) -> None:
            if success:
                concluded(True)
            else:  # one of an earlier run is there, or there are none
                modify = protocol.OFPMC_MODIFY
                self._transactions.submit(lambda xid: [self._meter(xid, modify, FIRST_METER)], concluded)

        self._transactions.submit(lambda xid: [self._meter(xid, protocol.OFPMC_ADD, FIRST_METER)], added)

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
                self._send(self._datapath.ofproto.OFPMC_DELETE, meter)

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
            self._asked = self._datapath.next_xid()
            head = (wire.OFP_VERSION, wire.OFPT_MULTIPART_REQUEST, _REQUEST.size, self._asked)
            self._datapath.transmit(_REQUEST.pack(*head, _MULTIPART_METER, 0, _ALL_METERS))

    def reply(self, xid: int, message: bytes, now: float) -> bool:
        """Take a part of the answer; False when it answers another question, or is cut short."""
        if xid != self._asked:
            return False
        try:
            _, flags = _REPLY_HEAD.unpack_from(message)
            for meter, count in _counts(message):
                self._count(meter, count)
        except struct.error:
            return False
        if not flags & _REPLY_MORE:
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
            self._send(self._datapath.ofproto.OFPMC_MODIFY, FIRST_METER, of_all)
        for client in self._of_client.keys() - rates.keys():
            self._release(client)
        for client, rate in rates.items():
            if client not in self._of_client:
                self._hold(client, rate)
            elif rate != self._rates[client]:
                self._rates[client] = rate
                self._send(self._datapath.ofproto.OFPMC_MODIFY, self._of_client[client], rate)

    def _hold(self, client: bytes, rate: int) -> None:
        meter = next(each for each in _CLIENT_METERS if each not in self._of_client.values())
        self._of_client[client], self._rates[client], self._counted[meter] = meter, rate, 0
        protocol = self._datapath.ofproto
        self._send(protocol.OFPMC_DELETE, meter)  # one of an earlier run, perhaps
        self._send(protocol.OFPMC_ADD, meter, rate)
        rules = list(client_rules(self._configuration, self._datapath.id, self._sides, inet_ntoa(client), meter))
        self._transactions.submit(lambda xid: flow_mods.additions(self._datapath, rules, xid), lambda _: None)
        LOG.warning(
            "Switch %016x: client %s exceeds its fair share; rate-limited to %d requests/s",
            *(self._datapath.id, inet_ntoa(client), rate),
        )

    def _release(self, client: bytes) -> None:
        """With its meter a client's rules go as well (OpenFlow 1.3.5, section 6.5)."""
        self._send(self._datapath.ofproto.OFPMC_DELETE, self._of_client.pop(client))
        del self._rates[client]
        LOG.info("Switch %016x: client %s is no longer rate-limited", self._datapath.id, inet_ntoa(client))

    def _send(self, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> None:
        self._datapath.transmit(self._meter(self._datapath.next_xid(), command, meter, rate))

    def _meter(self, xid: int, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> bytes:
        return flow_mods.meter(self._datapath, command, meter, rate, xid)


def _counts(message: bytes) -> Iterator[tuple[int, int]]:
    """Each meter and the packets that its band has dropped."""
    offset = _REPLY_HEAD.size
    while offset < len(message):
        meter, length = _ROW.unpack_from(message, offset)
        if length < _ROW.size + 16:
            return
        (count,) = _BAND.unpack_from(message, offset + _ROW.size)
        yield meter, count
        offset += length
