"""Requests to a running charon over its vici socket: load a translation, list and clear security associations.

A call takes at most :data:`~ryu_haslb.ipsec.channel.EXCHANGE_TIMEOUT`, even if charon hangs; under eventlet other
greenlets run meanwhile. :func:`vici_session` is for requests that may take longer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

from ryu_haslb.errors import HaslbError
from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.ipsec.channel import EXCHANGE_TIMEOUT, Channel
from ryu_haslb.ipsec.translation import Translation

try:
    import vici
    import vici.exception as vici_exception
except ModuleNotFoundError:  # Debian has no such package; only a balancer in front of an IPsec module needs it
    vici = vici_exception = None

#: The environment variable with the path of the vici socket of the IPsec module's charon.
VICI_VARIABLE = "HASLB_VICI"
#: The path that charon uses by default.
DEFAULT_VICI = "/var/run/charon.vici"
#: What bytes that are no vici message raise in the vici package, beside its own exceptions.
_PROTOCOL_ERRORS = (struct.error, LookupError, TypeError, ValueError)


class CharonError(HaslbError):
    """charon does not answer, or rejects a request; the text says why and what to do."""


def load(path: str, translation: Translation) -> None:
    """Load the keys and connections of a translation; those of the same names are replaced.

    :raises CharonError: charon does not answer, or rejects one of them.
    """
    with vici_session(path) as session:
        for tunnel in translation.tunnels:
            session.load_shared(tunnel.secret)
            session.load_conn(tunnel.connection)


def associations(path: str) -> list[IkeAssociation]:
    """The security associations of charon, oldest first.

    :raises CharonError: charon does not answer.
    """
    with vici_session(path) as session:
        return read_associations(session.list_sas())


def clear_ipsec(path: str) -> int:
    """End all IPsec security associations, and return the number of pairs; the IKE associations stay.

    :raises CharonError: charon does not answer.
    """
    with vici_session(path) as session:
        children = [child for ike in read_associations(session.list_sas()) for child in ike.children]
        for child in children:
            _terminate(session, "child-id", child.number)
        return len(children)


def clear_isakmp(path: str) -> int:
    """End all IKE security associations, the IPsec associations with them, and return their number.

    :raises CharonError: charon does not answer.
    """
    with vici_session(path) as session:
        found = read_associations(session.list_sas())
        for ike in found:
            _terminate(session, "ike-id", ike.number)
        return len(found)


def _terminate(session: Any, what: str, number: int) -> None:
    """End one association; one that has ended already is no error."""
    with contextlib.suppress(vici_exception.CommandException):
        for _ in session.terminate({what: str(number), "force": "yes", "timeout": str(int(EXCHANGE_TIMEOUT * 500))}):
            pass


@contextlib.contextmanager
def vici_session(path: str, timeout: float = EXCHANGE_TIMEOUT) -> Iterator[Any]:
    """A session of the vici package with the charon at the socket ``path``, for ``timeout`` seconds.

    A session that waits for events lasts longer: vici sets the time-out anew for each event.

    :raises CharonError: there is no charon, it does not answer in time, or it rejects a request. Each error of the
        session becomes this one.
    """
    if vici is None:
        raise CharonError("the Python package vici is missing; install it: pip install vici")
    not_vici = (
        vici_exception.SessionException,
        vici_exception.EventUnknownException,
        vici_exception.DeserializationException,
    )
    try:
        with Channel(path, timeout) as channel:
            yield vici.Session(channel)
    except vici_exception.CommandException as error:
        raise CharonError(f"charon at {path} rejected the request: {error}; see the log of the IPsec module") from error
    except (FileNotFoundError, ConnectionRefusedError):
        raise CharonError(
            f"no charon answers at {path}; start the IPsec module, or set {VICI_VARIABLE} to its charon's vici socket"
        ) from None
    except socket.timeout:
        raise CharonError(f"charon at {path} does not answer; see the log of the IPsec module") from None
    except OSError as error:
        raise CharonError(
            f"connection to charon at {path} failed: {error.strerror or error}; see the log of the IPsec module"
        ) from error
    except (*not_vici, *_PROTOCOL_ERRORS) as error:
        raise CharonError(
            f"the program at {path} does not speak vici: {error}; set {VICI_VARIABLE} to charon's vici socket"
        ) from error
