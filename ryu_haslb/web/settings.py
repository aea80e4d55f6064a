"""Where the balancer serves HTTP, and the token of those who may change something.

``HASLB_HTTP=[ADDRESS:]PORT`` turns the server on, ``HASLB_HTTP_TOKEN_FILE=FILE`` allows changes.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

from ryu_haslb.control.operations import Application
from ryu_haslb.errors import HaslbError
from ryu_haslb.regular_file import open_regular

if TYPE_CHECKING:
    from ryu_haslb.web.server import HttpServer

LOG = logging.getLogger(__name__)

ADDRESS_VARIABLE = "HASLB_HTTP"
TOKEN_VARIABLE = "HASLB_HTTP_TOKEN_FILE"
DEFAULT_HOST = "127.0.0.1"
#: Characters of a token.
MIN_TOKEN = 16
#: Bytes of the token file that are read.
MAX_TOKEN_FILE = 4096
#: The mode bits of a file that let the group or others read or write it.
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


class HttpSettingError(HaslbError):
    """The environment asks for an HTTP server that cannot be started; the message says why and what to do."""


def http_server(application: Application, environment: Mapping[str, str]) -> Optional[HttpServer]:
    """The server that the environment asks for, or None. Raises: HttpSettingError."""
    wanted = environment.get(ADDRESS_VARIABLE)
    if not wanted:
        return None
    host, port = _address(wanted)
    token = _token(environment.get(TOKEN_VARIABLE))
    # Most balancers serve no HTTP, and start sooner without it.
    from ryu_haslb.web.server import HttpServer  # noqa: PLC0415

    try:
        server = HttpServer(application, host, port, token)
    except OSError as error:
        raise HttpSettingError(
            f"cannot serve HTTP on {host} port {port}: {error.strerror}; "
            f"set {ADDRESS_VARIABLE} to another [ADDRESS:]PORT"
        ) from error
    LOG.info("HTTP server listens on %s port %d (%s)", host, port, "changes need the token" if token else "read-only")
    return server


def _address(text: str) -> tuple[str, int]:
    """``[ADDRESS:]PORT``; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:(?P<v4>[\d.]+):|\[(?P<v6>[\da-fA-F:.]+)\]:)?(?P<port>\d{1,5})", text, re.ASCII)
    with suppress(ValueError):
        if found and 0 < int(found["port"]) <= 65535:
            host = found["v4"] or found["v6"] or DEFAULT_HOST
            return str(ipaddress.ip_address(host)), int(found["port"])
    raise HttpSettingError(
        f"{ADDRESS_VARIABLE} is {text!r}; expected [ADDRESS:]PORT, such as 8080, 192.0.2.1:8080 or [::1]:8080"
    )


def _token(path: Optional[str]) -> Optional[str]:
    """The token in a file; None without a file."""
    if not path:
        return None
    try:
        token = _read_private(path).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "expected ASCII text"
        raise HttpSettingError(f"cannot read the token file {path}: {reason}") from error
    if len(token) < MIN_TOKEN or not re.fullmatch(r"[\w.~+/=-]+", token, re.ASCII):
        raise HttpSettingError(
            f"the token file {path} has no token; expected one word of at least {MIN_TOKEN} characters; make one with: "
            f"openssl rand -hex 32 > {path}"
        )
    return token


def _read_private(path: str) -> bytes:
    """The first bytes of a file that no other user may read or write. The file behind a symbolic link counts.

    Raises: HttpSettingError if other users may, OSError if it cannot be read.
    """
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        if status.st_uid not in (0, os.geteuid()):
            raise HttpSettingError(
                f"the token file {path} belongs to user {status.st_uid}; expected root or the balancer's user"
            )
        if status.st_mode & _OTHERS:
            raise HttpSettingError(
                f"the token file {path} has mode {status.st_mode & 0o777:04o}: other users may read or change it; "
                f"make it private with: chmod 600 {path}, and replace the token"
            )
        return file.read(MAX_TOKEN_FILE)
