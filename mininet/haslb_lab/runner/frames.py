"""Raw Ethernet frames from and to an interface of the namespace that this program runs in.

``python frames.py send INTERFACE`` sends each line of standard input, written in hexadecimal.
``python frames.py capture INTERFACE`` prints ``ready`` and then each frame that arrives as one line of JSON,
``{"time": SECONDS, "frame": HEX}``, until it is ended; with ``--outgoing`` also those that leave. Frames that were lost
because the buffer was full are a line as well: ``{"lost": COUNT}``.
"""

from __future__ import annotations

import argparse
import errno
import json
import socket
import struct
import sys
import time
from typing import Optional

ETH_P_ALL = 3
PACKET_OUTGOING = 4
MAX_FRAME_SIZE = 65536

SOL_PACKET = 263
PACKET_AUXDATA = 8
AUXDATA = struct.Struct("IIIHHHH")
PACKET_STATISTICS = 6
STATISTICS = struct.Struct("II")
SO_RCVBUFFORCE = 33
#: Bytes of the buffer for frames not read yet, as the kernel counts them: some 80000 small frames.
RECEIVE_BUFFER_SIZE = 64 << 20

VLAN_VALID = 0x10
VLAN_PROTOCOL_VALID = 0x40
ETHERTYPE_VLAN = 0x8100


def send(interface: str) -> int:
    """Send the frames that standard input lists. A line that is not a frame ends the program with its number."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as port:
        port.bind((interface, 0))
        for number, line in enumerate(sys.stdin, 1):
            try:
                port.send(bytes.fromhex(line))
            except (ValueError, OSError) as error:
                print(f"frame {number}: {error}", file=sys.stderr)
                return 1
    return 0


def capture(interface: str, outgoing: bool) -> int:
    """Print the frames that arrive, and with ``outgoing`` also those that this namespace sends."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as port:
        port.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_SIZE)
        port.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        port.bind((interface, ETH_P_ALL))
        print("ready", flush=True)
        while True:
            try:
                frame, ancillary, _, (_, _, kind, *_) = port.recvmsg(MAX_FRAME_SIZE, 128)
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # the interface may go down and come up again
                    raise
                continue
            if count := lost(port):
                print(json.dumps({"lost": count}), flush=True)
            if outgoing or kind != PACKET_OUTGOING:
                auxiliary = next((data for _, what, data in ancillary if what == PACKET_AUXDATA), None)
                whole = with_tag(frame, auxiliary)
                print(json.dumps({"time": time.monotonic(), "frame": whole.hex()}), flush=True)


def lost(port: socket.socket) -> int:
    """Frames lost since the last call because the buffer was full (packet(7)).

    Reading a frame makes room. Called after each frame, it reports every loss before the last frame that was kept.
    """
    _, drops = STATISTICS.unpack(port.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size))
    return int(drops)


def with_tag(frame: bytes, auxiliary: Optional[bytes]) -> bytes:
    """The frame with the VLAN tag that the kernel has removed and reports in ``auxiliary`` (packet(7))."""
    if auxiliary is None:
        return frame
    status, _, _, _, _, tag, protocol = AUXDATA.unpack_from(auxiliary)
    if not status & VLAN_VALID:
        return frame
    return (
        frame[:12] + struct.pack("!HH", protocol if status & VLAN_PROTOCOL_VALID else ETHERTYPE_VLAN, tag) + frame[12:]
    )


def main() -> int:
    """Run ``send`` or ``capture``. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Send or capture raw Ethernet frames.")
    parser.add_argument("action", choices=["send", "capture"])
    parser.add_argument("interface")
    parser.add_argument("--outgoing", action="store_true", help="capture frames that leave as well")
    arguments = parser.parse_args()
    try:
        if arguments.action == "send":
            return send(arguments.interface)
        return capture(arguments.interface, arguments.outgoing)
    except OSError as error:
        print(f"{arguments.interface}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
