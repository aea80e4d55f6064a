"""Finds out whether a switch carries out packet-outs to TABLE, before requests depend on it.

A switch may reject them, or accept them and do nothing. In both cases requests would be lost that were counted as
dispatched. So a probe is sent first: a datagram without content to a virtual address, with a tag that no session has. A
switch that runs it through its tables finds no session rule for it and returns it as a session miss::

    unknown -> returned: usable
            -> rejected, or MAX_PROBES not returned: not usable; requests are forwarded without TABLE, as while unknown
"""

from __future__ import annotations

import logging
import struct
from typing import Final, Optional

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import packet, wire

LOG = logging.getLogger(__name__)

#: The tag of probes: a locally administered address that is no session's, but by a chance of one in 2**46.
PROBE_TAG: Final = 0x02 << 40
#: Seconds between two probes.
PROBE_INTERVAL: Final = 1.0
#: Probes without a return after which the switch counts as one that cannot output to TABLE.
MAX_PROBES: Final = 5

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP: Final = struct.Struct("!HHHH")


class TableOutput:
    """Whether one switch outputs to TABLE. ``is_usable`` is True once that was seen over this connection.

    ``was_rejected``: the switch could not when that was last found out, over this connection or an earlier one.
    """

    def __init__(self, datapath_id: int) -> None:
        self.is_usable = self.was_rejected = False
        self._datapath_id = datapath_id
        self._probes_left = 0
        self._next_probe = 0.0

    @property
    def is_possible(self) -> Optional[bool]:
        """Whether the switch can do it; None while that is not known."""
        if self.is_usable:
            return True
        return False if self._next_probe == float("inf") else None

    def begin(self) -> None:
        """A connection is new: the switch may have been replaced, or may run another version."""
        self.is_usable = False
        self._probes_left, self._next_probe = MAX_PROBES, 0.0

    def probe_due(self, channel: Channel, virtual_address: Optional[bytes], now: float) -> None:
        """Send a probe if one is due; without a virtual address the switch has no rule that would return it."""
        if self.is_usable or virtual_address is None or now < self._next_probe:
            return
        if self._probes_left:
            self._probes_left -= 1
            self._next_probe = now + PROBE_INTERVAL
            frame = probe_frame(chassis_address(self._datapath_id), virtual_address)
            channel.transmit(packet.packet_out(packet.return_to_session(PROBE_TAG), frame))
        else:
            self.on_rejected("did not return what was output to TABLE")

    def on_returned(self) -> None:
        """The switch has run a probe through its tables."""
        self.is_usable, self.was_rejected = True, False

    def on_rejected(self, what: str = "rejected output to TABLE") -> None:
        """The switch cannot output to TABLE. ``what`` is the reason, for the log."""
        if self._next_probe != float("inf"):
            LOG.info(  # with each connection; the warning that it lacks output to TABLE comes once
                "Switch %016x %s; its requests are forwarded by packet-out, and its session rules count no packets",
                *(self._datapath_id, what),
            )
        self.is_usable, self.was_rejected = False, True
        self._next_probe = float("inf")


def probe_frame(chassis_mac: bytes, virtual_address: bytes) -> bytes:
    """A UDP datagram without content to a virtual address."""
    udp = _UDP.pack(MOBILE_IP_PORT, MOBILE_IP_PORT, _UDP.size, 0)
    fields = (0x45, 0, _IPV4.size + len(udp), 0, 0, 1, wire.PROTOCOL_UDP)
    header = _IPV4.pack(*fields, 0, bytes(4), virtual_address)
    ethernet = chassis_mac + PROBE_TAG.to_bytes(6, "big") + wire.ETHERTYPE_IPV4.to_bytes(2, "big")
    return ethernet + _IPV4.pack(*fields, checksum(header), bytes(4), virtual_address) + udp
