"""The tags of sessions: by the tag in its cookie a rule on a switch is known for the rule of a session.

A tag is a hash of the mobile's identity with a secret key (:mod:`.tag_keys`). It is also an Ethernet address, so that a
switch can match it in the request that the controller returns to it.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

#: The low bits of the cookie of every flow of ours. The application touches no other flow on a switch. The bits above
#: are the tag of a session, or the purpose of a standing rule.
COOKIE_MARK: Final = 0x51B7
COOKIE_MARK_BITS: Final = 16
COOKIE_MARK_MASK: Final = (1 << COOKIE_MARK_BITS) - 1

#: A tag is a unicast Ethernet address (bit 40 clear) that is locally administered (bit 41 set).
_TAG_FIXED_BITS: Final = 0x03 << 40
_TAG_LOCAL_BIT: Final = 0x02 << 40
_TAG_FREE_BITS: Final = ((1 << 48) - 1) & ~_TAG_FIXED_BITS
#: The key of tags that are hashed without a key, as an earlier version of this program did.
UNKEYED: Final = b""
#: The first byte of the identity of a recovered session. The identity of a mobile never begins with this byte.
RECOVERED: Final = b"\xff"


def tag_of(virtual_address: bytes, identity: bytes, key: bytes = UNKEYED) -> int:
    """The tag of a mobile's session, unless another has it: 46 bits of hash in a locally administered address.

    Without the secret ``key``, two NAIs with one tag could be computed, and so could the tag of any NAI.
    """
    digest = _begun_hash(virtual_address, key).copy()
    digest.update(identity)
    return int.from_bytes(digest.digest(), "big") & _TAG_FREE_BITS | _TAG_LOCAL_BIT


@lru_cache(maxsize=256)
def _begun_hash(virtual_address: bytes, key: bytes) -> blake2b:
    """What the hashes of all mobiles of a virtual server begin with: to copy it costs less than to begin anew."""
    return blake2b(virtual_address, digest_size=6, key=key)


def cookie_of(value: int) -> int:
    """The cookie of the rule of the session with this tag, or of a standing rule with this purpose."""
    return value << COOKIE_MARK_BITS | COOKIE_MARK


def recovered_identity(tag: int) -> bytes:
    """The identity of a recovered session until its mobile is known. No NAI and no home address equals it."""
    return RECOVERED + tag.to_bytes(6, "big")


def next_tag(tag: int) -> int:
    """The tag to try when another session has this one."""
    return (tag | _TAG_FIXED_BITS) + 1 & _TAG_FREE_BITS | _TAG_LOCAL_BIT
