"""IPsec in YAML: the same configuration as in IOS's words."""

from __future__ import annotations

import pytest
from yaml_example import errors, read

from ryu_haslb.configuration.ios.reader import read_configuration

CRYPTO_YAML = """\
interfaces:
  Vlan15: {address: 15.1.1.15/8, crypto_map: l2tpmap}
  FastEthernet3/15: {crypto_connect_vlan: 15}
  GigabitEthernet6/1: {allowed_vlans: "1,15,1002-1005"}
  GigabitEthernet6/2: {allowed_vlans: "1,16,1002-1005"}
  FastEthernet1/0: {address: 16.1.1.51/24}
crypto:
  policies:
    1: {authentication: pre-share}
    2: {authentication: pre-share, encryption: aes 256, hash: sha256, group: 14, lifetime: 3600}
  keys:
    - {key: cisco, address: 15.1.1.51}
    - {key: "6", address: 15.2.0.0/16}
  keepalive: 20
  transform_sets:
    SET: {transforms: [esp-aes 256, esp-sha-hmac], mode: transport}
    OLD: {transforms: [ah-md5-hmac]}
  lifetime: {seconds: 600, kilobytes: 100000}
  maps:
    l2tpmap:
      10:
        peers: [15.1.1.51]
        transform_sets: [SET, OLD]
        pfs: group2
        lifetime: {seconds: 300, kilobytes: 20000}
        match_address: 101
access_lists:
  101:
    - deny: [15.1.1.10/32, 15.9.0.0/16]
    - permit: [15.1.1.10/32, 0.0.0.0/0]
"""


CRYPTO_IOS = """\
crypto isakmp policy 1
 authentication pre-share
crypto isakmp policy 2
 authentication pre-share
 encryption aes 256
 hash sha256
 group 14
 lifetime 3600
crypto isakmp key cisco address 15.1.1.51
crypto isakmp key 0 6 address 15.2.0.0 255.255.0.0
crypto isakmp keepalive 20
crypto ipsec transform-set SET esp-aes 256 esp-sha-hmac
 mode transport
crypto ipsec transform-set OLD ah-md5-hmac
crypto ipsec security-association lifetime seconds 600
crypto ipsec security-association lifetime kilobytes 100000
crypto map l2tpmap 10 ipsec-isakmp
 set peer 15.1.1.51
 set transform-set SET OLD
 set pfs group2
 set security-association lifetime seconds 300
 set security-association lifetime kilobytes 20000
 match address 101
interface FastEthernet3/15
 crypto connect vlan 15
interface GigabitEthernet6/1
 switchport trunk allowed vlan 1,15,1002-1005
interface GigabitEthernet6/2
 switchport trunk allowed vlan 1,16,1002-1005
interface FastEthernet1/0
 ip address 16.1.1.51 255.255.255.0
interface Vlan15
 ip address 15.1.1.15 255.0.0.0
 crypto map l2tpmap
access-list 101 deny ip host 15.1.1.10 15.9.0.0 0.0.255.255
access-list 101 permit ip host 15.1.1.10 any
"""


def test_both_forms_of_ipsec_give_the_same_configuration() -> None:
    assert read(CRYPTO_YAML) == read_configuration(CRYPTO_IOS, "slb.ios")[0]


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("crypto_map: l2tpmap", "crypto_mab: l2tpmap", 2, "unknown key 'crypto_mab' of interface Vlan15"),
        ("crypto_connect_vlan: 15", "crypto_connect_vlan: 99999", 3, "expected a number from 1 to 4094"),
        ('"1,15,1002-1005"', "1-99999", 4, "VLANs such as 1,15,1002-1005"),
        ("authentication: pre-share", "authentication: pre-shared", 9, "expected 'pre-share', 'rsa-encr' or 'rsa-sig'"),
        ("encryption: aes 256", "encryption: aes 257", 10, "after 'encryption aes' expected"),
        ("key: cisco, ", "", 12, "a key lacks the key 'key'"),
        ("address: 15.2.0.0/16", "address: 15.2.0.0/99", 13, "such as 10.1.1.0/24"),
        ("transforms: [ah-md5-hmac]", "transforms: [ah-md6-hmac]", 17, "did you mean 'ah-md5-hmac'?"),
        ("transforms: [ah-md5-hmac]", "mode: tunnel", 17, "lacks the key 'transforms'"),
        ("seconds: 600", "seconds: 60", 18, "expected a number from 120 to 2592000"),
        ("match_address: 101", "match_address: 99", 26, "expected a number from 100 to 199"),
        ("  101:", "  1:", 28, "unknown access list '1'; expected a number from 100 to 199"),
        ("- deny:", "- refuse:", 29, "unknown key 'refuse' of a rule; expected 'deny' or 'permit'"),
        ("[15.1.1.10/32, 0.0.0.0/0]", "[15.1.1.10/32]", 30, "expected two networks: source and destination"),
    ],
)
def test_a_mistake_about_ipsec_is_an_error_with_its_line(old: str, new: str, line: int, complaint: str) -> None:
    assert old in CRYPTO_YAML
    said = errors(CRYPTO_YAML.replace(old, new, 1))
    assert any(each.startswith(f"slb.yaml:{line}: ") and complaint in each for each in said), said
