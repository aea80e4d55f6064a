"""Why a packet was dropped. Every drop is counted under one of these names; ``show ip slb stats`` prints them."""

from __future__ import annotations

from enum import Enum


class DropReason(Enum):
    """The value is the name that operators see."""

    TRUNCATED = "truncated packet"
    FRAGMENT = "IP fragment"
    NOT_REGISTRATION_REQUEST = "not a registration request"
    MALFORMED_EXTENSION = "malformed extension"
    OVERSIZED = "too long to be sent back"
    SENT_BACK = "sent back by a home agent that lacks the virtual address"
    LOOPED = "came back from the switch"
    NO_IDENTITY = "neither NAI nor home address"
    UNKNOWN_HOME_AGENT = "home agent not in the farm"
    VIRTUAL_SERVER_OUT_OF_SERVICE = "virtual server out of service"
    NOT_READY = "sessions on the switch not read yet"
    CLIENT_DENIED = "client not allowed"
    NO_REAL_AVAILABLE = "no real server available"
    REAL_UNREACHABLE = "real server not reachable"
    OVERLOAD_NEW_MOBILE = "overload: mobile without a session"
    OVERLOAD = "overload: whoever it came from"
    METER = "limited by the switch: all requests"
    CLIENT_METER = "limited by the switch: client above its share"
    DEREGISTRATION_WITHOUT_SESSION = "deregistration without a session"
