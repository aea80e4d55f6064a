"""What a switch may lack: it is in the log once, with what is done without it, and forgotten with the connection."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fake_switch import FakeSwitch, FakeTransport, message

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES, Capabilities, Capability
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import MAX_LENGTH, Description, description_request, read_description
from ryu_haslb.show.switches import facts_of
from ryu_haslb.slb.balancer import Balancer


def served(fake: FakeSwitch) -> tuple[Fleet, FakeTransport]:
    """A fleet that serves the fake switch, some seconds after it has connected."""
    now = [100.0]
    configuration = Configuration()
    fleet = Fleet(configuration, Balancer(configuration), lambda: now[0])
    transport = FakeTransport(fake)
    fleet.on_connected(transport)
    for _ in range(12):
        transport.answer()
        now[0] += 1.0
        fleet.tick(now[0])
    return fleet, transport


def test_each_capability_has_a_row_that_says_what_is_done_without_it() -> None:
    assert list(CAPABILITIES) == list(Capability)
    assert all(all(row) for row in CAPABILITIES.values())


@pytest.mark.parametrize(
    ("lacks", "capability"),
    [
        ({"bundles": False}, Capability.BUNDLES),
        ({"meters": False}, Capability.METERS),
        ({"roles": False}, Capability.ROLES),
        ({"tables": 1}, Capability.SESSION_TABLE),
        ({"normal": "refused"}, Capability.NORMAL),
        ({"normal": "ignored", "make": "Lagopus project"}, Capability.NORMAL),
    ],
)
def test_what_a_switch_lacks_is_found_out_logged_once_and_shown(
    lacks: dict[str, Any], capability: Capability, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fleet, _ = served(FakeSwitch(**lacks))
    facts = facts_of(fleet.switches[1], 200.0)
    assert facts["lacks"] == [capability.value]
    assert capability.value not in facts["capabilities"]
    lines = [each for each in caplog.messages if f"lacks {CAPABILITIES[capability].name}" in each]
    assert len(lines) == 1
    assert lines[0].endswith(CAPABILITIES[capability].without)


def test_a_switch_that_lacks_nothing_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    fleet, _ = served(FakeSwitch())
    facts = facts_of(fleet.switches[1], 200.0)
    assert facts["lacks"] == []
    assert {"bundles", "meters", "roles", "session_table"} <= set(facts["capabilities"])
    assert (facts["make"], facts["version"]) == ("simulation", "table pipeline 1")
    assert facts["standing_rules"] > 0
    assert not [each for each in caplog.messages if "lacks" in each]


def test_a_new_connection_knows_nothing_and_the_log_does_not_repeat_itself(caplog: pytest.LogCaptureFixture) -> None:
    capabilities = Capabilities(1)
    capabilities.update({Capability.BUNDLES: False, Capability.METERS: None})
    capabilities.begin()
    assert set(capabilities.known.values()) == {None}
    capabilities.update({Capability.BUNDLES: False})
    assert len(caplog.messages) == 1
    capabilities.update({Capability.BUNDLES: True})
    capabilities.update({Capability.BUNDLES: False})
    assert len(caplog.messages) == 2


def description(make: bytes, length: int = 1056) -> bytes:
    return message(wire.OFPT_MULTIPART_REPLY, 1, bytes(8) + make.ljust(length, b"\0"))


def test_a_description_is_one_line_of_printable_text() -> None:
    found = read_description(description(b"a\x1b[31m\nb\xff" + b"c" * 300))
    assert found.make.startswith("a[31mb")
    assert len(found.make) == MAX_LENGTH
    assert read_description(description(b"Nicira, Inc.")) == Description("Nicira, Inc.")


@pytest.mark.parametrize("reply", [b"", description(b"", 1055), description(b"", 1057), description(b"")[:16]])
def test_a_malformed_description_is_an_error(reply: bytes) -> None:
    with pytest.raises(wire.MalformedMessage):
        read_description(reply)


def test_a_malformed_description_costs_one_line_and_the_switch_is_served(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeSwitch()
    configuration = Configuration()
    fleet = Fleet(configuration, Balancer(configuration), lambda: 100.0)
    transport = FakeTransport(fake)
    fleet.on_connected(transport)
    (asked,) = [each for each in transport.sent if each[1] == wire.OFPT_MULTIPART_REQUEST and each[8:10] == bytes(2)]
    assert asked == description_request(int.from_bytes(asked[4:8], "big"))
    transport.deliver(message(wire.OFPT_MULTIPART_REPLY, int.from_bytes(asked[4:8], "big"), bytes(12)))
    transport.answer()
    assert [each for each in caplog.messages if "malformed description" in each]
    assert fleet.switches[1].channel is transport
