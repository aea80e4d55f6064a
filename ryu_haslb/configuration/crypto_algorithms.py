"""Algorithms in the words of IOS, and in those of strongSwan.

Tried with strongSwan 5.9.8 of Debian 12 and its openssl plugin: 3DES, AES, MD5, SHA-1, SHA-2 and all groups are there.
DES is left to OpenSSL's legacy provider, which current systems do not bring along, and AH to kernels: userspace ESP
has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional

from ryu_haslb.configuration.crypto_model import IsakmpPolicy, TransformSet

#: Takes a decision that the operator is to be told of.
Note = Callable[[str], Any]

ENCRYPTION = {
    "des": "aes128",
    "3des": "3des",
    "aes": "aes128",
    "aes 128": "aes128",
    "aes 192": "aes192",
    "aes 256": "aes256",
    "null": "null",
}
HASHES = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
#: RFC 2409 (1, 2), RFC 3526 (5 to 16), RFC 5903 (19 to 21), RFC 5114 (24).
GROUPS = {
    1: "modp768",
    2: "modp1024",
    5: "modp1536",
    14: "modp2048",
    15: "modp3072",
    16: "modp4096",
    19: "ecp256",
    20: "ecp384",
    21: "ecp521",
    24: "modp2048s256",
}
CIPHERS = tuple(f"esp-{name}" for name in ENCRYPTION)
AUTHENTICATIONS = tuple(f"{protocol}-{name}-hmac" for protocol in ("ah", "esp") for name in HASHES)
COMPRESSION = "comp-lzs"


def ike_proposal(policy: IsakmpPolicy, note: Note) -> str:
    """A policy as a proposal of strongSwan, such as ``aes128-sha1-modp768``."""
    if policy.encryption == "des":
        note(f"isakmp policy {policy.priority}: encryption des -> aes 128: DES is left to OpenSSL's legacy provider")
    return f"{ENCRYPTION[policy.encryption]}-{HASHES[policy.hash]}-{GROUPS[policy.group]}"


def esp_proposal(transform_set: TransformSet, pfs: Optional[int], note: Note) -> str:
    """A transform set as a proposal of strongSwan, such as ``aes128-sha1``."""
    cipher, hashes = None, {}
    prefix = f"transform set {transform_set.name}"
    for transform in transform_set.transforms:
        if transform in CIPHERS:
            cipher = transform.partition("-")[2]
        elif transform == COMPRESSION:
            note(f"{prefix}: {COMPRESSION} is left out: no current package carries LZS")
        else:
            protocol, name, _ = transform.split("-")
            hashes[protocol] = name
    if cipher == "des":
        note(f"{prefix}: esp-des -> esp-aes 128: DES is left to OpenSSL's legacy provider")
    if cipher is None:
        cipher = "null"
    return "-".join(_esp(cipher, hashes, pfs, prefix, note))


def _esp(cipher: str, hashes: dict[str, str], pfs: Optional[int], prefix: str, note: Note) -> Iterable[str]:
    yield ENCRYPTION[cipher]
    if "ah" in hashes and "esp" in hashes:
        note(
            f"{prefix}: ah-{hashes['ah']}-hmac is left out: userspace ESP has no AH, and "
            f"esp-{hashes['esp']}-hmac verifies as well"
        )
    elif "ah" in hashes:
        note(f"{prefix}: ah-{hashes['ah']}-hmac -> esp-{hashes['ah']}-hmac: userspace ESP has no AH")
    elif not hashes:
        note(f"{prefix}: esp-sha-hmac is added: encryption that nobody verifies protects nothing")
    yield HASHES[hashes.get("esp") or hashes.get("ah") or "sha"]
    if pfs is not None:
        yield GROUPS[pfs]
