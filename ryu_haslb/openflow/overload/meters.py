"""The meters of one switch: they drop excess requests on the switch, before they cost the controller anything.

One meter is common to all rules that send requests to the controller. A client that exceeds its fair share
(:mod:`.clients`) gets a meter of its own (:mod:`.client_meters`). A switch without meters is served without them: its
rules then have no instruction for a meter (:mod:`..flow_tables.rule_messages`).

About once a second the switch is asked what its meters have dropped, and the rates are updated with the reply, or
without it when it does not come in time. Meters that are not in the reply were deleted by others, and with them the
rules that use them (OpenFlow 1.3.5, section 6.5): both are installed again.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.configuration.probe_checks import MAX_PROBE_RATE
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.pipeline import ARP_METER, FIRST_METER, PROBE_METER, REPLY_METER
from ryu_haslb.openflow.overload.admission import Admission
from ryu_haslb.openflow.overload.client_meters import CLIENT_METERS, ClientMeters
from ryu_haslb.openflow.overload.clients import MAX_REQUEST_RATE
from ryu_haslb.openflow.overload.meter_messages import meter_message, send
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.multipart import has_more, meter_stats, meter_stats_request
from ryu_haslb.openflow.wire.wire import OFPMC_ADD, OFPMC_DELETE, OFPMC_MODIFY, Error, MalformedMessage
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason

LOG = logging.getLogger(__name__)

#: Seconds between two updates of the rates.
UPDATE_INTERVAL = 1.0
#: Seconds without a meter-stats reply after which the rates are updated without what the meters have dropped.
METER_STATS_TIMEOUT = 5.0

#: Rejections of rules for their meters in a row after which they are sent without. One may come because others have
#: deleted a meter.
MAX_REJECTIONS = 2

#: Restorations in a row after which a switch that has never reported its meters is not audited for them any more.
_MAX_FRUITLESS_RESTORATIONS = 4

#: ARP requests for virtual addresses that a switch may send to the controller in a second.
MAX_ARP_QUESTION_RATE = 1000

#: Copied replies per second that a switch may send to the controller. One shows that its home agent lives.
MAX_REPLY_RATE = 500
#: Replies to probes per second, twice as many as questions: each real server may answer several probes at once.
MAX_PROBE_REPLY_RATE = 2 * MAX_PROBE_RATE


class Meters:
    """The meters that are used over one connection; ``are_supported`` is known after :meth:`install`, and
    so is ``has_probe_meter``, where the configuration has probes.

    ``on_deleted`` is called when others have deleted the meter of all requests or that of ARP: both are to be installed
    again, and so are the rules that use them. ``on_copying_ended`` is called when others have deleted the meter of
    copied replies. ``of_clients`` are the meters of single clients.
    """

    def __init__(
        self,
        datapath_id: int,
        transactions: Transactions,
        admission: Admission,
        balancer: Balancer,
        configuration: Configuration,
    ) -> None:
        self.are_supported = False
        self.has_probe_meter = False
        self._rejections = 0
        self._restored = 0
        self._arp_dropped = 0
        self.on_deleted: Callable[[], None] = lambda: None
        self.on_copying_ended: Callable[[], None] = lambda: None
        self._is_copying = False
        self._is_unsettled = True
        self._channel = transactions.channel
        self._datapath_id = datapath_id
        self._transactions = transactions
        self._admission = admission
        self._balancer = balancer
        self._configuration = configuration
        self.of_clients = ClientMeters(datapath_id, transactions, configuration)
        self._total_rate = MAX_REQUEST_RATE
        self._last_count: dict[int, int] = {}
        self._dropped: dict[int, int] = {}
        self._stats_xid: Optional[int] = None
        self._present: set[int] = set()
        self._was_reported = False
        self._fruitless = 0
        self._updated_at: Optional[float] = None

    def install(self, conclude: Callable[[], None]) -> None:
        """Add the meters of all requests and of ARP, unless they are there.

        ``conclude`` is called when it is known whether the switch has meters. A meter that had been there before counts
        as a restored one.
        """

        def concluded(error: Optional[Error]) -> None:
            self.are_supported = error is None
            conclude()

        def first_concluded(error: Optional[Error]) -> None:
            if error is None:
                self._add(ARP_METER, MAX_ARP_QUESTION_RATE, arp_concluded)
            else:
                concluded(error)

        def arp_concluded(error: Optional[Error]) -> None:
            if error is None and self._configuration.has_probes:
                self._add_probe_meter(lambda: concluded(None))
            else:
                concluded(error)

        if self._rejections >= MAX_REJECTIONS:
            self.are_supported = self.has_probe_meter = False
            conclude()
            return
        self._is_unsettled = True
        self._add(FIRST_METER, self._total_rate, first_concluded)

    def on_rule_rejected(self, error: Error) -> bool:
        """The switch rejects a rule. True if that is for its meter: meters and rules are to be installed again."""
        if not self.are_supported or not error.is_about_meter:
            return False
        self._rejections += 1
        self.are_supported = False
        return True

    def on_rules_accepted(self) -> None:
        """The standing rules are in place. If they have their meters, the next rejection is the first."""
        if self.are_supported:
            self._rejections = 0

    def _add(self, meter: int, rate: int, conclude: Callable[[Optional[Error]], None]) -> None:
        """Add a meter, or set the rate of one that is there; ``conclude`` gets the error of a switch without meters."""

        def added(error: Optional[Error]) -> None:
            if error is None:
                self._restored += self.has_probe_meter if meter == PROBE_METER else self.are_supported
                conclude(None)
            else:  # it is there, perhaps from a previous run, or the switch has no meters
                self._transactions.submit(lambda xid: [meter_message(xid, OFPMC_MODIFY, meter, rate)], conclude)

        self._transactions.submit(lambda xid: [meter_message(xid, OFPMC_ADD, meter, rate)], added)

    def _add_probe_meter(self, conclude: Callable[[], None]) -> None:
        """Add the meter of replies to probes. A switch that has no room for it has their rules without a meter."""

        def concluded(error: Optional[Error]) -> None:
            self.has_probe_meter = error is None
            conclude()

        self._is_unsettled = True
        self._add(PROBE_METER, MAX_PROBE_REPLY_RATE, concluded)

    def begin_copying(self) -> None:
        """Add the meter of copied replies, before a rule uses it."""
        if self.are_supported:
            self._is_copying = self._is_unsettled = True
            self._send(OFPMC_DELETE, REPLY_METER)  # it may be there from a previous run
            self._send(OFPMC_ADD, REPLY_METER, MAX_REPLY_RATE)

    def end_copying(self) -> None:
        """Delete the meter of copied replies; the rule that used it is gone."""
        if self._is_copying:
            self._is_copying = False
            self._send(OFPMC_DELETE, REPLY_METER)

    @property
    def rates(self) -> dict[int, int]:
        """The meters that are in use, and their rates in packets per second; none on a switch without meters."""
        if not self.are_supported or self._is_unsettled:
            return {}
        rates = {FIRST_METER: self._total_rate, ARP_METER: MAX_ARP_QUESTION_RATE}
        if self._is_copying:
            rates[REPLY_METER] = MAX_REPLY_RATE
        if self.has_probe_meter:
            rates[PROBE_METER] = MAX_PROBE_REPLY_RATE
        return rates | self.of_clients.rates

    def take_restored(self) -> int:
        """The number of meters that others had deleted or changed and that were restored since this was last called."""
        restored, self._restored = self._restored, 0
        return restored

    def take_arp_dropped(self) -> int:
        """The number of ARP requests for virtual addresses that their meter has dropped since this was last called."""
        dropped, self._arp_dropped = self._arp_dropped, 0
        return dropped

    def restore_rate(self, meter: int, rate: int, is_certain: bool) -> None:
        """Set the rate of a meter again that others have changed. It counts as restored if that is certain."""
        self._restored += is_certain
        self._send(OFPMC_MODIFY, meter, rate)

    def configure(self, configuration: Configuration, sides: Sides) -> None:
        """Use another configuration, or other ports, for the rules of clients. All standing rules are replaced then,
        which deletes the rules of clients; no client is rate-limited any more."""
        self._configuration = configuration
        if self.are_supported and configuration.has_probes and not self.has_probe_meter:
            self._add_probe_meter(lambda: None)
        elif self.has_probe_meter and not configuration.has_probes:
            self.has_probe_meter = False
            self._send(OFPMC_DELETE, PROBE_METER)
        self.of_clients.configure(configuration, sides)
        self._admission.clients.lift_rate_limits()

    def tick(self, now: float) -> None:
        """Request the meters' statistics when they are due; the reply updates the rates."""
        if self._updated_at is None:
            self._updated_at = now
        if now < self._updated_at + (UPDATE_INTERVAL if self._stats_xid is None else METER_STATS_TIMEOUT):
            return
        if self._stats_xid is not None:
            self._stats_xid = None
            self._update_rates(now)
        elif not self.are_supported:
            self._admission.clients.update_rate_limits(now, {})
            self._updated_at = now
        else:
            self._is_unsettled = False
            self._present.clear()
            self._stats_xid = self._channel.next_xid()
            self._channel.transmit(meter_stats_request(self._stats_xid))

    def on_meter_stats(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of the reply. False when it is the reply to another request."""
        if xid != self._stats_xid:
            return False
        try:
            rows, more = list(meter_stats(message)), has_more(message)
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed meter-stats reply (%s); ignored", self._datapath_id, error)
            return True
        ours = {FIRST_METER, ARP_METER, REPLY_METER, PROBE_METER, *self.of_clients.rates}
        for meter, dropped in rows:
            if meter in ours:
                self._present.add(meter)
                self._count_dropped(meter, dropped)
        if not more:
            self._stats_xid = None
            if not self._is_unsettled:  # else a meter was added after the request was sent
                self._restore_deleted()
            self._update_rates(now)
        return True

    def _count_dropped(self, meter: int, total: int) -> None:
        """Count what a meter has dropped since the last reply; ``total`` is what it has dropped since it was added."""
        if meter in (REPLY_METER, PROBE_METER):
            return
        before = self._last_count.get(meter, 0)
        self._last_count[meter] = total
        dropped = total - before if total >= before else total
        if meter == ARP_METER:
            self._arp_dropped += dropped
            return
        self._dropped[meter] = self._dropped.get(meter, 0) + dropped
        self._balancer.statistics.count_dropped(
            DropReason.METERED if meter == FIRST_METER else DropReason.CLIENT_METERED, dropped
        )

    def _restore_deleted(self) -> None:
        """Add the meters again that others have deleted, unless the switch does not report its meters at all."""
        self._was_reported = self._was_reported or FIRST_METER in self._present
        if not self._was_reported and self._fruitless == _MAX_FRUITLESS_RESTORATIONS:
            return
        self._restored += self.of_clients.restore(self._present)
        if self._is_copying and REPLY_METER not in self._present and self._was_reported:
            self._restored += 1
            self._is_copying = False
            self.on_copying_ended()
        if self.has_probe_meter and PROBE_METER not in self._present and self._was_reported:
            self._restored += 1
            self._send(OFPMC_ADD, PROBE_METER, MAX_PROBE_REPLY_RATE)
        if self._present.issuperset((FIRST_METER, ARP_METER)):
            return
        self._fruitless += 1
        if self._fruitless == _MAX_FRUITLESS_RESTORATIONS and not self._was_reported:
            LOG.warning(
                "Switch %016x: it does not report its meters, which therefore cannot be audited", self._datapath_id
            )
        else:
            self._is_unsettled = True
            self.on_deleted()

    def _update_rates(self, now: float) -> None:
        """Update the rate limits, and make the meters follow."""
        assert self._updated_at is not None, "tick() has set it"
        seconds, self._updated_at = now - self._updated_at, now
        clients = self._admission.clients
        dropped = {client: count / seconds for client, count in self.of_clients.by_client(self._dropped).items()}
        self._dropped.clear()
        rates = clients.update_rate_limits(now, dropped)
        if int(clients.total_rate) != self._total_rate:
            self._total_rate = int(clients.total_rate)
            self._send(OFPMC_MODIFY, FIRST_METER, self._total_rate)
        for meter in self.of_clients.limit(rates, now):
            self._last_count[meter] = 0

    def _send(self, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> None:
        send(self._channel, command, meter, rate)


def delete_all(channel: Channel) -> None:
    """Delete every meter that may be ours from a switch; one without meters rejects each message."""
    for meter in (FIRST_METER, *CLIENT_METERS, REPLY_METER, ARP_METER, PROBE_METER):
        send(channel, OFPMC_DELETE, meter)
