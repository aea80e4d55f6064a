"""Whole running-configs, as a 7600 prints them, are read. What is not of HA-SLB is named in warnings without effect."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ryu_haslb.configuration.ios import other_words
from ryu_haslb.configuration.ios.blocks import ConfigurationMode
from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.ios.home_agent import HOME_AGENT, read_home_agent
from ryu_haslb.configuration.ios.lines import split_line
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import Loaded, load
from ryu_haslb.configuration.model import next_hop_of
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.language.grammar import CommandError, match

CORPUS = Path(__file__).parent / "corpus"
SUPERVISORS = sorted(CORPUS.glob("*.ios"))


@cache
def read(path: Path) -> Loaded:
    """The file once for all tests; what is loaded does not change."""
    return load(path)


def loaded(name: str) -> Loaded:
    return read(CORPUS / f"{name}.ios")


@pytest.mark.parametrize("path", SUPERVISORS, ids=lambda path: path.stem)
def test_a_whole_running_config_is_read_and_can_be_written(path: Path) -> None:
    configuration, warnings = read(path).configuration, read(path).warnings
    assert [server.in_service for server in configuration.virtual_servers.values()] == [True]
    assert warnings != ()
    assert read_configuration(write_configuration(configuration), "written")[0] == configuration


@pytest.mark.parametrize("path", SUPERVISORS, ids=lambda path: path.stem)
def test_line_ends_trailing_spaces_and_tabs_change_nothing(path: Path) -> None:
    """As terminals, mails and editors of other systems leave them."""
    text = path.read_text("latin-1")
    expected = read_configuration(text, "a file")
    for other in (text.replace("\n", "\r\n"), text.replace("\n", " \t\n"), text.replace("\n ", "\n\t")):
        assert read_configuration(other, "a file") == expected


PAGERS = {
    "erased": " --More-- " + "\b" * 9 + " " * 8 + "\b" * 9,
    "without backspaces": " --More-- " + " " * 8,
    "erased by a carriage return": " --More-- \r" + " " * 9 + "\r",
}


@pytest.mark.parametrize("pager", PAGERS.values(), ids=PAGERS)
@pytest.mark.parametrize("path", SUPERVISORS, ids=lambda path: path.stem)
def test_what_a_terminal_shows_around_the_commands_changes_nothing(path: Path, pager: str) -> None:
    """Prompts, and the pager, after which a command of a farm would seem to belong to the ignored block before it."""
    text = path.read_text("latin-1")
    lines = ("" if "--More--" in line else pager for line in text.split("\n"))
    paged = "\n".join(before + line for before, line in zip(lines, text.split("\n")))
    shown = f"7600#terminal length 0\n7600#sh run\n{paged}\n7600#\n7600>exit\n"
    assert read_configuration(shown, "a file")[0] == read(path).configuration


def test_the_prompt_of_a_configuration_mode_hides_no_command() -> None:
    with pytest.raises(ConfigurationError, match=r"slb.ios:1: '7600\(config\)#ip' is not a command here"):
        read_configuration("7600(config)#ip slb serverfarm F\n", "slb.ios")


def test_a_configuration_typed_by_hand_is_read_with_its_abbreviations() -> None:
    configuration = loaded("typed-by-hand").configuration
    assert [str(each.address) for each in configuration.farms["HAFARM"].reals] == ["10.61.1.51", "10.61.1.52"]
    assert [each.vlan for each in configuration.vlan_interfaces] == [61, 62, 63]


def test_every_warning_is_one_line_with_its_place() -> None:
    for path in SUPERVISORS:
        for warning in read(path).warnings:
            assert warning.line > 0
            assert "\n" not in str(warning)


WORDS = {name: words.split() for name, words in vars(other_words).items() if name.isupper()}


@pytest.mark.parametrize("name", WORDS)
def test_no_word_of_other_commands_is_divided_at_a_hyphen(name: str) -> None:
    """Wrapped there, ``table-map`` would be an error, and ``map`` a command."""
    words = WORDS[name]
    assert [word for word in words if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", word) is None] == []
    assert words == sorted(set(words))


def test_the_text_of_a_banner_is_no_command() -> None:
    for name in ("supervisor-slb-mwam", "firewall-load-balancing", "edge-12.2sre", "csm-fwsm-12.2sxf"):
        configuration = loaded(name).configuration
        assert "NOTAFARM" not in configuration.farms
        assert "IN-A-BANNER" not in configuration.virtual_servers


def test_a_banner_without_an_end_is_an_error_and_hides_nothing() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration("hostname A\nbanner motd #\ntext\nip slb serverfarm F\n", "slb.ios")
    assert str(caught.value) == "slb.ios:2: the text that begins here has no end; expected '#' after it"


def test_a_macro_without_an_end_is_an_error_and_hides_nothing() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration("hostname A\nmacro name M\nshutdown\nip slb serverfarm F\n", "slb.ios")
    assert str(caught.value) == "slb.ios:2: the text that begins here has no end; expected '@' after it"


def test_a_line_with_nothing_but_a_remark_of_the_chapter_is_no_command() -> None:
    text = "aaa new-model\n{}\nhostname A\n"
    without = read_configuration(text.format(""), "slb.ios")
    assert read_configuration(text.format(" (inside port of the IPSEC module)"), "slb.ios") == without


def test_virtual_servers_of_other_services_and_their_farms_are_left_out() -> None:
    """A farm of a web server may have ports that dispatched mode cannot have: it is not ours to judge."""
    configuration = loaded("gtp-radius-slb").configuration
    assert list(configuration.virtual_servers) == ["MOBILEIP"]
    assert list(configuration.farms) == ["MIPFARM", "MIPSPARE"]
    warned = "\n".join(map(str, loaded("gtp-radius-slb").warnings))
    for name in ("RADIUS-ACCT", "GTP-V1", "WWW", "WAP", "ESPVS"):
        assert f"virtual server {name} is of another service" in warned
    assert "'backup MIPSPARE' is not implemented: virtual server MOBILEIP has farm MIPFARM alone" in warned


def test_a_route_with_a_longer_distance_never_takes_the_place_of_another() -> None:
    near = "ip route 20.0.0.0 255.0.0.0 10.1.1.1"
    far = "ip route 20.0.0.0 255.0.0.0 10.1.1.2 250 name spare"
    for text in (f"{near}\n{far}\n", f"{far}\n{near}\n"):
        configuration, warnings = read_configuration(text, "slb.ios")
        assert [str(route.next_hop) for route in configuration.routes] == ["10.1.1.1"]
        assert "has a longer distance" in str(warnings[0])
    assert [str(route.next_hop) for route in read_configuration(far, "slb.ios")[0].routes] == ["10.1.1.2"]


def test_routes_that_lead_to_no_next_hop_are_not_used() -> None:
    configuration = loaded("firewall-load-balancing").configuration
    hops = {str(route.network): str(route.next_hop) for route in configuration.routes}
    assert hops == {"10.70.1.0/24": "10.50.1.1", "10.70.2.0/24": "10.50.1.2"}


def test_home_agents_in_the_network_of_a_secondary_address_are_adjacent() -> None:
    configuration = loaded("hsrp-vrf").configuration
    real = IPv4Address("10.91.1.52")
    assert next_hop_of(configuration.vlan_interfaces, configuration.routes, real) == real
    (interface,) = configuration.vlan_interfaces
    assert str(interface.address) == "10.90.1.2"
    assert [str(each) for each in interface.secondaries] == ["10.91.1.2/24"]


def test_a_crypto_map_may_match_a_named_access_list() -> None:
    crypto = loaded("ipsec-named-lists").configuration.crypto
    assert [str(rule.destination) for rule in crypto.rules_of("PDSN-TRAFFIC")] == ["10.21.1.101/32"]
    assert crypto.maps[0].access_list == "PDSN-TRAFFIC"
    with pytest.raises(ConfigurationError, match="there is no access list PDSN; expected 'ip access-list extended"):
        text = (CORPUS / "ipsec-named-lists.ios").read_text()
        read_configuration(text.replace("match address PDSN-TRAFFIC", "match address PDSN"), "slb.ios")


def test_the_servers_of_a_content_switching_module_are_not_ours() -> None:
    """Its commands have the names of ours, one level below ``module ContentSwitchingModule``."""
    configuration = loaded("csm-fwsm-12.2sxf").configuration
    assert list(configuration.farms) == ["HA-FARM"]
    assert [str(each.address) for each in configuration.farms["HA-FARM"].reals] == [
        "10.15.1.51",
        "10.15.1.52",
        "10.15.1.53",
    ]
    assert list(configuration.virtual_servers) == ["HA-VS"]
    assert configuration.dfp is not None
    assert [each.port for each in configuration.dfp.agents] == [620, 620]


def test_tag_and_name_of_a_route_may_stand_before_and_behind_the_others() -> None:
    routes = {str(route.network): str(route.next_hop) for route in loaded("csm-fwsm-12.2sxf").configuration.routes}
    assert routes["10.98.0.0/16"] == routes["10.97.0.0/16"] == "10.21.1.253"


def test_text_that_is_not_utf_8_is_read_as_latin_1_with_a_warning() -> None:
    warnings = loaded("latin-1").warnings
    assert str(warnings[0]).endswith("latin-1.ios:3: not UTF-8; the file is read as Latin-1")
    assert len(loaded("latin-1").configuration.farms["F"].reals) == 1


@pytest.mark.parametrize("name", ["home-agent-sami", "home-agent-redundant"])
def test_a_whole_home_agent_is_read(name: str) -> None:
    path = CORPUS / f"{name}.ha"
    configuration, warnings = read_home_agent(path.read_text(), str(path))
    assert configuration.dfp_agent is not None
    assert (configuration.dfp_agent.port, configuration.dfp_agent.interval) == (620, 15)
    assert str(configuration.dynamic_address) == "10.15.1.51"
    assert warnings != ()


OPENERS = """\
ip slb serverfarm F
ip slb vserver V
ip slb dfp
ip slb probe P ping
ip slb firewallfarm W
ip slb static nat 10.1.1.1
ip slb map 1 radius
interface Vlan15
interface FastEthernet3/15
interface Loopback0
crypto isakmp policy 1
crypto ipsec transform-set S esp-des
crypto map M 1 ipsec-isakmp
crypto pki trustpoint T
crypto keyring K
ip access-list extended L
ip access-list standard L
class-map match-any C
policy-map P
control-plane
redundancy
ip vrf CUSTOMER
route-map R permit 10
key chain K
track 1 interface Vlan1 line-protocol
ip sla 1
aaa group server radius G
archive
event manager applet A
router ospf 1
line con 0
vlan 15
vlan access-map A 10
spanning-tree mst configuration
ip dfp agent ipmobile
ip route 20.0.0.0 255.0.0.0 10.1.1.1
access-list 101 permit ip any any
crypto isakmp key cisco address 15.1.1.51
"""


def modes(mode: ConfigurationMode) -> Iterator[ConfigurationMode]:
    for command in mode.commands:
        if command.opens is not None:
            yield command.opens
            yield from modes(command.opens)


@pytest.mark.parametrize("line", OPENERS.splitlines())
def test_no_block_takes_a_global_command_for_one_of_its_own(line: str) -> None:
    """Else the block that it opens would be ignored with it, and a whole farm could be lost with one warning."""
    words = split_line(line).words
    assert match(GLOBAL, words)
    for mode in dict.fromkeys([*modes(GLOBAL), *modes(HOME_AGENT)]):
        with pytest.raises(CommandError):
            match(mode, words)


def test_reading_leaves_no_cycles_behind() -> None:
    """The traceback of an error leads to the configurations of all callers: a busy balancer would keep each of them."""
    text = (CORPUS / "csm-fwsm-12.2sxf.ios").read_text()
    read_configuration(text, "slb.ios")
    gc.collect()
    gc.disable()
    try:
        read_configuration(text, "slb.ios")
        assert gc.collect() == 0
    finally:
        gc.enable()
