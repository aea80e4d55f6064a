"""What all node programs have in common: start and end, clock, security association, and kinds of options."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Optional, TypeVar

from haslb_lab.node.commands import Commands
from haslb_lab.node.control import ControlServer
from ryu_haslb.language import values
from ryu_haslb.mobile_ip.authentication import SecurityAssociation

Value = TypeVar("Value")

DEFAULT_SPI = 256
DEFAULT_KEY = "00112233445566778899aabbccddeeff"


class Alarm:
    """One timer that can be moved. Times are those of the event loop: the monotonic clock."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._time: Optional[float] = None
        self._handle: Optional[asyncio.TimerHandle] = None

    def set(self, when: Optional[float]) -> None:
        """Call ``ring`` at ``when``, in place of the earlier time; None cancels it."""
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
    """Seconds to add to the monotonic clock to get seconds since 1970.

    A node reads it once, so that a step of the system's clock does not change its timestamps.
    """
    return time.time() - time.monotonic()


async def live(control: str, opened: contextlib.AbstractAsyncContextManager[Commands]) -> None:
    """Open a node and its control socket, print ``ready``, and close both on SIGTERM or SIGINT.

    Raises: OSError, with a message for the operator, when something cannot be opened.
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
    """Run a node program. Returns its exit status: 0 after SIGTERM or SIGINT, 1 after printing why it cannot run."""
    try:
        asyncio.run(live(control, opened))
    except OSError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


def address(text: str) -> IPv4Address:
    """The value of an option that is an IPv4 address."""
    return _parsed(text, values.address, "an IPv4 address such as 10.1.1.51")


def network(text: str) -> IPv4Network:
    """The value of an option that is a network."""
    return _parsed(
        text, lambda text: values.network(*values.address_and_length(text)), "a network such as 10.200.0.0/16"
    )


def port(text: str) -> int:
    """The value of an option that is a UDP port."""
    return whole_number(text, 1, 65535)


def whole_number(text: str, least: int, most: int) -> int:
    """The value of an option that is a number from ``least`` to ``most``."""
    return _parsed(text, lambda text: values.decimal(text, least, most), f"a number from {least} to {most}")


def _parsed(text: str, parse: Callable[[str], Value], expected: str) -> Value:
    """The value of an option. Raises: ArgumentTypeError with what was expected."""
    try:
        return parse(text)
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not {expected}{reason}") from None


def positive(text: str) -> float:
    """The value of an option that is a time in seconds or a rate."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number above 0 and below 1000000")
    return value


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of home agents and PDSNs: the control socket, and the security association of all mobiles."""
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
        raise argparse.ArgumentTypeError("the key must be pairs of hexadecimal digits, such as 00112233aabbccdd")
    return key
