"""The messages that add, modify and delete meters."""

from __future__ import annotations

from ryu_haslb.openflow.overload.clients import MAX_REQUEST_RATE
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.flow_mod import meter_mod
from ryu_haslb.openflow.wire.wire import OFPMC_DELETE

#: Seconds' worth of packets that may pass a meter in one burst.
_BURST = 0.1


def meter_message(xid: int, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> bytes:
    """The message that adds, modifies or deletes a meter; ``rate`` is in packets per second."""
    if command == OFPMC_DELETE:
        return meter_mod(xid, command, meter)
    return meter_mod(xid, command, meter, rate, max(1, int(rate * _BURST)))


def send(channel: Channel, command: int, meter: int, rate: int = MAX_REQUEST_RATE) -> None:
    """Send such a message. An error is not awaited."""
    channel.transmit(meter_message(channel.next_xid(), command, meter, rate))
