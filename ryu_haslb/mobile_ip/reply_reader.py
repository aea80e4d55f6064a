"""The strict reader of Registration Replies (RFC 5944 section 3.4): what the balancer learns from one.

A reply is evidence that its home agent lives, so what is cut short or malformed up to the NAI does not count. The plain
codec is :class:`ryu_haslb.mobile_ip.registration.RegistrationReply`. This reader also accepts extensions of unknown
shape if all possible readings agree about the NAI, as :mod:`.request_reader` does, and does not read what follows.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.mobile_ip.extensions import possible_nais
from ryu_haslb.mobile_ip.identity import IdentityKind
from ryu_haslb.mobile_ip.registration import REPLY_LENGTH, REPLY_TYPE, ReplyCode

_FIXED_PART = Struct("!xBH4s4sq")  # code, lifetime, home address, home agent, Identification
_ACCEPTED = (ReplyCode.ACCEPTED, ReplyCode.ACCEPTED_NO_SIMULTANEOUS_BINDINGS)
_NAI_KEY = bytes((IdentityKind.NAI,))
_HOME_ADDRESS_KEY = bytes((IdentityKind.HOME_ADDRESS,))
_NO_ADDRESS = bytes(4)
_LOW_HALF = 0xFFFFFFFF


class ReplyFields(NamedTuple):
    """The fields of a Registration Reply.

    ``identity`` is the key of the mobile's identity (:attr:`ryu_haslb.mobile_ip.identity.Identity.key`); None if the
    reply has neither an NAI nor a home address. ``home_agent`` is four bytes, ``lifetime`` is in seconds, and
    ``identification`` is a signed number as in :class:`ryu_haslb.slb.request.Request`.
    """

    code: int
    lifetime: int
    identity: Optional[bytes]
    home_agent: bytes
    identification: int

    @property
    def is_accepted(self) -> bool:
        """Whether the home agent has bound the mobile: the request was accepted, and its lifetime is not 0."""
        return self.code in _ACCEPTED and self.lifetime > 0

    def answers(self, identification: int) -> bool:
        """Whether it replies to a request with this Identification.

        A reply with code 133 has the home agent's time in the high half (RFC 5944 section 5.7.1).
        """
        if self.code == ReplyCode.IDENTIFICATION_MISMATCH:
            return (self.identification ^ identification) & _LOW_HALF == 0
        return self.identification == identification


def read_registration_reply(payload: bytes) -> Optional[ReplyFields]:
    """The reply in a UDP payload; None if it is another message, is cut short, or has a malformed extension."""
    if len(payload) < REPLY_LENGTH or payload[0] != REPLY_TYPE:
        return None
    code, lifetime, home_address, home_agent, identification = _FIXED_PART.unpack_from(payload)
    nais = possible_nais(payload, REPLY_LENGTH, len(payload))
    if len(nais) != 1:
        return None
    nai = nais.pop()
    if nai is not None:
        identity: Optional[bytes] = _NAI_KEY + nai
    else:
        identity = None if home_address == _NO_ADDRESS else _HOME_ADDRESS_KEY + home_address
    return ReplyFields(code, lifetime, identity, home_agent, identification)
