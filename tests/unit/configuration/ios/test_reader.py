"""Reading configurations in IOS's language, the way IOS itself reads them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import (
    ClientRule,
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Predictor,
    RealServer,
    Route,
    ServerFarm,
    StaticLocation,
    Switching,
    VirtualServer,
    VlanInterface,
)
from ryu_haslb.language.diagnostics import ConfigurationError

A, B = IPv4Address("10.1.1.51"), IPv4Address("10.1.1.52")

WORKING = """\
ip slb serverfarm HAFARM
 real 10.1.1.51
  inservice
 real 10.1.1.52
  inservice
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 inservice
"""


def read(text: str) -> Configuration:
    return read_configuration(text, "slb.ios")[0]


def warnings(text: str) -> list[str]:
    return [str(warning) for warning in read_configuration(text, "slb.ios")[1]]


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(text, "slb.ios")
    return str(caught.value).splitlines()


def farm(commands: str) -> ServerFarm:
    return read("ip slb serverfarm F\n" + commands).farms["F"]


def real(commands: str) -> RealServer:
    return farm("real 10.1.1.51\n" + commands).reals[0]


def server(commands: str) -> VirtualServer:
    return read(WORKING + commands).virtual_servers["MIPSLB"]


def test_a_working_configuration_has_the_defaults_of_ios_slb() -> None:
    """`ip slb` defaults: weight 8, faildetect 8 of 2 clients, reassign 3, retry 60 s, idle 10 s."""
    configuration, remarks = read_configuration(WORKING, "slb.ios")
    assert remarks == ()
    assert configuration.farms == {
        "HAFARM": ServerFarm("HAFARM", reals=(RealServer(A, in_service=True), RealServer(B, in_service=True)))
    }
    assert configuration.virtual_servers == {
        "MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)
    }
    assert configuration.farms["HAFARM"].reals[0] == RealServer(A, None, 8, None, 8, 2, 3, 60, True)
    assert configuration.virtual_servers["MIPSLB"].idle == 10


def test_every_command_of_a_real() -> None:
    commands = "weight 0\nmaxconns 4294967295\nfaildetect numconns 255 numclients 8\nreassign 4\nretry 0\ninservice\n"
    assert real(commands) == RealServer(A, None, 0, 4294967295, 255, 8, 4, 0, True)
    assert farm("nat server\nreal 10.1.1.51 5000").reals == (RealServer(A, 5000),)


def test_faildetect_without_numclients_has_two() -> None:
    assert real("faildetect numconns 3").faildetect_numclients == 2
    assert real("faildetect numconns 3 numclients 5\nfaildetect numconns 4").faildetect_numclients == 2


@pytest.mark.parametrize(
    "command",
    ["weight 5", "maxconns 5", "faildetect numconns 5 numclients 5", "reassign 1", "retry 5", "inservice"],
)
def test_no_returns_a_real_to_its_default(command: str) -> None:
    assert real(command) != RealServer(A)
    assert real(f"{command}\nno {command}") == RealServer(A)
    assert real(f"{command}\nno {command.split(maxsplit=1)[0]}") == RealServer(A)


def test_every_command_of_a_farm() -> None:
    assert farm("nat server\npredictor leastconns") == ServerFarm("F", True, Predictor.LEAST_CONNECTIONS)
    assert farm("nat server\nno nat server\npredictor leastconns\nno predictor") == ServerFarm("F")
    assert farm("predictor leastconns\npredictor roundrobin") == ServerFarm("F")


def test_every_command_of_a_virtual_server() -> None:
    assert server("idle ipmobile request 300").idle == 300
    assert server("idle ipmobile request 300\nno idle ipmobile request").idle == 10
    assert not server("no inservice").in_service
    lower, upper = IPv4Network("15.0.0.0/9"), IPv4Network("15.128.0.0/9")
    rules = "client 15.0.0.1 255.128.0.0\nclient 15.128.0.0 255.128.0.0 exclude\n"
    assert server(rules).clients == (ClientRule(lower), ClientRule(upper, exclude=True))
    assert server(rules + "no client 15.0.0.0 255.128.0.0").clients == (ClientRule(upper, exclude=True),)
    assert server(rules + "client 15.128.0.0 255.128.0.0").clients == (ClientRule(lower), ClientRule(upper))


def test_the_dfp_manager_and_its_agents() -> None:
    """Defaults: time-out 0, retries 0 (for ever), interval 180 s, password time-out 180 s."""
    dfp = read("ip slb dfp\n agent 10.1.1.51 500\n agent 10.1.1.52 501 1 2 3\n").dfp
    assert dfp == DfpManager(agents=(DfpAgent(A, 500, 0, 0, 180), DfpAgent(B, 501, 1, 2, 3)))
    assert read("ip slb dfp\n agent 10.1.1.51 500\n no agent 10.1.1.51 500").dfp == DfpManager()
    assert read("ip slb dfp\n no ip slb dfp").dfp is None


def test_an_agent_may_set_the_weights_of_its_own_address_and_of_named_real_servers() -> None:
    def reals(words: str) -> object:
        dfp = read(f"ip slb dfp\n agent 10.1.1.100 500 {words}\n").dfp
        return dfp and dfp.agents[0].reals

    assert reals("") == reals("1 2 3") == ()
    assert reals("real 10.1.1.51 10.1.1.52 10.1.1.51") == (A, B)
    assert reals("1 2 3 real 10.1.1.51") == (A,)
    assert reals("real any") is reals("re ANY") is None


@pytest.mark.parametrize("words", ["real", "real all", "real 10.1.1.51 any", "real 10.1.1.0/24", "real 224.0.0.1"])
def test_real_servers_of_an_agent_are_any_or_addresses(words: str) -> None:
    with pytest.raises(ConfigurationError, match="'any', or the addresses of at most 128 real servers"):
        read(f"ip slb dfp\n agent 10.1.1.100 500 {words}\n")


@pytest.mark.parametrize("words", ["cisco", "0 cisco", "7 0822455D0A16"])
def test_a_dfp_password_may_be_plain_or_type_7(words: str) -> None:
    assert read(f"ip slb dfp password {words}").dfp == DfpManager("cisco")
    assert read(f"ip slb dfp password {words} 60").dfp == DfpManager("cisco", 60)
    assert read(f"ip slb dfp password {words} 60\nip slb dfp\nagent 10.1.1.51 500").dfp == DfpManager(
        "cisco", 60, (DfpAgent(A, 500),)
    )
    assert read(f"ip slb dfp password {words} 60\nno ip slb dfp password").dfp == DfpManager()


def test_interfaces_and_routes() -> None:
    configuration = read("interface Vlan15\nip address 10.1.1.15 255.0.0.0\nip route 20.0.0.0 255.0.0.0 10.1.1.1\n")
    interface = VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.0.0.0/8"))
    assert configuration.vlan_interfaces == (interface,)
    assert configuration.routes == (Route(IPv4Network("20.0.0.0/8"), IPv4Address("10.1.1.1")),)


@pytest.mark.parametrize("name", ["Vlan15", "vlan15", "Vlan 15", "VLAN  15", "vl15"])
def test_an_interface_may_be_written_in_the_ways_of_ios(name: str) -> None:
    assert read(f"interface {name}\nip address 10.1.1.15 255.0.0.0").vlan_interfaces[0].vlan == 15
    assert read(f"interface {name}\nip address 10.1.1.15 255.0.0.0\nno int {name}").vlan_interfaces == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: "\n".join(line.strip() for line in text.splitlines()),
        lambda text: text.replace(" ", "\t"),
        lambda text: "\n".join(f"          {line}  " for line in text.splitlines()),
        lambda text: "Building configuration...\n\nCurrent configuration : 99 bytes\n!\nversion 12.2\n" + text,
        lambda text: "hostname SLB-7600\n" + text + "!\nend\n",
        lambda text: text.replace("\n", "\n!\n ! remark\n\n"),
        lambda text: text.replace("ip slb vserver", "exit\nexit\nip slb vserver"),
        lambda text: text.replace("serverfarm", "ser").replace("vserver", "v").replace("inservice", "ins"),
        lambda text: text.replace("ip slb", "IP SLB").replace("real", "Real"),
    ],
)
def test_layout_comments_and_abbreviations_change_nothing(change) -> None:  # type: ignore[no-untyped-def]
    assert read(change(WORKING)) == read(WORKING)


def test_a_real_after_the_commands_of_another_belongs_to_the_same_farm() -> None:
    assert [each.weight for each in farm("real 10.1.1.51\nweight 1\nreal 10.1.1.52\nweight 2").reals] == [1, 2]
    assert farm("real 10.1.1.51\nweight 1\nnat server").nat_server


def test_a_block_that_is_entered_again_is_edited() -> None:
    again = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 3\nip slb vserver MIPSLB\n idle ipmobile request 20\n"
    configuration = read(WORKING + again)
    assert configuration.farms["HAFARM"].reals[0] == RealServer(A, weight=3, in_service=True)
    assert len(configuration.farms["HAFARM"].reals) == 2
    assert configuration.virtual_servers["MIPSLB"].idle == 20


def test_reals_with_different_ports_are_different() -> None:
    assert farm("real 10.1.1.51\nreal 10.1.1.51 434\nreal 10.1.1.51").reals == (RealServer(A), RealServer(A, 434))


def test_no_removes_what_was_configured() -> None:
    assert farm("real 10.1.1.51\nweight 2\nno real 10.1.1.51\nreal 10.1.1.52").reals == (RealServer(B),)
    assert read(WORKING + "no ip slb vserver MIPSLB").virtual_servers == {}
    assert read(WORKING + "no ip slb vserver MIPSLB\nno ip slb serverfarm HAFARM") == Configuration()
    assert read("ip route 20.0.0.0 255.0.0.0 10.1.1.1\nno ip route 20.0.0.0 255.0.0.0 10.1.1.1").routes == ()


def test_removing_what_is_not_there_is_remarked() -> None:
    removals = (
        "no ip slb vserver X\nno ip slb serverfarm Y\nno interface Vlan7\nno ip route 2.0.0.0 255.0.0.0 1.1.1.1\n"
        "ip slb dfp\nno agent 10.1.1.51 500\n"
    )
    assert warnings(removals) == [
        "slb.ios:1: there is no virtual server X to remove",
        "slb.ios:2: there is no farm Y to remove",
        "slb.ios:3: there is no interface Vlan7 to remove",
        "slb.ios:4: there is no route to 2.0.0.0/8 by 1.1.1.1 to remove",
        "slb.ios:6: there is no agent 10.1.1.51 500 to remove",
    ]


def test_a_base_is_edited_as_if_it_had_been_typed_before() -> None:
    network = "interface Vlan5\nip address 10.1.1.1 255.0.0.0\nip route 20.0.0.0 255.0.0.0 10.1.1.1\n"
    base = read(WORKING + "ip slb dfp password x\n" + network)
    edit = "ip slb serverfarm HAFARM\nreal 10.1.1.53\nno real 10.1.1.52\nip slb dfp\nagent 10.1.1.51 5"
    edited, _ = read_configuration(edit, "edit", base=base)
    assert edited == read(write_configuration(base) + edit)
    assert len(base.farms["HAFARM"].reals) == 2, "the base itself must not change"


def test_a_base_keeps_what_ios_has_no_words_for() -> None:
    two = {1: Datapath(1), 2: Datapath(2)}
    location = StaticLocation(bytes.fromhex("020000000051"), 2)
    farms = {"F": ServerFarm("F", reals=(RealServer(A, locations=(location,)),))}
    edited, _ = read_configuration(
        "ip slb serverfarm F\nreal 10.1.1.51\nweight 3\n", "edit", base=Configuration(farms, datapaths=two)
    )
    assert edited.datapaths == two
    assert edited.farms["F"].reals == (RealServer(A, weight=3, locations=(location,)),)


def test_all_errors_of_a_file_are_reported_in_the_order_of_its_lines() -> None:
    text = "ip slb serverfarm F\n real 300.1.1.1\n  weight 999\n real 10.1.1.51\n  wieght 3\n  inservice\n"
    lines = errors(text)
    assert [line.split(": ")[0] for line in lines] == ["slb.ios:2", "slb.ios:3", "slb.ios:5"]
    assert lines[1].endswith("after 'weight' expected a number from 0 to 255, not '999'")
    assert lines[2].endswith("did you mean 'weight'?")


def test_a_wrong_block_causes_no_errors_but_its_own() -> None:
    block = " real 10.1.1.51\n  weight 3\n  inservice\n nat server\n"
    assert len(errors("ip slb servrfarm F\n" + block + WORKING)) == 1
    assert len(errors("ip slb serverfarm A NAME\n" + block + WORKING)) == 1
    assert len(errors("ip slb serverfarm F\n real 10.1.1\n  weight 3\n  inservice\n" + WORKING)) == 1


def test_a_word_that_is_wrong_leaves_the_block_open() -> None:
    assert errors("ip slb dfp\n frobnicate\n agent 10.1.1.51 500\n i\n agent 10.1.1.52 500\n") == [
        "slb.ios:2: 'frobnicate' is not a command under 'ip slb dfp'; expected 'agent' or 'no'",
        "slb.ios:4: 'i' is ambiguous: interface, ip",
    ]


def test_the_error_of_a_command_in_the_wrong_block_names_its_block() -> None:
    assert errors(WORKING + "real 10.1.1.53")[0].endswith("it belongs under 'ip slb serverfarm NAME'")
    assert errors("virtual 10.1.1.10 udp 434 service ipmobile")[0].endswith("it belongs under 'ip slb vserver NAME'")


def test_reading_stops_when_a_file_is_nothing_but_errors() -> None:
    lines = errors("nonsense\n" * 5000)
    assert len(lines) == 101
    assert lines[-1].endswith("too many errors; reading stops here")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ip slb vserver MY LB", "unexpected 'LB' after 'ip slb vserver MY'; expected the end of the line"),
        ("ip slb vserver ABCDEFGHIJKLMNOP", "expected a name of at most 15 characters"),
        ("ip slb vserver caf\u00e9", "printable ASCII"),
        ("ip slb dfp password " + "x" * 65, "expected 1 to 64 printable ASCII characters"),
        ("ip slb dfp password 7 12", "not a password of type 7"),
        ("interface Vlan4095", "a number from 1 to 4094, not '4095'"),
        ("ip route 20.0.0.1 255.0.0.0 10.1.1.1", "20.0.0.1 has bits outside the mask 255.0.0.0; expected 20.0.0.0"),
    ],
)
def test_a_mistake_in_a_line_is_an_error_with_an_expectation(line: str, expected: str) -> None:
    assert expected in errors(line)[0]


@pytest.mark.parametrize(
    ("line", "low", "high"),
    [
        ("weight", 0, 255),
        ("maxconns", 1, 4294967295),
        ("faildetect numconns", 1, 255),
        ("faildetect numconns 8 numclients", 1, 8),
        ("reassign", 1, 4),
        ("retry", 0, 3600),
    ],
)
def test_the_ranges_of_a_real(line: str, low: int, high: int) -> None:
    real(f"{line} {low}")
    real(f"{line} {high}")
    for outside in (low - 1, high + 1):
        assert f"a number from {low} to {high}" in errors(f"ip slb serverfarm F\nreal 10.1.1.51\n{line} {outside}")[0]


@pytest.mark.parametrize("address", ["10.1.1.0", "10.1.1.255"])
def test_an_interface_has_the_address_of_a_host(address: str) -> None:
    line = errors(f"interface Vlan15\nip address {address} 255.255.255.0")[0]
    assert "expected the address of a host in it" in line


@pytest.mark.parametrize(
    "virtual",
    [
        "virtual 10.1.1.10 tcp 434 service ipmobile",
        "virtual 10.1.1.10 udp 435 service ipmobile",
        "virtual 10.1.1.10 udp 434",
        "virtual 10.1.1.10 udp 434 service gtp",
        "virtual 224.0.0.1 udp 434 service ipmobile",
    ],
)
def test_a_virtual_server_is_udp_434_service_ipmobile(virtual: str) -> None:
    """Chapter 7, Configuring Server Load Balancing: `virtual ADDRESS udp 434 service ipmobile`."""
    assert "expected" in errors(WORKING + virtual)[0]


def test_a_second_address_of_an_interface_is_a_further_network_of_its_vlan() -> None:
    text = "interface Vlan15\nip address 10.1.1.15 255.0.0.0\nip address 11.1.1.15 255.0.0.0 secondary\n"
    configuration, remarks = read_configuration(text, "slb.ios")
    assert [each.address for each in configuration.vlan_interfaces] == [IPv4Address("10.1.1.15")]
    assert configuration.vlan_interfaces[0].networks == (IPv4Network("10.0.0.0/8"), IPv4Network("11.0.0.0/8"))
    assert remarks == ()


def test_a_datapath_has_addresses_of_both_versions_of_ip_and_a_name_in_its_certificate() -> None:
    """RFC 4291, section 2.5.5.2: an IPv4 address within an IPv6 one is the IPv4 address."""
    text = "ip slb datapath 10 address 192.0.2.11 ::ffff:192.0.2.12 fe80::1%eth0 certificate sc id:1 2\n"
    addresses = (IPv4Address("192.0.2.11"), IPv4Address("192.0.2.12"), IPv6Address("fe80::1"))
    assert read(text).datapaths == {10: Datapath(10, addresses, "sc id:1 2")}


@pytest.mark.parametrize("mode", Switching)
def test_how_a_datapath_forwards_stands_before_its_addresses(mode: Switching) -> None:
    text = f"ip slb datapath 1 switching {mode.value} address 192.0.2.11\n"
    assert read(text).datapaths == {1: Datapath(1, (IPv4Address("192.0.2.11"),), None, mode)}


def test_the_limit_of_session_rules_stands_behind_how_a_datapath_forwards() -> None:
    assert read("ip slb datapath 1 max-rules 2000\n").datapaths == {1: Datapath(1, max_rules=2000)}
    text = "ip slb datapath 1 switching learn max-rules 4 address 192.0.2.11\n"
    assert read(text).datapaths == {1: Datapath(1, (IPv4Address("192.0.2.11"),), None, Switching.LEARN, 4)}


def test_a_datapath_that_is_given_again_keeps_the_settings_that_are_not_named() -> None:
    """A limit that is set must not lift the restriction of who may connect as this switch."""
    addresses = (IPv4Address("192.0.2.11"),)
    text = "ip slb datapath 1 address 192.0.2.11\nip slb datapath 0000000000000001 certificate switch-1\n"
    assert read(text).datapaths == {1: Datapath(1, addresses, "switch-1")}
    text += "ip slb datapath 1 switching learn max-rules 9\nip slb datapath 1\n"
    assert read(text).datapaths == {1: Datapath(1, addresses, "switch-1", Switching.LEARN, 9)}
    text += "ip slb datapath 1 max-rules 8 address 192.0.2.12\n"
    assert read(text).datapaths == {1: Datapath(1, (IPv4Address("192.0.2.12"),), "switch-1", Switching.LEARN, 8)}
    assert read(f"{text}no ip slb datapath 1\nip slb datapath 1\n").datapaths == {1: Datapath(1)}


def test_a_datapath_is_removed_and_without_any_all_may_connect() -> None:
    text = "ip slb datapath 1\nip slb datapath 2\nno ip slb datapath 1\n"
    assert read(text).datapaths == {2: Datapath(2)}
    assert warnings(text + "no ip slb datapath 3\nno ip slb datapath 2\n") == [
        "slb.ios:4: there is no datapath 0000000000000003 to remove",
        "slb.ios:5: no 'ip slb datapath' is left: every switch that connects is served",
    ]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ip slb datapath x", "expected a datapath id such as 0000000000000001 or 1, not 'x'"),
        ("ip slb datapath 18446744073709551616", "expected a datapath id"),
        ("ip slb datapath 1 192.0.2.11", "expected 'address', 'certificate', 'max-rules' or 'switching'"),
        ("ip slb datapath 1 address", "incomplete command"),
        ("ip slb datapath 1 max-rules 0", "expected a number from 1 to"),
        ("ip slb datapath 1 address switch", "expected the IPv4 or IPv6 address of a switch"),
        ("ip slb datapath 1 address 192.0.2.11 0.0.0.0", "not the address of a host"),
        ("ip slb datapath 1 address ff02::1", "not the address of a host"),
        ("ip slb datapath 1 certificate", "expected a name in the certificate of the switch"),
    ],
)
def test_a_datapath_that_cannot_be_is_refused(command: str, message: str) -> None:
    (error,) = errors(command)
    assert message in error
