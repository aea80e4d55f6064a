"""What a switch shows of itself over one connection."""

from __future__ import annotations

import pytest
from connection_bench import Connected
from fake_switch import error, message

from ryu_haslb.openflow.wire import packet, wire


def test_ports_are_followed_once_because_of_a_description_and_of_rejected_floods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes milliseconds where there are many real servers, and a switch may send both any number of times."""
    connected = Connected(answers=False)
    followed: list[bool] = []
    monkeypatch.setattr(connected.connection._installation.evidence, "_on_found", lambda: followed.append(True))
    asked = next(each for each in connected.transport.sent if each[1] == wire.OFPT_MULTIPART_REQUEST)
    reply = message(wire.OFPT_MULTIPART_REPLY, int.from_bytes(asked[4:8], "big"), bytes(8) + bytes(1056))
    assert [connected.transport.deliver(reply) for _ in range(3)] == [True, False, False]
    assert len(followed) == 1
    out = packet.packet_out(wire.output(wire.OFPP_FLOOD), bytes(60))
    rejection = error(out, (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT))
    assert [connected.transport.deliver(rejection) for _ in range(3)] == [True] * 3
    assert len(followed) == 2
