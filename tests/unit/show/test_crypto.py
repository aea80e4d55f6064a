"""``show crypto ipsec sa`` as the chapter prints it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from ipsec_samples import PAIR

from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.associations import ChildAssociation, IkeAssociation
from ryu_haslb.ipsec.module import Counters
from ryu_haslb.show.crypto import ipsec_lines, ipsec_rows, isakmp_lines, isakmp_rows

CHAPTER = Path(__file__).parents[3] / "topologies" / "chapter"

#: Chapter 7, example 5, PDSN-7600#sh crypto ipsec sa: word for word, without the AH associations, and with the one
#: transform, the IV and the counters that AES and SHA of ESP have in their place.
PDSN = """
interface: FastEthernet1/0
  Crypto map tag: l2tpmap, local addr. 10.1.1.51

local ident (addr/mask/prot/port): (10.1.1.51/255.255.255.255/0/0)
remote ident (addr/mask/prot/port): (10.1.1.10/255.255.255.255/0/0)
current_peer: 10.1.1.15
  PERMIT, flags={origin_is_acl,}
  #pkts encaps: 4, #pkts encrypt: 4, #pkts digest 4
  #pkts decaps: 0, #pkts decrypt: 0, #pkts verify 0
  #pkts compressed: 0, #pkts decompressed: 0
  #pkts not compressed: 0, #pkts compr. failed: 0, #pkts decompress failed: 0
  #send errors 4, #recv errors 0

local crypto endpt.: 10.1.1.51, remote crypto endpt.: 10.1.1.15
path mtu 1500, media mtu 1500
current outbound spi: 1A274E9D

inbound esp sas:
  spi: 0xD3D5F08B(3554013323)
    transform: esp-aes esp-sha-hmac ,
    in use settings ={Tunnel, }
    slot: 0, conn id: 2002, flow_id: 3, crypto map: l2tpmap
    sa timing: remaining key lifetime (k/sec): (4608000/3026)
    IV size: 16 bytes
    replay detection support: Y

inbound ah sas:

inbound pcp sas:

outbound esp sas:
  spi: 0x1A274E9D(438783645)
    transform: esp-aes esp-sha-hmac ,
    in use settings ={Tunnel, }
    slot: 0, conn id: 2003, flow_id: 4, crypto map: l2tpmap
    sa timing: remaining key lifetime (k/sec): (4607999/3026)
    IV size: 16 bytes
    replay detection support: Y

outbound ah sas:

outbound pcp sas:
"""
LIVE = replace(
    PAIR,
    number=2,
    inbound_spi=0xD3D5F08B,
    outbound_spi=0x1A274E9D,
    bytes_in=0,
    packets_in=0,
    bytes_out=400,
    packets_out=4,
    life_time=3026,
)


@pytest.fixture(name="configuration")
def of_the_pdsn() -> Configuration:
    return load(CHAPTER / "pdsn" / "5-direct-ipsec-tunnel.ios").configuration


def ike(*children: ChildAssociation) -> list[IkeAssociation]:
    return [IkeAssociation("l2tpmap-10", 1, "ESTABLISHED", "10.1.1.51", "10.1.1.15", True, children)]


def test_the_chapters_block_from_associations(configuration: Configuration) -> None:
    rows = ipsec_rows(configuration, "FastEthernet1/0", ike(LIVE), Counters(send_errors=4))
    assert "\n".join(ipsec_lines(rows)) + "\n" == PDSN


def test_without_an_association_the_block_has_zeroes_and_no_spi(configuration: Configuration) -> None:
    """As IOS prints a crypto map before there was traffic."""
    lines = list(ipsec_lines(ipsec_rows(configuration, "FastEthernet1/0", [], Counters(recv_errors=7))))
    assert "current outbound spi: 0" in lines and "  #send errors 0, #recv errors 7" in lines
    assert not [line for line in lines if "spi: 0x" in line]


def test_during_rekeying_both_associations_are_listed_and_their_packets_added(configuration: Configuration) -> None:
    newer = replace(LIVE, number=3, outbound_spi=0xABCDEF, packets_out=2, packets_in=1)
    (row,) = ipsec_rows(configuration, "FastEthernet1/0", ike(replace(LIVE, state="REKEYED"), newer), Counters())
    assert (row["encaps"], row["decaps"], row["outbound_spi"]) == (6, 1, 0xABCDEF)
    assert len(row["associations"]) == 4


def test_packets_of_associations_that_are_gone_count(configuration: Configuration) -> None:
    """The counters of IOS are of the pair of networks, and outlive its keys."""
    (row,) = ipsec_rows(configuration, "FastEthernet1/0", ike(LIVE), Counters(encaps=10, decaps=20))
    assert (row["encaps"], row["decaps"]) == (14, 20)


@pytest.mark.parametrize("state", ["CREATED", "ROUTED", "INSTALLING", "DELETING", "DELETED", ""])
def test_an_association_that_carries_no_packets_is_not_shown(state: str, configuration: Configuration) -> None:
    (row,) = ipsec_rows(configuration, "FastEthernet1/0", ike(replace(LIVE, state=state)), Counters())
    assert row["associations"] == []


@pytest.mark.parametrize(
    ("algorithms", "transform", "iv"),
    [
        (("AES_CBC", 256, "HMAC_SHA2_256_128"), "esp-aes 256 esp-sha256-hmac", 16),
        (("3DES_CBC", 0, "HMAC_MD5_96"), "esp-3des esp-md5-hmac", 8),
        (("NULL", 0, "HMAC_SHA2_512_256"), "esp-null esp-sha512-hmac", 0),
        (("CHACHA", 0, "SOMETHING"), "CHACHA SOMETHING", 0),
    ],
)
def test_algorithms_are_named_as_ios_names_them(
    algorithms: tuple[str, int, str], transform: str, iv: int, configuration: Configuration
) -> None:
    cipher, key_bits, integrity = algorithms
    live = replace(LIVE, cipher=cipher, key_bits=key_bits, integrity=integrity)
    (row,) = ipsec_rows(configuration, "FastEthernet1/0", ike(live), Counters())
    assert {(each["transform"], each["iv_size"]) for each in row["associations"]} == {(transform, iv)}


def test_src_is_the_initiator() -> None:
    began, answered = ike(LIVE)[0], replace(ike()[0], local="10.1.1.15", remote="10.1.1.51", initiator=False)
    for each in (began, answered):
        heading, line = isakmp_lines(isakmp_rows([each]))
        assert heading.split() == ["dst", "src", "state", "conn-id", "slot"]
        assert re.split(r"\s+", line) == ["10.1.1.15", "10.1.1.51", "QM_IDLE", "1", "0"]


def test_a_negotiation_that_is_under_way_has_no_state_yet() -> None:
    (row,) = isakmp_rows([replace(ike()[0], state="CONNECTING")])
    assert row["state"] == "MM_NO_STATE"
