"""The audit of one switch's meters: finds those to which another controller or an operator has given another rate.

A deleted meter is missing in the meter statistics (:mod:`.meters`). A changed one is there, and lets too much or
nothing pass (``ovs-ofctl mod-meter``). So the meters are compared as well::

    every 3 s   meter configuration request (OFPMP_METER_CONFIG)
                -> a meter has its rate                              -> it is known how the switch reports it
                -> it is reported otherwise than it is known to be   -> changed, in its rate or burst: set again
                -> it never was reported with this rate              -> set again, MAX_ATTEMPTS times; then the switch
                                                                        reports rates otherwise

What is set after the request was sent is not compared with the reply.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.multipart import MeterRate, has_more, meter_config_request, meter_rates
from ryu_haslb.openflow.wire.wire import MalformedMessage

LOG = logging.getLogger(__name__)

#: Seconds between two comparisons.
COMPARE_INTERVAL = 3.0
#: Seconds without a reply after which the next request is sent.
REPLY_TIMEOUT = 15.0
#: How often a rate is set again that the switch has never reported.
MAX_ATTEMPTS = 3


class Repair(NamedTuple):
    """A meter to set again. ``is_certain``: others have changed it; else the switch may report rates otherwise."""

    meter: int
    rate: int
    is_certain: bool


class MeterAudit:
    """The rates of the meters of one switch, as it reports them over one connection."""

    def __init__(self, channel: Channel, datapath_id: int) -> None:
        self._channel = channel
        self._datapath_id = datapath_id
        self._xid: Optional[int] = None
        self._asked_at: Optional[float] = None
        self._wanted: dict[int, int] = {}
        self._found: dict[int, MeterRate] = {}
        #: How the switch reports each meter with its rate.
        self._verified: dict[int, MeterRate] = {}
        #: How often each rate that was never reported was set again.
        self._attempts: dict[tuple[int, int], int] = {}
        self._is_possible = True

    def is_due(self, now: float) -> bool:
        """Whether :meth:`tick` has anything to do."""
        interval = COMPARE_INTERVAL if self._xid is None else REPLY_TIMEOUT
        return self._is_possible and (self._asked_at is None or now >= self._asked_at + interval)

    def tick(self, wanted: Mapping[int, int], now: float) -> None:
        """Ask for the rates if that is due; ``wanted`` is packets per second by meter."""
        if not wanted or not self.is_due(now):
            return
        self._asked_at, self._wanted, self._found = now, dict(wanted), {}
        self._xid = self._channel.next_xid()
        self._channel.transmit(meter_config_request(self._xid))

    def on_reply(self, xid: int, message: bytes, wanted: Mapping[int, int]) -> Optional[list[Repair]]:
        """Read a part of a reply. None when it is another reply; otherwise the meters to set again."""
        if xid != self._xid:
            return None
        try:
            self._found.update((each.meter, each) for each in meter_rates(message) if each.meter in self._wanted)
            more = has_more(message)
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed meter-config reply (%s); ignored", self._datapath_id, error)
            self._xid = None
            return []
        if more:
            return []
        self._xid = None
        return list(self._compare(wanted))

    def on_error(self, xid: int) -> bool:
        """The switch rejects the request: it is not asked again. False when it is another message."""
        if xid != self._xid:
            return False
        self._xid, self._is_possible = None, False
        return True

    def _compare(self, wanted: Mapping[int, int]) -> Iterator[Repair]:
        self._verified = {meter: each for meter, each in self._verified.items() if wanted.get(meter) == each.rate}
        self._attempts = {key: count for key, count in self._attempts.items() if wanted.get(key[0]) == key[1]}
        for found in self._found.values():
            rate = wanted.get(found.meter)
            if rate is None or rate != self._wanted.get(found.meter):
                continue  # not ours, or set anew after the request was sent
            known = self._verified.get(found.meter)
            if known is not None:
                if found != known:
                    yield Repair(found.meter, rate, is_certain=True)
            elif found.rate == rate and found.is_in_packets:
                self._verified[found.meter] = found
            elif self._attempts.get((found.meter, rate), 0) < MAX_ATTEMPTS:
                self._attempts[found.meter, rate] = self._attempts.get((found.meter, rate), 0) + 1
                yield Repair(found.meter, rate, is_certain=False)
