"""``show crypto ipsec sa`` and ``show crypto isakmp sa``: their rows, and the lines that the chapter prints for them.

charon has no slot, connection and flow numbers; they are hardware of a Cisco router. Here they are derived from
charon's number of the association, so that they stay the same while the association lives (``docs/ipsec.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Annotated, TypedDict

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.associations import ChildAssociation, IkeAssociation
from ryu_haslb.ipsec.module import Counters
from ryu_haslb.ipsec.translation import translate
from ryu_haslb.show.column_types import Address, Count, Seconds, Values

#: Bytes; the MTU of every interface with a crypto map.
MTU = 1500
#: The first connection number of IOS.
FIRST_CONNECTION = 2000

_CIPHERS = {"AES_CBC": "esp-aes", "3DES_CBC": "esp-3des", "DES_CBC": "esp-des", "NULL": "esp-null"}
_IV_SIZES = {"AES_CBC": 16, "3DES_CBC": 8, "DES_CBC": 8}
_HASHES = {"MD5": "md5", "SHA1": "sha", "SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


Ident = Annotated[str, "ADDRESS/MASK/PROTOCOL/PORT; protocol and port 0 mean any."]
Direction = Annotated[str, Values(enum=("inbound", "outbound"))]


class IpsecAssociationRow(TypedDict):
    """An IPsec security association."""

    direction: Direction
    protocol: Annotated[str, Values(enum=("esp",))]
    spi: Annotated[Count, "Security parameter index."]
    transform: Annotated[str, "Algorithms, named as IOS names them."]
    mode: Annotated[str, Values(enum=("Tunnel",))]
    conn_id: Count
    flow_id: Count
    kilobytes: Annotated[Count, Values(unit="kilobytes"), "Remaining lifetime by volume."]
    seconds: Annotated[Seconds, "Remaining lifetime by time."]
    iv_size: Annotated[Count, Values(unit="bytes"), "Size of the initialization vector."]


class ProtectedPairRow(TypedDict):
    """Two networks whose traffic IPsec protects, with their security associations."""

    interface: str
    crypto_map: str
    local_address: Address
    local_ident: Ident
    remote_ident: Ident
    current_peer: Address
    encaps: Annotated[Count, "Packets encapsulated."]
    encrypt: Annotated[Count, "Packets encrypted."]
    digest: Annotated[Count, "Packets with an integrity check value added."]
    decaps: Annotated[Count, "Packets decapsulated."]
    decrypt: Annotated[Count, "Packets decrypted."]
    verify: Annotated[Count, "Packets whose integrity check value was verified."]
    send_errors: Annotated[Count, "Packets not sent; counted per interface, shown with its first pair."]
    recv_errors: Annotated[Count, "Packets not accepted; counted per interface, shown with its first pair."]
    outbound_spi: Annotated[Count, "Security parameter index of the newest outbound association; 0 without one."]
    associations: list[IpsecAssociationRow]


class IsakmpAssociationRow(TypedDict):
    """An ISAKMP security association, between two peers."""

    dst: Annotated[str, "Address of the responder."]
    src: Annotated[str, "Address of the initiator."]
    state: Annotated[str, Values(enum=("QM_IDLE", "MM_NO_STATE"))]
    conn_id: Count
    slot: Count


def ipsec_rows(
    configuration: Configuration, interface: str, associations: Sequence[IkeAssociation], counters: Counters
) -> Iterator[ProtectedPairRow]:
    """A row for each pair of networks that the crypto map of an interface protects.

    ``counters`` belong to the interface and are shown with its first pair. Raises: TranslationError if the interface
    has no crypto map.
    """
    translation = translate(configuration, interface)
    children = [child for each in associations for child in each.children if child.is_installed]
    for tunnel in translation.tunnels:
        for pair in tunnel.protected:
            mine = [each for each in children if each.name == pair.name]
            encaps = counters.encaps + sum(child.packets_out for child in mine)
            decaps = counters.decaps + sum(child.packets_in for child in mine)
            yield {
                "interface": interface,
                "crypto_map": tunnel.crypto_map,
                "local_address": str(translation.local),
                "local_ident": _ident(pair.local),
                "remote_ident": _ident(pair.remote),
                "current_peer": str(tunnel.peer),
                "encaps": encaps,
                "encrypt": encaps,
                "digest": encaps,
                "decaps": decaps,
                "decrypt": decaps,
                "verify": decaps,
                "send_errors": counters.send_errors,
                "recv_errors": counters.recv_errors,
                "outbound_spi": mine[-1].outbound_spi if mine else 0,
                "associations": [row for each in mine for row in _association_rows(each, pair.kilobytes)],
            }
            counters = Counters()


def _association_rows(child: ChildAssociation, kilobytes: int) -> Iterator[IpsecAssociationRow]:
    flow = 2 * child.number - 1
    for direction, spi, carried, number in (
        ("inbound", child.inbound_spi, child.bytes_in, flow),
        ("outbound", child.outbound_spi, child.bytes_out, flow + 1),
    ):
        yield {
            "direction": direction,
            "protocol": "esp",
            "spi": spi,
            "transform": _transform(child),
            "mode": "Tunnel",
            "conn_id": FIRST_CONNECTION + number - 1,
            "flow_id": number,
            "kilobytes": max(0, kilobytes * 1024 - carried) // 1024,
            "seconds": child.life_time,
            "iv_size": _IV_SIZES.get(child.cipher, 0),
        }


def _transform(child: ChildAssociation) -> str:
    """The algorithms as IOS names them; as charon names them if IOS has no name."""
    cipher = _CIPHERS.get(child.cipher, child.cipher)
    bits = f" {child.key_bits}" if child.cipher == "AES_CBC" and child.key_bits != 128 else ""
    name = child.integrity.removeprefix("HMAC_").rpartition("_")[0]
    integrity = f"esp-{_HASHES[name]}-hmac" if name in _HASHES else child.integrity
    return f"{cipher}{bits} {integrity}"


def _ident(network: IPv4Network) -> str:
    """Address, mask, protocol and port; protocol and port 0 mean any."""
    return f"{network.network_address}/{network.netmask}/0/0"


def ipsec_lines(rows: Iterable[ProtectedPairRow]) -> Iterator[str]:
    """The lines of ``show crypto ipsec sa``."""
    interface = None
    for row in rows:
        if row["interface"] != interface:
            interface = row["interface"]
            yield ""
            yield f"interface: {interface}"
            yield f"  Crypto map tag: {row['crypto_map']}, local addr. {row['local_address']}"
        yield from _pair_lines(row)


def _pair_lines(row: ProtectedPairRow) -> Iterator[str]:
    yield ""
    yield f"local ident (addr/mask/prot/port): ({row['local_ident']})"
    yield f"remote ident (addr/mask/prot/port): ({row['remote_ident']})"
    yield f"current_peer: {row['current_peer']}"
    yield "  PERMIT, flags={origin_is_acl,}"
    yield f"  #pkts encaps: {row['encaps']}, #pkts encrypt: {row['encrypt']}, #pkts digest {row['digest']}"
    yield f"  #pkts decaps: {row['decaps']}, #pkts decrypt: {row['decrypt']}, #pkts verify {row['verify']}"
    yield "  #pkts compressed: 0, #pkts decompressed: 0"
    yield "  #pkts not compressed: 0, #pkts compr. failed: 0, #pkts decompress failed: 0"
    yield f"  #send errors {row['send_errors']}, #recv errors {row['recv_errors']}"
    yield ""
    yield f"local crypto endpt.: {row['local_address']}, remote crypto endpt.: {row['current_peer']}"
    yield f"path mtu {MTU}, media mtu {MTU}"
    yield f"current outbound spi: {row['outbound_spi']:X}"
    for direction in ("inbound", "outbound"):
        yield ""
        yield f"{direction} esp sas:"
        for association in row["associations"]:
            if association["direction"] == direction:
                yield from _association_lines(association, row["crypto_map"])
        for protocol in ("ah", "pcp"):  # neither is among what we translate to
            yield ""
            yield f"{direction} {protocol} sas:"


def _association_lines(row: IpsecAssociationRow, crypto_map: str) -> Iterator[str]:
    yield f"  spi: 0x{row['spi']:X}({row['spi']})"
    yield f"    transform: {row['transform']} ,"
    yield f"    in use settings ={{{row['mode']}, }}"
    yield f"    slot: 0, conn id: {row['conn_id']}, flow_id: {row['flow_id']}, crypto map: {crypto_map}"
    yield f"    sa timing: remaining key lifetime (k/sec): ({row['kilobytes']}/{row['seconds']})"
    yield f"    IV size: {row['iv_size']} bytes"
    yield "    replay detection support: Y"


def isakmp_rows(associations: Iterable[IkeAssociation]) -> Iterator[IsakmpAssociationRow]:
    """A row for each ISAKMP (IKE) security association."""
    for each in associations:
        ends = (each.remote, each.local) if each.initiator else (each.local, each.remote)
        yield {
            "dst": ends[0],
            "src": ends[1],
            "state": "QM_IDLE" if each.is_established else "MM_NO_STATE",
            "conn_id": each.number,
            "slot": 0,
        }


def isakmp_lines(rows: Iterable[IsakmpAssociationRow]) -> Iterator[str]:
    """The lines of ``show crypto isakmp sa``."""
    yield "dst             src             state          conn-id    slot"
    for row in rows:
        yield f"{row['dst']:15} {row['src']:15} {row['state']:14} {row['conn_id']:>7} {row['slot']:>7}"
