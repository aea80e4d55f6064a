"""The JSON Schema of the YAML form (draft 2020-12), for editors and for checks without a balancer.

Ranges and texts are those of the IOS commands that the keys stand for. A schema cannot know everything that the reader
checks, such as whether a farm exists: ``haslb check`` has the last word. :mod:`.reader` and :mod:`.crypto` read what is
described here, :mod:`.writer` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from ryu_haslb.configuration.crypto_model import AUTHENTICATIONS, CIPHERS, COMPRESSION, GROUPS, HASHES, Authentication
from ryu_haslb.configuration.ios import command_table, crypto_commands
from ryu_haslb.configuration.ios.blocks import ConfigurationMode
from ryu_haslb.configuration.ios.kinds import MAX_AGENT_REALS, MAX_NAME_LENGTH, MAX_TRANSFORM_SETS
from ryu_haslb.configuration.model import MAX_PORT_NUMBER, MAX_SESSIONS, Drain, Predictor, ProbeKind, Switching
from ryu_haslb.language.values import MAX_VLAN, PORT_KINDS

Schema = dict[str, Any]

_RANGE = re.compile("<([0-9]+)-([0-9]+)>")
#: A word of the configuration: YAML may read it as a number or as a truth value.
_WORD: Schema = {"type": ["string", "number", "boolean"]}
_FLAG: Schema = {"type": "boolean"}
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS_PATTERN = rf"{_OCTET}(\.{_OCTET}){{3}}"
_ADDRESS: Schema = {"type": "string", "pattern": f"^{_ADDRESS_PATTERN}$"}
_NETWORK: Schema = {"type": "string", "pattern": f"^{_ADDRESS_PATTERN}/(3[0-2]|[12]?[0-9])$"}
_HOST_OR_NETWORK: Schema = {"anyOf": [_ADDRESS, _NETWORK]}
_MAC: Schema = {"type": "string", "pattern": "^[0-9A-Fa-f]{2,4}([.:-][0-9A-Fa-f]{2,4}){2,5}$"}
_VLAN: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_VLAN}
_VLANS: Schema = {"type": ["string", "integer"], "description": "VLANs such as 1,15,1002-1005"}
_DATAPATH_ID: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9A-Fa-f]{16}$"}]
}
_GROUP: Schema = {"enum": list(GROUPS)}


def schema() -> Schema:
    """The schema of a whole configuration."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of ryu_haslb",
        "description": "A home agent load balancer (HA-SLB); see docs/configuration.md.",
        **_keys(
            {
                "datapaths": _datapaths(),
                "probes": _named(_probe()),
                "serverfarms": _named(_farm()),
                "max_sessions": _number(command_table.GLOBAL, "MAXIMUM", "ip slb entries"),
                "vservers": _named(_virtual_server()),
                "dfp": _dfp(),
                "interfaces": _interfaces(),
                "routes": _list(_keys({"prefix": _NETWORK, "next_hop": _ADDRESS}, "prefix", "next_hop")),
                "arp": _list(_keys({"address": _ADDRESS, "mac": _MAC, "interface": _WORD}, "address", "mac")),
                "crypto": _crypto(),
                "access_lists": _mapping(_list(_rule())),
            }
        ),
    }


def _farm() -> Schema:
    return _keys(
        {
            "nat_server": _of(_FLAG, command_table.FARM, "nat server"),
            "predictor": _of({"enum": [each.value for each in Predictor]}, command_table.FARM, "predictor"),
            "probes": _of(_list(_WORD), command_table.FARM, "probe NAME"),
            "reals": _list(_real()),
        }
    )


def _probe() -> Schema:
    mode = command_table.IPMOBILE_PROBE
    return _keys(
        {
            "kind": {"enum": [each.value for each in ProbeKind]},
            "interval": _number(mode, "SECONDS", "interval"),
            "faildetect": _number(mode, "COUNT", "faildetect"),
            "source": _of(_ADDRESS, mode, "source"),
            "nai": _of(_WORD, mode, "nai"),
        },
        "kind",
    )


def _real() -> Schema:
    mode = command_table.REAL
    location = {"mac": _MAC, "port": _integer(1, MAX_PORT_NUMBER), "vlan": _VLAN, "datapath": _DATAPATH_ID}
    faildetect = {
        "numconns": _number(mode, "FAILURES", "faildetect numconns"),
        "numclients": _number(mode, "CLIENTS", "faildetect numconns"),
        "inband": _of(_FLAG, mode, "faildetect inband"),
    }
    return _keys(
        {
            "address": _ADDRESS,
            "port": _number(command_table.FARM, "PORT", "real"),
            "weight": _number(mode, "WEIGHT", "weight"),
            "maxconns": _number(mode, "CONNECTIONS", "maxconns"),
            "faildetect": _keys(faildetect),
            "reassign": _number(mode, "THRESHOLD", "reassign"),
            "retry": _number(mode, "SECONDS", "retry"),
            "inservice": _of(_FLAG, mode, "inservice"),
            "drain": _of({"enum": [True, False, Drain.MOVE.value]}, mode, "drain"),
            "locations": _list(_keys(location, "mac", "port")),
        },
        "address",
    )


def _virtual_server() -> Schema:
    mode = command_table.VIRTUAL_SERVER
    return _keys(
        {
            "virtual": _of(_ADDRESS, mode, "virtual"),
            "serverfarm": _of(_WORD, mode, "serverfarm NAME |"),
            "idle": _number(mode, "SECONDS", "idle ipmobile request"),
            "clients": _of(_list(_keys({"network": _NETWORK, "exclude": _FLAG}, "network")), mode, "client PREFIX"),
            "client_vlans": _of(_VLANS, mode, "client vlan"),
            "inservice": _of(_FLAG, mode, "inservice"),
        }
    )


def _dfp() -> Schema:
    mode = command_table.DFP
    agent = {
        "address": _ADDRESS,
        "port": _number(mode, "PORT", "agent"),
        "timeout": _number(mode, "TIMEOUT", "agent"),
        "retry_count": _number(mode, "RETRY-COUNT", "agent"),
        "retry_interval": _number(mode, "RETRY-INTERVAL", "agent"),
        "reals": {"anyOf": [{"const": "any"}, {**_list(_ADDRESS), "maxItems": MAX_AGENT_REALS}]},
    }
    return _keys(
        {
            "password": _WORD,
            "password_type": {"enum": [0, 7]},
            "password_timeout": _number(command_table.GLOBAL, "TIMEOUT", "ip slb dfp"),
            "agents": _list(_keys(agent, "address", "port")),
        },
        dependentRequired={"password_type": ["password"], "password_timeout": ["password"]},
    )


def _datapaths() -> Schema:
    settings: dict[str, Schema] = {
        "switching": {"enum": [each.value for each in Switching]},
        "addresses": _list({"type": "string"}),
        "certificate": _WORD,
        "max_rules": {**_integer(1, MAX_SESSIONS), "description": command_table.GLOBAL.help["max-rules"]},
    }
    in_list = {"anyOf": [_DATAPATH_ID, _keys({"id": _DATAPATH_ID, **settings}, "id")]}
    return {"anyOf": [_list(in_list), _mapping(_keys(settings))]}


def _interfaces() -> Schema:
    port = {
        "address": _NETWORK,
        "crypto_map": _WORD,
        "crypto_connect_vlan": _VLAN,
        "access_vlan": _VLAN,
        "allowed_vlans": _VLANS,
    }
    vlan = {"address": _NETWORK, "secondary": _list(_NETWORK), "crypto_map": _WORD}
    return {
        "type": ["object", "null"],
        "patternProperties": {
            "^[Vv][Ll][Aa][Nn] ?[0-9]+$": _keys(vlan),
            f"^({'|'.join(PORT_KINDS)}) ?[0-9/]+$": _keys(port),
        },
    }


def _crypto() -> Schema:
    policy_mode, map_mode = crypto_commands.POLICY, crypto_commands.CRYPTO_MAP
    policy = {
        "authentication": {"enum": [each.value for each in Authentication]},
        "encryption": {"enum": ["des", "3des", "aes", "aes 128", "aes 192", "aes 256"]},
        "hash": {"enum": list(HASHES)},
        "group": _GROUP,
        "lifetime": _number(policy_mode, "SECONDS", "lifetime"),
    }
    transforms = {"enum": [*AUTHENTICATIONS, *CIPHERS, COMPRESSION]}
    transform_set = _keys({"transforms": _list(transforms), "mode": {"enum": ["tunnel", "transport"]}}, "transforms")
    entry = {
        "peers": _list(_ADDRESS),
        "transform_sets": {**_list(_WORD), "maxItems": MAX_TRANSFORM_SETS},
        "pfs": {"enum": [f"group{number}" for number in GROUPS]},
        "lifetime": _lifetime(map_mode, "set security-association lifetime"),
        "match_address": _WORD,
    }
    return _keys(
        {
            "policies": _mapping(_keys(policy)),
            "keys": _list(_keys({"key": _WORD, "address": _HOST_OR_NETWORK}, "key", "address")),
            "keepalive": _number(command_table.GLOBAL, "SECONDS", "crypto isakmp keepalive"),
            "transform_sets": _mapping(transform_set),
            "lifetime": _lifetime(command_table.GLOBAL, "crypto ipsec security-association lifetime"),
            "maps": _mapping(_mapping(_keys(entry))),
        }
    )


def _lifetime(mode: ConfigurationMode, command: str) -> Schema:
    return _keys({name.lower(): _number(mode, name, command) for name in ("SECONDS", "KILOBYTES")})


def _rule() -> Schema:
    pair = {"type": "array", "items": _NETWORK, "minItems": 2, "maxItems": 2}
    return _keys({"permit": pair, "deny": pair})


def _keys(properties: Mapping[str, Schema], *required: str, **keywords: Any) -> Schema:
    """A mapping with these keys and no others. Without a value it is empty."""
    node: Schema = {"type": "object" if required else ["object", "null"], "properties": dict(properties)}
    if required:
        node["required"] = list(required)
    return {**node, "additionalProperties": False, **keywords}


def _mapping(value: Schema) -> Schema:
    """A mapping from numbers or names to such values."""
    return {"type": ["object", "null"], "additionalProperties": value}


def _named(value: Schema) -> Schema:
    return {**_mapping(value), "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH}}


def _list(item: Schema) -> Schema:
    return {"type": ["array", "null"], "items": item}


def _integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _of(value: Schema, mode: ConfigurationMode, command: str) -> Schema:
    """A value with the help of the command that it stands for."""
    text = _command(mode, command).help
    return {**value, "description": text} if text else value


def _number(mode: ConfigurationMode, parameter: str, command: str) -> Schema:
    """A number with the range that a parameter of a command has, and with the help of the command."""
    found = _command(mode, command)
    symbol = next(each for each in found.compiled.symbols if each.text == parameter)
    limits: Optional[re.Match[str]] = _RANGE.fullmatch(symbol.display)
    assert limits is not None, f"{parameter} of {command} has no range"
    return _of(_integer(int(limits[1]), int(limits[2])), mode, command)


def _command(mode: ConfigurationMode, beginning: str) -> Any:
    """The first command that does something and begins so, apart from braces and its ``no`` form."""
    for each in mode.commands:
        template = each.template.removeprefix("{").removeprefix("[no] ")
        if each.action is not None and template.startswith(beginning):
            return each
    raise LookupError(f"{mode.name} has no command {beginning}")
