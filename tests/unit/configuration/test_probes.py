"""Probes in a configuration (IOS SLB, ``ip slb probe``): both forms, defaults, and what is wrong with one."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import PROBE_NAI, Probe, ProbeKind
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.configuration.yaml.writer import write_yaml
from ryu_haslb.language.diagnostics import ConfigurationError

FARM = """\
ip slb serverfarm F
 real 10.1.1.51
  inservice
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm F
 inservice
interface Vlan15
 ip address 10.1.1.1 255.255.255.0
"""
PROBE = """\
ip slb probe ALIVE ipmobile
 interval 5
 faildetect 4
 source 10.1.1.9
 nai probe@example.org
ip slb serverfarm F
 probe ALIVE
"""


def warnings(commands: str) -> list[str]:
    return [str(each) for each in read_configuration(FARM + commands, "slb.ios")[1]]


def errors(commands: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(FARM + commands, "slb.ios")
    return str(caught.value)


def test_a_probe_and_its_farm_survive_both_forms() -> None:
    configuration, remarks = read_configuration(FARM + PROBE, "slb.ios")
    source = IPv4Address("10.1.1.9")
    assert configuration.probes == {"ALIVE": Probe("ALIVE", ProbeKind.IPMOBILE, 5, 4, source, "probe@example.org")}
    assert configuration.farms["F"].probes == ("ALIVE",)
    assert remarks == ()
    assert read_configuration(write_configuration(configuration), "slb.ios")[0] == configuration
    assert read_yaml(write_yaml(configuration), "slb.yaml")[0] == configuration


@pytest.mark.parametrize(("kind", "interval", "faildetect"), [("ping", 1, 10), ("ipmobile", 10, 3)])
def test_the_defaults_of_a_ping_are_those_of_ios(kind: str, interval: int, faildetect: int) -> None:
    probe = read_configuration(f"ip slb probe P {kind}\n", "slb.ios")[0].probes["P"]
    assert (probe.interval, probe.faildetect, probe.source, probe.nai) == (interval, faildetect, None, PROBE_NAI)


def test_a_farm_with_an_unknown_probe_is_an_error_that_names_the_place() -> None:
    text = errors("ip slb probe ALIVE ping\n source 10.1.1.9\nip slb serverfarm F\n probe ALIV\n")
    assert "slb.ios:13: farm F: there is no probe ALIV" in text
    assert "did you mean 'ALIVE'?" in text


def test_a_probe_in_no_farm_is_warned_about() -> None:
    assert warnings("ip slb probe P ping\n") == ["slb.ios:10: probe P is in no farm; expected 'probe P' in one"]


def test_a_dispatched_farm_cannot_reply_to_the_virtual_address() -> None:
    (warning,) = warnings("ip slb probe P ping\nip slb serverfarm F\n probe P\n")
    assert warning.startswith("slb.ios:12: farm F: probe P has no source, and asks nothing")
    assert "is the address of a virtual server" in errors(PROBE.replace("10.1.1.9", "10.1.1.10"))
    assert warnings("ip slb probe P ping\nip slb serverfarm F\n nat server\n probe P\n") == []


def test_a_source_that_another_machine_has_is_an_error() -> None:
    assert "the source 10.1.1.51 is the address of a real server of farm F" in errors(
        PROBE.replace("10.1.1.9", "10.1.1.51")
    )
    route = "ip route 15.0.0.0 255.0.0.0 10.1.1.9\n"
    assert "is the address of the next hop of a route" in errors(PROBE + route)


def test_a_source_outside_of_the_home_agents_network_is_warned_about() -> None:
    (warning,) = warnings(PROBE.replace("10.1.1.9", "10.2.1.9"))
    assert "the source 10.2.1.9 is not in the network of real 10.1.1.51" in warning


def test_a_probe_of_a_kind_that_is_not_implemented_is_left_out_with_a_warning() -> None:
    configuration, remarks = read_configuration(
        FARM + "ip slb probe WEB http\n expect status 200\nip slb serverfarm F\n probe WEB\n", "slb.ios"
    )
    assert (configuration.probes, configuration.farms["F"].probes) == ({}, ())
    assert [str(each)[:45] for each in remarks] == ["slb.ios:10: probe WEB is of kind http, which "]


def test_a_probe_does_not_change_its_kind() -> None:
    assert "probe ALIVE is of another kind" in errors(PROBE + "ip slb probe ALIVE ping\n")


@pytest.mark.parametrize("nai", ["@example.org", "user@", "a@b@c"])
def test_an_nai_that_is_none_is_an_error(nai: str) -> None:
    assert "it has the form USER@REALM" in errors(PROBE.replace("probe@example.org", nai))


def test_more_questions_than_are_sent_are_warned_about() -> None:
    reals = "".join(f" real 10.1.2.{number}\n  inservice\n" for number in range(1, 251))
    found = warnings(f"ip slb probe P ping\nip slb serverfarm F\n nat server\n probe P\n{reals}")
    assert [each for each in found if "questions a second" in each] == [
        "slb.ios:10: the probes ask for 251 questions a second, more than the 200 that are sent; each interval is "
        "longer in proportion"
    ]
