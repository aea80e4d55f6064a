"""Negotiates a security association over vici, explains failures, and receives charon's events about associations.

All functions block. The calls that charon answers at once are in ``ryu_haslb.ipsec.charon``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.ipsec.charon import CharonError, vici_session

#: Seconds that one negotiation may take, retransmissions included.
NEGOTIATION_TIMEOUT = 5.0

#: Seconds that charon may take to answer.
ANSWER_TIMEOUT = 5.0

EVENTS = ["ike-updown", "child-updown", "child-rekey"]

#: Seconds without an event after which an empty list is generated.
EVENT_TIMEOUT = 2.0


def negotiate(path: str, association: str, peer: IPv4Address) -> Optional[str]:
    """Negotiate an association. Returns None once it is established, else the reason why it is not."""
    command = {"child": association, "timeout": str(int(NEGOTIATION_TIMEOUT * 1000)), "loglevel": "1"}
    log: list[str] = []
    try:
        with vici_session(path, NEGOTIATION_TIMEOUT + ANSWER_TIMEOUT) as charon:
            for entry in charon.initiate(command):
                log.append(_text(entry.get("msg")))
    except CharonError as error:
        with suppress(CharonError):
            _give_up(path)
        return reason(log, peer) or str(error)
    return None


def reason(log: Sequence[str], peer: IPv4Address) -> Optional[str]:
    """What charon's log of a failed negotiation means to an operator; None if no known cause is in it."""
    if any("NO_PROPOSAL_CHOSEN" in line for line in log):
        return f"{peer} accepts none of our algorithms; compare isakmp policies and transform sets of both sides"
    if any("could not decrypt payloads" in line or "AUTHENTICATION_FAILED" in line for line in log):
        return f"{peer} has another pre-shared key; compare 'crypto isakmp key' of both sides"
    if any("INVALID_ID_INFORMATION" in line for line in log):
        return f"{peer} protects other traffic; the access lists of both sides have to mirror each other"
    if log and not any("received packet" in line for line in log):
        return f"{peer} does not answer"
    return None


def events(path: str) -> Iterator[list[IkeAssociation]]:
    """Generate the associations of each event: established, rekeyed or ended; an empty list after a while without.

    Raises: CharonError when charon closes the connection.
    """
    with vici_session(path, ANSWER_TIMEOUT) as charon:
        for _, message in charon.listen(EVENTS, EVENT_TIMEOUT):
            yield read_associations([message])


def _give_up(path: str) -> None:
    """Terminate unfinished negotiations, so that the next one starts from the beginning."""
    with vici_session(path, ANSWER_TIMEOUT) as charon:
        for each in read_associations(charon.list_sas()):
            if each.state == "CONNECTING":
                for _ in charon.terminate({"ike-id": str(each.number), "force": "yes", "timeout": "-1"}):
                    pass


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
