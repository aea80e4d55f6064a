"""The effective configuration as `show running-config` prints it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from configuration_strategies import configurations
from hypothesis import given

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import (
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    RealServer,
    ServerFarm,
    StaticLocation,
    VirtualServer,
)


@given(configurations())
def test_what_is_written_reads_back_the_same(configuration: Configuration) -> None:
    again, _ = read_configuration(write_configuration(configuration), "written")
    assert again == configuration
    assert list(again.farms) == list(configuration.farms)  # dict equality ignores the order


@given(configurations())
def test_written_commands_on_top_of_the_same_configuration_change_nothing(configuration: Configuration) -> None:
    again, _ = read_configuration(write_configuration(configuration), "written", base=configuration)
    assert again == configuration


def test_defaults_are_not_printed() -> None:
    farm = ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))
    server = VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)
    dfp = DfpManager("cisco", agents=(DfpAgent(IPv4Address("10.1.1.51"), 500, retry_count=3),))
    assert write_configuration(Configuration({"HAFARM": farm}, {"MIPSLB": server}, dfp)) == (
        "ip slb serverfarm HAFARM\n"
        " real 10.1.1.51\n"
        "  inservice\n"
        " !\n"
        "!\n"
        "ip slb vserver MIPSLB\n"
        " virtual 10.1.1.10 udp 434 service ipmobile\n"
        " serverfarm HAFARM\n"
        " inservice\n"
        "!\n"
        "ip slb dfp password 7 0822455D0A16\n"
        " agent 10.1.1.51 500 0 3\n"
        "!\n"
    )


def test_datapaths_are_the_first_commands() -> None:
    addresses = (IPv4Address("192.0.2.11"), IPv6Address("2001:db8::11"))
    datapaths = (Datapath(1), Datapath(0xABC, addresses), Datapath(2, certificate="switch 2"))
    configuration = Configuration(datapaths={each.id: each for each in datapaths})
    text = write_configuration(configuration)
    assert text == (
        "ip slb datapath 0000000000000001\n"
        "ip slb datapath 0000000000000abc address 192.0.2.11 2001:db8::11\n"
        "ip slb datapath 0000000000000002 certificate switch 2\n"
    )
    assert read_configuration(text, "written")[0] == configuration


def test_what_ios_has_no_words_for_is_a_comment() -> None:
    location = StaticLocation(bytes.fromhex("020000000051"), port=2, vlan=15, datapath=16)
    real = RealServer(IPv4Address("10.1.1.51"), in_service=True, locations=(location,))
    configuration = Configuration({"F": ServerFarm("F", reals=(real,))})
    text = write_configuration(configuration)
    assert "  ! location: mac 02:00:00:00:00:51 port 2 vlan 15 datapath 0000000000000010\n" in text
    without = Configuration({"F": ServerFarm("F", reals=(replace(real, locations=()),))})
    assert read_configuration(text, "written")[0] == without
