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
        ("ip slb vserver V\nidle ipmobile request 5", 16, "idle 5 s is shorter than a phone's retries"),
    ],
)
def test_what_makes_no_sense_is_warned_about(commands: str, line: int, text: str) -> None:
    (warning,) = warnings(commands)
    assert warning.startswith(f"slb.ios:{line}: ")
    assert text in warning
