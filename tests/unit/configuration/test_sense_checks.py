"""What is valid and senseless is warned about, with its line; what makes sense is not."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration

WORKING = """\
ip slb serverfarm F
 nat server
 real 10.1.1.51
  inservice
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm F
 inservice
ip slb dfp
 agent 10.1.1.51 500
interface Vlan15
 ip address 10.1.1.1 255.255.255.0
interface Vlan16
 ip address 10.2.1.1 255.255.255.0
"""


def warnings(commands: str) -> list[str]:
    return [str(each) for each in read_configuration(WORKING + commands, "slb.ios")[1]]


def test_what_makes_sense_is_not_warned_about() -> None:
    assert warnings("ip slb vserver V\nidle ipmobile request 300\nclient 15.1.0.0 255.255.0.0") == []


def test_agents_at_one_address_that_set_the_weights_of_different_real_servers_make_sense() -> None:
    """A management host that speaks for each home agent at a port of its own."""
    further = "ip slb serverfarm F\nreal 10.1.1.52\ninservice\nreal 10.1.1.53\ninservice"
    agents = "ip slb dfp\nagent 10.1.1.9 500 real 10.1.1.52\nagent 10.1.1.9 501 real 10.1.1.53"
    assert warnings(f"{further}\n{agents}") == []


def test_two_agents_for_many_real_servers_cause_one_warning() -> None:
    further = "ip slb serverfarm F\nreal 10.1.1.52\ninservice\nreal 10.1.1.53\ninservice\nip slb dfp\n"
    agents = [f"agent 10.1.1.{host} 500 real 10.1.1.52 10.1.1.53 10.1.1.99\n" for host in (8, 9)]
    (warning,) = warnings(further + "".join(agents))
    assert "10.1.1.8 500 and 10.1.1.9 500 both set the weight of real server 10.1.1.52 and 1 more," in warning


def test_an_agent_that_may_set_the_weight_of_any_real_server_is_no_other_agent_of_one() -> None:
    assert warnings("ip slb dfp\nagent 10.1.1.9 500 real any\nagent 10.1.1.8 500 real any") == []


@pytest.mark.parametrize(
    ("commands", "line", "text"),
    [
        ("ip slb serverfarm F\nreal 10.1.1.51\nweight 0", 1, "every real server in service has weight 0"),
        ("ip slb vserver V\nclient 0.0.0.0 0.0.0.0 exclude", 5, "excludes every client"),
        (
            "ip slb vserver V\nclient 15.1.0.0 255.255.0.0\nclient 15.0.0.0 255.0.0.0 exclude",
            5,
            "excludes every client that it permits",
        ),
        ("ip slb dfp\nagent 10.1.1.99 500", 16, "DFP agent 10.1.1.99 500 has the address of no real server"),
        ("ip slb serverfarm F\nreal 10.1.1.1", 16, "real 10.1.1.1 has the address of interface Vlan15"),
        (
            "ip slb vserver V\nvirtual 10.2.1.1 udp 434 service ipmobile",
            16,
            "virtual server V has the address of interface Vlan16",
        ),
        ("interface Vlan16\nip address 10.1.1.2 255.255.0.0", 13, "overlaps 10.1.1.0/24 of interface Vlan15"),
        ("interface Vlan16\nip address 10.1.1.2 255.255.255.0 secondary", 13, "overlaps 10.1.1.0/24"),
        ("ip slb vserver V\nclient 15.1.1.51 255.255.255.255", 3, "asks for 2 clients, but virtual server V permits 1"),
        (
            "ip slb vserver V\nclient 15.0.0.0 255.0.0.0\nclient 15.0.0.0 255.128.0.0 exclude\n"
            "client 15.128.0.0 255.128.0.0 exclude",
            5,
            "excludes every client that it permits",
        ),
        ("ip slb serverfarm F\nreal 10.1.1.51\ndrain", 1, "every real server in service is drained"),
        ("ip slb serverfarm G\nreal 10.1.1.52\ninservice", 15, "farm G is of no virtual server"),
        (
            "ip slb dfp\nagent 10.1.1.51 501",
            16,
            "DFP agents 10.1.1.51 500 and 10.1.1.51 501 both set the weight of real server 10.1.1.51,",
        ),
        (
            "ip slb dfp\nagent 10.1.1.9 500 real 10.1.1.51",
            16,
            "DFP agents 10.1.1.51 500 and 10.1.1.9 500 both set the weight of real server 10.1.1.51,",
        ),
        (
            "ip slb serverfarm F\nreal 10.1.1.52\ninservice\nip slb dfp\n"
            "agent 10.1.1.9 500 real 10.1.1.52\nagent 10.1.1.52 500",
            20,
            "DFP agents 10.1.1.9 500 and 10.1.1.52 500 both set the weight of real server 10.1.1.52,",
        ),
        ("ip slb entries 8000 100", 15, "the maximum of 100 sessions is less than the initial number, 8000"),
        ("ip slb serverfarm F\nreal 10.1.1.255", 16, "real 10.1.1.255 is the broadcast address of 10.1.1.0/24"),
        (
            "ip slb vserver V\nvirtual 10.1.1.0 udp 434 service ipmobile",
            16,
            "virtual server V has the address of the network 10.1.1.0/24",
        ),
        ("ip route 10.9.0.0 255.255.0.0 10.1.1.1", 0, "next hop 10.1.1.1 is the address of interface Vlan15"),
        ("ip route 10.9.0.0 255.255.0.0 10.1.1.10", 0, "next hop 10.1.1.10 is a virtual address"),
        ("ip slb vserver V\nidle ipmobile request 5", 16, "idle 5 s is shorter than a phone's retries"),
    ],
)
def test_what_makes_no_sense_is_warned_about(commands: str, line: int, text: str) -> None:
    (warning,) = warnings(commands)
    assert warning.startswith(f"slb.ios:{line}: " if line else "slb.ios: ")
    assert text in warning


SECOND = """\
ip slb serverfarm G
 nat server
 real 10.1.1.52
  inservice
ip slb vserver W
 virtual 10.1.1.11 udp 434 service ipmobile
 serverfarm G
 inservice
"""


@pytest.mark.parametrize(
    ("commands", "line", "text"),
    [
        ("ip slb serverfarm g\nreal 10.1.1.53\ninservice\nip slb vserver W\nserverfarm g", 23, "farm g is another one"),
        (
            "ip slb vserver V\nserverfarm F\nip slb vserver W\nvirtual 10.1.1.51 udp 434 service ipmobile",
            3,
            "address of",
        ),
        ("ip slb serverfarm G\nreal 10.1.1.51\nweight 3", 24, "has weight 3 and no maxconns in farm G, but weight 8"),
        ("ip slb serverfarm G\nreal 10.1.1.51\nmaxconns 9", 24, "maxconns 9 in farm G, but weight 8 and no maxconns"),
    ],
)
def test_what_makes_no_sense_in_two_farms_or_virtual_servers_is_warned_about(
    commands: str, line: int, text: str
) -> None:
    found = warnings(SECOND + commands)
    assert [warning for warning in found if warning.startswith(f"slb.ios:{line}: ") and text in warning] != []


def test_a_real_server_that_two_farms_have_alike_is_not_warned_about() -> None:
    assert warnings(f"{SECOND}ip slb serverfarm G\nreal 10.1.1.51\ninservice\n") == []


def test_each_network_that_another_vlan_has_too_is_warned_about_once() -> None:
    """Not each pair: a file of a thousand VLANs with one network would have half a million."""
    same = "".join(f"interface Vlan{vlan}\nip address 10.1.1.{vlan} 255.255.255.0\n" for vlan in range(16, 36))
    found = warnings(same)
    assert len(found) == 20
    assert len({warning.split(": ")[1] for warning in found}) == 20


def test_a_network_is_warned_about_that_encloses_those_of_two_other_vlans() -> None:
    inner = "interface Vlan16\nip address 10.2.1.1 255.255.255.0\ninterface Vlan17\nip address 10.2.2.1 255.255.255.0\n"
    found = warnings(
        f"{inner}interface Vlan18\nip address 10.2.9.1 255.255.0.0\nip address 10.2.8.1 255.255.0.0 secondary\n"
    )
    assert [warning.partition(": ")[2].partition(";")[0] for warning in found] == [
        f"interface Vlan18: network 10.2.0.0/16 overlaps 10.2.{vlan}.0/24 of interface Vlan{vlan + 15}"
        for vlan in (1, 2)
    ]
