"""The effective configuration as `show running-config` prints it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Optional

import pytest
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
    Switching,
    VirtualServer,
)
from ryu_haslb.language.diagnostics import ConfigurationError


@given(configurations())
def test_what_is_written_reads_back_the_same_and_changes_nothing_on_top_of_it(configuration: Configuration) -> None:
    text = write_configuration(configuration)
    again, _ = read_configuration(text, "written")
    assert again == configuration
    assert list(again.farms) == list(configuration.farms)  # dict equality ignores the order
    assert read_configuration(text, "written", base=configuration)[0] == configuration


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
    datapaths = (
        Datapath(1),
        Datapath(0xABC, addresses),
        Datapath(2, certificate="switch 2"),
        Datapath(3, addresses[:1], switching=Switching.LEARN),
        Datapath(4, certificate="four", max_rules=2000),
    )
    configuration = Configuration(datapaths={each.id: each for each in datapaths})
    text = write_configuration(configuration)
    assert text == (
        "ip slb datapath 0000000000000001\n"
        "ip slb datapath 0000000000000abc address 192.0.2.11 2001:db8::11\n"
        "ip slb datapath 0000000000000002 certificate switch 2\n"
        "ip slb datapath 0000000000000003 switching learn address 192.0.2.11\n"
        "ip slb datapath 0000000000000004 max-rules 2000 certificate four\n"
    )
    assert read_configuration(text, "written")[0] == configuration


def test_static_locations_are_read_again_as_they_were_written() -> None:
    mac = bytes.fromhex("020000000051")
    locations = (StaticLocation(mac, 2, 15, 16), StaticLocation(mac, 3))
    real = RealServer(IPv4Address("10.1.1.51"), in_service=True, locations=locations)
    configuration = Configuration({"F": ServerFarm("F", reals=(real,))})
    text = write_configuration(configuration)
    assert "  location 0200.0000.0051 2 vlan 15 datapath 0000000000000010\n  location 0200.0000.0051 3\n" in text
    assert read_configuration(text, "written")[0] == configuration


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("no location", ()),
        ("no location datapath 16", ((3, None),)),
        ("no location 0200.0000.0051 3", ((2, 16),)),
        ("location 0200.0000.0052 9 datapath 16", ((3, None), (9, 16))),
    ],
)
def test_a_location_is_that_of_its_switch(command: str, left: tuple[tuple[int, Optional[int]], ...]) -> None:
    begin = "ip slb serverfarm F\nreal 10.1.1.51\nlocation 0200.0000.0051 2 datapath 16\nlocation 0200.0000.0051 3\n"
    (real,) = read_configuration(begin + command, "test")[0].farms["F"].reals
    assert tuple((each.port, each.datapath) for each in real.locations) == left


def test_the_location_of_a_group_of_hosts_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        read_configuration("ip slb serverfarm F\nreal 10.1.1.51\nlocation 0100.5e00.0001 2\n", "test")
