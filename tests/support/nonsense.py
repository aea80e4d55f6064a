"""Nonsense for the doors of a balancer that its operator uses: commands, HTTP requests, DFP messages, configurations.

Each generator takes its choices from one seeded random number generator.
"""

from __future__ import annotations

import random
import shlex
import struct

from ryu_haslb.control.command_table import COMMANDS
from ryu_haslb.dfp.messages import HEADER as DFP_HEADER
from ryu_haslb.web.routes import ROUTES

#: Commands that would end what is attacked, or whose answers have no end.
_LEFT_OUT = ("retire", "redundancy", "debug")
_COMMANDS = [each.template.split() for each in COMMANDS if not each.template.startswith(_LEFT_OUT)]
_WORDS = sorted({word.strip("[]{}") for words in _COMMANDS for word in words})
_VALUES = (
    *(
        "",
        " ",
        "?",
        "|",
        "count",
        "include",
        "--json",
        "--yes",
        "--dry-run",
        "x" * 5000,
        "\u202e",
        "\x1b[2J",
        "\x00",
        "ü",
    ),
    *(
        "10.1.1.51",
        "10.1.1.51:99999",
        "0.0.0.0/0",
        "-1",
        "4294967296",
        "1e9",
        "%s",
        "../../etc/passwd",
        "/dev/zero",
        "/",
    ),
)
#: Commands of configurations, and values for them.
_LINES = (
    *("ip slb serverfarm {}", " real {}", "  weight {}", "  inservice", "ip slb vserver {}", " virtual {} udp 434 {}"),
    *(
        " serverfarm {}",
        "ip slb dfp password {}",
        " agent {} {}",
        "interface Vlan{}",
        " ip address {} {}",
        "no {}",
        "{}",
    ),
    *("banner motd ^{}", "crypto map {} 1 ipsec-isakmp", "access-list 101 permit {} any any", "ip slb probe {} ping"),
)
_YAML = (
    "serverfarms:",
    "  F:",
    "    reals:",
    "      - address: {}",
    "vservers: {}",
    "{}: {}",
    "- {}",
    "a: &a [*a]",
    "{}",
)
_METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "",
    "G\x00T",
    "X" * 500,
)
_HEADERS = (
    *(
        "Host: localhost",
        "Host: evil",
        "Host:",
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999",
    ),
    *("Content-Length: 0x10", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Connection: close"),
    *(
        "Authorization: Bearer x",
        "Authorization: Bearer \xff",
        "Content-Type: application/json",
        "Expect: 100-continue",
    ),
    *(
        "X: " + "y" * 9000,
        " folded",
        ":",
        "\x00: 1",
        "Accept: */*;q=x",
        "Range: bytes=0-",
        "If-None-Match: *",
        "Cookie: a=b",
    ),
)
_BODIES = (
    *(b"", b"{}", b"[]", b"null", b"{" * 3000, b'{"text": "\xff"}', b'"\\ud800"', b"1e999", b"5\r\nhello\r\n0\r\n\r\n"),
    *(b"-1\r\nx\r\n", b"FFFFFFFFFFFFFFFFF\r\nx", b"5;ext=1\r\nhel", b"ip slb serverfarm \x00\n", b"frobnicate\n" * 50),
)
#: Types of DFP messages and of what is in them, and lengths that lie.
_DFP_TYPES = (0x0101, 0x0201, 0x0301, 0x0401, 0x0402, 0x0403, 0, 0xFFFF)
_TLV_TYPES = (0x0001, 0x0002, 0x0101, 0x0301, 0, 0xFFFF)
_LENGTHS = (0, 1, 3, 4, 5, 8, 16, 28, 255, 0x7FFF, 0xFFFF)


def control_request(chance: random.Random) -> bytes:
    """What a client of the control socket sends."""
    way = chance.random()
    if way < 0.1:
        return chance.randbytes(chance.randrange(200)) + chance.choice((b"\n", b"\x04\n", b""))
    if way < 0.2:
        return shlex.join(["config", configuration(chance).replace("\n", "\x1f")]).encode("utf-8", "replace") + b"\n"
    words = list(chance.choice(_COMMANDS))
    for _ in range(chance.randrange(4)):
        words.insert(chance.randrange(len(words) + 1), chance.choice(_VALUES + tuple(_WORDS)))
    if chance.random() < 0.3:
        words.pop(chance.randrange(len(words)))
    words = [chance.choice(_VALUES) if word.strip("[]{}").isupper() else word.strip("[]{}") for word in words]
    line = shlex.join(words) if chance.random() < 0.9 else " ".join(words)
    return (chance.choice(("", "", "? ")) + line).encode("utf-8", "replace") + chance.choice((b"\n", b"\x04\n"))


def http_request(chance: random.Random) -> bytes:
    """What a client of HTTP sends."""
    path = chance.choice([route.path for route in ROUTES])
    path = chance.choice(
        (path, path, path + chance.choice(_VALUES), path.replace("{", "%7b"), "/" * 3000, "*", "//x@y/")
    )
    if chance.random() < 0.5:
        names = ("limit", "after", "nai", "vserver", "real", "client", "detail", "x")
        query = "&".join(f"{chance.choice(names)}={chance.choice(_VALUES)}" for _ in range(chance.randrange(1, 5)))
        path += "?" + query.replace(" ", chance.choice(("+", "%20", " ")))
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9" * 9, ""))
    headers = chance.choices(_HEADERS, k=chance.choice((0, 1, 3, 6, 300)))
    lines = [f"{chance.choice(_METHODS)} {path} {version}", "Host: localhost", *headers]
    head = chance.choice(("\r\n", "\r\n", "\n")).join([*lines, "", ""]).encode("utf-8", "replace")
    return head[: chance.choice((len(head), len(head), chance.randrange(len(head))))] + chance.choice(_BODIES)


def dfp_message(chance: random.Random) -> bytes:
    """What an agent sends."""
    body = b""
    for _ in range(chance.randrange(4)):
        value = chance.randbytes(chance.choice((0, 3, 4, 8, 16, 200)))
        length = chance.choice((len(value) + 4, len(value) + 4, chance.choice(_LENGTHS)))
        body += struct.pack("!HH", chance.choice(_TLV_TYPES), length) + value
    length = chance.choice((len(body) + DFP_HEADER.size,) * 3 + (0, 7, 0xFFFF, 0xFFFFFFFF))
    return DFP_HEADER.pack(chance.choice((1, 1, 1, 0, 255)), chance.choice(_DFP_TYPES), length) + body


def configuration(chance: random.Random) -> str:
    """A text of commands with nonsense in it, of a few lines."""
    lines = chance.choices(chance.choice((_LINES, _YAML)), k=chance.randrange(1, 12))
    return "\n".join(line.format(*chance.choices(_VALUES, k=3)) for line in lines) + "\n"
