"""ISAKMP policies and transform sets of IOS as the proposals of strongSwan.

Tested with strongSwan 5.9.8 of Debian 12 and its openssl plugin, which has 3DES, AES, MD5, SHA-1, SHA-2 and all groups.
DES is in OpenSSL's legacy provider, which current systems do not install. Only kernels have AH; userspace ESP has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional

from ryu_haslb.configuration.crypto_model import CIPHERS, COMPRESSION, IsakmpPolicy, TransformSet

#: Records a decision for the operator.
Note = Callable[[str], Any]

#: strongSwan's names of the ciphers of IOS. DES is replaced by AES.
_ENCRYPTION = {
    "des": "aes128",
    "3des": "3des",
    "aes": "aes128",
    "aes 128": "aes128",
    "aes 192": "aes192",
    "aes 256": "aes256",
    "null": "null",
}
_HASHES = {"md5": "md5", "sha": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_GROUPS = {
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


def ike_proposal(policy: IsakmpPolicy, note: Note) -> str:
    """A policy as a proposal of strongSwan, such as ``aes128-sha1-modp768``."""
    if policy.encryption == "des":
        note(f"isakmp policy {policy.priority}: encryption des -> aes 128: DES needs OpenSSL's legacy provider")
    return f"{_ENCRYPTION[policy.encryption]}-{_HASHES[policy.hash]}-{_GROUPS[policy.group]}"


def esp_proposal(transform_set: TransformSet, pfs: Optional[int], note: Note) -> str:
    """A transform set as a proposal of strongSwan, such as ``aes128-sha1``."""
    cipher, hashes = None, {}
    prefix = f"transform set {transform_set.name}"
    for transform in transform_set.transforms:
        if transform in CIPHERS:
            cipher = transform.partition("-")[2]
        elif transform == COMPRESSION:
            note(f"{prefix}: {COMPRESSION} is left out: no current package has LZS")
        else:
            protocol, name, _ = transform.split("-")
            hashes[protocol] = name
    if cipher == "des":
        note(f"{prefix}: esp-des -> esp-aes 128: DES needs OpenSSL's legacy provider")
    if cipher is None:
        cipher = "null"
    return "-".join(_esp(cipher, hashes, pfs, prefix, note))


def _esp(cipher: str, hashes: dict[str, str], pfs: Optional[int], prefix: str, note: Note) -> Iterable[str]:
    yield _ENCRYPTION[cipher]
    if "ah" in hashes and "esp" in hashes:
        note(
            f"{prefix}: ah-{hashes['ah']}-hmac is left out: userspace ESP has no AH, and "
            f"esp-{hashes['esp']}-hmac verifies as well"
        )
    elif "ah" in hashes:
        note(f"{prefix}: ah-{hashes['ah']}-hmac -> esp-{hashes['ah']}-hmac: userspace ESP has no AH")
    elif not hashes:
        note(f"{prefix}: esp-sha-hmac is added: encryption without integrity protection is not secure")
    yield _HASHES[hashes.get("esp") or hashes.get("ah") or "sha"]
    if pfs is not None:
        yield _GROUPS[pfs]
