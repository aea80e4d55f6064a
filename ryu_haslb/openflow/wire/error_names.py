"""OpenFlow's names of the reasons for which a switch rejects messages (OpenFlow 1.3.5, section 7.5.4)."""

from __future__ import annotations

from collections.abc import Mapping

#: By the type of the error: the prefix of its names, and the names of its codes from 0 on.
_NAMES: Mapping[int, tuple[str, str]] = {
    1: (  # OFPET_BAD_REQUEST
        "OFPBRC",
        "BAD_VERSION BAD_TYPE BAD_MULTIPART BAD_EXPERIMENTER BAD_EXP_TYPE EPERM BAD_LEN BUFFER_EMPTY BUFFER_UNKNOWN"
        " BAD_TABLE_ID IS_SLAVE BAD_PORT BAD_PACKET MULTIPART_BUFFER_OVERFLOW",
    ),
    2: (  # OFPET_BAD_ACTION
        "OFPBAC",
        "BAD_TYPE BAD_LEN BAD_EXPERIMENTER BAD_EXP_TYPE BAD_OUT_PORT BAD_ARGUMENT EPERM TOO_MANY BAD_QUEUE"
        " BAD_OUT_GROUP MATCH_INCONSISTENT UNSUPPORTED_ORDER BAD_TAG BAD_SET_TYPE BAD_SET_LEN BAD_SET_ARGUMENT",
    ),
    3: (  # OFPET_BAD_INSTRUCTION
        "OFPBIC",
        "UNKNOWN_INST UNSUP_INST BAD_TABLE_ID UNSUP_METADATA UNSUP_METADATA_MASK BAD_EXPERIMENTER BAD_EXP_TYPE BAD_LEN"
        " EPERM",
    ),
    4: (  # OFPET_BAD_MATCH
        "OFPBMC",
        "BAD_TYPE BAD_LEN BAD_TAG BAD_DL_ADDR_MASK BAD_NW_ADDR_MASK BAD_WILDCARDS BAD_FIELD BAD_VALUE BAD_MASK"
        " BAD_PREREQ DUP_FIELD EPERM",
    ),
    5: (  # OFPET_FLOW_MOD_FAILED
        "OFPFMFC",
        "UNKNOWN TABLE_FULL BAD_TABLE_ID OVERLAP EPERM BAD_TIMEOUT BAD_COMMAND BAD_FLAGS",
    ),
    12: (  # OFPET_METER_MOD_FAILED
        "OFPMMFC",
        "UNKNOWN METER_EXISTS INVALID_METER UNKNOWN_METER BAD_COMMAND BAD_FLAGS BAD_RATE BAD_BURST BAD_BAND"
        " BAD_BAND_VALUE OUT_OF_METERS OUT_OF_BANDS",
    ),
}


def error_name(kind: int, code: int) -> str:
    """The name of an error's code; of types and codes that have none here the numbers."""
    prefix, names = _NAMES.get(kind, ("", ""))
    found = names.split()
    return f"{prefix}_{found[code]}" if code < len(found) else f"error type {kind}, code {code}"
