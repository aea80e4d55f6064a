"""Dispatched mode changes Ethernet addresses only (the chapter: "the HAs to be layer 2 adjacent to SLB")."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.language.diagnostics import ConfigurationError

FARM = "ip slb serverfarm F\n {mode}\n real 10.99.11.11\n  inservice\n"
ROUTE = "ip route 10.99.0.0 255.255.0.0 10.1.1.1\n"


def test_a_dispatched_real_behind_a_router_is_an_error_with_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"f.ios:3: real 10.99.11.11 is behind the router 10.1.1.1"):
        read_configuration(FARM.format(mode="!") + ROUTE, "f.ios")


@pytest.mark.parametrize(
    "text",
    [
        FARM.format(mode="nat server") + ROUTE,
        FARM.format(mode="!"),
        FARM.format(mode="!") + ROUTE + "interface Vlan15\n ip address 10.99.11.1 255.255.255.0\n",
    ],
    ids=["direct mode", "no route", "in a VLAN of ours"],
)
def test_a_real_that_can_be_reached_is_none(text: str) -> None:
    configuration, _ = read_configuration(text, "f.ios")
    assert configuration.farms["F"].reals
