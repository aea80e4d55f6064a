"""The other end of a vici socket: a fake charon with given answers, or a program that does not speak vici."""

from __future__ import annotations

import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vici.protocol import FiniteStream, Message, Packet

#: As strongSwan 5.9.8 lists the PDSN's side of example 5.
CHILD: dict[str, Any] = {
    "name": b"l2tpmap-10-1",
    "uniqueid": b"1",
    "reqid": b"1",
    "state": b"INSTALLED",
    "mode": b"TUNNEL",
    "protocol": b"ESP",
    "encap": b"yes",
    "spi-in": b"8b698012",
    "spi-out": b"5a845b5c",
    "encr-alg": b"AES_CBC",
    "encr-keysize": b"128",
    "integ-alg": b"HMAC_SHA1_96",
    "bytes-in": b"252",
    "packets-in": b"3",
    "bytes-out": b"336",
    "packets-out": b"4",
    "rekey-time": b"3567",
    "life-time": b"3597",
    "local-ts": [b"15.1.1.51/32"],
    "remote-ts": [b"15.1.1.10/32"],
}
IKE: dict[str, Any] = {
    "uniqueid": b"1",
    "version": b"1",
    "state": b"ESTABLISHED",
    "local-host": b"15.1.1.51",
    "remote-host": b"15.1.1.15",
    "initiator": b"yes",
    "child-sas": OrderedDict([("l2tpmap-10-1-1", CHILD)]),
}


def send(client: socket.socket, kind: int, name: str = "", message: Any = None) -> None:
    """One packet: its type, for an event its name, and a message."""
    named = struct.pack("!BB", kind, len(name)) + name.encode() if name else struct.pack("!B", kind)
    packet = named + Message.serialize(message or {})
    client.sendall(struct.pack("!I", len(packet)) + packet)


def charon(associations: list[dict[str, Any]], asked: list[tuple[str, dict[str, Any]]]) -> Callable[..., None]:
    """A charon that lists these associations, confirms all else, and notes what it was asked."""

    def serve(client: socket.socket) -> None:
        while header := client.recv(4, socket.MSG_WAITALL):
            packet = client.recv(struct.unpack("!I", header)[0], socket.MSG_WAITALL)
            kind, length = packet[0], packet[1]
            name, message = packet[2 : 2 + length].decode(), packet[2 + length :]
            if kind in (Packet.EVENT_REGISTER, Packet.EVENT_UNREGISTER):
                send(client, Packet.EVENT_CONFIRM)
                continue
            asked.append((name, Message.deserialize(FiniteStream(message))))
            if name == "list-sas":
                for each in associations:
                    send(client, Packet.EVENT, "list-sa", each)
            send(client, Packet.CMD_RESPONSE, message={"success": b"yes"})

    return serve


@contextmanager
def serving(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one client after the other in a thread."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                serve(client)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield str(path)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
