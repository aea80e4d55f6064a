"""JSON Schemas of what the API takes and gives: the columns of the snapshot's rows, told to strangers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ryu_haslb.dfp.channel import Counters
from ryu_haslb.dfp.manager import State
from ryu_haslb.slb.real import Health
from ryu_haslb.slb.session import SessionState

Schema = dict[str, Any]

REAL_STATES = (*(health.value for health in Health), "OUTOFSERVICE", "DFP_THROTTLED", "MAXCONNS")
"""Every state that ``show ip slb reals`` prints."""

DFP_COUNTERS = tuple(field.name for field in fields(Counters))
"""What is counted on the connection to a DFP agent."""


def _a(kind: str, meaning: str = "", **more: Any) -> Schema:
    return {"type": kind, **({"description": meaning} if meaning else {}), **more}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _object(meaning: str, **properties: Schema) -> Schema:
    return _a("object", meaning, properties=properties, required=list(properties), additionalProperties=False)


def array(component: str) -> Schema:
    """Any number of one component."""
    return {"type": "array", "items": reference(component)}


def reference(component: str) -> Schema:
    """A component by its name in :data:`COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{component}"}


_TEXT = _a("string")
_FLAG = _a("boolean")
_COUNT = _a("integer", minimum=0)
_PORT = _a("integer", minimum=1, maximum=65535)
_ADDRESS = _a("string", format="ipv4")
_SECONDS = _a("number", "Seconds.", minimum=0)
_WEIGHT = _a("integer", minimum=0, maximum=65535)

_TABLES = {
    "serverfarms": "ServerFarm",
    "reals": "Real",
    "history": "RealHistory",
    "vservers": "VirtualServer",
    "dfp_agents": "DfpAgent",
    "statistics": "Counter",
    "switches": "Switch",
}

COMPONENTS: dict[str, Schema] = {
    "Real": _object(
        "A real server of a farm.",
        real=_ADDRESS,
        farm=_TEXT,
        weight={**_WEIGHT, "description": "In force: the DFP weight, or the static one while there is none."},
        state=_a("string", enum=list(REAL_STATES)),
        conns={**_COUNT, "description": "Live sessions."},
        reachable={**_FLAG, "description": "Whether a switch knows the way to it."},
        static_weight=_WEIGHT,
        dfp_weight=_or_null(_WEIGHT),
        maxconns=_or_null(_COUNT),
        reassign=_COUNT,
        retry={**_SECONDS, "description": "Seconds after which a failed real server is tried again; 0 is never."},
        numconns={**_COUNT, "description": "Connection failures that fail it."},
        numclients={**_COUNT, "description": "Clients that these must come from."},
        consecutive_failures=_COUNT,
        failed_clients=_COUNT,
        total_conns={**_COUNT, "description": "Sessions that began here or were moved here."},
        total_failures=_COUNT,
    ),
    "ServerFarm": _object(
        "A server farm.",
        farm=_TEXT,
        predictor=_TEXT,
        nat=_a("string", "SERVER in direct mode, none in dispatched mode.", enum=["SERVER", "none"]),
        reals={**_COUNT, "description": "How many it has."},
        bind_id=_COUNT,
    ),
    "VirtualServer": _object(
        "A virtual server.",
        vserver=_TEXT,
        protocol=_TEXT,
        virtual=_a("string", "ADDRESS:PORT."),
        state=_a("string", enum=["OPERATIONAL", "OUTOFSERVICE"]),
        conns={**_COUNT, "description": "Live sessions."},
        farm=_TEXT,
        idle={**_SECONDS, "description": "Seconds that a session lives without a request."},
        clients=_a("array", "Who may use it; empty: anybody.", items=_TEXT),
    ),
    "Session": _object(
        "A live session.",
        vserver=_TEXT,
        nai_hash=_a("string", "Cookie of its rules on the switch.", pattern="^[0-9A-F]{16}$"),
        client=_ADDRESS,
        real=_ADDRESS,
        state=_a("string", enum=[state.value for state in SessionState]),
        client_port=_a("integer", minimum=0, maximum=65535),
        identity=_a(
            "string", "NAI or home address; null while it is only known from the switch.", type=["string", "null"]
        ),
        retries=_COUNT,
    ),
    "DfpAgent": _object(
        "A configured DFP agent and its connection.",
        address=_ADDRESS,
        port=_PORT,
        timeout=_SECONDS,
        retry_count=_COUNT,
        retry_interval=_SECONDS,
        state=_a("string", enum=[state.value for state in State]),
        **dict.fromkeys(DFP_COUNTERS, _COUNT),
    ),
    "DfpWeight": _object(
        "A weight that a DFP agent has set.",
        real=_ADDRESS,
        protocol=_TEXT,
        port=_a("integer", minimum=0, maximum=65535),
        bind_id=_COUNT,
        weight=_WEIGHT,
        agent=_a("string", "ADDRESS:PORT."),
        set_at=_a("string", format="date-time"),
    ),
    "Counter": _object("A counter of the balancer.", counter=_TEXT, value=_COUNT),
    "Switch": _object(
        "A switch that has connected since the start.",
        datapath=_a("string", pattern="^[0-9a-f]{16}$"),
        connected=_FLAG,
        rules_waiting=_COUNT,
        rule_errors=_COUNT,
    ),
    "ProtectedPair": _object(
        "Two networks whose traffic IPsec protects, and the security associations that do.",
        interface=_TEXT,
        crypto_map=_TEXT,
        local_address=_ADDRESS,
        local_ident=_a("string", "ADDRESS/MASK/PROTOCOL/PORT."),
        remote_ident=_a("string", "ADDRESS/MASK/PROTOCOL/PORT."),
        current_peer=_ADDRESS,
        **dict.fromkeys(("encaps", "encrypt", "digest", "decaps", "decrypt", "verify"), _COUNT),
        send_errors={**_COUNT, "description": "Of the interface; with its first pair."},
        recv_errors={**_COUNT, "description": "Of the interface; with its first pair."},
        outbound_spi=_COUNT,
        associations=array("IpsecAssociation"),
    ),
    "IpsecAssociation": _object(
        "A security association of IPsec.",
        direction=_a("string", enum=["inbound", "outbound"]),
        protocol=_a("string", enum=["esp"]),
        spi=_COUNT,
        transform=_a("string", "In the words of IOS."),
        mode=_a("string", enum=["Tunnel"]),
        conn_id=_COUNT,
        flow_id=_COUNT,
        kilobytes={**_COUNT, "description": "What it may carry yet."},
        seconds={**_SECONDS, "description": "Seconds that it has to live."},
        iv_size={**_COUNT, "description": "Bytes."},
    ),
    "IsakmpAssociation": _object(
        "What two peers know of each other.",
        dst=_TEXT,
        src=_a("string", "Who began."),
        state=_a("string", enum=["QM_IDLE", "MM_NO_STATE"]),
        conn_id=_COUNT,
        slot=_COUNT,
    ),
    "RealHistory": _object(
        "A real server over the last minutes.",
        farm=_TEXT,
        real=_ADDRESS,
        interval={**_SECONDS, "description": "Seconds between two samples."},
        sessions=_a("array", "Live sessions at each sample, oldest first.", items=_COUNT),
        assigned={**_COUNT, "description": "Sessions that came to it in that time."},
        share=_a(
            "number", "Its part of all that came to the farm; null: none came.", type=["number", "null"], maximum=1
        ),
    ),
    "Overview": _object(
        "Every table but sessions and DFP weights, at one moment.",
        **{name: array(component) for name, component in _TABLES.items()},
    ),
    "ClearSessions": {
        **_object("Whose sessions are to end: those of one virtual server, or all.", vserver=_TEXT),
        "required": [],
    },
    "Cleared": _object("How many sessions ended.", cleared=_COUNT),
    "Remark": _object(
        "Something about a line.", line=_a("integer", "Counts from 1; 0 is all of it.", minimum=0), text=_TEXT
    ),
    "Configured": _object(
        "What has changed, in the words of IOS.", changes=_a("array", items=_TEXT), warnings=array("Remark")
    ),
    "Refused": _object("Nothing was changed.", error=_TEXT, errors=array("Remark")),
    "Error": _object("Why there is no answer, and what to do.", error=_TEXT),
}
