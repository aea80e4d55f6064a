"""Talking to a running charon over its vici socket: load what the translation says, list, and clear.

A call takes a second at most, whatever charon does; under eventlet others go on meanwhile. For what may take longer
there is :func:`conversation`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import vici
from vici.exception import CommandException, DeserializationException, EventUnknownException, SessionException

from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.ipsec.channel import PATIENCE, Channel
from ryu_haslb.ipsec.translation import Translation

#: Where the balancer finds the charon of the IPsec module, and where charon has its socket by itself.
VICI_VARIABLE = "HASLB_VICI"
DEFAULT_VICI = "/var/run/charon.vici"
#: What the vici package raises when the other side speaks another language.
_NONSENSE = (
    SessionException,
    EventUnknownException,
    DeserializationException,
    struct.error,
    LookupError,
    TypeError,
    ValueError,
)


class CharonError(Exception):
    """charon cannot be asked, or refuses; the text says why and what to do."""


def load(path: str, translation: Translation) -> None:
    """Give charon every connection and key of a translation; those of the same names are replaced."""
    with conversation(path) as session:
        for tunnel in translation.tunnels:
            session.load_shared(tunnel.secret)
            session.load_conn(tunnel.connection)


def associations(path: str) -> list[IkeAssociation]:
    """Every security association that charon has."""
    with conversation(path) as session:
        return read_associations(session.list_sas())


def clear_ipsec(path: str) -> int:
    """End every security association of IPsec, and return how many pairs they were; peers know each other still."""
    with conversation(path) as session:
        children = [child for each in read_associations(session.list_sas()) for child in each.children]
        for child in children:
            _terminate(session, "child-id", child.number)
        return len(children)


def clear_isakmp(path: str) -> int:
    """End every association of IKE, and return how many; IPsec's go with them."""
    with conversation(path) as session:
        found = read_associations(session.list_sas())
        for each in found:
            _terminate(session, "ike-id", each.number)
        return len(found)


def _terminate(session: Any, what: str, number: int) -> None:
    """End one association. It may be gone already: then there is nothing to do."""
    with contextlib.suppress(CommandException):
        for _ in session.terminate({what: str(number), "force": "yes", "timeout": str(int(PATIENCE * 500))}):
            pass


@contextlib.contextmanager
def conversation(path: str, patience: float = PATIENCE) -> Iterator[Any]:
    """A session of the vici package with the charon at a socket, for so many seconds; one that listens may last.
    CharonError if there is none, or whatever goes wrong in it."""
    try:
        with Channel(path, patience) as channel:
            yield vici.Session(channel)
    except CommandException as error:
        raise CharonError(f"charon at {path} refuses: {error}") from error
    except (FileNotFoundError, ConnectionRefusedError):
        raise CharonError(
            f"no charon answers at {path}; start the IPsec module, or set {VICI_VARIABLE} to its charon's vici socket"
        ) from None
    except socket.timeout:
        raise CharonError(f"charon at {path} does not answer; see the log of the IPsec module") from None
    except OSError as error:
        raise CharonError(f"charon at {path} cannot be asked: {error.strerror or error}") from error
    except _NONSENSE as error:
        raise CharonError(f"what answers at {path} is no charon: {error}") from error
