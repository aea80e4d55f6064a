"""The rule of a session: what it matches, what it rewrites, and the messages that add and delete it.

:func:`session_match` and :func:`session_rewrites` alone decide its fields: messages, the audit, ``haslb switch-test``
and ``docs/flows.md`` follow them. Its table and priority are in :mod:`.pipeline`. Its tag is made in
:mod:`ryu_haslb.slb.session_tag`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from socket import inet_ntoa
from typing import Final, NamedTuple, Optional

from ryu_haslb.configuration.model import RealServer
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table, udp_match
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, Template, apply_actions, match, template_of, with_tag, with_xid
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from ryu_haslb.slb.virtual_server import VirtualServer

_SESSIONS: Final = Table.SESSIONS.value
#: The bit of a cookie that every tag has set: a tag is a locally administered address.
_TAG_LOCAL_BIT: Final = 1 << 41 + COOKIE_MARK_BITS


def session_match(tag: wire.Value, virtual_address: str, port: int = MOBILE_IP_PORT) -> dict[str, wire.Value]:
    """What the rule of a session matches: requests to its virtual server that were given its tag."""
    return {"eth_src": tag, **udp_match(virtual_address, port)}


def session_rewrites(
    source: wire.Value, home_agent: wire.Value, nat_to: Optional[RealServer] = None
) -> dict[str, wire.Value]:
    """What the rule of a session rewrites.

    Dispatched mode rewrites the Ethernet addresses only. Direct mode (``nat server``) also rewrites the destination to
    the real server ``nat_to``: the IPv4 address, and the UDP port if the real server has one.
    """
    rewrites: dict[str, wire.Value] = {"eth_src": source, "eth_dst": home_agent}
    if nat_to is not None:
        rewrites["ipv4_dst"] = str(nat_to.address)
        if nat_to.port is not None:
            rewrites["udp_dst"] = nat_to.port
    return rewrites


def delivery_actions(rewrites: Mapping[str, wire.Value], port: int, vlan: Optional[int]) -> bytes:
    """The actions that send a request to its home agent: those of a session's rule, and of a packet-out."""
    actions = b"".join(wire.set_field(name, value) for name, value in rewrites.items())
    if vlan is not None:
        actions += wire.push_vlan(vlan)
    return actions + wire.output(port)


class SessionRule(NamedTuple):
    """The rule of one session: its tag at a virtual address and port, and the actions that lead to its real server.

    Its cookie follows from the tag (:func:`~ryu_haslb.slb.session_tag.cookie_of`).
    """

    tag: int
    virtual_address: bytes
    port: int
    idle_timeout: int
    actions: bytes

    def flow_mod(self, xid: int, command: int) -> bytes:
        """The message that adds the rule, or deletes it; to delete it the actions are not needed."""
        tag, virtual_address, port, idle_timeout, actions = self
        template = _session_template(command, virtual_address, port, idle_timeout, actions)
        return with_tag(tag, with_xid(xid, template))


def session_additions(xid: int, installs: Iterable[tuple[Session, bytes]], has_idle_timeout: bool) -> list[bytes]:
    """The messages that add the rules of these sessions, each with these actions."""
    messages = []
    templates: dict[tuple[VirtualServer, bytes], Template] = {}
    for session, actions in installs:
        server = session.virtual_server
        template = templates.get((server, actions))
        if template is None:
            idle_timeout = server.idle if has_idle_timeout else 0
            shared = _session_template(
                wire.OFPFC_ADD, server.packed_address, server.configuration.port, idle_timeout, actions
            )
            template = templates[server, actions] = with_xid(xid, shared)
        messages.append(with_tag(session.tag, template))
    return messages


@lru_cache(maxsize=1024)
def _session_template(command: int, virtual_address: bytes, port: int, idle_timeout: int, actions: bytes) -> Template:
    """What the messages of all sessions of one real server share."""
    shared = FlowMod(
        command=command,
        table=_SESSIONS,
        cookie=COOKIE_MARK,
        priority=SESSION_PRIORITY,
        idle_timeout=idle_timeout,
        flags=wire.OFPFF_SEND_FLOW_REM if idle_timeout else 0,
        match=match(session_match(0, inet_ntoa(virtual_address), port)),
        instructions=apply_actions(actions),
    )
    return template_of(shared)


def session_removal(xid: int) -> list[bytes]:
    """The message that deletes every rule with our cookie mark in the session table, and no other rule."""
    return [FlowMod(wire.OFPFC_DELETE, _SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK).pack(xid)]


def session_slice(number: int, slices: int) -> tuple[int, int]:
    """Cookie and mask of the session rules of one of so many slices: those whose tags have the same low bits.

    ``slices`` is a power of two.
    """
    cookie = number << COOKIE_MARK_BITS | _TAG_LOCAL_BIT | COOKIE_MARK
    return cookie, slices - 1 << COOKIE_MARK_BITS | _TAG_LOCAL_BIT | COOKIE_MARK_MASK


def session_slice_removal(xid: int, number: int, slices: int) -> list[bytes]:
    """The message that deletes the session rules of a slice."""
    return [FlowMod(wire.OFPFC_DELETE, _SESSIONS, *session_slice(number, slices)).pack(xid)]


def untagged_slice() -> tuple[int, int]:
    """Cookie and mask of the rules that bear our mark and no tag."""
    return COOKIE_MARK, _TAG_LOCAL_BIT | COOKIE_MARK_MASK


def has_tag(cookie: int) -> bool:
    """Whether a cookie with our mark is that of a session's rule."""
    return bool(cookie & _TAG_LOCAL_BIT)
