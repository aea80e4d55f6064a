"""Tun devices: interfaces of this namespace whose packets a program reads and writes."""

from __future__ import annotations

import fcntl
import os
import struct

from haslb_lab.errors import ProgramError

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_REQUEST = struct.Struct("16sH22x")

MAX_PACKET_SIZE = 65535


def open_tun(name: str) -> int:
    """A file descriptor, not blocking, that gives and takes one IP packet at a time. The device exists until it is
    closed. Raises OSError with a text for people."""
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ProgramError(f"cannot open /dev/net/tun: {error.strerror}; the kernel needs its module tun") from None
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        os.close(descriptor)
        raise ProgramError(f"cannot make the tun device {name}: {error.strerror}") from None
    return descriptor
