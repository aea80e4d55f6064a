"""Our readers held against Wireshark's: tshark dissects generated requests, all in one run.

Wireshark reads the types that it names as their RFCs say, and every other one as short. The types in
:data:`MISREAD_BY_WIRESHARK` are left out; ``test_extensions.py`` and ``test_request_reader.py`` compare those with
their RFCs.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from ryu_haslb.mobile_ip.extensions import SHAPES, UNCERTAIN, Extension, ExtensionType, encode_extensions, walk
from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH, Identity, IdentityKind, identity_of_request
from ryu_haslb.mobile_ip.request_reader import read_identity

#: Types that Wireshark 4.0 takes for short ones: padding (RFC 5944), key requests and replies (RFC 3957), GRE key (RFC
#: 6245).
MISREAD_BY_WIRESHARK = frozenset({0, 40, 41, 42, 43, 48})
TYPES = [number for number in range(256) if number not in UNCERTAIN | MISREAD_BY_WIRESHARK]
#: Wireshark dissects the data of this type (RFC 5177) and stops where it is malformed: sub-type 0, a prefix of 24 bits.
MOBILE_NETWORK, MOBILE_NETWORK_DATA = 148, b"\0\x18\x0a\x01\x01\0"
REQUEST_COUNT = 500
HEAD = struct.pack("!BBH4s4s4sQ", 1, 0x22, 600, b"\x0a\xc8\0\7", b"\xff" * 4, b"\x0f\x01\x01\x33", 1)
#: The bytes of Ethernet, IPv4 and UDP in front of a message.
FRAME_HEADERS = 14 + 20 + 8


def data_of(number: int) -> bytes:
    """Data that Wireshark dissects, and that looks like the NAI of another mobile where possible."""
    return MOBILE_NETWORK_DATA if number == MOBILE_NETWORK else (b"\x83\x04evil" * 9)[:16]


def extension(random: Random) -> Extension:
    """An extension whose data is full of what could be taken for the NAI of another mobile."""
    number = random.choice((*TYPES, *[int(ExtensionType.NAI)] * 20))
    if number == ExtensionType.NAI:
        return Extension(number, b"user%d@example.org" % random.randrange(1000))
    shape = SHAPES[number]
    size = random.choice((16, 40, 200, 300 if shape.has_subtype else 250))
    if number == MOBILE_NETWORK:
        return Extension(number, MOBILE_NETWORK_DATA)
    data = (bytes(random.randrange(4)) + b"\x83\x04evil" * 60)[:size]
    return Extension(number, data, 1 if shape.has_subtype else 0)


def requests() -> list[bytes]:
    """Registration Requests that are the same in each run."""
    random = Random("against tshark")
    every_type = [
        HEAD + Extension(number, data_of(number)).encode() + b"\x83\x04anna"
        for number in TYPES
        if number != ExtensionType.NAI
    ]
    mixed = [
        HEAD + encode_extensions(extension(random) for _ in range(random.randrange(6))) for _ in range(REQUEST_COUNT)
    ]
    return every_type + mixed


def frame(payload: bytes) -> bytes:
    """An Ethernet frame with a UDP datagram to port 434."""
    udp = struct.pack("!HHHH", 434, 434, 8 + len(payload), 0) + payload
    addresses = b"\x0f\x01\x01\x33\x0a\x01\x01\x0a"
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
    return bytes(12) + b"\x08\x00" + ip + udp


def dissect(payloads: list[bytes], folder: Path) -> list[list[tuple[int, int, int]]]:
    """What tshark says of each request: type, begin and end of its extensions, in bytes of the message."""
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for payload in payloads:
        data = frame(payload)
        capture += struct.pack("<IIII", 0, 0, len(data), len(data)) + data
    path = folder / "requests.pcap"
    path.write_bytes(capture)
    command = ["tshark", "-r", str(path), "-T", "pdml", "-J", "mip"]
    output = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout
    found = []
    for packet in ElementTree.fromstring(output).iter("packet"):
        listed = []
        for field in packet.iter("field"):
            if field.get("show", "").startswith("Extension: ") and not field.get("name"):
                number = int(next(iter(field)).get("show", ""))
                begin = int(field.get("pos", "")) - FRAME_HEADERS
                listed.append((number, begin, begin + int(field.get("size", ""))))
        found.append(listed)
    return found


@pytest.mark.skipif(
    shutil.which("tshark") is None and os.geteuid() != 0,
    reason="tshark is missing; 'sudo make test' installs it, as 'apt-get install tshark' does",
)
def test_our_readers_find_the_extensions_and_the_nai_that_wireshark_finds(tmp_path: Path) -> None:
    payloads = requests()
    dissected = dissect(payloads, tmp_path)
    assert len(dissected) == len(payloads)
    for payload, theirs in zip(payloads, dissected):
        assert [(span.type, span.start, span.end) for span in walk(payload, REQUEST_LENGTH)] == theirs
        nais = [payload[begin + 2 : end] for number, begin, end in theirs if number == ExtensionType.NAI]
        expected = Identity(IdentityKind.NAI, nais[0]) if nais else Identity(IdentityKind.HOME_ADDRESS, payload[4:8])
        assert identity_of_request(payload) == expected
        assert read_identity(payload, 0, len(payload)) == expected.key
