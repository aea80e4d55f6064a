"""Controller roles: packed and read as Ryu does (OpenFlow 1.3.5, section 7.3.9; role status: ONF EXT-191)."""

from __future__ import annotations

import struct

import pytest
from engine_messages import packed

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.role import (
    OFPT_ROLE_REQUEST,
    UNDEFINED_GENERATION,
    ControllerRole,
    is_newer,
    next_generation,
    read_role_reply,
    read_role_status,
    role_request,
)
from ryu_haslb.openflow.wire.wire import MalformedMessage

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)


@pytest.mark.parametrize("role", ControllerRole)
def test_a_role_request_is_packed_as_by_ryu(role: ControllerRole) -> None:
    assert role == getattr(ofproto_v1_3, f"OFPCR_ROLE_{role.name}")
    expected = packed(ofproto_v1_3_parser.OFPRoleRequest(DATAPATH, role, 1 << 60), 7)
    assert role_request(7, role, 1 << 60) == expected
    assert expected[1] == OFPT_ROLE_REQUEST == ofproto_v1_3.OFPT_ROLE_REQUEST


def test_a_role_reply_is_read_as_by_ryu() -> None:
    reply = struct.pack("!BBHII4xQ", 4, ofproto_v1_3.OFPT_ROLE_REPLY, 24, 9, ControllerRole.SLAVE, 5)
    read = ofproto_v1_3_parser.OFPRoleReply.parser(DATAPATH, 4, ofproto_v1_3.OFPT_ROLE_REPLY, 24, 9, bytearray(reply))
    assert read_role_reply(reply) == (read.role, read.generation_id) == (3, 5)
    with pytest.raises(MalformedMessage, match="role reply of 23 bytes"):
        read_role_reply(reply[:-1])


def status(experimenter: int = 0x4F4E4600, kind: int = 1911, message_kind: int = wire.OFPT_EXPERIMENTER) -> bytes:
    return struct.pack("!BBHIIIIB3xQ", 4, message_kind, 32, 0, experimenter, kind, ControllerRole.SLAVE, 0, 5)


def test_a_role_status_tells_the_new_role_and_nothing_else_is_one() -> None:
    assert read_role_status(status()) == ControllerRole.SLAVE
    for other in (status(experimenter=0x2320), status(kind=2300), status(message_kind=wire.OFPT_ERROR), status()[:19]):
        assert read_role_status(other) is None


def test_generations_wrap_around_and_are_compared_by_their_distance() -> None:
    """OpenFlow 1.3.5, section 6.3.6."""
    assert next_generation(UNDEFINED_GENERATION) == 0
    assert is_newer(0, UNDEFINED_GENERATION)
    assert not is_newer(5, 5)
    assert not is_newer(4, 5)


def test_the_code_with_which_a_switch_rejects_what_a_slave_sends() -> None:
    assert wire.OFPBRC_IS_SLAVE == ofproto_v1_3.OFPBRC_IS_SLAVE
