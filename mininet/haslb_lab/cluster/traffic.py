"""The mobiles of a PDSN, and the capture of a home agent, as programs of two kinds of node.

``python traffic.py send ADDRESS FIRST FILE`` sends Registration Requests of mobiles with the numbers FIRST, FIRST + 1
and so on. It prints ``ready``, and then reads commands from standard input:

=================  ==================================================================================================
``new N RATE``     N new mobiles register, RATE requests a second; prints ``done``
``again RATE``     every mobile so far registers again; prints ``done``
``steady RATE``    until the next command: half of the requests are of new mobiles, half of those that registered
                   :data:`RENEWAL_INTERVAL` seconds before
``fresh RATE``     until the next command: every request is of a new mobile
``pause``          nothing; prints ``done``
=================  ==================================================================================================

``python traffic.py capture INTERFACE FILE`` prints ``ready`` and captures the requests that arrive at an interface.

FILE gets a record of each request (:data:`SENT`, :data:`ARRIVED`). Times are nanoseconds of the machine's clock; that
at which it was sent is in the Identification of each request. Those of arrivals are the kernel's.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from typing import BinaryIO, Callable

#: A request that was sent: when, and by which mobile.
SENT = struct.Struct("<QI")
#: A request that arrived: when, when it was sent, and by which mobile.
ARRIVED = struct.Struct("<QQI")

#: Seconds after which a mobile of steady traffic registers again. Sooner would be a retransmission.
RENEWAL_INTERVAL = 8.0
#: Mobiles of one PDSN.
MAX_MOBILES = 1_000_000

_PORT = 434
_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 64 << 20
_TIMESTAMP = struct.Struct("=qq")
_PACKET_OUTGOING = 4
_NAI_LENGTH = 29
#: Fixed part of a request up to the Identification (RFC 5944 section 3.3): lifetime 600, care-of address 10.1.1.101.
_HEAD = bytes((1, 0, 2, 88, *bytes(8), 10, 1, 1, 101))
_NAI_HEADER = bytes((131, _NAI_LENGTH))
_AUTHENTICATION = bytes((32, 20, 0, 0, 1, 0, *bytes(16)))
_IDENTIFICATION = struct.Struct("!Q")
#: Offsets in a frame without VLAN tag and IP options.
_UDP_AT, _REQUEST_AT = 34, 42
_IDENTIFICATION_AT, _NAI_AT = _REQUEST_AT + 16, _REQUEST_AT + 26
_FLUSH_INTERVAL = 0.05


class Mobiles:
    """The mobiles behind one PDSN; ``log`` gets what they send."""

    def __init__(self, address: str, first: int, log: BinaryIO) -> None:
        self._port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._port.bind(("", _PORT))
        self._to = (address, _PORT)
        self._first = self._next = first
        self._log = log
        self._sent_at: list[float] = []
        self._renewed = 0

    def run(self) -> None:
        """Carry out commands until standard input ends."""
        print("ready", flush=True)
        line = sys.stdin.readline()
        while line:
            word, *numbers = line.split()
            values = [float(number) for number in numbers]
            if word == "new":
                count, rate = values
                line = self._paced(rate, range(self._next, self._next + int(count)), self._register_new)
            elif word == "again":
                line = self._paced(values[0], range(self._first, self._next), self._register)
            elif word == "pause":
                line = self._paced(1.0, range(0), self._register)
            else:
                line = self._until_command(values[0], only_new=word == "fresh")
            self._log.flush()

    def _paced(self, rate: float, mobiles: range, register: Callable[[int], None]) -> str:
        """Register these mobiles, and read the next command."""
        began = time.monotonic()
        for place, mobile in enumerate(mobiles):
            pause = began + place / rate - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            register(mobile)
        print("done", flush=True)
        return sys.stdin.readline()

    def _until_command(self, rate: float, only_new: bool) -> str:
        began, count, flushed = time.monotonic(), 0, 0.0
        while True:
            pause = began + count / rate - time.monotonic()
            if pause < -1.0:  # the machine was busy: do not make up for it in a burst
                began, count, pause = time.monotonic(), 0, 0.0
            if pause > 0 or count % 64 == 0:
                if time.monotonic() - flushed > _FLUSH_INTERVAL:
                    self._log.flush()
                    flushed = time.monotonic()
                if select.select([sys.stdin], [], [], max(pause, 0))[0]:
                    return sys.stdin.readline()
            if only_new or count % 2 == 0 or not self._renew():
                self._register_new(self._next)
            count += 1

    def _register_new(self, mobile: int) -> None:
        self._register(mobile)
        self._sent_at.append(time.monotonic())
        self._next = mobile + 1

    def _renew(self) -> bool:
        """Let the mobile register again that is due. False: none is due yet."""
        place = self._renewed
        if place >= len(self._sent_at) or time.monotonic() < self._sent_at[place] + RENEWAL_INTERVAL:
            return False
        self._renewed += 1
        self._register(self._first + place)
        return True

    def _register(self, mobile: int) -> None:
        now = time.time_ns()
        nai = b"mobile%07d@cluster.example" % mobile
        self._port.sendto(
            _HEAD + _IDENTIFICATION.pack(now) + _NAI_HEADER + nai.ljust(_NAI_LENGTH, b".") + _AUTHENTICATION, self._to
        )
        self._log.write(SENT.pack(now, mobile))


def capture(interface: str, log: BinaryIO) -> None:
    """Record the requests that arrive, until the process is ended."""
    swallowing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # otherwise the kernel answers with ICMP
    swallowing.bind(("", _PORT))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP)) as port:
        port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        port.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        port.bind((interface, _ETH_P_IP))
        print("ready", flush=True)
        flushed = 0.0
        while True:
            if time.monotonic() - flushed > _FLUSH_INTERVAL or not select.select([port], [], [], _FLUSH_INTERVAL)[0]:
                log.flush()
                flushed = time.monotonic()
            frame, ancillary, _, (_, _, kind, *_) = port.recvmsg(256, 64)
            if kind == _PACKET_OUTGOING or frame[_NAI_AT : _NAI_AT + 6] != b"mobile":
                continue
            ((_, _, stamp),) = ancillary
            seconds, nanoseconds = _TIMESTAMP.unpack(stamp)
            (sent,) = _IDENTIFICATION.unpack_from(frame, _IDENTIFICATION_AT)
            mobile = int(frame[_NAI_AT + 6 : _NAI_AT + 13])
            log.write(ARRIVED.pack(seconds * 1_000_000_000 + nanoseconds, sent, mobile))


def main() -> int:
    """Run one of the two programs."""
    action, *words = sys.argv[1:]
    with open(words[-1], "wb") as log:
        if action == "send":
            Mobiles(words[0], int(words[1]), log).run()
        else:
            capture(words[0], log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
