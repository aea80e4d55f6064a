"""What every node program has in common: its life from ``ready`` to SIGTERM, its clock, its key and its options."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from haslb_lab.node.commands import Commands
from haslb_lab.node.control import ControlServer
from ryu_haslb.mobile_ip.authentication import SecurityAssociation

DEFAULT_SPI = 256
DEFAULT_KEY = "00112233445566778899aabbccddeeff"


class Alarm:
    """One timer that can be moved. Times are those of the event loop, which is the monotonic clock."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._time: Optional[float] = None
        self._handle: Optional[asyncio.TimerHandle] = None

    def set(self, when: Optional[float]) -> None:
        """Ring at ``when`` and not before, or not at all."""
        if when == self._time:
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._time = when
        if when is not None:
            self._handle = asyncio.get_running_loop().call_at(when, self._run)

    def _run(self) -> None:
        self._time = self._handle = None
        self._ring()


def clock_offset() -> float:
    """What to add to the monotonic clock to get seconds since 1970. Taken once, so that no step of the system's clock
    reaches a node's timestamps."""
    return time.time() - time.monotonic()


async def live(control: str, opened: contextlib.AbstractAsyncContextManager[Commands]) -> None:
    """Open a node and its control socket, say ``ready``, and close both when SIGTERM or SIGINT comes.

    Raises OSError with a text for people when a socket cannot be opened.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened as commands:
        server = ControlServer(control, commands.answer)
        await server.open()
        try:
            print("ready", flush=True)
            await stop.wait()
        finally:
            await server.close()


def run(program: str, control: str, opened: contextlib.AbstractAsyncContextManager[Commands]) -> int:
    """A node program's exit status: 0 after SIGTERM or SIGINT, 1 after one line that says what is in the way."""
    try:
        asyncio.run(live(control, opened))
    except OSError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


def address(text: str) -> IPv4Address:
    """An IPv4 address among the options."""
    try:
        return IPv4Address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IPv4 address such as 10.1.1.51") from None


def network(text: str) -> IPv4Network:
    """A network among the options."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; expected a network such as 10.200.0.0/16") from None


def port(text: str) -> int:
    """A UDP port among the options."""
    return whole_number(text, 1, 65535)


def whole_number(text: str, least: int, most: int) -> int:
    """A number among the options or arguments; the error names its limits."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number from {least} to {most}")
    return int(text)


def positive(text: str) -> float:
    """A time in seconds or a rate among the options."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number above 0 and below 1000000")
    return value


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options of every node: its control socket and the key that it shares with its mobiles."""
    parser.add_argument("--control", required=True, metavar="PATH", help="Unix socket for commands")
    parser.add_argument(
        "--spi", type=lambda text: whole_number(text, 256, 0xFFFFFFFF), default=DEFAULT_SPI, help="default %(default)s"
    )
    parser.add_argument(
        "--key-hex",
        type=_key,
        default=DEFAULT_KEY,
        metavar="HEX",
        help="MN-HA key of all mobiles, default %(default)s",
    )


def association(arguments: argparse.Namespace) -> SecurityAssociation:
    """The security association that the options describe."""
    return SecurityAssociation(arguments.spi, arguments.key_hex)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not key:
        raise argparse.ArgumentTypeError("the key is pairs of hexadecimal digits, such as 00112233aabbccdd")
    return key
