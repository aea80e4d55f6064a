"""Raw Ethernet frames from and to an interface of the namespace that this program runs in.

``python frames.py send INTERFACE`` sends each line of standard input, written in hexadecimal.
``python frames.py capture INTERFACE`` prints ``ready`` and then each frame that arrives as one line of JSON,
``{"time": SECONDS, "frame": HEX}``, until it is ended.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

ETH_P_ALL = 3
PACKET_OUTGOING = 4
LARGEST_FRAME = 65536


def send(interface: str) -> int:
    """Send the frames that standard input lists; a line that is no frame ends the program with its number."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as port:
        port.bind((interface, 0))
        for number, line in enumerate(sys.stdin, 1):
            try:
                port.send(bytes.fromhex(line))
            except (ValueError, OSError) as error:
                print(f"frame {number}: {error}", file=sys.stderr)
                return 1
    return 0


def capture(interface: str) -> int:
    """Print the frames that arrive; those that this namespace sends itself are left out."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as port:
        port.bind((interface, ETH_P_ALL))
        print("ready", flush=True)
        while True:
            frame, (_, _, kind, *_) = port.recvfrom(LARGEST_FRAME)
            if kind != PACKET_OUTGOING:
                print(json.dumps({"time": time.monotonic(), "frame": frame.hex()}), flush=True)


def main() -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description="Send or capture raw Ethernet frames.")
    parser.add_argument("action", choices=["send", "capture"])
    parser.add_argument("interface")
    arguments = parser.parse_args()
    try:
        return send(arguments.interface) if arguments.action == "send" else capture(arguments.interface)
    except OSError as error:
        print(f"{arguments.interface}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
