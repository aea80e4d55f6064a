"""Rules that concern a configuration as a whole."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.language.diagnostics import ConfigurationError

FARM = "ip slb serverfarm F\n real 10.1.1.51\n  inservice\n"  # lines 1 to 3
SERVER = "ip slb vserver V\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm F\n inservice\n"  # 4 to 7


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(text, "slb.ios")
    return str(caught.value).splitlines()


def warnings(text: str) -> list[str]:
    return [str(warning) for warning in read_configuration(text, "slb.ios")[1]]


def test_what_works_is_not_remarked() -> None:
    assert warnings(FARM + SERVER) == []


def test_a_virtual_server_needs_a_farm_that_exists() -> None:
    message = "slb.ios:6: there is no farm FARM; expected the name of an 'ip slb serverfarm'"
    assert errors(FARM + SERVER.replace("farm F", "farm FARM")) == [message]
    misspelt = (FARM + SERVER).replace("farm F\n", "farm FARM\n", 1).replace("farm F\n", "farm FARN\n")
    assert errors(misspelt)[0].endswith("did you mean 'FARM'?")
    assert errors(FARM + SERVER + "no serverfarm")[0].startswith("slb.ios:4: virtual server V has no farm; expected")


def test_a_virtual_server_needs_an_address() -> None:
    expected = "expected 'virtual A.B.C.D udp 434 service ipmobile'"
    assert errors(FARM + SERVER + "no virtual") == [f"slb.ios:4: virtual server V has no address; {expected}"]


def test_two_virtual_servers_in_service_need_two_addresses() -> None:
    twin = SERVER.replace("vserver V", "vserver W")
    message = "slb.ios:9: virtual server W has the same address as V, 10.1.1.10 udp 434; expected another address"
    assert errors(FARM + SERVER + twin)[0].startswith(message)
    read_configuration(FARM + SERVER + twin + "no inservice", "slb.ios")
    read_configuration(FARM + SERVER + "no inservice\n" + twin, "slb.ios")


def test_a_virtual_address_is_no_home_agents_own() -> None:
    """In dispatched mode home agents hold it beside their own, in direct mode the rewriting would lead to itself."""
    assert errors(FARM + SERVER + "virtual 10.1.1.51 udp 434 service ipmobile")[0] == (
        "slb.ios:2: real 10.1.1.51 of farm F has the address of its virtual server V; "
        "expected the home agent's own address"
    )
    other = "ip slb serverfarm G\n real 10.1.1.10\n  inservice\n"
    read_configuration(FARM + SERVER + other, "slb.ios")  # the address of a real in another farm is a pool's matter


def test_dispatched_mode_changes_no_port() -> None:
    """Chapter 7, HA-SLB Operating Modes: in dispatched mode packets are only redirected at the MAC layer."""
    line = errors(FARM.replace("10.1.1.51", "10.1.1.51 5000"))[0]
    assert line.startswith("slb.ios:2: real 10.1.1.51 has port 5000")
    assert line.endswith("expected 434, or 'nat server' in farm F")
    read_configuration(FARM.replace("10.1.1.51", "10.1.1.51 434"), "slb.ios")
    read_configuration(FARM.replace("10.1.1.51", "10.1.1.51 5000") + "nat server", "slb.ios")


def test_what_will_serve_no_client_is_a_warning() -> None:
    assert warnings("ip slb serverfarm F\n") == [
        "slb.ios:1: farm F has no real server; expected 'real A.B.C.D'",
        "slb.ios:1: farm F is of no virtual server; expected 'serverfarm F' in one",
    ]
    assert warnings(FARM + "no inservice")[0].startswith("slb.ios:1: farm F has no real server in service")
    assert warnings(FARM + SERVER + "no inservice")[0].startswith("slb.ios:4: virtual server V is not in service")
    assert warnings("interface Vlan15\n") == ["slb.ios:1: interface Vlan15 has no ip address and is ignored"]


def test_an_error_in_what_was_there_before_names_the_source_without_a_line() -> None:
    base, _ = read_configuration(FARM + SERVER, "slb.ios")
    with pytest.raises(ConfigurationError) as caught:
        read_configuration("no ip slb serverfarm F", "edit", base=base)
    assert str(caught.value).startswith("edit: there is no farm F")
