"""Which messages of a peer are read, before and after the handshake. Pure.

Every host that reaches the OpenFlow port can send any bytes there, and the engine's parser follows every length that it
finds: a structure of 0 bytes keeps it in an endless loop. So the engine parses only what the state of the connection
expects, and only after all lengths have been checked here::

    state      the engine parses                             by hand
    HELLO      OFPT_HELLO, in a form that is built here      OFPT_ERROR, OFPT_ECHO_…
    FEATURES   OFPT_FEATURES_REPLY                           OFPT_ERROR, OFPT_ECHO_…
    PORTS                                                    OFPT_MULTIPART_REPLY (OFPMP_PORT_DESC), OFPT_ERROR,
                                                             OFPT_ECHO_…
    MAIN                                                     OFPT_PORT_STATUS, OFPT_ERROR, OFPT_ECHO_…, and what the
                                                             handler takes

The other messages that a switch may send are ignored from FEATURES on, and so are a further hello and types that
OpenFlow 1.3 does not have, such as those of later versions. Everything else breaks the protocol, and the connection is
closed: a wrong version, a length that does not fit, a message that only a controller sends.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from ryu_haslb.language.wording import quoted
from ryu_haslb.openflow.wire.errors import AuxiliaryConnectionError, IncompatibleVersionError, ProtocolError
from ryu_haslb.openflow.wire.handshake import FEATURES_REPLY_LENGTH, hello, offered_versions, read_features
from ryu_haslb.openflow.wire.multipart import MULTIPART_HEADER_LENGTH, multipart_type
from ryu_haslb.openflow.wire.ports import PORT_LENGTH, PORT_STATUS_LENGTH
from ryu_haslb.openflow.wire.wire import (
    HEADER,
    OFP_VERSION,
    OFPET_HELLO_FAILED,
    OFPMP_PORT_DESC,
    OFPT_BARRIER_REQUEST,
    OFPT_ECHO_REPLY,
    OFPT_ECHO_REQUEST,
    OFPT_ERROR,
    OFPT_FEATURES_REPLY,
    OFPT_FEATURES_REQUEST,
    OFPT_FLOW_MOD,
    OFPT_GET_ASYNC_REQUEST,
    OFPT_GET_CONFIG_REQUEST,
    OFPT_GROUP_MOD,
    OFPT_HELLO,
    OFPT_METER_MOD,
    OFPT_MULTIPART_REPLY,
    OFPT_MULTIPART_REQUEST,
    OFPT_PACKET_OUT,
    OFPT_PORT_MOD,
    OFPT_PORT_STATUS,
    OFPT_QUEUE_GET_CONFIG_REQUEST,
    OFPT_ROLE_REQUEST,
    OFPT_SET_ASYNC,
    OFPT_SET_CONFIG,
    OFPT_TABLE_MOD,
    MalformedMessage,
    read_error,
)

#: The highest version in a header that is awaited: that of OpenFlow 1.5 is 6, and later ones may offer 1.3 as well.
_MAX_VERSION = 0x0F
#: How a TLS record of the type handshake begins (RFC 8446, section 5.1).
_TLS_HANDSHAKE = b"\x16\x03"
#: Versions of OpenFlow by the number in the header.
_VERSION_NAMES = {1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.4", 6: "1.5"}

_FROM_CONTROLLER = frozenset(
    {
        *(OFPT_FEATURES_REQUEST, OFPT_GET_CONFIG_REQUEST, OFPT_SET_CONFIG, OFPT_PACKET_OUT, OFPT_FLOW_MOD),
        *(OFPT_GROUP_MOD, OFPT_PORT_MOD, OFPT_TABLE_MOD, OFPT_MULTIPART_REQUEST, OFPT_BARRIER_REQUEST),
        *(OFPT_QUEUE_GET_CONFIG_REQUEST, OFPT_ROLE_REQUEST, OFPT_GET_ASYNC_REQUEST, OFPT_SET_ASYNC, OFPT_METER_MOD),
    }
)


class State(Enum):
    """What a connection waits for; in MAIN the switch is ready."""

    HELLO = "hello"
    FEATURES = "features"
    PORTS = "ports"
    MAIN = "main"


class Treatment(Enum):
    """What is done with a message."""

    PARSE = "given to the engine"
    READ_PORTS = "read for the switch's ports"
    ANSWER_ECHO = "answered"
    ACKNOWLEDGE_ECHO = "taken as the answer to an echo request"
    IGNORE = "ignored"


class Screened(NamedTuple):
    """A message, the treatment that it gets, and the bytes that the engine parses if it does."""

    treatment: Treatment
    message: bytes


def check_begin(begin: bytes) -> None:
    """Check the header of a message whose rest has not come: a peer of another protocol may never send so much.

    Raises:
        ProtocolError: it is no header of OpenFlow.
    """
    if begin[0] <= _MAX_VERSION:
        return
    if begin.startswith(_TLS_HANDSHAKE):
        raise ProtocolError("it speaks TLS: expected OpenFlow without TLS, or the options --ctl-privkey and --ctl-cert")
    raise ProtocolError(f"it does not speak OpenFlow: a message begins with {quoted(begin.decode('latin-1'))}")


def screen(state: State, version: int, kind: int, message: bytes) -> Screened:
    """What to do with a whole message, of at least the length of a header.

    Raises:
        IncompatibleVersionError: a hello without OpenFlow 1.3.
        AuxiliaryConnectionError: not the main connection of a switch.
        ProtocolError: a message that a switch does not send in this state, or whose lengths do not fit.
    """
    if kind == OFPT_HELLO and state is State.HELLO:
        return Screened(Treatment.PARSE, _hello(version, message))
    if kind == OFPT_ERROR:
        return _error(state, message)
    if version != OFP_VERSION:
        raise ProtocolError(f"a message of OpenFlow version {version}: expected {OFP_VERSION} (1.3)")
    if kind == OFPT_ECHO_REQUEST:
        return Screened(Treatment.ANSWER_ECHO, message)
    if kind == OFPT_ECHO_REPLY:
        return Screened(Treatment.ACKNOWLEDGE_ECHO, message)
    if state is State.HELLO:
        raise ProtocolError(f"a message of type {kind} before the hello")
    if kind in _FROM_CONTROLLER:
        raise ProtocolError(f"a message of type {kind}, which a switch does not send")
    return Screened(_treatment(state, kind, message), message)


def _treatment(state: State, kind: int, message: bytes) -> Treatment:
    """What to do with a message that a switch sends behind its hello. The lengths of what is read are checked."""
    if kind == OFPT_PORT_STATUS:
        if len(message) != PORT_STATUS_LENGTH:
            raise ProtocolError(f"a port status of {len(message)} bytes: expected {PORT_STATUS_LENGTH}")
        return Treatment.READ_PORTS if state is State.MAIN else Treatment.IGNORE
    if kind == OFPT_FEATURES_REPLY and state is State.FEATURES:
        if len(message) < FEATURES_REPLY_LENGTH:
            raise ProtocolError(f"a features reply of {len(message)} bytes: expected {FEATURES_REPLY_LENGTH}")
        datapath_id, _, number = read_features(message)
        if number:
            raise AuxiliaryConnectionError(
                f"auxiliary connection {number} of switch {datapath_id:016x}, which is served over its main connection"
            )
        return Treatment.PARSE
    is_description = kind == OFPT_MULTIPART_REPLY and state is State.PORTS and _is_port_description(message)
    return Treatment.READ_PORTS if is_description else Treatment.IGNORE


def _is_port_description(message: bytes) -> bool:
    try:
        kind = multipart_type(message)
    except MalformedMessage as error:
        raise ProtocolError(f"a {error}") from error
    if kind == OFPMP_PORT_DESC and (len(message) - MULTIPART_HEADER_LENGTH) % PORT_LENGTH:
        expected = f"{MULTIPART_HEADER_LENGTH} and {PORT_LENGTH} for each port"
        raise ProtocolError(f"a port description of {len(message)} bytes: expected {expected}")
    return kind == OFPMP_PORT_DESC


def _error(state: State, message: bytes) -> Screened:
    """An error is read by the handler in the state MAIN; before, it is the end of the handshake or nothing."""
    if state is State.HELLO:
        with suppress(MalformedMessage):
            error = read_error(message)
            if error.type == OFPET_HELLO_FAILED:
                raise ProtocolError(f"it refuses OpenFlow 1.3 (OFPET_HELLO_FAILED, code {error.code})")
    return Screened(Treatment.IGNORE, message)


def _hello(version: int, message: bytes) -> bytes:
    """A hello that offers OpenFlow 1.3 and nothing later, for the engine, in the place of one that offers it."""
    offered = set(offered_versions(message)) or set(range(1, version + 1))
    if OFP_VERSION not in offered:
        names = ", ".join(_VERSION_NAMES.get(each, f"with number {each}") for each in sorted(offered)[:8])
        raise IncompatibleVersionError(f"it offers OpenFlow {names or 'without a version'}: expected 1.3")
    _, _, _, xid = HEADER.unpack_from(message)
    return hello(xid)
