"""Why packets are dropped."""

from __future__ import annotations

from enum import Enum


class DropReason(Enum):
    """Why a packet was dropped.

    The value is a token, for metric labels, JSON and logs. ``text`` is the phrase that ``show ip slb stats`` prints.
    """

    text: str

    def __new__(cls, token: str, text: str) -> DropReason:
        reason = object.__new__(cls)
        reason._value_ = token
        reason.text = text
        return reason

    TRUNCATED = "truncated", "truncated packet"
    FRAGMENT = "fragment", "IP fragment"
    IP_OPTIONS = "ip_options", "IP options"
    BAD_IP_CHECKSUM = "bad_ip_checksum", "wrong IP checksum"
    BAD_UDP_CHECKSUM = "bad_udp_checksum", "wrong UDP checksum"
    MARTIAN_SOURCE = "martian_source", "source address that no client has"
    TTL_EXPIRED = "ttl_expired", "TTL 0"
    SOURCE_PORT_ZERO = "source_port_zero", "source port 0"
    NOT_REGISTRATION_REQUEST = "not_registration_request", "not a Registration Request"
    MALFORMED_EXTENSION = "malformed_extension", "malformed extension"
    OVERSIZED = "oversized", "too long for a packet-out"
    RETURNED_BY_HOME_AGENT = "returned_by_home_agent", "returned by a home agent without the virtual address"
    REJECTED_BY_SWITCH = "rejected_by_switch", "packet-out rejected by the switch"
    UNCONFIRMED = "unconfirmed", "packet-out not confirmed before the connection was lost"
    SWITCH_NOT_SERVED = "switch_not_served", "the switch has rejected the standing rules and is not served"
    RETURNED_BY_SWITCH = "returned_by_switch", "packet-out returned by the switch"
    NO_IDENTITY = "no_identity", "neither NAI nor home address"
    UNKNOWN_HOME_AGENT = "unknown_home_agent", "home agent not in the farm"
    VIRTUAL_SERVER_OUT_OF_SERVICE = "virtual_server_out_of_service", "virtual server out of service"
    SESSION_LIMIT = "session_limit", "session limit reached"
    RECOVERY_PENDING = "recovery_pending", "sessions on the switch not recovered yet"
    WRONG_VLAN = "wrong_vlan", "not in a VLAN of the virtual server"
    CLIENT_DENIED = "client_denied", "client not permitted"
    NO_REAL_AVAILABLE = "no_real_available", "no real server available"
    REAL_UNREACHABLE = "real_unreachable", "real server not reachable"
    OVERLOAD_NEW_MOBILE = "overload_new_mobile", "overload: mobile without a session"
    OVERLOAD = "overload", "overload: any mobile"
    METERED = "metered", "rate-limited by the switch: all clients"
    CLIENT_METERED = "client_metered", "rate-limited by the switch: client above its fair share"
    DEREGISTRATION_WITHOUT_SESSION = "deregistration_without_session", "deregistration without a session"
