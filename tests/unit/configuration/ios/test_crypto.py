"""The crypto commands beyond the chapter's: what IOS users expect of them, and the errors of mistakes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from ryu_haslb.configuration.crypto_model import Authentication, IsakmpPolicy, Lifetime
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.language.diagnostics import ConfigurationError

#: Both ends of the module, and all that its crypto map needs.
WHOLE = """\
crypto isakmp policy 1
 authentication pre-share
crypto isakmp key cisco address 15.1.1.51
crypto ipsec transform-set SET esp-aes esp-sha-hmac
crypto map MAP 10 ipsec-isakmp
 set peer 15.1.1.51
 set transform-set SET
 match address 101
interface GigabitEthernet6/1
 switchport trunk allowed vlan 1,15,1002-1005
interface GigabitEthernet6/2
 switchport trunk allowed vlan 1,16,1002-1005
interface FastEthernet3/15
 crypto connect vlan 15
interface Vlan15
 ip address 15.1.1.15 255.0.0.0
 crypto map MAP
access-list 101 permit ip host 15.1.1.10 host 15.1.1.51
"""


def read(text: str, base: Configuration | None = None) -> Configuration:
    return read_configuration(text, "slb.ios", base)[0]


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_the_whole_of_it_reads_without_a_remark() -> None:
    assert read_configuration(WHOLE, "slb.ios")[1] == ()


@pytest.mark.parametrize(
    ("commands", "policy"),
    [
        ("", IsakmpPolicy(5, Authentication.RSA_SIGNATURES, "des", "sha", 1, 86400)),
        (
            "encr 3des\nhash md5\ngroup 2\nlifetime 60",
            IsakmpPolicy(5, encryption="3des", hash="md5", group=2, lifetime=60),
        ),
        ("encryption aes", IsakmpPolicy(5, encryption="aes")),
        ("encryption aes 256", IsakmpPolicy(5, encryption="aes 256")),
        ("hash sha256\ngroup 14\nauth pre", IsakmpPolicy(5, Authentication.PRE_SHARE, hash="sha256", group=14)),
        ("group 5\nno group\nencr aes\nno encr\nlifetime 60\nno lifetime", IsakmpPolicy(5)),
    ],
)
def test_an_isakmp_policy_has_the_defaults_of_ios(commands: str, policy: IsakmpPolicy) -> None:
    assert read(f"crypto isakmp policy 5\n{commands}").crypto.policies == (policy,)


@pytest.mark.parametrize(
    ("transforms", "meaning"),
    [
        ("ah-sha-hmac esp-des", ("ah-sha-hmac", "esp-des")),
        ("esp-aes 256 esp-sha-hmac", ("esp-aes 256", "esp-sha-hmac")),
        ("esp-aes ah-md5-hmac esp-md5-hmac comp-lzs", ("esp-aes", "ah-md5-hmac", "esp-md5-hmac", "comp-lzs")),
        ("esp-null esp-sha512-hmac", ("esp-null", "esp-sha512-hmac")),
    ],
)
def test_a_transform_set_takes_what_ios_takes(transforms: str, meaning: tuple[str, ...]) -> None:
    assert read(f"crypto ipsec transform-set SET {transforms}").crypto.transform_sets[0].transforms == meaning


@pytest.mark.parametrize(
    ("transforms", "complaint"),
    [
        ("esp-des esp-aes", "a transform set has at most one of the esp ciphers, not esp-des and esp-aes"),
        ("ah-sha-hmac ah-md5-hmac", "at most one of the ah authentications"),
        ("esp-sha-hmac", "esp-sha-hmac needs a cipher; expected one such as esp-aes, or esp-null"),
        ("comp-lzs", "comp-lzs alone protects nothing"),
        ("esp-aes 512", "after 'crypto ipsec transform-set SET esp-aes' expected"),
        ("esp-deh", "did you mean 'esp-des'?"),
    ],
)
def test_transforms_that_do_not_fit_are_refused(transforms: str, complaint: str) -> None:
    (error,) = errors(f"crypto ipsec transform-set SET {transforms}")
    assert error.startswith("slb.ios:1: ") and complaint in error


def test_a_transform_set_given_again_is_replaced_and_keeps_its_mode() -> None:
    """As on IOS, where the command opens the set that is there."""
    before = read("crypto ipsec transform-set SET esp-des\n mode transport")
    (after,) = read("crypto ipsec transform-set SET esp-aes", before).crypto.transform_sets
    assert (after.transforms, after.transport) == (("esp-aes",), True)


def test_lifetimes_are_those_of_ios_and_can_be_set_and_reset() -> None:
    assert Configuration().crypto.lifetime == Lifetime(3600, 4608000)
    before = read("crypto ipsec security-association lifetime seconds 120")
    assert before.crypto.lifetime == Lifetime(120, 4608000)
    assert read("no crypto ipsec security-association lifetime seconds", before) == Configuration()


@pytest.mark.parametrize(
    ("command", "source", "destination"),
    [
        ("permit ip host 15.1.1.10 host 15.1.1.51", "15.1.1.10/32", "15.1.1.51/32"),
        ("permit ip any 15.1.0.0 0.0.255.255", "0.0.0.0/0", "15.1.0.0/16"),
        ("permit ip 10.0.0.0 0.255.255.255 any", "10.0.0.0/8", "0.0.0.0/0"),
    ],
)
def test_an_access_list_accepts_hosts_networks_and_any(command: str, source: str, destination: str) -> None:
    ((number, (rule,)),) = read(f"access-list 101 {command}").crypto.access_lists
    assert (number, rule.source, rule.destination) == (101, IPv4Network(source), IPv4Network(destination))


@pytest.mark.parametrize("rule", ["permit udp any any eq 434", "permit ip any any log", "deny icmp any any"])
def test_a_rule_about_more_than_addresses_matters_only_to_a_crypto_map(rule: str) -> None:
    """Access lists serve many ends; IPsec goes by addresses here."""
    _, (warning,) = read_configuration(f"access-list 102 {rule}", "slb.ios")
    assert "is not implemented and is ignored" in warning.text
    said = errors(WHOLE + f"access-list 101 {rule}\n")
    assert said == [error for error in said if error.startswith("slb.ios:19: crypto map MAP 10 cannot match")]


def test_a_wildcard_with_holes_is_refused() -> None:
    (error,) = errors("access-list 101 permit ip 10.0.0.0 0.0.255.0 any")
    assert "expected a wildcard such as 0.0.0.255, not '0.0.255.0'" in error


@pytest.mark.parametrize(
    ("command", "vlans"),
    [
        ("switchport trunk allowed vlan add 20", {1, 15, 20}),
        ("switchport trunk allowed vlan remove 15", {1}),
        ("switchport trunk allowed vlan none", set()),
        ("switchport trunk allowed vlan except 3-4094", {1, 2}),
        ("switchport trunk allowed vlan all", None),
        ("no switchport trunk allowed vlan", None),
    ],
)
def test_the_allowed_vlans_of_a_trunk_follow_their_commands(command: str, vlans: set[int] | None) -> None:
    found = read(f"interface gi 6/1\nswitchport trunk allowed vlan 1,15\n{command}").ports
    assert [port.allowed_vlans for port in found] == ([] if vlans is None else [frozenset(vlans)])


@pytest.mark.parametrize("name", ["FastEthernet3/15", "fastethernet 3/15", "Fa3/15", "fa03/015"])
def test_a_port_may_be_written_as_on_ios(name: str) -> None:
    (port,) = read(f"interface {name}\nip address 10.1.1.1 255.0.0.0").ports
    assert port.name == "FastEthernet3/15"


def test_a_port_without_anything_that_matters_is_forgotten() -> None:
    assert read("interface FastEthernet3/15\n no ip address\n switchport\n switchport mode trunk") == Configuration()


def test_a_key_of_the_narrowest_network_counts() -> None:
    crypto = read(
        "crypto isakmp key any address 0.0.0.0 0.0.0.0\ncrypto isakmp key net address 15.0.0.0 255.0.0.0\n"
        "crypto isakmp key 0 host address 15.1.1.51"
    ).crypto
    keys = [crypto.key_of(IPv4Address(each)) for each in ("15.1.1.51", "15.1.1.52", "16.1.1.1")]
    assert keys == ["host", "net", "any"]


def test_an_encrypted_key_is_refused_and_says_what_to_do() -> None:
    (error,) = errors("crypto isakmp key 6 XYZ address 15.1.1.51")
    assert "expected type 0" in error and "XYZ" not in error


def test_errors_keep_keys_to_themselves() -> None:
    (error,) = errors("crypto isakmp key s3cret adress 15.1.1.51")
    assert "s3cret" not in error and "****" in error
    (error,) = errors(f"crypto isakmp key {'s3cret' * 30} address 15.1.1.51")
    assert "s3cret" not in error and error.endswith("a pre-shared key, not '****' (it has 180 characters)")


def without(*lines: str) -> str:
    """The whole configuration but for some lines."""
    assert all(f"{line}\n" in WHOLE for line in lines)
    return "".join(f"{line}\n" for line in WHOLE.splitlines() if line not in lines)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (without(" set peer 15.1.1.51"), "5: crypto map MAP 10 has no peer; expected 'set peer A.B.C.D'"),
        (
            without("crypto isakmp key cisco address 15.1.1.51"),
            "5: crypto map MAP 10: peer 15.1.1.51 has no key; expected 'crypto isakmp key KEY address 15.1.1.51'",
        ),
        (
            without(" set transform-set SET"),
            "5: crypto map MAP 10 has no transform set; expected 'set transform-set NAME'",
        ),
        (
            WHOLE.replace("set transform-set SET", "set transform-set SETT"),
            "7: there is no transform set SETT; expected the name of a 'crypto ipsec transform-set'; "
            "did you mean 'SET'?",
        ),
        (
            without(" match address 101"),
            "5: crypto map MAP 10 protects nothing; expected 'match address' and the number or name of an access list",
        ),
        (
            WHOLE.replace("match address 101", "match address 102"),
            "8: there is no access list 102; expected 'access-list 102 permit ip ...'",
        ),
        (
            WHOLE.replace("101 permit", "101 deny"),
            "8: crypto map MAP 10: access list 101 permits nothing; expected a 'permit ip' in it",
        ),
        (
            without(" authentication pre-share"),
            "16: crypto map MAP of interface Vlan15 has no authentication; expected a 'crypto isakmp policy' "
            "with 'authentication pre-share'",
        ),
        (
            WHOLE.replace(" crypto map MAP\n", " crypto map MAPP\n"),
            "17: there is no crypto map MAPP; expected the name of a 'crypto map NAME SEQUENCE ipsec-isakmp'; "
            "did you mean 'MAP'?",
        ),
        (
            without(" ip address 15.1.1.15 255.0.0.0"),
            "16: interface Vlan15 has a crypto map and no address; expected 'ip address A.B.C.D MASK'",
        ),
        (
            without("interface Vlan15", " ip address 15.1.1.15 255.0.0.0", " crypto map MAP"),
            "14: interface FastEthernet3/15: crypto connect vlan 15, but there is no interface Vlan15; "
            "expected 'interface Vlan15'",
        ),
        (
            without("interface GigabitEthernet6/2"),
            "13: interface FastEthernet3/15: crypto connect vlan 15, but there is no IPsec module: expected two "
            "neighbouring trunk ports of one slot, the inside one with VLAN 15 among its 'switchport trunk allowed "
            "vlan', the outside one with another in its place",
        ),
        (
            WHOLE + "interface GigabitEthernet6/3\n switchport trunk allowed vlan 1,15\n",
            "14: interface FastEthernet3/15: crypto connect vlan 15: several pairs of trunk ports may be the IPsec "
            "module; expected one, not GigabitEthernet6/1 and GigabitEthernet6/2 or GigabitEthernet6/3 and "
            "GigabitEthernet6/2",
        ),
    ],
)
def test_commands_that_do_not_fit_together_are_errors_with_line_and_expectation(text: str, error: str) -> None:
    assert errors(text) == [f"slb.ios:{error}"]


def test_a_crypto_map_that_no_interface_uses_is_a_warning_however_unfinished() -> None:
    """IOS keeps such a map disabled."""
    configuration, (warning,) = read_configuration("crypto map MAP 10 ipsec-isakmp", "slb.ios")
    assert warning.text == "crypto map MAP 10 is not in use; expected 'crypto map MAP' under an interface"
    assert [entry.name for entry in configuration.crypto.maps] == ["MAP"]


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("no crypto map MAP 10", {"maps"}),
        ("no crypto map MAP", {"maps"}),
        ("no crypto isakmp policy 1", {"policies"}),
        ("no crypto isakmp key cisco address 15.1.1.51", {"keys"}),
        ("no crypto ipsec transform-set SET", {"transform_sets"}),
        ("no access-list 101", {"access_lists"}),
    ],
)
def test_everything_can_be_removed(command: str, left: set[str]) -> None:
    before = read(without(" crypto map MAP"))
    after = read(command, before)
    nothing: dict[str, Any] = dict.fromkeys(left, ())
    assert replace(before.crypto, **nothing) == after.crypto != before.crypto
    _, warnings = read_configuration(command, "slb.ios", after)
    assert any("to remove" in warning.text for warning in warnings)


def test_commands_of_a_map_entry_can_be_undone() -> None:
    entry = "crypto map MAP 10\n"
    before = read(without(" crypto map MAP"))
    undo = "no set peer\nno set transform-set\nno match address\n"
    undone = read(entry + undo, before).crypto.maps[0]
    assert (undone.peers, undone.transform_sets, undone.access_list) == ((), (), None)
    lives = read(
        entry + "set pfs\nset security-association lifetime seconds 120\nset peer 1.1.1.1", before
    ).crypto.maps[0]
    assert (lives.pfs, lives.seconds, [str(peer) for peer in lives.peers]) == (1, 120, ["15.1.1.51", "1.1.1.1"])
