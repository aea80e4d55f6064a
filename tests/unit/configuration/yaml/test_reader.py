"""The YAML form: it gives the same configuration as the IOS form, and an error for each mistake."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Optional

import pytest
import yaml
from yaml.scanner import Scanner
from yaml_example import YAML, errors, read

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration, Datapath, Drain, StaticLocation, Switching
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.diagnostics import ConfigurationError


@pytest.mark.parametrize(
    ("value", "words"), [("any", "real any"), ("[10.1.1.51, 10.1.1.52]", "real 10.1.1.51 10.1.1.52")]
)
def test_real_servers_of_a_dfp_agent(value: str, words: str) -> None:
    yaml_form = f"dfp:\n  agents:\n    - {{address: 10.1.1.100, port: 500, reals: {value}}}\n"
    found = read_yaml(yaml_form, "test")[0]
    assert found == read_configuration(f"ip slb dfp\n agent 10.1.1.100 500 {words}\n", "test")[0]


IOS = """\
ip slb serverfarm HAFARM
 nat server
 predictor leastconns
 real 10.1.1.51 434
  weight 1
  maxconns 100
  faildetect numconns 9 numclients 3
  no faildetect inband
  reassign 2
  retry 0
  inservice
 real 10.1.1.52
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 idle ipmobile request 300
 client 15.0.0.0 255.0.0.0
 client 15.1.0.0 255.255.0.0 exclude
 inservice
ip slb dfp password cisco 60
 agent 10.1.1.51 500
 agent 10.1.1.52 500 1 2 3
interface Vlan15
 ip address 10.1.1.15 255.0.0.0
ip route 20.0.0.0 255.0.0.0 10.1.1.1
"""


def changed(old: str, new: str) -> list[str]:
    assert old in YAML
    return errors(YAML.replace(old, new, 1))


def test_both_forms_give_the_same_configuration() -> None:
    assert read(YAML) == read_configuration(IOS, "slb.ios")[0]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "serverfarms:\nvservers: {}\nroutes: []\n", "~"])
def test_a_file_without_content_is_an_empty_configuration(text: str) -> None:
    assert read(text) == Configuration()


def test_a_password_may_be_of_type_7_or_contain_spaces() -> None:
    hidden = read('dfp: {password: "0822455D0A16", password_type: 7}').dfp
    assert hidden is not None and hidden.password == "cisco"
    spaced = read("dfp: {password: two words}").dfp
    assert spaced is not None and spaced.password == "two words"


@pytest.mark.parametrize(
    "ids", ["[0000000000000010, 2]", '["0000000000000010", 2]', "[16, 0000000000000002]", "\n- 16\n- 2"]
)
def test_datapath_ids_are_16_hexadecimal_digits_or_a_number(ids: str) -> None:
    """16 digits are hexadecimal, as switches print them, even where YAML would see an octal number."""
    assert read(f"datapaths: {ids}").datapaths == {16: Datapath(16), 2: Datapath(2)}


def test_datapaths_by_id_have_their_settings_below() -> None:
    text = "datapaths: {1: {switching: learn, max_rules: 2000}, '0000000000000010': {addresses: [192.0.2.1]}, 3: }"
    addresses = (IPv4Address("192.0.2.1"),)
    expected = {1: Datapath(1, switching=Switching.LEARN, max_rules=2000), 16: Datapath(16, addresses), 3: Datapath(3)}
    assert read(text).datapaths == expected


def test_a_datapath_may_have_addresses_and_a_name_in_its_certificate() -> None:
    text = "datapaths: [1, {id: 2, addresses: [192.0.2.11, '2001:db8::11'], certificate: switch 2}, {id: 3}]"
    addresses = (IPv4Address("192.0.2.11"), IPv6Address("2001:db8::11"))
    assert read(text).datapaths == {1: Datapath(1), 2: Datapath(2, addresses, "switch 2"), 3: Datapath(3)}


def test_a_real_may_have_static_locations() -> None:
    location = "{mac: 02:00:00:00:00:51, port: 2, vlan: 15, datapath: 0000000000000010}"
    anywhere = "{mac: '0A:00:00:00:00:52', port: 4294967040}"
    text = f"serverfarms: {{F: {{reals: [{{address: 10.1.1.51, locations: [{location}, {anywhere}]}}]}}}}"
    assert read(text).farms["F"].reals[0].locations == (
        StaticLocation(bytes.fromhex("020000000051"), 2, 15, 16),
        StaticLocation(bytes.fromhex("0a0000000052"), 4294967040),
    )


def test_a_mac_that_yaml_takes_for_a_sexagesimal_number_is_a_mac() -> None:
    text = "serverfarms: {F: {reals: [{address: 10.1.1.51, locations: [{mac: 12:10:11:12:13:14, port: 2}]}]}}"
    assert read(text).farms["F"].reals[0].locations[0].mac.hex() == "121011121314"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("weight: 1", "weight: 256", 8, "expected a number from 0 to 255, not '256'"),
        ("weight: 1", "weight: 0x1", 8, "expected weight, a decimal number, not '0x1'"),
        ("weight: 1", "weight: 010", 8, "expected weight, a decimal number, not '010'"),
        ("weight: 1", "weight: '1'", 8, "expected weight, a decimal number, not '1'"),
        ("weight: 1", "weight: [1]", 8, "expected weight"),
        ("weight: 1", "weight:", 8, "expected weight"),
        ("weight: 1", "wieght: 1", 8, "unknown key 'wieght' of real '10.1.1.51'; expected"),
        ("weight: 1", "wieght: 1", 8, "did you mean 'weight'?"),
        ("weight: 1", "weight: 1\n        weight: 2", 9, "key 'weight' of a real is already given in line 8"),
        ("vservers:", "servers:", 15, "did you mean 'vservers'?"),
        ("nat_server: true", "nat_server: 1", 3, "expected nat_server: true or false, not '1'"),
        ("predictor: leastconns", "predictor: random", 4, "expected 'leastconns' or 'roundrobin', not 'random'"),
        ("{address: 10.1.1.52, inservice: no}", "{inservice: no}", 14, "a real lacks the key 'address'"),
        ("10.1.1.52, inservice", "10.1.1.51, port: 434, inservice", 14, "real 10.1.1.51 is already given in line 6"),
        ("virtual: 10.1.1.10", "virtual: 224.0.0.1", 17, "(a multicast address)"),
        ("virtual: 10.1.1.10", "inservice: true", 23, "key 'inservice' of virtual server 'MIPSLB' is already given"),
        ("serverfarm: HAFARM", "serverfarm: HAFRAM", 18, "there is no farm HAFRAM"),
        ("network: 15.0.0.0/8", "network: 15.0.0.0", 21, "such as 10.1.1.0/24, not '15.0.0.0'"),
        ("network: 15.0.0.0/8", "network: 15.0.0.0/33", 21, "such as 10.1.1.0/24"),
        ("password: cisco", "password: ''", 25, "expected 1 to 64 printable ASCII characters"),
        ("password: cisco", "agent: x", 26, "unknown key 'password_timeout'"),
        (
            "Vlan15",
            "Serial6/1",
            31,
            "expected a VLAN from 1 to 4094 such as Vlan15, or a port such as FastEthernet3/15, not 'Serial6/1'",
        ),
        ("Vlan15", "Vlan4095", 31, "expected a VLAN from 1 to 4094"),
        ("20.0.0.0/8", "20.0.0.1/8", 33, "20.0.0.1 has bits outside the mask"),
        ("next_hop: 10.1.1.1", "next_hop: [10.1.1.1]", 33, "expected the address of the next hop"),
        ("  HAFARM:", "  HA FARM:", 2, "a name consists of printable ASCII characters without spaces"),
    ],
)
def test_a_mistake_is_an_error_with_its_line(old: str, new: str, line: int, message: str) -> None:
    found = [each for each in changed(old, new) if message in each]
    assert [each.split(":")[1] for each in found] == [str(line)]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("{mac: 03:00:00:00:00:51, port: 2}", "(a group or null address)"),
        ("{mac: 00:00:00:00:00:00, port: 2}", "(a group or null address)"),
        ("{mac: 02-00-00-00-00-51, port: 2}", "expected the Ethernet address of a host"),
        ("{mac: 02:00:00:00:00:51}", "a location lacks the key 'port'"),
        ("{mac: 02:00:00:00:00:51, port: 4294967041}", "a number from 1 to 4294967040"),
        ("{mac: 02:00:00:00:00:51, port: 2, vlan: 4095}", "a number from 1 to 4094"),
        ("{mac: 02:00:00:00:00:51, port: 2, datapath: '2'}", "expected a datapath id"),
        ("{mac: 02:00:00:00:00:51, port: 2}, {mac: 02:00:00:00:00:52, port: 2}", "two locations for one datapath"),
    ],
)
def test_a_location_that_cannot_be_is_refused(location: str, message: str) -> None:
    text = f"serverfarms: {{F: {{reals: [{{address: 10.1.1.51, locations: [{location}]}}]}}}}"
    assert [message in line for line in errors(text)] == [True]


@pytest.mark.parametrize(
    "ids",
    [
        "[1, 0000000000000001]",
        "[x]",
        "[-1]",
        "[18446744073709551616]",
        "1",
        "['']",
        "[{}]",
        "[{id: 1, addresses: []}]",
        "[{id: 1, addresses: [x]}]",
        "[{id: 1, certificate: ''}]",
        "[{id: 1, name: x}]",
    ],
)
def test_datapath_ids_that_cannot_be_are_refused(ids: str) -> None:
    assert errors(f"datapaths: {ids}")[0].startswith("slb.yaml:1: ")


def test_all_errors_are_reported_at_once() -> None:
    wrong = YAML.replace("weight: 1", "weight: x").replace("idle: 300", "idle: x").replace("15.0.0.0/8", "x")
    assert [line.split(":")[1] for line in errors(wrong)] == ["8", "19", "21"]


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_libyaml_parses_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Python, 5,000 real servers take seconds."""

    def scan(_: object) -> None:
        raise AssertionError("parsed in Python")

    before = read(YAML)
    monkeypatch.setattr(Scanner, "fetch_more_tokens", scan)
    with pytest.raises(AssertionError):
        yaml.safe_load(YAML)
    assert read(YAML) == before


def test_the_dispatched_form_differs_from_the_direct_one_in_one_key() -> None:
    farm = read(YAML).farms["HAFARM"]
    assert read(YAML.replace("nat_server: true", "nat_server: off")).farms["HAFARM"] == replace(farm, nat_server=False)


@pytest.mark.parametrize(
    ("value", "drain"), [("true", Drain.STAY), ("move", Drain.MOVE), ("false", None), ("yes", Drain.STAY)]
)
def test_a_real_server_is_drained(value: str, drain: Optional[Drain]) -> None:
    """The same as ``drain``, ``drain move`` and ``no drain``."""
    text = f"serverfarms:\n  HAFARM:\n    reals:\n      - address: 10.1.1.51\n        drain: {value}\n"
    configuration, _ = read_yaml(text, "haslb.yaml")
    assert configuration.farms["HAFARM"].reals[0].drain is drain


def test_another_word_for_drain_is_refused() -> None:
    text = "serverfarms:\n  HAFARM:\n    reals:\n      - address: 10.1.1.51\n        drain: slowly\n"
    with pytest.raises(ConfigurationError, match="5: expected drain: true or false, not 'slowly'"):
        read_yaml(text, "haslb.yaml")
