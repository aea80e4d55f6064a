"""From IOS to charon: the chapter's examples, and every algorithm that IOS names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ipsec_samples import CONFIGURATION, translated

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.loader import load
from ryu_haslb.ipsec.translation import Translation, TranslationError, translate

CHAPTER = Path(__file__).parents[3] / "topologies" / "chapter"


def connection(translation: Translation) -> dict[str, Any]:
    (tunnel,) = translation.tunnels
    return dict(tunnel.connection[tunnel.name])


def child(translation: Translation) -> dict[str, Any]:
    (found,) = connection(translation)["children"].values()
    return dict(found)


@pytest.mark.parametrize(
    ("file", "interface", "local", "peer", "protected"),
    [
        ("5-direct-ipsec-tunnel.ios", "Vlan15", "10.1.1.15", "10.1.1.51", ("10.1.1.10/32", "10.1.1.51/32")),
        ("6-direct-ipsec-transport.ios", "Vlan15", "15.1.1.15", "10.1.1.51", ("15.1.1.10/32", "15.1.1.51/32")),
        (
            "pdsn/5-direct-ipsec-tunnel.ios",
            "FastEthernet1/0",
            "10.1.1.51",
            "10.1.1.15",
            ("10.1.1.51/32", "10.1.1.10/32"),
        ),
        (
            "pdsn/6-direct-ipsec-transport.ios",
            "FastEthernet1/0",
            "10.1.1.51",
            "10.1.1.15",
            ("15.1.1.51/32", "15.1.1.10/32"),
        ),
    ],
)
def test_both_ends_of_the_chapters_examples(
    file: str, interface: str, local: str, peer: str, protected: tuple[str, str]
) -> None:
    """Chapter 7, Crypto Transform Mode is Tunnel, and is Transport: IKEv1, a shared key, AES in the place of DES."""
    translation = translate(load(CHAPTER / file).configuration, interface)
    (tunnel,) = translation.tunnels
    (pair,) = tunnel.protected
    assert (str(translation.local), str(tunnel.peer)) == (local, peer)
    assert (str(pair.local), str(pair.remote)) == protected
    assert tunnel.secret == {"id": "l2tpmap-10", "type": "IKE", "data": "cisco", "owners": [local, peer]}
    loaded = tunnel.connection["l2tpmap-10"]
    assert (loaded["version"], loaded["proposals"]) == ("1", ["aes128-sha1-modp768"])
    assert (loaded["local"], loaded["remote"]) == ({"auth": "psk", "id": local}, {"auth": "psk", "id": peer})
    found = loaded["children"][pair.name]
    assert (found["local_ts"], found["remote_ts"]) == ([protected[0]], [protected[1]])
    assert (found["esp_proposals"], found["mode"]) == (["aes128-sha1"], "tunnel")


def test_transport_between_the_peers_themselves_is_a_tunnel_for_another_reason() -> None:
    """There IOS would use transport mode."""
    text = CONFIGURATION.format(
        transforms="esp-aes esp-sha-hmac\n mode transport", policy=" encryption aes", crypto="", entry=""
    )
    between = text.replace("host 15.1.1.10 host 15.1.1.51", "host 15.1.1.15 host 15.1.1.51")
    translation = translate(read_configuration(between, "slb.ios")[0], "Vlan15")
    assert translation.notes == ("transform set SET: mode transport -> tunnel: userspace ESP has no other",)
    assert child(translation)["mode"] == "tunnel"


def test_each_replacement_in_the_chapters_example_is_noted() -> None:
    notes = translate(load(CHAPTER / "6-direct-ipsec-transport.ios").configuration, "Vlan15").notes
    assert notes == (
        "transform set esp-des-sha-transport: esp-des -> esp-aes 128: DES needs OpenSSL's legacy provider",
        "transform set esp-des-sha-transport: ah-sha-hmac -> esp-sha-hmac: userspace ESP has no AH",
        "transform set esp-des-sha-transport: mode transport -> tunnel: the protected addresses are not the peers'",
        "isakmp policy 1: encryption des -> aes 128: DES needs OpenSSL's legacy provider",
    )


@pytest.mark.parametrize(
    ("transforms", "proposal", "note"),
    [
        ("esp-aes esp-sha-hmac", "aes128-sha1", None),
        ("esp-aes 192 esp-md5-hmac", "aes192-md5", None),
        ("esp-aes 256 esp-sha256-hmac", "aes256-sha256", None),
        ("esp-3des esp-sha384-hmac", "3des-sha384", None),
        ("esp-null esp-sha512-hmac", "null-sha512", None),
        ("esp-des esp-sha-hmac", "aes128-sha1", "esp-des -> esp-aes 128"),
        ("ah-md5-hmac esp-aes", "aes128-md5", "ah-md5-hmac -> esp-md5-hmac"),
        ("ah-md5-hmac esp-aes esp-sha-hmac", "aes128-sha1", "ah-md5-hmac is left out"),
        ("ah-sha-hmac", "null-sha1", "ah-sha-hmac -> esp-sha-hmac"),
        ("esp-aes", "aes128-sha1", "esp-sha-hmac is added"),
        ("esp-aes esp-sha-hmac comp-lzs", "aes128-sha1", "comp-lzs is left out"),
    ],
)
def test_a_transform_set_becomes_a_proposal_and_each_replacement_a_note(
    transforms: str, proposal: str, note: str | None
) -> None:
    translation = translated(transforms, policy=" encryption aes")
    assert child(translation)["esp_proposals"] == [proposal]
    assert [each for each in translation.notes if note is None or note not in each] == []
    assert len(translation.notes) == (note is not None)


@pytest.mark.parametrize(
    ("policy", "proposal"),
    [
        (" encryption 3des\n hash md5\n group 2", "3des-md5-modp1024"),
        (" encryption aes 256\n hash sha256\n group 14", "aes256-sha256-modp2048"),
        (" encryption aes 192\n hash sha512\n group 20", "aes192-sha512-ecp384"),
        (" encryption aes\n group 24", "aes128-sha1-modp2048s256"),
    ],
)
def test_an_isakmp_policy_becomes_a_proposal(policy: str, proposal: str) -> None:
    assert connection(translated(policy=policy))["proposals"] == [proposal]


def test_policies_are_proposed_in_the_order_of_their_priority_and_those_without_a_shared_key_not_at_all() -> None:
    more = (
        " encryption aes\ncrypto isakmp policy 7\ncrypto isakmp policy 3\n authentication pre-share\n encryption 3des"
    )
    assert connection(translated(policy=more))["proposals"] == ["aes128-sha1-modp768", "3des-sha1-modp768"]


def test_a_new_association_is_made_when_ios_makes_one() -> None:
    """IOS: 30 seconds before the end of the time, 256 kilobytes before the end of the volume."""
    found = child(translated(entry=" set security-association lifetime seconds 120"))
    assert (found["rekey_time"], found["life_time"], found["rand_time"]) == ("90s", "120s", "0s")
    found = child(translated(crypto="crypto ipsec security-association lifetime kilobytes 2560"))
    assert (found["rekey_bytes"], found["life_bytes"]) == (str((2560 - 256) * 1024), str(2560 * 1024))


def test_pfs_adds_a_group_to_each_proposal() -> None:
    assert child(translated(entry=" set pfs group2"))["esp_proposals"] == ["aes128-sha1-modp1024"]


def test_keepalives_find_a_dead_peer_in_time() -> None:
    found = connection(translated(crypto="crypto isakmp keepalive 10"))
    assert (found["dpd_delay"], found["dpd_timeout"]) == ("10s", "50s")


def test_negotiation_starts_with_the_first_traffic() -> None:
    assert child(translated())["start_action"] == child(translated())["close_action"] == "none"


def test_entries_with_one_peer_share_a_connection() -> None:
    """charon answers a peer from the first connection that fits: a second one would never be found."""
    same = " crypto map MAP 20\n set peer 15.1.1.51\n set transform-set SET\n match address 102"
    (tunnel,) = translated(entry=same).tunnels
    assert (
        [pair.name for pair in tunnel.protected]
        == ["MAP-10-1", "MAP-20-1"]
        == list(tunnel.connection["MAP-10"]["children"])
    )


def test_each_peer_has_its_own_connection_and_key() -> None:
    other = " crypto map MAP 20\n set peer 15.1.1.52\n set transform-set SET\n match address 102"
    tunnels = translated(entry=other).tunnels
    assert [(each.name, each.secret["data"]) for each in tunnels] == [("MAP-10", "cisco"), ("MAP-20", "other")]


@pytest.mark.parametrize("interface", ["Vlan16", "FastEthernet1/0", ""])
def test_an_interface_without_a_crypto_map_is_an_error_that_names_those_that_have_one(interface: str) -> None:
    configuration, _ = read_configuration(
        CONFIGURATION.format(transforms="esp-aes", policy="", crypto="", entry=""), "slb.ios"
    )
    with pytest.raises(TranslationError, match="expected Vlan15"):
        translate(configuration, interface)
